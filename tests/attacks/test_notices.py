"""Notices by whoever has no part in a handover, about what nobody sent, or played again: all with a member's
real keys, so that nothing but what a notice is allowed to say stops them."""

from __future__ import annotations

import json

import pytest

from gateway.core.envelope import split
from gateway.core.receipts import About
from gateway.flows import notice_in, notices
from gateway.flows.receipts import about
from gateway.flows.vault import write_sections
from gateway.ports import Parcel
from gateway.testing.boroughs import BEXLEY, HACKNEY
from gateway.testing.people import adult

REF = "HO-E09000012-2026-000417"
OTHERS = "HO-E09000007-2026-000001"
BACK = f"HO-{BEXLEY}-2026-000001"
ID = "7e" * 16


def block(**changes):
    return {"id": ID, "kind": "CORRECTION", "code": "DATA_INACCURATE", "versions": [], "facts": {}, **changes}


def notice(attack, *, ref=REF, told=None, legs=None, seq=1, **changes):
    """A notice from Hackney's node in bad hands, to the police."""
    table = {
        "type": "NOTICE",
        "handover": ref,
        "version": 1,
        "urgency": "STANDARD",
        "legs": legs if legs is not None else [attack.leg()],
    }
    part = {"routing": table, "notice": block(**changes) if told is None else told}
    words = write_sections({"notice": {"text": "CanaryZebulonQuux"}})
    return attack.insider(contents=(write_sections(part), words), seq=seq).seal()


async def given_back(attack):
    """Bexley has sent a handover to Hackney and withdrawn it; the id of that notice."""
    document = adult()
    document["message"] |= {"handover_id": BACK}
    document["message"]["authorised_by"]["area"] = BEXLEY
    document["routing"]["origin"] |= {"area_code": BEXLEY, "area_name": "Bexley"}
    document["routing"]["destination"] |= {"area_code": HACKNEY, "area_name": "Hackney"}
    document["move"] |= {"from_area": BEXLEY, "to_area": HACKNEY, "safe_areas": [HACKNEY]}
    bexley = attack.world.bexley
    await bexley.submit(document, key="back")
    said = {"kind": "WITHDRAWAL", "role": "Lead", "reason_code": "SENT_IN_ERROR"}
    words = notices.read(json.dumps(said).encode())
    made = await notices.issue(bexley.node, bexley.caller("community_safety"), BACK, words, key="n")
    await attack.world.settle()
    for desk in bexley.desks.values():
        desk.given.clear()
    return made.id


async def test_without_an_attack_it_is_taken(attack):
    await attack.welcome(notice(attack))
    assert [view.kind for view in attack.handed()] == [Parcel.NOTICE]


async def test_a_notice_about_a_handover_that_the_sender_has_no_part_in(attack):
    await attack.told(notice(attack, ref=OTHERS), "notice_party")
    await attack.told(notice(attack, ref=BACK, seq=2), "notice_party")


async def test_a_third_areas_withdrawal_destroys_nothing(attack):
    await attack.delivered()
    for desk in attack.world.bexley.desks.values():
        desk.given.clear()
    await attack.told(notice(attack, ref=OTHERS, kind="WITHDRAWAL", code="SENT_IN_ERROR"), "notice_party")
    row = await attack.node.store.read(lambda tx: tx.handover(REF))
    assert row.state == "ISSUED"


@pytest.mark.parametrize("kind", ["RETURN_MOVE", "PURGE_ATTESTATION", "CASCADE_REPORT"])
async def test_a_kind_that_the_other_side_sends(attack, kind):
    await attack.told(notice(attack, kind=kind, facts={"about": ID}), "notice_side")


async def test_a_kind_of_the_origins_about_our_own_handover(attack):
    await given_back(attack)
    leg = (await attack.world.bexley.legs(BACK))["police"]
    legs = [attack.leg(leg=leg.id)]
    await attack.told(notice(attack, ref=BACK, legs=legs, kind="ERASURE"), "notice_side")


@pytest.mark.parametrize("about", ["another id", "a handover of another"])
async def test_an_attestation_of_what_nobody_asked_for(attack, about):
    """One about a notice that was never sent settles nobody's account."""
    real = await given_back(attack)
    leg = (await attack.world.bexley.legs(BACK))["police"]
    legs = [attack.leg(leg=leg.id)]
    named = "ab" * 16 if about == "another id" else real
    facts = {"about": named, "copies_destroyed": True}
    changes = {"kind": "PURGE_ATTESTATION", "code": "ORDERED", "facts": facts}
    if about == "another id":
        await attack.told(notice(attack, ref=BACK, legs=legs, **changes), "notice_about")
    else:
        await attack.told(notice(attack, ref=REF, **changes), "notice_side")
    rows = await attack.node.store.read(lambda tx: tx.notices(parent=real))
    assert rows == []


async def test_a_notice_to_another_agency_than_the_legs(attack):
    row = await attack.delivered()
    for desk in attack.world.bexley.desks.values():
        desk.given.clear()
    housing = (await attack.world.bexley.legs(row.ref))["housing"]
    await attack.told(notice(attack, legs=[attack.leg(leg=housing.id)]), "notice_leg")


async def test_answers_that_would_go_to_an_area_that_did_not_send_it(attack):
    legs = [attack.leg(reply_to="E09000007/police")]
    await attack.told(notice(attack, legs=legs), "reply_to")


@pytest.mark.parametrize(
    ("told", "code"),
    [
        (block(kind="SELF_DESTRUCT"), "notice_kind"),
        (block(kind="free text"), "field_value"),
        (block(code="The person lives at 1 Example Street"), "field_value"),
        (block(facts={"name": "EXAMPLE"}), "field_unknown"),
        (block(facts={"section": "The words of somebody"}), "field_value"),
        (block(facts={"due": "soon"}), "field_value"),
        (block(facts={"evidence": 1}), "field_value"),
        (block(facts={"legs": []}), "field_value"),
        (block(versions=[2, 1]), "field_value"),
        (block(versions=[0]), "field_value"),
        (block(id="short"), "field_value"),
        ({**block(), "more": 1}, "field_unknown"),
        ({"id": ID}, "field_missing"),
    ],
)
async def test_a_block_that_says_more_or_less_than_codes(attack, told, code):
    await attack.told(notice(attack, told=told), code)


async def test_a_notice_without_its_block_and_without_readers(attack):
    table = {"type": "NOTICE", "handover": REF, "version": 1, "urgency": "STANDARD", "legs": [attack.leg()]}
    alone = attack.insider(contents=(write_sections({"routing": table}), attack.section()))
    await attack.told(alone.seal(), "json_object")
    await attack.told(notice(attack, legs=[], seq=2), "routing")


async def test_the_same_notice_again_is_made_once_and_another_under_its_id_is_refused(attack):
    await attack.welcome(notice(attack))
    await attack.welcome(notice(attack, seq=2))
    assert len(attack.handed()) == 1
    rows = await attack.node.store.read(lambda tx: tx.notices(ref=REF))
    assert len(rows) == 1
    for desk in attack.world.bexley.desks.values():
        desk.given.clear()
    await attack.told(notice(attack, kind="WITHDRAWAL", code="SENT_IN_ERROR", seq=3), "notice_id")


async def test_more_notices_about_one_handover_than_an_area_may_send(attack, monkeypatch):
    monkeypatch.setattr(notice_in, "MAX_NOTICES", 2)
    for number in (1, 2):
        await attack.welcome(notice(attack, id=f"{number:032x}", seq=number))
    await attack.welcome(notice(attack, id=f"{1:032x}", seq=3))  # one that is here is no further one
    for desk in attack.world.bexley.desks.values():
        desk.given.clear()
    await attack.told(notice(attack, id=f"{3:032x}", seq=4), "notice_many")
    assert len(await attack.node.store.read(lambda tx: tx.notices(ref=REF))) == 2
    other_ref = REF[:-1] + ("1" if REF[-1] != "1" else "2")
    await attack.welcome(notice(attack, id=f"{3:032x}", ref=other_ref, seq=5))


async def test_a_replayed_notice_changes_nothing(attack):
    envelope = notice(attack)
    await attack.welcome(envelope)
    before = {name: rows for name, rows in attack.dump().items() if name not in {"outbox", "streams"}}
    await attack.publish(envelope)
    after = attack.dump()
    for table in ("notices", "notice_legs", "notice_messages", "tasks", "accesses"):
        assert after[table] == before[table], table


# --- answers, which come the other way ---------------------------------------------------------------


async def issued(attack, kind="CORRECTION", reason="DATA_INACCURATE"):
    """Hackney's notice at all seven; Bexley's row of its message."""
    await attack.delivered()
    hackney = attack.world.hackney
    words = notices.read(json.dumps({"kind": kind, "role": "Lead", "reason_code": reason}).encode())
    made = await notices.issue(hackney.node, hackney.caller("community_safety"), REF, words, key="n")
    await attack.world.settle()
    row = await attack.node.store.read(lambda tx: tx.notice(made.id))
    return made.id, await attack.node.store.read(lambda tx: tx.envelope(row.mid))


async def states(attack, notice_id):
    rows = await attack.world.hackney.node.store.read(lambda tx: tx.notice_legs(notice_id))
    return {row.principal.partition("/")[2]: row.state for row in rows}


async def head(attack, row, role="police"):
    rows = await attack.node.store.read(lambda tx: tx.receipts(mid=row.mid, by=f"{BEXLEY}/{role}"))
    return rows[-1].hash


@pytest.mark.parametrize("state", ["accepted", "closed", "returned", "completed"])
async def test_an_answer_to_a_notice_that_its_table_does_not_allow_moves_nothing(attack, state):
    """Neither the notice, nor the leg of the handover that it is about."""
    notice_id, row = await issued(attack)
    before = await states(attack, notice_id)
    legs = {role: leg.state for role, leg in (await attack.world.hackney.legs(REF)).items()}
    told = attack.receipt(row, state=state, prev=await head(attack, row))
    await attack.send_receipts(told)
    assert await states(attack, notice_id) == before
    assert {role: leg.state for role, leg in (await attack.world.hackney.legs(REF)).items()} == legs


async def test_an_attestation_by_an_agency_that_was_not_asked(attack):
    """Signed with a good key of Bexley's, but the node's: it answers for bytes and for nobody's copies."""
    notice_id, row = await issued(attack, "WITHDRAWAL", "SENT_IN_ERROR")
    before = await states(attack, notice_id)
    node = attack.node.keys.signer(f"{BEXLEY}/node")
    with pytest.raises(Exception):  # noqa: B017, PT011 - it cannot even be made
        attack.receipt(row, signer=node, state="completed", code="COPIES_DESTROYED")
    forged = About(row.digest, f"{HACKNEY}/node", "00" * 16, row.statement)
    await attack.send_receipts(attack.receipt(forged, state="completed", code="COPIES_DESTROYED"))
    assert await states(attack, notice_id) == before


async def test_an_answer_to_the_handover_is_none_to_its_notice(attack):
    notice_id, _ = await issued(attack)
    leg = (await attack.world.bexley.legs(REF))["police"]
    row = await attack.node.store.read(lambda tx: tx.envelope(leg.mid))
    before = await states(attack, notice_id)
    await attack.send_receipts(attack.receipt(about(row), prev=await head(attack, row)))
    assert await states(attack, notice_id) == before
    assert (await attack.world.hackney.legs(REF))["police"].state == "RECEIVED"


async def test_the_words_are_sealed_to_each_agency(attack):
    """A notice's parts are like a handover's: a node's own slot opens none of them."""
    envelope = notice(attack)
    await attack.welcome(envelope)
    assert b"CanaryZebulonQuux" not in split(envelope).raw
