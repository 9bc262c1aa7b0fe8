"""Peers that break or lie: proven senders with Hackney's real keys and content that no honest node sends.

Each test sends real envelopes through the real door. What must hold: the node stays up, nothing reaches an
agency that should not, what was right in the same stream still works, and a proven sender is told.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.core.encoding import Json
from gateway.core.envelope import Kind, Position, Recipient, Seen, bundle, prepare
from gateway.core.receipts import ZERO, About, make_receipt
from gateway.flows import outgoing, receive, stale
from gateway.flows.held import body_of
from gateway.flows.receipts import about
from gateway.flows.vault import write_sections
from gateway.ports import Lane, Outgoing, Side
from gateway.testing.boroughs import BEXLEY, HACKNEY, Borough, World

REF = "HO-E09000012-2026-000900"
Dump = Callable[[Borough], Mapping[str, Any]]


def entry(**changes: Json) -> dict[str, Json]:
    leg: dict[str, Json] = {
        "slot": 1,
        "principal": f"{BEXLEY}/police",
        "leg": "ab" * 16,
        "reply_to": f"{HACKNEY}/police",
    }
    return {**leg, **changes}


def table(*legs: dict[str, Json], **changes: Json) -> bytes:
    routing: dict[str, Json] = {
        "type": "HANDOVER_NOTIFICATION",
        "handover": REF,
        "version": 1,
        "urgency": "STANDARD",
        "legs": list(legs),
    }
    return write_sections({"routing": {**routing, **changes}})


async def send(
    world: World,
    contents: Sequence[bytes],
    *,
    readers: Sequence[str] = (f"{BEXLEY}/police",),
    sender: Borough | None = None,
    kind: Kind = Kind.MESSAGE,
) -> str:
    """One envelope from a borough's own keys, in its own stream, by its own outbox. Returns its mid."""
    borough = sender or world.hackney
    other = world.bexley if borough is world.hackney else world.hackney
    sending = outgoing.seal(
        borough.node,
        kind=kind,
        to=other.area,
        lane=Lane.STANDARD if kind is Kind.MESSAGE else Lane.RECEIPTS,
        priority=0,
        readers=dict.fromkeys(readers, (2,)),
        contents=contents,
        now=world.clock.now(),
    )
    sealed = await borough.node.store.write(
        lambda tx: outgoing.store(tx, borough.node, sending, world.clock.now())
    )
    return sealed.mid


async def refusals(world: World, mid: str, at: Borough | None = None) -> list[tuple[str, str]]:
    rows = await (at or world.hackney).node.store.read(lambda tx: tx.receipts(mid=mid))
    return [(row.state, row.code) for row in rows]


CONTENT = write_sections({"core": {"family_name": "EXAMPLE"}})

LIES = {
    "no legs": ((), {}, "routing"),
    "a slot twice": ((entry(), entry(principal=f"{BEXLEY}/dwp", leg="cd" * 16)), {}, "routing"),
    "an agency twice": ((entry(), entry(slot=2, leg="cd" * 16)), {}, "routing"),
    "a leg twice": ((entry(), entry(slot=2, principal=f"{BEXLEY}/dwp")), {}, "routing"),
    "a slot that is not there": ((entry(slot=9),), {}, "routing"),
    "the node's own slot": ((entry(slot=0),), {}, "field_value"),
    "a slot that is another's": ((entry(principal=f"{BEXLEY}/dwp"),), {}, "rekey"),
    "an agency of another area": ((entry(principal=f"{HACKNEY}/police"),), {}, "leg_area"),
    "an agency nobody knows": ((entry(principal=f"{BEXLEY}/ghosts"),), {}, "not_hosted"),
    "the node as an agency": ((entry(principal=f"{BEXLEY}/node"),), {}, "leg_agency"),
    "no principal at all": ((entry(principal="police\n"),), {}, "field_value"),
    "a leg of free text": ((entry(leg="Jordan EXAMPLE"),), {}, "field_value"),
    "answers to a third area": ((entry(reply_to="E09000033/police"),), {}, "reply_to"),
    "answers to ourselves": ((entry(reply_to=f"{BEXLEY}/police"),), {}, "reply_to"),
    "another area's reference": ((entry(),), {"handover": "HO-E09000004-2026-000001"}, "handover_area"),
    "a reference of free text": ((entry(),), {"handover": "HO-E09000012-Jordan"}, "field_value"),
    "no such urgency": ((entry(),), {"urgency": "WHENEVER"}, "urgency"),
    "version 0": ((entry(),), {"version": 0}, "field_value"),
    "a type of tomorrow": ((entry(),), {"type": "WITHDRAWAL"}, "message_type"),
    "an unknown field": ((entry(),), {"also": 1}, "field_unknown"),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_proven_sender_that_lies_is_refused_and_keeps_its_place(world: World, lie: str) -> None:
    legs, changes, code = LIES[lie]
    readers = (f"{BEXLEY}/police", f"{BEXLEY}/housing")
    mid = await send(world, [table(*legs, **changes), CONTENT], readers=readers)
    await world.settle()
    ((state, told),) = await refusals(world, mid)
    assert state == "refused"
    assert told == code
    counts = await world.bexley.node.store.read(lambda tx: tx.counts())
    assert not [name for name in counts if name.startswith("leg.")]
    assert counts["held"] == 1
    assert not any(desk.given for desk in world.bexley.desks.values())
    # The next message of the stream is taken, and `seen` has gone past the lie.
    good = await send(world, [table(entry(leg="ef" * 16)), CONTENT])
    await world.settle()
    assert (await refusals(world, good))[0][0] == "received"
    stream = await world.bexley.node.store.read(lambda tx: tx.stream(HACKNEY, outgoing=False))
    assert stream is not None
    assert stream.seq >= 2
    outbox = await world.hackney.node.store.read(lambda tx: (tx.outbox_of(mid), tx.outbox_of(good)))
    # A missing key may be a matter of timing: that message waits to be sealed again (attack 115).
    lying = "published" if code == "rekey" else "settled"
    assert [row.state for row in outbox if row] == [lying, "settled"]


async def test_a_refusal_moves_the_leg_and_names_who_is_responsible(world: World, document: Any) -> None:
    """Bexley holds other keys for one agency than those sealed to, and will never have the right one: when
    sealing again has not helped the origin is told, and stays responsible."""
    opener = world.bexley.node.keys.opener
    others = opener(f"{BEXLEY}/police")

    def wrong(principal: str) -> Any:
        return others if principal.endswith("/dwp") else opener(principal)

    world.bexley.node.keys.opener = wrong  # type: ignore[method-assign]  # the test's own keys
    ref = (await world.hackney.submit(document)).ref
    for _ in range(stale.TRIES + 1):
        await world.settle()
        world.clock.advance(stale.FIRST * 4**stale.TRIES)
    await world.settle()
    legs = await world.hackney.legs(ref)
    assert {leg.state for leg in legs.values()} == {"UNDELIVERABLE"}
    told = [view.content["event"] for _, view in world.hackney.desks["dwp"].given]
    assert told == ["undelivered", "refused"]  # four hours had passed before sealing again was given up
    responsible = {view.content["responsible"] for _, view in world.hackney.desks["dwp"].given}
    assert responsible == {f"{HACKNEY}/dwp"}


async def test_a_leg_id_of_another_handover_is_refused(world: World) -> None:
    """Taken for a leg we have, it would be receipted and reach nobody."""
    await send(world, [table(entry()), CONTENT])
    await world.settle()
    for changes in ({"handover": "HO-E09000012-2026-000901"}, {"version": 2}):
        mid = await send(world, [table(entry(), **changes), CONTENT])
        await world.settle()
        assert await refusals(world, mid) == [("refused", "leg_id")]
    mid = await send(world, [table(entry(leg="cd" * 16)), CONTENT])  # another id in the same place
    await world.settle()
    assert await refusals(world, mid) == [("refused", "leg_id")]
    assert len(world.bexley.desks["police"].given) == 1


async def test_the_same_handover_sealed_twice_is_one_task_and_two_receipts(world: World) -> None:
    mids = [await send(world, [table(entry()), CONTENT]) for _ in range(2)]
    await world.settle()
    assert [await refusals(world, mid) for mid in mids] == [[("received", "")]] * 2
    assert len(world.bexley.desks["police"].given) == 1


# --- replies ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "reader"),
    [
        ({"principal": f"{HACKNEY}/housing"}, f"{HACKNEY}/housing"),
        ({"reply_to": f"{BEXLEY}/housing"}, f"{HACKNEY}/police"),
        ({"leg": "00" * 16}, f"{HACKNEY}/police"),
    ],
)
async def test_the_words_of_a_reply_reach_the_counterpart_alone(
    world: World, document: Any, changes: dict[str, Json], reader: str
) -> None:
    ref = (await world.hackney.submit(document)).ref
    await world.settle()
    leg = (await world.hackney.legs(ref))["police"]
    honest = entry(leg=leg.id, principal=f"{HACKNEY}/police", reply_to=f"{BEXLEY}/police")
    words = write_sections({"reply": {"text": "words"}})
    mid = await send(
        world,
        [table({**honest, **changes}, type="REPLY", handover=ref), words],
        readers=[reader],
        sender=world.bexley,
    )
    await world.settle()
    assert (await refusals(world, mid, world.bexley))[0][0] == "refused"
    assert not [v for desk in world.hackney.desks.values() for _, v in desk.given if v.kind == "reply"]


async def test_a_reply_about_two_legs_is_refused(world: World, document: Any) -> None:
    ref = (await world.hackney.submit(document)).ref
    await world.settle()
    legs = await world.hackney.legs(ref)
    both = [
        entry(slot=slot, leg=legs[role].id, principal=f"{HACKNEY}/{role}", reply_to=f"{BEXLEY}/{role}")
        for slot, role in enumerate(("police", "dwp"), start=1)
    ]
    words = write_sections({"reply": {"text": "words"}})
    mid = await send(
        world,
        [table(*both, type="REPLY", handover=ref), words],
        readers=[f"{HACKNEY}/police", f"{HACKNEY}/dwp"],
        sender=world.bexley,
    )
    await world.settle()
    assert await refusals(world, mid, world.bexley) == [("refused", "routing")]


# --- receipts ---------------------------------------------------------------------------------------


async def _delivered(world: World, document: Any) -> Any:
    """Our row of the message after delivery, and Bexley's."""
    ref = (await world.hackney.submit(document)).ref
    await world.settle()
    mid = (await world.hackney.legs(ref))["police"].mid
    return await world.bexley.node.store.read(lambda tx: tx.envelope(mid))


async def _send_receipts(world: World, *notes: bytes) -> None:
    body = write_sections({"receipts": [note.decode() for note in notes]})
    await send(world, [body], readers=(), sender=world.bexley, kind=Kind.RECEIPTS)
    await world.settle()


def _receipt(world: World, told: About, *, by: str, at: int = 0, **more: Any) -> bytes:
    keys, node = world.bexley.node.keys, world.bexley.node
    state = more.pop("state", "acknowledged")
    return make_receipt(
        keys.signer(f"{BEXLEY}/{by}"),
        net=node.network.net,
        about=told,
        at=at or world.clock.now(),
        state=state,
        **more,
    ).note


@pytest.mark.parametrize(
    ("change", "by", "code"),
    [
        ({"mid": "00" * 16}, "police", "receipt_about"),
        ({"env": bytes(32)}, "police", "receipt_hash"),
        ({"stmt": bytes(32)}, "police", "receipt_hash"),
        ({"sender": f"{BEXLEY}/node"}, "police", "receipt_hash"),
        ({}, "housing", "receipt_by"),
    ],
)
async def test_a_receipt_that_is_not_about_what_we_sent_moves_nothing(
    world: World, document: Any, dump: Dump, change: dict[str, Any], by: str, code: str
) -> None:
    recipients = document["routing"]["recipients"]
    recipients[:] = [r for r in recipients if r["agency"] != "HOUSING"]
    document["routing"]["not_relevant"] = [{"agency": "HOUSING", "reason": "OTHER"}]
    document["actions"] = [a for a in document["actions"] if a["agency"] != "HOUSING"]
    for condition in document["orders"][0]["conditions"]:
        condition["visible_to"] = [a for a in condition["visible_to"] if a != "HOUSING"]
        if "minimal_view" in condition:
            agencies = condition["minimal_view"]["agencies"]
            condition["minimal_view"]["agencies"] = [a for a in agencies if a != "HOUSING"]
    readers = document["move"]["new_address"]["visible_to"]
    document["move"]["new_address"]["visible_to"] = [a for a in readers if a != "HOUSING"]
    row = await _delivered(world, document)
    before = dump(world.hackney)
    with capture_logs() as logs:
        await _send_receipts(world, _receipt(world, replace(about(row), **change), by=by))
    assert code in [line.get("code") for line in logs if line["event"] == "receipt refused"]
    after = dump(world.hackney)
    for name in ("legs", "events", "receipts", "tasks", "handovers"):
        assert after[name] == before[name], name


async def test_one_bad_receipt_leaves_the_others_of_its_envelope_standing(
    world: World, document: Any
) -> None:
    """A forged one, one of an unknown key, two dated wrongly: and one that is right."""
    row = await _delivered(world, document)
    told, now = about(row), world.clock.now()
    chain = await world.bexley.node.store.read(lambda tx: tx.receipts(mid=row.mid, by=f"{BEXLEY}/dwp"))
    good = _receipt(world, told, by="dwp", prev=chain[-1].hash)
    forged = good.replace(b'"acknowledged"', b'"accepted"')
    stranger = good.replace(b"/dwp", b"/ghosts")
    theirs = await world.bexley.node.store.read(lambda tx: tx.receipts(mid=row.mid, by=f"{BEXLEY}/police"))
    early = _receipt(world, told, by="police", at=now - 100_000, prev=theirs[-1].hash)
    late = _receipt(world, told, by="police", at=now + 100_000, prev=theirs[-1].hash)
    await _send_receipts(world, forged, stranger, early, late, good)
    legs = {leg.principal: leg for leg in (await world.hackney.legs(row.ref)).values()}
    assert legs[f"{BEXLEY}/dwp"].state == "RECEIVED"
    assert legs[f"{BEXLEY}/police"].state == "DELIVERED"


async def test_a_node_cannot_sign_for_its_agencies(world: World, document: Any) -> None:
    """The node's key under an agency's name, and an agency's word for the node's."""
    row = await _delivered(world, document)
    node = world.bexley.node

    class Mask:
        """The node's key that says it is the police."""

        name = f"{BEXLEY}/police"
        public = node.keys.signer(node.principal).public

        def sign(self, text: bytes) -> bytes:
            return node.keys.signer(node.principal).sign(text)

    forged = make_receipt(
        Mask(), net=node.network.net, about=about(row), at=world.clock.now(), state="accepted"
    ).note
    await _send_receipts(world, forged)
    assert (await world.hackney.legs(row.ref))["police"].state == "DELIVERED"


async def test_a_receipt_the_table_does_not_allow_is_kept_and_moves_nothing(
    world: World, document: Any, check_histories: Any
) -> None:
    row = await _delivered(world, document)
    told = about(row)
    chain = await world.bexley.node.store.read(lambda tx: tx.receipts(mid=row.mid, by=f"{BEXLEY}/dwp"))
    await _send_receipts(world, _receipt(world, told, by="dwp", state="closed", prev=chain[-1].hash))
    leg = (await world.hackney.legs(row.ref))["dwp"]
    assert leg.state == "DELIVERED"
    events = await world.hackney.node.store.read(lambda tx: tx.history(leg.id))
    assert events[-1].event == "ignored:closed"
    await check_histories(world.hackney, row.ref)


# --- streams ----------------------------------------------------------------------------------------


async def _raw(
    world: World, *, seq: int, mid: bytes | None = None, prev: bytes = ZERO, area: str = HACKNEY
) -> bytes:
    """An envelope of Hackney's at any place of one stream, past its own bookkeeping."""
    node = world.hackney.node
    to = world.hackney.node.network.node(BEXLEY).name
    now = world.clock.now()
    readers = [to, f"{BEXLEY}/police"]
    draft = prepare(
        net=node.network.net,
        kind=Kind.MESSAGE,
        priority=0,
        to=BEXLEY,
        expires=now + 3600,
        recipients=[
            Recipient(name, node.network.sealing_key(name, now), frozenset({number}))
            for number, name in enumerate(readers, start=1)
        ],
        contents=[table(entry(leg=secrets.token_hex(16)), handover=f"HO-{area}-2026-{seq:06}"), CONTENT],
    )
    sealed = draft.finish(
        node.keys.signer(node.principal),
        created=now,
        directory=node.network.version,
        position=Position("ab" * 16, seq, prev),
        seen=Seen(),
    )
    return sealed.envelope


async def _publish(world: World, body: bytes, lane: Lane = Lane.STANDARD) -> None:
    await world.hackney.node.transport.publish(Outgoing(BEXLEY, lane, body, secrets.token_hex(8)))
    await world.settle()


async def test_two_statements_in_one_place_are_evidence(world: World) -> None:
    first, second = await _raw(world, seq=1), await _raw(world, seq=1)
    await _publish(world, first)
    for _ in range(3):  # however often it comes: one line for the person who looks
        await _publish(world, second)
    (held,) = await world.bexley.node.store.read(lambda tx: tx.held(9))
    assert (held.code, held.count) == ("equivocation", 3)
    assert body_of(world.bexley.node.keys, held) == second
    kept = await world.bexley.node.store.read(lambda tx: tx.envelope_at(HACKNEY, "ab" * 16, 1))
    assert kept is not None
    assert kept.body == first
    assert len(world.bexley.desks["police"].given) == 1


async def test_a_message_read_by_another_area_is_not_for_it(world: World) -> None:
    """The same bytes at the wrong node, and through the wrong exchange."""
    body = await _raw(world, seq=1)
    await world.bexley.node.transport.publish(Outgoing(HACKNEY, Lane.STANDARD, body, "x"))
    await world.settle()
    assert world.broker.quarantined(HACKNEY) == [body]
    assert not (await world.hackney.node.store.read(lambda tx: tx.counts()))["held"]


async def test_what_comes_through_another_areas_exchange_is_refused(world: World) -> None:
    body = await _raw(world, seq=1)
    with pytest.raises(receive.Refused) as refused:
        await receive.accept(world.bexley.node, body, via="E09000033")
    assert refused.value.code == "via"
    assert await world.bexley.node.store.read(lambda tx: tx.envelope_at(HACKNEY, "ab" * 16, 1)) is None


async def test_out_of_order_is_delivered_at_once_and_the_hole_is_remembered(world: World) -> None:
    bodies = [await _raw(world, seq=seq) for seq in (1, 2, 3)]
    for body in (bodies[2], bodies[1]):
        await _publish(world, body)
    assert len(world.bexley.desks["police"].given) == 2
    stream = await world.bexley.node.store.read(lambda tx: tx.stream(HACKNEY, outgoing=False))
    assert stream is not None
    assert stream.seq == 0
    await _publish(world, bodies[0])
    stream = await world.bexley.node.store.read(lambda tx: tx.stream(HACKNEY, outgoing=False))
    assert stream is not None
    assert stream.seq == 3


async def test_garbage_is_put_aside_without_an_answer_or_a_trace(world: World, dump: Dump) -> None:
    """64 bodies of every kind of nonsense: no reply, no row, and the honest message behind them arrives."""
    honest = await _raw(world, seq=1)
    before = dump(world.bexley)
    junk = [secrets.token_bytes(1 + 37 * size) for size in range(32)]
    junk += [honest[: len(honest) * cut // 33] for cut in range(1, 33)]
    for body in junk:
        await world.hackney.node.transport.publish(
            Outgoing(BEXLEY, Lane.STANDARD, body, secrets.token_hex(8))
        )
    await world.deliver_mail(world.bexley)
    assert dump(world.bexley) == before
    assert len(world.broker.quarantined(BEXLEY)) == 64
    assert sum(world.broker.waiting(HACKNEY, lane) for lane in Lane) == 0
    await _publish(world, honest)
    assert len(world.bexley.desks["police"].given) == 1


async def test_a_flipped_bit_is_garbage_wherever_it_is(world: World, dump: Dump) -> None:
    honest = await _raw(world, seq=1)
    before = dump(world.bexley)
    for place in range(0, len(honest), 97):
        flipped = bytearray(honest)
        flipped[place] ^= 1
        await world.hackney.node.transport.publish(
            Outgoing(BEXLEY, Lane.STANDARD, bytes(flipped), secrets.token_hex(8))
        )
    count = await world.deliver_mail(world.bexley)
    held = [row.code for row in (await world.bexley.node.store.read(lambda tx: tx.held(99)))]
    aside = len(world.broker.quarantined(BEXLEY))
    assert aside + len(held) == count
    assert not any(desk.given for desk in world.bexley.desks.values())
    if not held:
        assert dump(world.bexley) == before


async def test_a_bad_envelope_in_a_bundle_is_held_alone(world: World) -> None:
    bodies = [await _raw(world, seq=seq) for seq in (1, 2, 3)]
    bad = bodies[1][:-1] + bytes([bodies[1][-1] ^ 1])
    await _publish(world, bundle([bodies[0], bad, bodies[2]]))
    assert len(world.bexley.desks["police"].given) == 2
    (held,) = await world.bexley.node.store.read(lambda tx: tx.held(9))
    assert body_of(world.bexley.node.keys, held) == bad
    assert not world.broker.quarantined(BEXLEY)
    assert not world.broker.waiting(BEXLEY, Lane.STANDARD)
    await _publish(world, bodies[1])  # and the true one is welcome
    assert len(world.bexley.desks["police"].given) == 3


async def test_a_control_message_of_a_later_release_keeps_its_place(world: World) -> None:
    await send(world, [write_sections({"of_a_later_release": {}})], readers=(), kind=Kind.CONTROL)
    mid = await send(world, [table(entry()), CONTENT])
    await world.settle()
    assert (await refusals(world, mid))[0][0] == "received"
    stream = await world.bexley.node.store.read(lambda tx: tx.stream(HACKNEY, outgoing=False))
    assert stream is not None
    assert stream.seq >= 2


async def test_the_origins_rows_are_never_touched_by_what_a_peer_calls_its_own(
    world: World, document: Any
) -> None:
    """Bexley sends a 'notification' that names one of Hackney's own legs."""
    ref = (await world.hackney.submit(document)).ref
    await world.settle()
    leg = (await world.hackney.legs(ref))["police"]
    stolen = entry(leg=leg.id, principal=f"{HACKNEY}/police", reply_to=f"{BEXLEY}/police")
    mid = await send(
        world,
        [table(stolen, handover="HO-E09000004-2026-000001"), CONTENT],
        readers=[f"{HACKNEY}/police"],
        sender=world.bexley,
    )
    await world.settle()
    assert await refusals(world, mid, world.bexley) == [("refused", "leg_id")]
    after = (await world.hackney.legs(ref))["police"]
    assert (after.side, after.principal, after.ref) == (Side.ORIGIN, leg.principal, ref)
