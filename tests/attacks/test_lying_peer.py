"""A member of the network whose node says what no honest node would: versions from nowhere, answers to what
nobody asked, flags that change, moments at the end of time. All with real keys."""

from __future__ import annotations

import json
import secrets

import pytest

from gateway.core.encoding import MAX_INTEGER, MAX_TIME
from gateway.core.envelope import split
from gateway.core.notices import NoticeKind, answerable
from gateway.flows import actions, notices
from gateway.flows.vault import write_sections
from gateway.ports import Lane, Outgoing
from gateway.testing.boroughs import BEXLEY, HACKNEY

REF = "HO-E09000012-2026-000417"
FRESH = "HO-E09000012-2026-000900"
OTHERS = "HO-E09000007-2026-000001"
ID = "7e" * 16
CLOSURE = {"kind": "CLOSURE", "code": "WORK_COMPLETED"}


def notice(
    attack, *, ref=REF, version=1, legs=None, seq=1, kind="CORRECTION", code="DATA_INACCURATE", **facts
):
    """A notice from Hackney's node in bad hands, to the police."""
    table = {"type": "NOTICE", "handover": ref, "version": version, "urgency": "STANDARD"}
    table["legs"] = legs or [attack.leg()]
    told = {"id": ID, "kind": kind, "code": code, "versions": [], "facts": facts}
    part = write_sections({"routing": table, "notice": told})
    return attack.insider(contents=(part, write_sections({"notice": {"text": "x"}})), seq=seq).seal()


async def back(attack, *, kind, code, seq=1, name=ID, **facts):
    """Bexley's node lies to Hackney's, about the police's leg. What Hackney's node signed of it."""
    node, now = attack.node, attack.world.clock.now()
    leg = (await attack.world.hackney.legs(REF))["police"]
    entry = {"slot": 1, "principal": leg.counterpart, "leg": leg.id, "reply_to": leg.principal}
    table = {"type": "NOTICE", "handover": REF, "version": 1, "urgency": "STANDARD", "legs": [entry]}
    told = {"id": name, "kind": kind, "code": code, "versions": [], "facts": facts}
    stream = await node.store.read(lambda tx: tx.stream(HACKNEY, outgoing=True))
    envelope = attack.insider(
        signer=node.keys.signer(f"{BEXLEY}/node"),
        keys_of=lambda name: node.network.sealing_key(name, now),
        readers=((f"{HACKNEY}/node", (1,)), (leg.counterpart, (2,))),
        contents=(
            write_sections({"routing": table, "notice": told}),
            write_sections({"notice": {"text": "x"}}),
        ),
        to=HACKNEY.encode(),
        stream=stream.stream,
        seq=stream.seq + 5000 + seq,
    ).seal()
    await node.transport.publish(Outgoing(HACKNEY, Lane.URGENT, envelope, secrets.token_hex(8)))
    await attack.world.settle()
    mid = split(envelope).mid
    store = attack.world.hackney.node.store
    rows = await store.read(lambda tx: tx.receipts(mid=mid, by=f"{HACKNEY}/node"))
    return [(row.state, row.code) for row in rows]


async def issue(attack, kind, code, **more):
    hackney = attack.world.hackney
    said = {"kind": kind, "role": "Lead", "reason_code": code, **more}
    words = notices.read(json.dumps(said).encode())
    made = await notices.issue(hackney.node, hackney.caller("community_safety"), REF, words, key=kind)
    await attack.world.settle()
    return made.id


async def states(attack, side="hackney"):
    return {role: leg.state for role, leg in (await getattr(attack.world, side).legs(REF)).items()}


async def accepted(attack):
    await attack.delivered()
    for role, leg in (await attack.world.bexley.legs(REF)).items():
        await attack.world.bexley.answer(role, leg.id)
    await attack.world.settle()


async def handover(attack, side="hackney"):
    node = getattr(attack.world, side).node
    return await node.store.read(lambda tx: tx.handover(REF))


# --- versions and moments ------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [MAX_INTEGER, 10**9, 10_000, 0])
async def test_a_version_from_nowhere_does_not_keep_the_node_counting(attack, version):
    """Whoever stores a version looks at every one before it: 2 to the 53 of them would be for ever."""
    envelope = attack.insider(contents=(attack.routing(version=version), attack.section())).seal()
    await attack.told(envelope, "field_value")


async def test_the_highest_version_there_is_is_taken(attack):
    await attack.welcome(attack.insider(contents=(attack.routing(version=9_999), attack.section())).seal())


@pytest.mark.parametrize("late", [MAX_TIME + 1, MAX_INTEGER])
async def test_an_action_planned_after_the_end_of_the_calendar(attack, late):
    """Nobody could show it: the agency's view would fail, and with it everything else in it."""
    leg = attack.leg(actions=[["a1", "XX-U1", True, late]])
    await attack.told(attack.insider(contents=(attack.routing(leg), attack.section())).seal(), "routing")


async def test_a_purge_after_the_end_of_the_calendar(attack):
    part = attack.routing(purge=MAX_TIME + 1)
    await attack.told(attack.insider(contents=(part, attack.section())).seal(), "field_value")


@pytest.mark.parametrize("name", ["due", "since", "until"])
async def test_a_notice_with_a_moment_after_the_end_of_the_calendar(attack, name):
    await attack.told(notice(attack, **{name: MAX_TIME + 1}), "field_value")


async def test_the_last_moments_that_there_are_are_shown(attack):
    leg = attack.leg(actions=[["a1", "XX-U1", True, MAX_TIME], ["a2", "XX-U2", True, 0]])
    envelope = attack.insider(contents=(attack.routing(leg, purge=MAX_TIME), attack.section())).seal()
    await attack.welcome(envelope)
    (view,) = attack.handed()
    assert "2199-12-31T23:59:59Z" in json.dumps(dict(view.content))


# --- what nobody asked ---------------------------------------------------------------------------------


async def test_an_attestation_about_a_notice_that_ordered_nothing_ends_no_leg(attack):
    """It would take every leg that still waits for its answer off the origin's list."""
    await attack.delivered()
    made = await issue(attack, "CORRECTION", "DATA_INACCURATE")
    before = await states(attack)
    said = await back(attack, kind="PURGE_ATTESTATION", code="ORDERED", about=made, copies_destroyed=True)
    assert said == [("refused", "notice_about")]
    assert await states(attack) == before


async def test_the_same_attestation_about_what_was_ordered_is_taken(attack):
    await attack.delivered()
    made = await issue(attack, "WITHDRAWAL", "SENT_IN_ERROR")
    said = await back(attack, kind="PURGE_ATTESTATION", code="ORDERED", about=made, copies_destroyed=True)
    assert said == [("received", "")]


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        ("INFORMATION", {}),
        ("PERMISSION_GRANT", {"area": BEXLEY, "since": 0, "until": 1}),
        ("PURGE_ATTESTATION", {"copies_destroyed": True}),
    ],
)
async def test_an_answer_to_a_question_that_was_another(attack, kind, facts):
    await attack.delivered()
    made = await issue(attack, "CORRECTION", "DATA_INACCURATE")
    said = await back(attack, kind=kind, code="ORDERED", about=made, **facts)
    assert said == [("refused", "notice_about")]


def test_every_kind_that_answers_answers_something_that_can_be_sent():
    for kind in NoticeKind:
        assert answerable(kind)
        assert kind not in answerable(kind) or kind is NoticeKind.RECTIFICATION


async def test_a_request_under_another_areas_reference(attack):
    """It would stand among the notices of a handover that its sender has no part in."""
    told = notice(attack, ref=OTHERS, kind="HANDOVER_REQUEST", code="ALREADY_HERE", agencies=["POLICE"])
    await attack.told(told, "notice_party")
    assert await attack.node.store.read(lambda tx: tx.notices(ref=OTHERS)) == []


async def test_a_correction_of_no_handover(attack):
    await attack.told(notice(attack, ref="", version=0), "notice_party")


async def test_results_for_actions_that_were_not_asked_move_nothing(attack):
    await accepted(attack)
    node, leg = attack.world.hackney.node, (await attack.world.hackney.legs(REF))["police"]
    before = await node.store.read(lambda tx: tx.actions(leg.id))

    def work(tx):
        actions.keep(tx, leg, b"s" * 32, [actions.Said("nobody-asked", "COMPLETED", "")])
        return actions.settle(tx, leg, attack.world.clock.now())

    await node.store.write(work)
    assert await node.store.read(lambda tx: tx.actions(leg.id)) == before


# --- closing -------------------------------------------------------------------------------------------


async def test_a_closure_over_undecided_actions_closes_nothing(attack):
    """R15: an honest node would not have sent it, so its receiver looks for itself."""
    await accepted(attack)
    assert (await handover(attack)).state == "ACTIVE"
    assert await back(attack, **CLOSURE) == [("received", "")]
    assert (await handover(attack)).state == "ACTIVE"
    undecided = await attack.world.hackney.node.store.read(lambda tx: actions.undecided_of(tx, REF, 1))
    assert undecided


async def test_a_closure_before_the_answers_closes_with_the_last_of_them(attack):
    """It travels on the urgent lane, the receipts do not: it is early, and not lost."""
    await attack.delivered()
    bexley = attack.world.bexley
    assert await back(attack, **CLOSURE) == [("received", "")]
    legs = await bexley.legs(REF)
    *others, last = legs
    for role in legs:
        rows = await bexley.node.store.read(lambda tx, leg=legs[role]: tx.actions(leg.id))
        await bexley.answer(role, legs[role].id)
        done = [
            {"action_id": row.action, "result": "NOT_DONE", "reason_code": "NOT_MOVED"}
            for row in rows
            if not row.local
        ]
        await bexley.answer(role, legs[role].id, state="COMPLETED", actions=done)
        await attack.world.settle()
        assert ((await handover(attack)).state == "CLOSED") == (role == last), (role, others)


# --- a rehearsal that is none --------------------------------------------------------------------------


async def test_a_handover_becomes_no_drill_and_a_drill_no_handover(attack):
    """What is superseded is shredded: a rehearsal would take a real handover's place."""
    await attack.delivered()
    for desk in attack.world.bexley.desks.values():
        desk.given.clear()
    leg = attack.leg(leg="cd" * 16)
    part = attack.routing(leg, handover=REF, version=2, drill=True)
    await attack.told(attack.insider(contents=(part, attack.section())).seal(), "drill_changed")
    assert (await handover(attack, "bexley")).version == 1


async def test_a_drill_becomes_no_handover(attack):
    await attack.welcome(attack.insider(contents=(attack.routing(drill=True), attack.section())).seal())
    part = attack.routing(attack.leg(leg="cd" * 16), version=2)
    await attack.told(attack.insider(contents=(part, attack.section()), seq=2).seal(), "drill_changed")
