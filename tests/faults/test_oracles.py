"""Each oracle of the fault suite can fail: a history in which its one thing is wrong, and nothing else."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Collection
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from gateway.core.merkle import leaf_hash, root_of
from gateway.testing.boroughs import BEXLEY, HACKNEY
from gateway.testing.chaos import oracles
from gateway.testing.chaos.load import Accepted
from gateway.testing.chaos.records import Party, Row

REF, LEG, MID = "HO-E09000012-2026-001001", "leg-1", "mid-1"
POLICE = f"{BEXLEY}/police"
ACCEPTED = [Accepted(REF, ("POLICE",), "h1", 0.0)]
STEPS = (
    ("transmitted", "QUEUED", "TRANSMITTED"),
    ("received", "TRANSMITTED", "DELIVERED"),
    ("opened", "DELIVERED", "DELIVERED"),
    ("acknowledged", "DELIVERED", "RECEIVED"),
    ("accepted", "RECEIVED", "ACCEPTED"),
)


def party(area: str, **tables: list[Row]) -> Party:
    """A node's records of one handover that went well, with other rows in the tables named."""
    ours = area == BEXLEY
    receipts = [
        {"mid": MID, "by": POLICE, "state": state, "hash": state.encode(), "ours": ours}
        for state in ("opened", "acknowledged", "accepted")
    ]
    leg: dict[str, Any] = {
        "id": LEG, "ref": REF, "side": "destination" if ours else "origin", "principal": POLICE,
        "agency": "POLICE", "state": "ACCEPTED", "mid": MID, "opened": 5,
    }  # fmt: skip
    events = [{"leg": LEG, "event": e, "before": b, "after": a} for e, b, a in STEPS[2 * ours :]]
    leaves = [{"n": n, "leaf": f"{area} {n}".encode()} for n in range(5)]
    envelope = {"side": "origin", "peer": BEXLEY, "stream": "s1", "seq": 1, "digest": b"d1"}
    if ours:
        envelope = {**envelope, "side": "destination", "peer": HACKNEY}
    good: dict[str, list[Row]] = {
        "legs": [leg], "leg_events": list(events), "receipts": list(receipts), "log": list(leaves),
        "envelopes": [envelope], "alarms": [], "notice_legs": [], "checkpoints": [], "cosignatures": [],
    }  # fmt: skip
    return Party(area, {**good, **tables})


def changed(table: str, at: int, **more: object) -> list[Row]:
    """The rows of a good origin, one of them changed."""
    rows = [dict(row) for row in party(HACKNEY).table(table)]
    rows[at] |= more
    return list(rows)


ORIGIN, DESTINATION = party(HACKNEY), party(BEXLEY)


class TestAccounted:
    def test_answered(self) -> None:
        assert oracles.accounted(ACCEPTED, ORIGIN, DESTINATION) == []

    def test_lost_without_a_trace(self) -> None:
        (wrong,) = oracles.accounted(ACCEPTED, party(HACKNEY, legs=[]), DESTINATION)
        assert "0 legs on record" in wrong

    def test_one_leg_of_two(self) -> None:
        two = [replace(ACCEPTED[0], agencies=("POLICE", "HOUSING"))]
        assert oracles.accounted(two, ORIGIN, DESTINATION)

    def test_still_waiting_and_nobody_was_told(self) -> None:
        waiting = changed("legs", 0, state="DELIVERED")
        (wrong,) = oracles.accounted(ACCEPTED, party(HACKNEY, legs=waiting), DESTINATION)
        assert "not answered and not reported" in wrong

    def test_an_alarm_about_it_is_a_report_and_one_about_another_is_none(self) -> None:
        waiting = changed("legs", 0, state="DELIVERED")
        alarm = {"subject": LEG, "code": "undelivered", "cleared": 0}
        assert oracles.accounted(ACCEPTED, party(HACKNEY, legs=waiting, alarms=[alarm]), DESTINATION) == []
        for other in ({"subject": "leg-2"}, {"cleared": 9}):
            told = party(HACKNEY, legs=waiting, alarms=[alarm | other])
            assert oracles.accounted(ACCEPTED, told, DESTINATION), "about another, or over by now"

    def test_an_answer_that_nobody_signed(self) -> None:
        unsigned = [row for row in ORIGIN.table("receipts") if row["state"] != "accepted"]
        (wrong,) = oracles.accounted(ACCEPTED, party(HACKNEY, receipts=unsigned), DESTINATION)
        assert "without a receipt" in wrong

    @pytest.mark.parametrize("state", ["REJECTED", "IN_PROGRESS", "COMPLETED", "CLOSED"])
    def test_a_state_that_its_receipts_do_not_say(self, state: str) -> None:
        (wrong,) = oracles.accounted(
            ACCEPTED, party(HACKNEY, legs=changed("legs", 0, state=state)), DESTINATION
        )
        assert "without a receipt that says so" in wrong

    def test_two_decisions_about_one_leg(self) -> None:
        second = {"mid": MID, "by": POLICE, "state": "rejected", "hash": b"rejected", "ours": False}
        told = party(HACKNEY, receipts=[*ORIGIN.table("receipts"), second])
        signed: Row = {**second, "ours": True}
        there = party(BEXLEY, receipts=[*DESTINATION.table("receipts"), signed])
        (wrong,) = oracles.accounted(ACCEPTED, told, there)
        assert "more than once" in wrong

    def test_an_end_needs_a_reason(self) -> None:
        ended = changed("legs", 0, state="UNDELIVERABLE")
        assert oracles.accounted(ACCEPTED, party(HACKNEY, legs=ended), DESTINATION)
        said: list[Row] = [{"leg": LEG, "event": "refused", "before": "QUEUED", "after": "UNDELIVERABLE"}]
        assert oracles.accounted(ACCEPTED, party(HACKNEY, legs=ended, leg_events=said), DESTINATION) == []


class TestDecided:
    def test_what_its_agency_said(self) -> None:
        assert oracles.decided(ACCEPTED, ORIGIN, DESTINATION, {LEG: "ACCEPTED"}.__getitem__) == []

    def test_what_its_agency_never_said(self) -> None:
        wrong = oracles.decided(ACCEPTED, ORIGIN, DESTINATION, {LEG: "REJECTED"}.__getitem__)
        assert [one.partition(":")[0] for one in wrong] == [BEXLEY, HACKNEY], "each side by itself"

    def test_what_is_not_answered_is_no_answer(self) -> None:
        waiting = party(HACKNEY, legs=changed("legs", 0, state="DELIVERED"))
        there = party(BEXLEY, legs=[{**DESTINATION.table("legs")[0], "state": "RECEIVED"}])
        assert oracles.decided(ACCEPTED, waiting, there, {LEG: "REJECTED"}.__getitem__) == []


class TestNoticed:
    NOTICE = (replace(ACCEPTED[0], notice="n1"),)

    def readers(self, state: str) -> Party:
        return party(HACKNEY, notice_legs=[{"notice": "n1", "principal": POLICE, "state": state}])

    def test_answered(self) -> None:
        assert oracles.noticed(self.NOTICE, self.readers("ACKNOWLEDGED")) == []

    def test_not_answered(self) -> None:
        assert oracles.noticed(self.NOTICE, self.readers("QUEUED"))

    def test_gone(self) -> None:
        assert oracles.noticed(self.NOTICE, ORIGIN)


def call(key: str, digest: str = "d", principal: str = POLICE, **more: object) -> dict[str, object]:
    return {
        "kind": "handover.notification", "principal": principal, "key": key, "digest": digest,
        "leg": LEG, "notice": "", "refused": False, **more,
    }  # fmt: skip


class TestCalls:
    def test_a_repeat_with_the_same_key(self) -> None:
        journal = [call("k1"), call("k1")]
        assert oracles.calls(journal) == []
        assert oracles.repeated(journal) == 1

    def test_a_repeat_with_another_key(self) -> None:
        (wrong,) = oracles.calls([call("k1"), call("k2")])
        assert "under 2 keys" in wrong

    def test_the_same_key_for_something_else(self) -> None:
        (wrong,) = oracles.calls([call("k1"), call("k1", "other")])
        assert "different contents" in wrong

    def test_the_same_key_for_another_agency(self) -> None:
        assert oracles.calls([call("k1"), call("k1", principal=f"{BEXLEY}/dwp")])

    @pytest.mark.parametrize("kind", ["handover.notice", "handover.status", "handover.reply"])
    def test_each_kind_of_parcel(self, kind: str) -> None:
        assert oracles.calls([call("k1", kind=kind, notice="n1"), call("k2", kind=kind, notice="n1")])

    def test_of_two_answers_around_a_restored_backup_each_reply_is_a_parcel(self) -> None:
        replies = [call("k1", kind="handover.reply"), call("k2", kind="handover.reply")]
        assert oracles.calls(replies, {BEXLEY}) == []
        assert oracles.calls([call("k1"), call("k2")], {BEXLEY}), "no other parcel"
        assert oracles.calls([call("k1"), call("k1", "other")], {BEXLEY}), "nor another content"

    def test_two_events_of_one_leg_are_two_parcels(self) -> None:
        one, two = (
            call("k1", "opened", kind="handover.status"),
            call("k2", "accepted", kind="handover.status"),
        )
        assert oracles.calls([one, two]) == []


class TestGiven:
    def test_called(self) -> None:
        assert oracles.given(ACCEPTED, [call("k1")], DESTINATION) == []

    def test_said_and_not_called(self) -> None:
        assert oracles.given(ACCEPTED, [], DESTINATION)

    def test_called_and_turned_down(self) -> None:
        assert oracles.given(ACCEPTED, [call("k1", refused=True)], DESTINATION)


class TestLegal:
    def test_a_path(self) -> None:
        assert oracles.legal(ORIGIN) == []

    def test_a_move_that_is_in_no_table(self) -> None:
        broken = changed("leg_events", 4, event="completed", before="RECEIVED", after="COMPLETED")
        assert oracles.legal(party(HACKNEY, leg_events=broken, legs=changed("legs", 0, state="COMPLETED")))

    def test_a_move_that_leads_elsewhere(self) -> None:
        broken = changed("leg_events", 4, after="REJECTED")
        assert oracles.legal(party(HACKNEY, leg_events=broken, legs=changed("legs", 0, state="REJECTED")))

    def test_a_step_that_is_missing(self) -> None:
        steps = [row for row in ORIGIN.table("leg_events") if row["event"] != "acknowledged"]
        (wrong,) = oracles.legal(party(HACKNEY, leg_events=steps))
        assert "goes on from" in wrong

    @pytest.mark.parametrize("first", range(1, len(STEPS) + 1))
    def test_a_history_whose_beginning_is_missing(self, first: int) -> None:
        wrong = oracles.legal(party(HACKNEY, leg_events=list(ORIGIN.table("leg_events"))[first:]))
        assert [one for one in wrong if "begins" in one]

    def test_a_destination_begins_where_it_has_the_message(self) -> None:
        assert oracles.legal(DESTINATION) == []
        assert oracles.legal(party(BEXLEY, leg_events=list(DESTINATION.table("leg_events"))[2:]))

    def test_a_state_without_its_move(self) -> None:
        (wrong,) = oracles.legal(party(HACKNEY, legs=changed("legs", 0, state="COMPLETED")))
        assert "stands at COMPLETED" in wrong

    def test_a_clock_that_struck_moves_nothing(self) -> None:
        struck = [*ORIGIN.table("leg_events")]
        struck.insert(
            2, {"leg": LEG, "event": "overdue:acknowledge", "before": "DELIVERED", "after": "DELIVERED"}
        )
        assert oracles.legal(party(HACKNEY, leg_events=struck)) == []
        struck[2] = {**struck[2], "after": "RECEIVED"}
        assert oracles.legal(party(HACKNEY, leg_events=struck))


class TestBehind:
    def test_never_ahead(self) -> None:
        assert oracles.behind(ORIGIN, DESTINATION) == []

    def test_a_receipt_that_was_never_signed(self) -> None:
        assert oracles.behind(ORIGIN, party(BEXLEY, receipts=[]))


def root(size: int, area: str = HACKNEY) -> bytes:
    return root_of(leaf_hash(row["leaf"]) for row in party(area).table("log")[:size])


class TestLogs:
    def seen(self, size: int, shown: bytes) -> list[oracles.Seen]:
        return [(f"bx/1/log/1f2e3d4c/{HACKNEY}", size, shown)]

    def test_it_only_grew(self) -> None:
        seen = [*self.seen(2, root(2)), *self.seen(5, root(5)), *self.seen(0, sha256(b"").digest())]
        assert oracles.logs([ORIGIN, DESTINATION], seen) == []

    def test_another_root_was_shown(self) -> None:
        assert oracles.logs([ORIGIN], self.seen(3, root(2)))

    def test_a_log_that_was_cut(self) -> None:
        short = party(HACKNEY, log=list(ORIGIN.table("log")[:3]))
        (wrong,) = oracles.logs([short], self.seen(5, root(5)))
        assert "there are 3" in wrong

    def test_a_leaf_that_was_changed(self) -> None:
        changed_leaf = party(HACKNEY, log=changed("log", 1, leaf=b"other"))
        assert oracles.logs([changed_leaf], self.seen(5, root(5)))

    def test_a_checkpoint_of_nobody_is_compared_with_nothing_and_says_so(self) -> None:
        (wrong,) = oracles.logs([ORIGIN], [("bx/1/log/1f2e3d4c/E09000099", 3, root(3))])
        assert "nobody keeps" in wrong

    def test_a_leaf_in_another_place(self) -> None:
        assert oracles.logs([party(HACKNEY, log=changed("log", 4, n=7))], [])

    @pytest.mark.parametrize("code", ["log_split", "restored"])
    def test_a_database_that_was_put_back_has_raised_the_alarm(self, code: str) -> None:
        short = party(HACKNEY, log=list(ORIGIN.table("log")[:3]))
        told = party(BEXLEY, alarms=[{"code": code, "subject": "", "cleared": 0}])
        seen = self.seen(5, root(5))
        assert oracles.logs([short, DESTINATION], seen, {HACKNEY}), "nobody has"
        assert oracles.logs([short, told], seen, {HACKNEY}) == []
        assert oracles.logs([short, told], seen), "nothing was put back"

    def test_what_a_peer_keeps_counts(self) -> None:
        kept = party(
            BEXLEY, cosignatures=[{"origin": f"bx/1/log/1f2e3d4c/{HACKNEY}", "size": 3, "root": root(2)}]
        )
        assert oracles.logs([ORIGIN, kept], oracles.checkpoints([ORIGIN, kept]))


class TestLogsOfADatabaseThatWasPutBack:
    """Bexley's log has two histories, and the older one is gone."""

    other = ("bx/1/log/1f2e3d4c/" + BEXLEY, 3, root(2))

    def judged(self, *codes: str, kept: bool = False, restored: Collection[str] = (BEXLEY,)) -> list[str]:
        origin, size, shown = self.other
        rows = [{"origin": origin, "size": size, "root": shown}] if kept else []
        peer = party(HACKNEY, log=list(ORIGIN.table("log")), checkpoints=rows)
        back = party(BEXLEY, log=list(ORIGIN.table("log")), alarms=[{"code": code} for code in codes])
        return oracles.logs([peer, back], [self.other], restored)

    def test_nobody_is_told(self) -> None:
        assert self.judged() == self.judged("silent") == [f"{BEXLEY}: another root was shown for 3 leaves"]

    def test_a_passer_by_saw_it_and_the_people_know_that_the_database_is_older(self) -> None:
        assert self.judged("restored") == self.judged("log_rollback") == []

    def test_what_a_peer_can_prove_is_an_alarm_about_the_log(self) -> None:
        assert self.judged("restored", kept=True)
        assert self.judged("restored", "log_rollback", kept=True) == []

    def test_of_a_database_that_was_not_put_back_no_alarm_excuses_it(self) -> None:
        assert self.judged("restored", "log_rollback", restored=())


class TestSequences:
    def test_one_statement_a_number(self) -> None:
        assert oracles.sequences([ORIGIN, DESTINATION]) == []

    def test_two_statements_under_one_number(self) -> None:
        other = {"side": "destination", "peer": HACKNEY, "stream": "s1", "seq": 1, "digest": b"d2"}
        (wrong,) = oracles.sequences([ORIGIN, party(BEXLEY, envelopes=[other])])
        assert "2 statements" in wrong

    def test_a_receiver_that_proved_it_and_kept_neither(self) -> None:
        told = {"code": "equivocation", "peer": HACKNEY}
        (wrong,) = oracles.sequences([ORIGIN, party(BEXLEY, alarms=[told, {"code": "gap", "peer": HACKNEY}])])
        assert wrong == f"{HACKNEY}: two statements in one place, proven by {BEXLEY}"


class TestReceipts:
    def test_bytes_that_prove_nothing(self) -> None:
        from gateway.testing.chaos.history import network  # noqa: PLC0415 - signs a directory when asked

        spoilt = party(HACKNEY, receipts=[{"state": "accepted", "by": POLICE, "note": b"nothing"}])
        assert oracles.receipts([spoilt], network())


class TestCanary:
    def test_only_where_it_belongs(self, tmp_path: Path) -> None:
        allowed = tmp_path / "agencies"
        allowed.mkdir()
        (allowed / "1.json").write_text("a KANARIENVOGEL")
        (tmp_path / "gateway.db").write_bytes(b"sealed")
        assert oracles.canary(b"KANARIENVOGEL", [tmp_path], allowed) == []

        block = oracles.BLOCK
        (tmp_path / "gateway.db-wal").write_bytes(b"." * (block - 5) + b"KANARIENVOGEL" + b"." * 10)
        (wrong,) = oracles.canary(b"KANARIENVOGEL", [tmp_path], allowed)
        assert "gateway.db-wal" in wrong, "also where it lies across two blocks"

    @pytest.mark.parametrize("before", range(3))
    def test_in_base64_it_is_found_too(self, tmp_path: Path, before: int) -> None:
        allowed = tmp_path / "agencies"
        allowed.mkdir()
        (allowed / "1.json").write_text("KANARIENVOGEL")
        (tmp_path / "gateway.db").write_bytes(b64encode(b"x" * before + b"KANARIENVOGEL has flown"))
        (wrong,) = oracles.canary(b"KANARIENVOGEL", [tmp_path], allowed)
        assert "gateway.db" in wrong

    def test_a_search_in_vain_says_so(self, tmp_path: Path) -> None:
        (wrong,) = oracles.canary(b"KANARIENVOGEL", [tmp_path], tmp_path / "agencies")
        assert "nowhere" in wrong
