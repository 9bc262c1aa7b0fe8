"""A node gone bad, and an agency that keeps its own key: what the node can neither forge nor pass off."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from gateway.client import AgencyKeys, open_parcel, sign
from gateway.client.client import DOCUMENTS, Client, read_network
from gateway.client.opening import Opened, Sealed
from gateway.core.encoding import JsonObject, b64, unb64
from gateway.core.envelope import Kind, split
from gateway.core.keys import IdentityKey
from gateway.core.layout import join
from gateway.core.receipts import About, make_receipt
from gateway.errors import (
    Expired,
    Forged,
    GatewayError,
    Malformed,
    Misconfigured,
    NotForUs,
    Refused,
    Unsupported,
    Untrusted,
)
from gateway.flows import outgoing, relay
from gateway.flows.vault import write_sections
from gateway.ports import Lane, Task
from gateway.testing.boroughs import BEXLEY, HACKNEY, World, two_boroughs
from gateway.testing.own_key import keep_own_key, network_with_own_keys, opener_of, signer_of

POLICE, NODE = f"{BEXLEY}/police", f"{BEXLEY}/node"


@dataclass
class Relayed:
    """What Bexley's node hands to its police, to be tampered with on the way."""

    world: World
    keys: AgencyKeys
    sealed: Sealed

    @property
    def node(self) -> Any:
        return self.world.bexley.node

    @property
    def now(self) -> int:
        return self.world.clock.now()

    def open(self, keys: AgencyKeys | None = None, **changes: Any) -> Opened:
        changed = replace(self.sealed, **changes)
        return open_parcel(changed, self.node.network, keys or self.keys, self.now)

    def about(self) -> About:
        return self.open().about


@pytest.fixture
async def relayed(attack: Any) -> AsyncIterator[Relayed]:
    async with two_boroughs() as world:
        keys = await keep_own_key(world, "police")
        ref = (await world.hackney.submit(attack.example())).ref
        await world.settle()
        leg = (await world.bexley.legs(ref))["police"]
        node, caller = world.bexley.node, world.bexley.caller("police")
        found = await relay.fetch(node, caller, f"notification-{leg.id}")
        sealed = Sealed(
            found.task.id, found.task.kind, found.leg, found.envelope, found.slot, found.received, (), {}
        )
        made = Relayed(world, keys, sealed)
        assert made.open().sections["core"]["family_name"] == "EXAMPLE"  # the control
        yield made


async def test_001_the_node_hands_over_altered_bytes(relayed: Relayed) -> None:
    """One byte of every place: header, each slot, each length, each part."""
    whole = relayed.sealed.envelope
    for at in range(0, len(whole), 61):
        altered = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        with pytest.raises(Refused):
            relayed.open(envelope=altered)


async def test_014_the_node_hands_over_another_message_under_its_receipt(
    relayed: Relayed, attack: Any
) -> None:
    other = attack.insider(readers=((NODE, (1,)), (POLICE, (2,)))).seal()
    with attack.refused(Forged, "receipt_hash"):
        relayed.open(envelope=other, slot=1)


async def test_018_somebody_elses_slot_is_given_to_the_agency(relayed: Relayed, attack: Any) -> None:
    count = len(split(relayed.sealed.envelope).slots)
    for slot in set(range(1, count)) - {relayed.sealed.slot}:
        with attack.refused(NotForUs, "slot"):
            relayed.open(slot=slot)
    for slot in (0, -1, count, 255):
        with attack.refused(Malformed, "slot_number"):
            relayed.open(slot=slot)


async def test_026_an_agency_that_the_sender_did_not_name(relayed: Relayed, attack: Any) -> None:
    """The sender sealed to the police's key and named housing for the slot; or the node says that it is
    housing's: with the right key and the wrong name nothing opens."""
    misnamed = attack.insider(named={1: f"{BEXLEY}/housing"}).seal()
    received = _received(relayed, misnamed)
    with attack.refused(Forged, "recipient"):
        relayed.open(envelope=misnamed, slot=1, received=received)


def _received(relayed: Relayed, envelope: bytes) -> str:
    """A receipt of Bexley's real node for any bytes."""
    parsed = split(envelope)
    about = About(parsed.digest, f"{HACKNEY}/node", parsed.mid, bytes(32))
    node, net = relayed.node.keys.signer(NODE), relayed.node.network.net
    return make_receipt(node, net=net, about=about, at=relayed.now, state="received").note.decode()


async def test_033_a_dummy_slot_is_given_to_the_agency(relayed: Relayed, attack: Any) -> None:
    last = len(split(relayed.sealed.envelope).slots) - 1
    with attack.refused(NotForUs, "slot"):
        relayed.open(slot=last)


async def test_013_a_part_of_another_message_is_put_in(relayed: Relayed, attack: Any) -> None:
    """Same lengths, other parts: none commits to the key in the agency's bag, or none was signed."""
    parsed = split(relayed.sealed.envelope)
    header = parsed.raw[:43]
    for number in range(1, len(parsed.parts)):
        parts = [*parsed.parts]
        parts[number] = bytes(len(parts[number]))
        with pytest.raises(Refused) as refused:
            relayed.open(envelope=join(header, b"".join(parsed.slots), parts))
        assert refused.value.code == "part_hash"


async def test_080_the_node_says_another_handover_than_the_sender(relayed: Relayed, attack: Any) -> None:
    leg = relayed.sealed.leg
    for changes in (
        {"ref": "HO-E09000012-2026-000999"},
        {"version": 2},
        {"urgency": "URGENT"},
        {"counterpart": "E09000033/police"},
    ):
        with attack.refused(Forged, "relay_facts"):
            relayed.open(leg=replace(leg, **changes))


async def test_082_the_nodes_receipt_is_by_another_or_says_something_else(
    relayed: Relayed, attack: Any
) -> None:
    node, net, about = relayed.node.keys.signer(NODE), relayed.node.network.net, relayed.about()
    refusing = make_receipt(node, net=net, about=about, at=relayed.now, state="refused").note.decode()
    hackney = relayed.world.hackney.node.keys.signer(f"{HACKNEY}/node")
    foreign = make_receipt(hackney, net=net, about=about, at=relayed.now, state="received").note.decode()
    for note in (refusing, foreign):
        with attack.refused(Forged, "receipt_role"):
            relayed.open(received=note)
    with attack.refused(Malformed, "note_form"):
        relayed.open(received="")
    later = make_receipt(node, net=net, about=about, at=relayed.now + 121, state="received").note.decode()
    with attack.refused(Expired, "future"):
        relayed.open(received=later)


async def test_083_the_node_forges_the_receipt_of_an_agency_with_its_own_key(
    relayed: Relayed, attack: Any
) -> None:
    """Bexley's node has every key but the agency's. Hackney takes nothing that it makes up."""
    about, leg = relayed.about(), relayed.sealed.leg
    node = relayed.node
    forgers = {
        "the node itself": node.keys.signer(NODE),
        "a hosted agency": node.keys.signer(f"{BEXLEY}/housing"),
        "a new key under its name": IdentityKey.generate(POLICE),
    }
    for signer in forgers.values():
        named = _Named(POLICE, signer)
        note = sign(
            AgencyKeys(named, relayed.keys.opener), node.network.net, about, "accepted", at=relayed.now
        )
        await _smuggle(relayed, note.note)
    ours = (await relayed.world.hackney.legs(leg.ref))["police"]
    assert (ours.state, ours.opened) == ("DELIVERED", 0)
    assert not await relayed.world.hackney.node.store.read(lambda tx: tx.receipts(ref=leg.ref, by=POLICE))


class _Named:
    """A key under another's name."""

    def __init__(self, name: str, key: Any) -> None:
        self.name, self.public, self._key = name, key.public, key

    def sign(self, text: bytes) -> bytes:
        return bytes(self._key.sign(text))


async def _smuggle(relayed: Relayed, note: bytes) -> None:
    """A receipts envelope of Bexley's real node, in its stream, with any note in it."""
    node = relayed.node
    sending = outgoing.seal(
        node,
        kind=Kind.RECEIPTS,
        to=HACKNEY,
        lane=Lane.RECEIPTS,
        priority=0,
        readers={},
        contents=[write_sections({"receipts": [note.decode()]})],
        now=relayed.now,
    )
    await node.store.write(lambda tx: outgoing.store(tx, node, sending, relayed.now))
    await relayed.world.settle()


async def test_083_the_node_puts_a_receipt_into_the_agencys_chain(relayed: Relayed, attack: Any) -> None:
    """Shown its own past, the agency believes only what it signed, about this message."""
    net, about = relayed.node.network.net, relayed.about()
    housing = AgencyKeys(signer_of(f"{BEXLEY}/housing"), opener_of(f"{BEXLEY}/housing"))
    other = sign(relayed.keys, net, replace(about, mid="0" * 32), "opened", at=relayed.now)
    for receipt in (sign(housing, net, about, "opened", at=relayed.now), other):
        with attack.refused(Forged, "receipt_by"):
            relayed.open(chain=(receipt.note.decode(),))
    stranger = AgencyKeys(IdentityKey.generate(POLICE), relayed.keys.opener)
    with attack.refused(Untrusted, "unknown_key"):
        relayed.open(chain=(sign(stranger, net, about, "opened", at=relayed.now).note.decode(),))


# --- the documents of trust, as a bad node hands them out ----------------------------------------------


@pytest.fixture
async def documents(relayed: Relayed) -> JsonObject:
    found = await relay.documents(relayed.node)
    listed: JsonObject = {
        "roots": [b64(note) for note in found.roots],
        "directory": b64(found.directory),
        "cards": [b64(note) for note in found.cards],
        "suspensions": [b64(note) for note in found.suspensions],
    }
    assert set(listed) == set(DOCUMENTS)
    return listed


def _flip(text: Any, at: int = 200) -> str:
    note = unb64(str(text))
    return b64(note[:at] + bytes([note[at] ^ 1]) + note[at + 1 :])


ALTERED: dict[str, Callable[[Any], Any]] = {
    "the root": lambda d: {**d, "roots": [_flip(d["roots"][0])]},
    "the directory": lambda d: {**d, "directory": _flip(d["directory"])},
    "a card": lambda d: {**d, "cards": [_flip(d["cards"][0]), *d["cards"][1:]]},
    "no root": lambda d: {**d, "roots": []},
    "no directory": lambda d: {**d, "directory": ""},
}


@pytest.mark.parametrize("what", ALTERED)
async def test_090_the_node_hands_out_altered_documents(
    relayed: Relayed, documents: JsonObject, what: str
) -> None:
    fingerprint = relayed.node.network.fingerprint
    read_network(documents, fingerprint, relayed.now)
    with pytest.raises((Refused, Unsupported)):
        read_network(ALTERED[what](documents), fingerprint, relayed.now)


async def test_100_the_node_hands_out_another_network(
    relayed: Relayed, documents: JsonObject, attack: Any
) -> None:
    with attack.refused(Untrusted, "fingerprint"):
        read_network(documents, "aaaa-" * 7 + "aaaa", relayed.now)


async def test_089_the_node_hands_out_an_older_directory(
    relayed: Relayed, documents: JsonObject, attack: Any
) -> None:
    """The one before, in which the node held the agency's key."""
    client = _client(relayed)
    client.take_up(documents, relayed.now)
    older = network_with_own_keys(POLICE, at=relayed.now - 3 * 86_400)
    with attack.refused(Untrusted, "directory_rollback"):
        client.take_up({**documents, "directory": b64(older.directory)}, relayed.now)
    assert client.network.version == relayed.node.network.version


async def test_099_the_directory_lists_another_key_for_the_agency(
    relayed: Relayed, documents: JsonObject
) -> None:
    """A borough that lists a key of its own as the agency's is seen by the agency's own client."""
    other = AgencyKeys(IdentityKey.generate(POLICE), relayed.keys.opener)
    for keys in (other, AgencyKeys(signer_of(f"{BEXLEY}/housing"), relayed.keys.opener)):
        with pytest.raises(GatewayError) as refused:
            _client(relayed, keys).take_up(documents, relayed.now)
        assert refused.value.code == "key_unlisted"


def _client(relayed: Relayed, keys: AgencyKeys | None = None) -> Client:
    line: Any = None  # nothing is fetched
    fingerprint = relayed.node.network.fingerprint
    return Client(line, keys or relayed.keys, fingerprint=fingerprint, now=relayed.world.clock.now)


# --- a slot that is opened later than it came ----------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"bag": lambda index, bag: bag[:64] + bytes(31) + b"x" if index == 1 else bag}, "commitment"),
        ({"named": {1: f"{BEXLEY}/housing"}}, "recipient"),
        ({"readers": ((NODE, (1,)), (f"{BEXLEY}/housing", (2,)))}, "slot"),
    ],
)
async def test_029_a_slot_that_is_opened_when_its_key_is_back_is_held_to_the_same(
    attack: Any, changes: dict[str, Any], code: str
) -> None:
    """The key of an agency was missing when the message came: its slot was not looked at then."""
    node = attack.node
    opener = node.keys.opener

    def lost(principal: str) -> Any:
        if principal == POLICE:
            raise Misconfigured("the key is not here", code="key_missing")
        return opener(principal)

    node.keys.opener = lost
    envelope = attack.insider(**changes).seal()
    await attack.publish(envelope)
    assert await attack.answers(split(envelope).mid) == [("received", "")]
    node.keys.opener = opener
    await node.store.write(lambda tx: tx.release_tasks(attack.world.clock.now()))
    await attack.world.settle()
    (task,) = await node.store.read(lambda tx: tx.tasks_of(attack.LEG))
    assert (task.state, task.error) == (Task.HELD, code)
    assert not attack.handed()
