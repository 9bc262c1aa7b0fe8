"""Attacks 89 to 103: the documents of trust, by somebody with some of their keys.

A small network of its own whose documents are signed as they stand, as an insider would. Each attack is a
bundle that a node of Bexley is asked to join by; nothing of a refused bundle is kept.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from gateway.core.ceremony import Bundle
from gateway.core.encoding import b64
from gateway.core.kem import public_key
from gateway.core.keys import IdentityKey, fingerprint
from gateway.core.notes import peek_body, sign_note
from gateway.core.root import network_id
from gateway.errors import Expired, Forged, Malformed, Unavailable, UnknownRecipient, Unsupported, Untrusted
from gateway.flows import outgoing
from gateway.flows.control import tell
from gateway.flows.riders import riders
from gateway.flows.trust import join, refresh_trust, take_suspension, trust_of
from gateway.stores import MEMORY, open_store
from keys_example import SIGNER, unlocked

NOW, DAY = 1_800_000_000, 86_400
HACKNEY, BEXLEY = "E09000012", "E09000004"
POLICE = f"{BEXLEY}/police"
Change = Callable[[dict[str, Any]], object]


def key(name: str) -> IdentityKey:
    """``name#2`` is another key under the same name."""
    return IdentityKey(name.partition("#")[0], hashlib.sha256(name.encode()).digest())


ROOTS = key("root-1"), key("root-2"), key("root-3")
KEEPERS = key("dir-1"), key("dir-2")


def subkey(start: int = NOW - DAY, until: int = NOW + 13 * DAY, **more: Any) -> dict[str, Any]:
    public = public_key(hashlib.sha256(f"kem {start}".encode()).digest())
    return {"suite": 2, "pk": b64(public), "from": start, "until": until, **more}


def entry(name: str, agency: str) -> dict[str, Any]:
    found = {"agency": agency, "hosted": True, "sign": b64(key(name).public)}
    return found | ({"log": b64(key(f"{name}#log").public)} if agency == "NODE" else {})


def nothing(body: dict[str, Any]) -> None:
    """No change."""


class Papers:
    """Root, directory and key cards of two boroughs, each with one ``change`` made before it is signed."""

    def __init__(self) -> None:
        self.first = self.root()
        self.net = network_id(self.first)

    def root(
        self,
        change: Change = nothing,
        *,
        version: int = 1,
        roots: Sequence[IdentityKey] = ROOTS,
        keepers: Sequence[IdentityKey] = KEEPERS,
        by: Sequence[IdentityKey] = ROOTS[:2],
    ) -> bytes:
        roles = {
            "root": {"threshold": 2, "keys": {one.name: b64(one.public) for one in roots}},
            "directory": {"threshold": 2, "keys": {one.name: b64(one.public) for one in keepers}},
        }
        created, expires = NOW - 10 * DAY, NOW + 300 * DAY
        body = {"v": 1, "version": version, "created": created, "expires": expires, "env": "prod"}
        body |= {"roles": roles} | ({"net": b64(self.net)} if version > 1 else {})
        change(body)
        return sign_note("bx/1/root", body, by)

    def directory(
        self, change: Change = nothing, *, version: int = 7, by: Sequence[IdentityKey] = KEEPERS
    ) -> bytes:
        members = {
            area: {
                "name": area,
                "principals": {
                    f"{area}/node": entry(f"{area}/node", "NODE"),
                    f"{area}/police": entry(f"{area}/police", "POLICE"),
                },
            }
            for area in (HACKNEY, BEXLEY)
        }
        body = {
            "v": 1, "net": b64(self.net), "version": version, "created": NOW - DAY,
            "expires": NOW + 20 * DAY, "min_suite": 2, "members": members,
            "entitlements": {"orders": ["POLICE"]}, "revoked": [],
        }  # fmt: skip
        change(body)
        return sign_note("bx/1/directory", body, by)

    def card(
        self, change: Change = nothing, *, version: int = 3, by: str = POLICE, signer: str = ""
    ) -> bytes:
        body = {
            "v": 1, "net": b64(self.net), "principal": by, "version": version, "subkeys": [subkey()],
        }  # fmt: skip
        change(body)
        return sign_note("bx/1/keycard", body, [key(signer or by)])


def put(path: str, value: Any) -> Change:
    """Puts ``value`` at a path; a slash inside a name is written "~"."""

    def change(body: dict[str, Any]) -> None:
        *steps, last = (step.replace("~", "/") for step in path.split("."))
        for step in steps:
            body = body[int(step)] if isinstance(body, list) else body[step]
        body[last] = copy.deepcopy(value)

    return change


class Candidate:
    """A node that has joined by the good papers, and is shown others."""

    def __init__(self, papers: Papers, store: Any) -> None:
        self.papers, self.store = papers, store

    async def join(self, **changes: Any) -> Any:
        """Join by the good papers but for what is changed; ``now`` and ``expect`` too."""
        now, expect = changes.pop("now", NOW), changes.pop("expect", None)
        good = {"roots": [self.papers.first], "directory": self.papers.directory(), "cards": ()}
        bundle = Bundle(**{**good, **changes})
        return await self.store.write(lambda tx: join(tx, bundle, now, expect))

    async def refuses(self, error: type, code: str, **changes: Any) -> None:
        """The one typed error, and the documents kept are those of before."""
        before = self.store.memory.tables.copy().trust
        with pytest.raises(error, check=lambda e: type(e) is error and e.code == code):
            await self.join(**changes)
        assert self.store.memory.tables.copy().trust == before


@pytest.fixture(scope="session")
def papers() -> Papers:
    return Papers()


@pytest.fixture
async def fresh(papers):
    """A node that has joined nothing yet."""
    store = open_store(MEMORY)
    await store.start()
    yield Candidate(papers, store)
    await store.close()


@pytest.fixture
async def node(fresh):
    await fresh.join()
    return fresh


async def test_089_without_an_attack_it_is_taken_up(node, papers):
    network = await node.join(directory=papers.directory(version=8), cards=[papers.card()])
    assert network.version == 8
    assert network.sealing_key(POLICE, NOW)


async def test_089_directory_rolled_back(node, papers):
    await node.refuses(Untrusted, "directory_rollback", directory=papers.directory(version=6))


async def test_090_two_directories_of_one_version(node, papers):
    other = papers.directory(put("entitlements.orders", ["HOUSING", "POLICE"]))
    await node.refuses(Forged, "directory_equivocation", directory=other)


async def test_091_expired_and_used_after_expiry(node, papers, attack):
    """It still opens, for what was said under it must be read; nothing can be sent under it."""
    await node.refuses(
        Expired, "directory_life", directory=papers.directory(put("expires", NOW + 365 * DAY), version=8)
    )
    late = NOW + 21 * DAY
    network = await node.join(now=late)
    with attack.refused(Expired, "directory_expired"):
        network.check_sendable(late)
    with attack.refused(Unavailable, "directory_expired"):
        outgoing.check_sendable(network, late)
    hackney = attack.world.hackney
    attack.world.clock.advance(31 * DAY)
    before = attack.dump(hackney)
    with attack.refused(Unavailable, "directory_expired"):
        await hackney.submit(attack.example())
    assert attack.dump(hackney) == before


async def test_092_directory_from_the_future(node, papers):
    future = papers.directory(put("created", NOW + 121), version=8)
    await node.refuses(Expired, "directory_future", directory=future)


@pytest.mark.parametrize("by", [KEEPERS[:1], (KEEPERS[1], key("dir-1#2")), (KEEPERS[0], key("stranger"))])
async def test_093_one_signature_of_two(node, papers, by):
    await node.refuses(Untrusted, "directory_threshold", directory=papers.directory(version=8, by=by))


async def test_094_one_key_under_two_names_and_duplicate_lines(node, papers):
    """A threshold counts keys: neither a second name nor a second line is a second signer."""
    twin = IdentityKey("dir-twin", key("dir-1").seed)
    two_names = papers.root(keepers=(KEEPERS[0], twin))
    await node.refuses(Malformed, "key_twice", roots=[two_names])
    single = papers.directory(version=8, by=KEEPERS[:1])
    doubled = single + single[single.rindex("— ".encode()) :]
    await node.refuses(Malformed, "note_repeated", directory=doubled)
    renamed = single + single[single.rindex("— ".encode()) :].replace(b"dir-1", b"dir-2")
    await node.refuses(Untrusted, "directory_threshold", directory=renamed)


async def test_095_root_keys_signing_a_directory(node, papers):
    await node.refuses(Untrusted, "unknown_key", directory=papers.directory(version=8, by=ROOTS))
    mixed = papers.directory(version=8, by=(ROOTS[0], KEEPERS[0]))
    await node.refuses(Untrusted, "directory_threshold", directory=mixed)


async def test_096_fast_forward(node, papers):
    await node.refuses(Untrusted, "directory_jump", directory=papers.directory(version=10_008))
    assert (await node.join(directory=papers.directory(version=10_007))).version == 10_007


NEW_ROOTS = key("root-4"), key("root-5"), key("root-6")


@pytest.mark.parametrize(
    ("error", "code", "make"),
    [
        (Untrusted, "root_version", lambda p: p.root(version=3)),
        (Untrusted, "root_version", lambda p: p.first),
        (Untrusted, "unknown_key", lambda p: p.root(version=2, roots=NEW_ROOTS, by=NEW_ROOTS)),
        (Untrusted, "unknown_key", lambda p: p.root(version=2, roots=NEW_ROOTS, by=ROOTS)),
        (Untrusted, "root_threshold_old", lambda p: p.root(version=2, roots=(ROOTS[0], *NEW_ROOTS), by=(
            ROOTS[0], *NEW_ROOTS))),
        (Untrusted, "root_threshold_new", lambda p: p.root(version=2, roots=(ROOTS[0], *NEW_ROOTS))),
        (Forged, "root_env", lambda p: p.root(put("env", "demo"), version=2)),
        (Forged, "root_net", lambda p: p.root(put("net", b64(bytes(32))), version=2)),
        (Malformed, "root_net_form", lambda p: p.root(lambda body: body.pop("net"), version=2)),
        (Malformed, "field_value", lambda p: p.root(put("roles.root.threshold", 0), version=2)),
        (Malformed, "field_value", lambda p: p.root(put("roles.directory.threshold", 0), version=2)),
        (Malformed, "field_value", lambda p: p.root(put("roles.directory.threshold", 3), version=2)),
    ],
    ids=["skipped", "the same again", "new keys only", "new keys unsigned", "too few old", "too few new",
         "env switched", "another net", "no net", "threshold 0", "directory threshold 0", "unreachable"],
)  # fmt: skip
async def test_097_root_chain_broken(node, papers, error, code, make):
    await node.refuses(error, code, roots=[papers.first, make(papers)])


async def test_097_root_rolled_back(node, papers):
    second = papers.root(version=2)
    await node.join(roots=[papers.first, second], directory=papers.directory(version=8))
    newer = papers.directory(version=9)
    await node.refuses(Untrusted, "root_rollback", roots=[papers.first], directory=newer)
    other = papers.root(put("expires", NOW + 200 * DAY), version=2)
    await node.refuses(Forged, "root_equivocation", roots=[papers.first, other], directory=newer)
    await node.refuses(Forged, "root_net", roots=[second], directory=newer)
    await node.refuses(Untrusted, "root_none", roots=[], directory=newer)


async def test_098_old_directory_signers_after_a_rotation(node, papers):
    keepers = key("dir-3"), key("dir-4")
    rotated = [papers.first, papers.root(version=2, keepers=keepers)]
    old = papers.directory(version=8)
    await node.refuses(Untrusted, "unknown_key", roots=rotated, directory=old)
    new = papers.directory(version=8, by=keepers)
    assert (await node.join(roots=rotated, directory=new)).version == 8


BEXLEYS = f"members.{BEXLEY}.principals"


@pytest.mark.parametrize(
    ("error", "code", "change"),
    [
        (Malformed, "foreign_principal", put(f"{BEXLEYS}.{HACKNEY}~dwp", entry(f"{HACKNEY}/dwp", "DWP"))),
        (Malformed, "foreign_principal", put(f"{BEXLEYS}.{BEXLEY}~Police", entry("x", "POLICE"))),
        (Malformed, "key_twice", put(f"{BEXLEYS}.{BEXLEY}~dwp", entry(f"{HACKNEY}/police", "DWP"))),
        (Malformed, "key_twice", put(f"{BEXLEYS}.{BEXLEY}~dwp", entry("root-1", "DWP"))),
        (Malformed, "key_twice", put(f"{BEXLEYS}.{BEXLEY}~dwp", entry("dir-2", "DWP"))),
        (Malformed, "weak_key", put(f"{BEXLEYS}.{BEXLEY}~police.sign", b64(bytes(32)))),
        (Malformed, "weak_key", put(f"{BEXLEYS}.{BEXLEY}~police.sign", b64(b"\x01" + bytes(31)))),
        (Malformed, "node_missing", lambda body: body["members"][BEXLEY]["principals"].pop(f"{BEXLEY}/node")),
        (Malformed, "node_entry", put(f"{BEXLEYS}.{BEXLEY}~police.agency", "NODE")),
        (Malformed, "field_value", put(f"members.{BEXLEY}.name", "Bexley\u202eyelxeB")),
    ],
    ids=["prefix", "capital", "shared", "a root key", "a directory key", "weak", "identity point",
         "no node", "two nodes", "bidirectional name"],
)  # fmt: skip
async def test_099_anothers_prefix_confusable_shared_or_weak(node, papers, error, code, change):
    await node.refuses(error, code, directory=papers.directory(change, version=8))


async def test_099_a_look_alike_name(papers):
    """Names are ASCII: a directory with a Cyrillic one is no canonical JSON, whoever signs it."""
    with pytest.raises(Malformed) as caught:
        papers.directory(put(f"{BEXLEYS}.{BEXLEY}~роlice", entry("x", "POLICE")))
    assert caught.value.code == "json_key"


async def test_100_wrong_fingerprint(fresh, papers):
    await fresh.refuses(Untrusted, "fingerprint", expect=fingerprint(bytes(32)))
    await fresh.refuses(Untrusted, "fingerprint", expect="")
    right = fingerprint(papers.net)
    other = papers.root(put("expires", NOW + 299 * DAY))
    await fresh.refuses(Untrusted, "fingerprint", expect=right, roots=[other])
    assert (await fresh.join(expect=f" {right.upper()}\n")).fingerprint == right


async def test_101_expired_root(fresh, papers):
    await fresh.refuses(Expired, "root_expired", now=NOW + 301 * DAY)
    await fresh.refuses(Expired, "root_future", now=NOW - 11 * DAY)
    long = papers.root(put("expires", NOW + 400 * DAY))
    await fresh.refuses(Expired, "root_life", roots=[long])


async def test_102_suspension_too_long_or_by_an_outsider(node, papers, attack):
    """None is kept, so nothing is stopped; the right one is, and its key comes back by itself."""

    def note(*, by=KEEPERS[0], of=POLICE, hours=72, more=0, net=None, at=NOW):
        body = {
            "v": 1, "net": b64(net or papers.net), "key": b64(key(of).public), "created": at,
            "until": at + hours * 3600 + more, "reason": "lost",
        }  # fmt: skip
        return sign_note("bx/1/suspend", body, [by])

    async def take(told, now=NOW):
        return await node.store.write(lambda tx: take_suspension(tx, told, now))

    async def view(now):
        return (await node.store.read(lambda tx: trust_of(tx, now))).network

    before = node.store.memory.tables.copy().trust
    for told, error, code in (
        (note(more=1), Expired, "suspension_life"),
        (note(net=bytes(32)), Forged, "suspension_net"),
        (note(at=NOW + 121), Expired, "suspension_future"),
        (note(at=NOW - 72 * 3600), Expired, "suspension_over"),
        (note(by=key("dir-1#2")), Untrusted, "unknown_key"),
        (note(by=ROOTS[0]), Untrusted, "unknown_key"),
        (note(by=key("E09000033/node")), Untrusted, "unknown_key"),
        (note(by=key(f"{HACKNEY}/police")), Untrusted, "suspension_signer"),
        (note(of="dir-2"), Untrusted, "suspension_key"),
        (note(of="root-1"), Untrusted, "suspension_key"),
    ):
        with attack.refused(error, code):
            await take(told)
    assert node.store.memory.tables.copy().trust == before
    for by in (*KEEPERS, key(POLICE)):
        await take(note(by=by))
    assert (await view(NOW)).suspended(POLICE, NOW)
    end = NOW + 72 * 3600
    for now, stopped in ((NOW, True), (end - 1, True), (end, False)):
        assert (await view(now)).suspended(POLICE, now) is stopped


async def test_098_stolen_keys_of_the_first_root_cannot_go_round_the_second(node, papers):
    """They can sign another second root and a third, a longer chain than the node has."""
    new = key("root-8"), key("root-9")
    second = papers.root(version=2, roots=new, by=(*ROOTS[:2], *new))
    await node.join(roots=[papers.first, second])
    stolen = [papers.root(version=version) for version in (2, 3, 4)]
    for count in (2, 3):
        roots = [papers.first, *stolen[:count]]
        await node.refuses(Forged, "root_equivocation", roots=roots)
    third = papers.root(version=3, roots=new, by=new)
    assert (await node.join(roots=[papers.first, second, third])).root.version == 3


async def test_103_key_card_rolled_back_expired_foreign_revoked_or_weaker(node, papers, attack):
    """A forged card refuses the whole bundle; one that a directory has left behind is of no use."""
    cards = [papers.card(version=3), papers.card(put("subkeys", [subkey(NOW - 2 * DAY)]), version=2)]
    for order in (cards, cards[::-1]):
        await node.join(cards=order)
        network = (await node.store.read(lambda tx: trust_of(tx, NOW))).network
        assert network.cards[POLICE].version == 3
    same = papers.card(put("subkeys", [subkey(NOW - 3 * DAY)]), version=3)
    await node.refuses(Forged, "card_equivocation", cards=[cards[0], same])
    with attack.refused(UnknownRecipient, "no_valid_key"):
        network.sealing_key(POLICE, NOW + 14 * DAY)
    await node.refuses(Forged, "card_principal", cards=[papers.card(signer=f"{HACKNEY}/police")])
    await node.refuses(Forged, "card_net", cards=[papers.card(put("net", b64(bytes(32))))])
    weaker = [papers.card(put("subkeys", [subkey(suite=1)]), version=9)]
    gone = papers.directory(put("revoked", [{"key": b64(key(POLICE).public), "at": NOW, "reason": "lost"}]))
    for directory, shown in ((papers.directory(), weaker), (gone, cards)):
        other = Candidate(papers, open_store(MEMORY))
        await other.store.start()
        network = await other.join(directory=directory, cards=shown)
        with attack.refused(UnknownRecipient, "no_valid_key"):
            network.sealing_key(POLICE, NOW)
        await other.store.close()
    suite = papers.directory(put("min_suite", 3), version=8)
    await node.refuses(Unsupported, "min_suite", directory=suite)


# --- two boroughs compare ---------------------------------------------------------------------------


async def test_104_two_boroughs_hold_different_directories_of_one_version(world):
    """Both are signed by enough signers. What a peer holds rides along in what it says; the difference is
    alarmed, the other's document fetched, and the two notes kept as proof."""
    held = {}
    for borough, life in ((world.hackney, 0), (world.bexley, 1)):
        node = borough.node
        (old,) = await node.store.read(lambda tx: tx.trust("directory"))
        body = peek_body(old.note)
        version = body["version"] + 1
        signer = unlocked("network").named_signer(SIGNER, "directory")
        changed = {**body, "version": version, "expires": body["expires"] - life}
        note = held[borough.area] = sign_note("bx/1/directory", changed, [signer])
        roots = [row.note for row in await node.store.read(lambda tx: tx.trust("root"))]
        bundle = Bundle(roots, note, ())
        await node.store.write(lambda tx, bundle=bundle: join(tx, bundle, world.clock.now()))
        await refresh_trust(node, lambda network: None)
    hackney, now = world.hackney.node, world.clock.now()
    for _ in range(2):
        await hackney.store.write(lambda tx: tell(tx, hackney, BEXLEY, riders(tx, hackney, BEXLEY, now), now))
        await world.settle()
        found = await world.bexley.node.store.read(lambda tx: tx.alarms())
        proof = {row.code: (row.peer, row.subject, row.evidence) for row in found}
        assert proof.keys() == {"directory_differs", "directory_equivocation"}
        assert len(found) == len(proof)
    peer, subject, evidence = proof["directory_equivocation"]
    assert (peer, subject) == (HACKNEY, str(version))
    assert json.loads(evidence)["notes"] == [held[BEXLEY].decode(), held[HACKNEY].decode()]
    rows = await world.bexley.node.store.read(lambda tx: tx.trust("directory"))
    assert rows[-1].note == held[BEXLEY]
