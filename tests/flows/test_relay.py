"""A node and an agency with a key of its own: what it relays, what it takes back, what it never holds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from gateway.client import AgencyKeys, open_parcel, seal_words, sign, signing
from gateway.client.opening import Opened, Sealed
from gateway.core import envelope
from gateway.core.envelope import Kind, Recipient, open_slot, prepare, split
from gateway.core.presealed import pack_presealed
from gateway.core.receipts import Receipt
from gateway.errors import Conflict, GatewayError, NotAllowed, NotFound
from gateway.flows import acknowledge, deliver, outgoing, relay, relay_in
from gateway.flows.slots import entry_of, readable
from gateway.flows.submit import routing_part
from gateway.flows.vault import secrets_of, write_sections
from gateway.ports import Parcel, Task
from gateway.testing.boroughs import BEXLEY, HACKNEY, World, two_boroughs
from gateway.testing.own_key import keep_own_key, signer_of

POLICE = f"{BEXLEY}/police"


@dataclass
class Own:
    """Bexley's police keeps its own key; one handover has been sent."""

    world: World
    keys: AgencyKeys
    ref: str = ""

    @property
    def node(self) -> Any:
        return self.world.bexley.node

    @property
    def caller(self) -> Any:
        return self.world.bexley.caller("police", actor="")

    @property
    def net(self) -> bytes:
        return self.node.network.net

    @property
    def now(self) -> int:
        return self.world.clock.now()

    async def leg(self, borough: Any = None) -> Any:
        return (await (borough or self.world.bexley).legs(self.ref))["police"]

    async def parcel(self, name: str = "") -> Sealed:
        wanted = name or f"notification-{(await self.leg()).id}"
        found = await relay.fetch(self.node, self.caller, wanted)
        kind = found.task.kind
        return Sealed(
            wanted, kind, found.leg, found.envelope, found.slot, found.received, found.chain, found.content
        )

    async def opened(self) -> Opened:
        return open_parcel(await self.parcel(), self.node.network, self.keys, self.now)

    def sign(self, about: Any, state: str, prev: Receipt | None = None, **more: Any) -> Receipt:
        return sign(self.keys, self.net, about, state, at=more.pop("at", self.now), prev=prev, **more)

    async def bring(self, *receipts: Receipt, leg: str = "") -> Any:
        notes = [receipt.note.decode() for receipt in receipts]
        return await relay_in.take(self.node, self.caller, leg or (await self.leg()).id, notes)


@pytest.fixture
async def own(document: Any) -> AsyncIterator[Own]:
    async with two_boroughs() as world:
        keys = await keep_own_key(world, "police")
        made = Own(world, keys)
        made.ref = (await world.hackney.submit(document)).ref
        await world.settle()
        yield made


async def test_the_sealed_parcel_waits_and_everybody_else_has_theirs(own: Own) -> None:
    legs = await own.world.hackney.legs(own.ref)
    assert {leg.state for leg in legs.values()} == {"DELIVERED"}
    assert {role for role, leg in legs.items() if not leg.opened} == {"police"}
    ((leg, task),) = await own.node.store.read(lambda tx: relay.waiting(tx, POLICE, 50))
    assert (leg.principal, task.kind, task.state) == (POLICE, Parcel.NOTIFICATION, Task.PARKED)
    assert not await own.node.store.read(lambda tx: tx.alarms())


async def test_the_node_holds_no_key_to_what_is_for_that_agency_alone(own: Own) -> None:
    """Part keys that only the police has are not in the node's database, under whatever wrapping."""
    leg = await own.leg()
    row = await own.node.store.read(lambda tx: tx.envelope(leg.mid))
    held = secrets_of(own.node, row)
    assert POLICE not in held.readers
    entry = entry_of(own.node, row, POLICE)
    slot = open_slot(split(row.body), entry.slot, net=own.net, opener=own.keys.opener)
    theirs = {number for number, key in enumerate(slot.keys) if key is not None}
    shared = {0, *(number for numbers in held.readers.values() for number in numbers)}
    alone = theirs - shared
    assert alone, "example 1 has sections for the police alone"
    assert not alone & set(held.keys)
    assert not {slot.keys[number] for number in alone} & set(held.keys.values())


async def test_it_opens_acknowledges_and_accepts_and_the_origin_hears_it(
    own: Own, check_histories: Any
) -> None:
    opened = await own.opened()
    assert opened.sections["core"]["family_name"] == "EXAMPLE"
    first = own.sign(opened.about, "opened", parts=opened.parts)
    assert (await own.bring(first)).state == "DELIVERED"
    second = own.sign(opened.about, "acknowledged", first)
    third = own.sign(opened.about, "accepted", second)
    assert (await own.bring(second, third)).state == "ACCEPTED"
    await own.world.settle()
    ours = await own.leg(own.world.hackney)
    assert (ours.state, bool(ours.opened)) == ("ACCEPTED", True)
    kept = await own.world.hackney.node.store.read(lambda tx: tx.receipts(ref=own.ref, by=POLICE))
    assert [row.note for row in kept] == [first.note, second.note, third.note]
    assert all(row.applied for row in kept)
    told = {view.content["event"] for _, view in own.world.hackney.desks["police"].given}
    assert told == {"received", "opened", "acknowledged", "accepted"}
    for borough in own.world.boroughs:
        await check_histories(borough, own.ref)
    task = await own.node.store.read(lambda tx: tx.task(f"notification-{ours.id}"))
    assert task.state is Task.DONE


async def test_the_log_has_a_leaf_for_each_receipt_as_if_the_node_had_signed_it(own: Own) -> None:
    opened = await own.opened()
    await own.bring(own.sign(opened.about, "opened", parts=opened.parts))
    leaves = await own.node.store.read(lambda tx: tx.log_of(opened.about.mid))
    assert [leaf for _, leaf in leaves if b'"state":"opened"' in leaf and POLICE.encode() in leaf]


async def test_the_words_pass_the_node_sealed(own: Own) -> None:
    """They reach the counterpart, and Bexley's node can open neither them nor seal them again."""
    leg, words = await own.leg(), "CanaryZebulonQuux"
    answer = acknowledge.read(
        b'{"state": "ACCEPTED", "role": "Duty inspector", "reason_text": "CanaryZebulonQuux"}'
    )
    sealed = seal_words(own.node.network, leg, answer, own.now)
    mid, statement = await relay_in.reply(own.node, own.caller, leg.id, sealed)
    assert (await relay_in.reply(own.node, own.caller, leg.id, sealed)) == (mid, statement)
    row = await own.node.store.read(lambda tx: tx.envelope(mid))
    assert row.secrets == b""
    await own.world.settle()
    views = [view for _, view in own.world.hackney.desks["police"].given if view.kind is Parcel.REPLY]
    assert [view.content["reply"]["reason_text"] for view in views] == [words]
    opened = await own.opened()
    first = own.sign(opened.about, "opened", parts=opened.parts)
    second = own.sign(opened.about, "acknowledged", first)
    third = own.sign(opened.about, "accepted", second, reply=statement)
    await own.bring(first, second, third)
    await own.world.settle()
    assert (await own.leg(own.world.hackney)).state == "ACCEPTED"


async def test_words_that_nobody_took_in_their_life_are_given_up_and_the_codes_stand(own: Own) -> None:
    leg = await own.leg()
    answer = acknowledge.read(b'{"state": "RECEIVED", "role": "Duty inspector"}')
    sealed = seal_words(own.node.network, leg, answer, own.now)
    mid, _ = await relay_in.reply(own.node, own.caller, leg.id, sealed)
    own.world.clock.advance(72 * 3600)
    await own.world.bexley.turn()
    row = await own.node.store.read(lambda tx: tx.outbox_of(mid))
    assert (row.state, row.error) == ("settled", "no_keys")


OTHERS = {
    "another leg": lambda leg: replace(leg, id="ab" * 16),
    "another handover": lambda leg: replace(leg, ref="HO-E09000012-2026-000999"),
    "another counterpart": lambda leg: replace(leg, counterpart=f"{HACKNEY}/housing"),
    "in another name": lambda leg: replace(leg, principal=f"{BEXLEY}/housing"),
    "to our own area": lambda leg: replace(leg, counterpart=f"{BEXLEY}/housing"),
    "of another urgency": lambda leg: replace(leg, urgency="URGENT"),
}


@pytest.mark.parametrize("what", OTHERS)
async def test_the_node_signs_no_other_message_than_a_reply_about_that_leg(own: Own, what: str) -> None:
    """Under the node's signature an agency could send handovers that no rule has judged."""
    leg = await own.leg()
    answer = acknowledge.read(b'{"state": "RECEIVED", "role": "Duty inspector"}')
    sealed = seal_words(own.node.network, OTHERS[what](leg), answer, own.now)
    before = await own.node.store.read(lambda tx: tx.counts())
    with pytest.raises(NotAllowed) as refused:
        await relay_in.reply(own.node, own.caller, leg.id, sealed)
    assert refused.value.code == "reply_to"
    assert await own.node.store.read(lambda tx: tx.counts()) == before


def draft_of(own: Own, leg: Any, **changes: Any) -> Any:
    """A draft with the routing table that the node expects, and what stands outside as a test likes."""
    network, now = own.node.network, own.now
    to = changes.get("to", HACKNEY)
    readers = [Recipient(f"{to}/node", network.sealing_key(f"{to}/node", now), {1})]
    readers += [
        Recipient(name, network.sealing_key(name, now), {2})
        for name in changes.get("readers", (f"{to}/police",))
    ]
    addressed = replace(leg, principal=leg.counterpart, counterpart=leg.principal)
    routing = routing_part(leg.ref, leg.version, leg.urgency, [addressed], kind="REPLY")
    words = write_sections({"reply": {}})
    return prepare(
        net=own.net,
        kind=Kind.MESSAGE,
        priority=changes.get("priority", 0),
        to=to,
        expires=now + 3600,
        recipients=readers,
        contents=[routing, words, *changes.get("more", ())],
    )


OUTSIDE: dict[str, dict[str, Any]] = {
    "to another area": {"to": BEXLEY},
    "of another priority": {"priority": 9},
    "to more readers": {"readers": [f"{HACKNEY}/police", f"{HACKNEY}/housing"]},
    "with more parts": {"more": [write_sections({})]},
}


@pytest.mark.parametrize("what", OUTSIDE)
async def test_what_stands_outside_is_what_the_node_would_have_written_too(own: Own, what: str) -> None:
    leg = await own.leg()
    with pytest.raises(NotAllowed) as refused:
        await relay_in.reply(
            own.node, own.caller, leg.id, pack_presealed(draft_of(own, leg, **OUTSIDE[what]))
        )
    assert refused.value.code == "reply_to"
    await relay_in.reply(own.node, own.caller, leg.id, pack_presealed(draft_of(own, leg)))  # the control


async def test_other_words_under_the_id_of_a_message_that_is_known_are_refused(
    own: Own, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a reply of its own, and of the handover that it answers: neither is sent twice or replaced."""
    leg = await own.leg()
    first = pack_presealed(draft_of(own, leg))
    mid, _ = await relay_in.reply(own.node, own.caller, leg.id, first)
    fresh = envelope._fresh
    for known in (mid, leg.mid):
        with monkeypatch.context() as patch:
            patch.setattr(envelope, "_fresh", lambda n, known=known: (bytes.fromhex(known), fresh(n)[1]))
            again = pack_presealed(draft_of(own, leg))
        with pytest.raises(Conflict) as refused:
            await relay_in.reply(own.node, own.caller, leg.id, again)
        assert refused.value.code == "mid"


async def test_keys_that_still_lie_at_the_node_are_not_used(document: Any) -> None:
    """The agency has taken its key away; a copy of it was left in the node's key store."""
    async with two_boroughs() as world:
        await keep_own_key(world, "police", forget=False)
        ref = (await world.hackney.submit(document)).ref
        await world.settle()
        leg = (await world.bexley.legs(ref))["police"]
        row = await world.bexley.node.store.read(lambda tx: tx.envelope(leg.mid))
        assert POLICE not in secrets_of(world.bexley.node, row).readers
        assert not leg.opened
        assert not world.bexley.desks["police"].given
        with pytest.raises(NotAllowed) as refused:
            readable(world.bexley.node, row, POLICE)
        assert refused.value.code == "own_key"


@pytest.mark.parametrize("life", [72 * 3600 + 1, outgoing.MARGIN])
async def test_a_reply_of_too_long_or_too_short_a_life_is_not_signed(
    own: Own, monkeypatch: pytest.MonkeyPatch, life: int
) -> None:
    monkeypatch.setattr(signing, "LIFE", life)
    leg = await own.leg()
    answer = acknowledge.read(b'{"state": "RECEIVED", "role": "Duty inspector"}')
    sealed = seal_words(own.node.network, leg, answer, own.now)
    with pytest.raises(NotAllowed) as refused:
        await relay_in.reply(own.node, own.caller, leg.id, sealed)
    assert refused.value.code == "life"


async def test_a_reply_to_an_agency_with_its_own_key_is_relayed_too(document: Any) -> None:
    """Hackney's police is the counterpart and keeps its key."""
    async with two_boroughs() as world:
        keys = await keep_own_key(world, "police", HACKNEY)
        ref = (await world.hackney.submit(document)).ref
        await world.settle()
        leg = (await world.bexley.legs(ref))["police"]
        await world.bexley.answer("police", leg.id, reason_text="words for the counterpart")
        await world.settle()
        node, caller = world.hackney.node, world.hackney.caller("police")
        waiting = await node.store.read(lambda tx: relay.waiting(tx, keys.principal, 50))
        kinds = [task.kind for _, task in waiting]
        assert kinds.count(Parcel.REPLY) == 1
        assert kinds.count(Parcel.STATUS) == 4
        (name,) = [task.id for _, task in waiting if task.kind is Parcel.REPLY]
        found = await relay.fetch(node, caller, name)
        sealed = Sealed(
            name, Parcel.REPLY, found.leg, found.envelope, found.slot, found.received, found.chain, {}
        )
        opened = open_parcel(sealed, node.network, keys, world.clock.now())
        assert opened.sections["reply"]["reason_text"] == "words for the counterpart"
        for _, task in waiting:
            await relay.settle(node, caller, task.id, "")
        assert not await node.store.read(lambda tx: relay.waiting(tx, keys.principal, 50))


# --- what is not taken ------------------------------------------------------------------------------


async def refuse(own: Own, kind: type[GatewayError], code: str, *receipts: Receipt, leg: str = "") -> None:
    before = await own.node.store.read(lambda tx: tx.counts())
    with pytest.raises(kind) as refused:
        await own.bring(*receipts, leg=leg)
    assert refused.value.code == code
    assert await own.node.store.read(lambda tx: tx.counts()) == before


async def test_only_its_own_signature(own: Own) -> None:
    about = (await own.opened()).about
    housing = AgencyKeys(signer_of(f"{BEXLEY}/housing"), own.keys.opener)
    await refuse(own, NotAllowed, "receipt_by", sign(housing, own.net, about, "opened", at=own.now))


async def test_only_in_its_chain(own: Own) -> None:
    opened = await own.opened()
    first = own.sign(opened.about, "opened", parts=opened.parts)
    await refuse(own, Conflict, "receipt_chain", own.sign(opened.about, "acknowledged", first))
    await own.bring(first)
    await refuse(own, Conflict, "receipt_chain", own.sign(opened.about, "acknowledged"))
    await refuse(own, Conflict, "receipt_twice", own.sign(opened.about, "opened", first))


async def test_all_of_one_call_or_none(own: Own) -> None:
    opened = await own.opened()
    first = own.sign(opened.about, "opened", parts=opened.parts)
    await refuse(own, Conflict, "illegal_transition", first, own.sign(opened.about, "closed", first))
    assert not (await own.leg()).opened


async def test_only_about_the_message_of_the_leg(own: Own) -> None:
    about = (await own.opened()).about
    for wrong in (
        replace(about, env=bytes(32)),
        replace(about, stmt=bytes(32)),
        replace(about, mid="0" * 32),
    ):
        await refuse(own, NotAllowed, "receipt_about", own.sign(wrong, "opened"))


async def test_only_of_its_time(own: Own) -> None:
    about = (await own.opened()).about
    for at in (own.now + 121, own.now - 121):
        await refuse(own, NotAllowed, "receipt_date", own.sign(about, "opened", at=at))


async def test_only_parts_that_an_agency_can_have(own: Own) -> None:
    about = (await own.opened()).about
    for parts in ((0,), (1, 2), (63,)):
        await refuse(own, NotAllowed, "recipient_parts", own.sign(about, "opened", parts=parts))


async def test_only_reasons_that_fit(own: Own) -> None:
    about = (await own.opened()).about
    first = own.sign(about, "acknowledged")
    for state, code in (("returned", ""), ("returned", "NO_LAWFUL_BASIS"), ("rejected", "family_name")):
        await refuse(own, NotAllowed, "reason_code", first, own.sign(about, state, first, code=code))


async def test_nobody_takes_on_unread_what_may_be_returned_unread(own: Own) -> None:
    about = (await own.opened()).about
    first = own.sign(about, "acknowledged")
    await refuse(own, Conflict, "not_opened", first)
    await refuse(own, Conflict, "not_opened", first, own.sign(about, "accepted", first))
    await own.bring(first, own.sign(about, "returned", first, code="WRONG_AREA"))
    assert (await own.leg()).state == "RETURNED"


async def test_the_same_again_is_no_error_and_signs_nothing_twice(own: Own) -> None:
    opened = await own.opened()
    first = own.sign(opened.about, "opened", parts=opened.parts)
    assert not (await own.bring(first)).repeated
    before = await own.node.store.read(lambda tx: tx.counts())
    assert (await own.bring(first)).repeated
    assert await own.node.store.read(lambda tx: tx.counts()) == before


async def test_another_agencys_leg_and_parcel_are_not_there(own: Own) -> None:
    about = (await own.opened()).about
    housing = (await own.world.bexley.legs(own.ref))["housing"]
    await refuse(own, NotFound, "no_leg", own.sign(about, "opened"), leg=housing.id)
    for name in (f"notification-{housing.id}", "notification-00"):
        with pytest.raises(NotFound):
            await relay.fetch(own.node, own.caller, name)
        with pytest.raises(NotFound):
            await relay.settle(own.node, own.caller, name, "")


# --- what the node no longer does for it ------------------------------------------------------------


async def test_the_node_neither_opens_nor_answers_for_it(own: Own) -> None:
    leg = await own.leg()
    with pytest.raises(NotAllowed) as refused:
        await deliver.open_parked(
            own.node, own.caller, f"notification-{leg.id}", justification="DUTY_OFFICER"
        )
    assert refused.value.code == "own_key"
    with pytest.raises(NotAllowed) as refused:
        await own.world.bexley.answer("police", leg.id)
    assert refused.value.code == "own_key"


async def test_an_agency_that_the_node_hosts_has_no_relay(own: Own) -> None:
    caller = own.world.bexley.caller("housing")
    leg = (await own.world.bexley.legs(own.ref))["housing"]
    calls = (
        lambda: relay.fetch(own.node, caller, f"notification-{leg.id}"),
        lambda: relay.settle(own.node, caller, f"notification-{leg.id}", ""),
        lambda: relay_in.take(own.node, caller, leg.id, []),
        lambda: relay_in.reply(own.node, caller, leg.id, {}),
        lambda: relay_in.card(own.node, caller, b""),
    )
    for call in calls:
        with pytest.raises(NotAllowed) as refused:
            await call()
        assert refused.value.code == "hosted"


async def test_a_parcel_that_it_cannot_take_is_held_with_an_alarm_until_a_restart(own: Own) -> None:
    leg = await own.leg()
    name = f"notification-{leg.id}"
    await relay.settle(own.node, own.caller, name, "slot")
    task = await own.node.store.read(lambda tx: tx.task(name))
    assert (task.state, task.error) == (Task.HELD, "slot")
    (alarm,) = await own.node.store.read(lambda tx: tx.alarms())
    assert (alarm.code, alarm.subject) == (relay.REFUSED, name)

    def restart(tx: Any) -> None:
        tx.release_tasks(own.now)
        relay.park(tx, own.node, own.now)

    await own.node.store.write(restart)
    assert await own.node.store.read(lambda tx: relay.waiting(tx, POLICE, 50))


async def test_a_handover_is_not_settled_without_a_signature(own: Own) -> None:
    with pytest.raises(Conflict) as refused:
        await relay.settle(own.node, own.caller, f"notification-{(await own.leg()).id}", "")
    assert refused.value.code == "not_receipted"


async def test_handing_it_out_is_on_record(own: Own) -> None:
    await own.parcel()
    rows = await own.node.store.read(lambda tx: tx.accesses(ref=own.ref, limit=99))
    (row,) = [row for row in rows if row.principal == POLICE and row.operation == "DISCLOSURE"]
    assert (row.actor, row.justification) == ("agency-agent", "STANDING_ADAPTER")
