# ruff: noqa: S101 - a suite is made of assertions
"""Notices: found by id, handover, message and what they follow; moved only from where they were seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.ports import NoticeLegRow, NoticeRow, Side, Store
from gateway.testing.store_cases.rows import NOW, PEER, POLICE, handover


def notice(name: str = "n1", **more: Any) -> NoticeRow:
    values: dict[str, Any] = {
        "ref": "HO-1",
        "version": 2,
        "kind": "CORRECTION",
        "side": Side.ORIGIN,
        "peer": PEER,
        "by": "E09000012/police",
        "code": "DATA_INACCURATE",
        "mid": f"mid of {name}",
        "urgency": "URGENT",
        "created": NOW,
    }
    return NoticeRow(id=name, **values | more)


class NoticeCases:
    async def test_a_notice_is_kept_once_and_as_it_was_put(self, store: Store) -> None:
        row = notice(answer_by=NOW + 1, state="DONE", parent="n0", facts='{"due":1}', side=Side.DESTINATION)
        assert await store.write(lambda tx: tx.put_notice(row))
        assert not await store.write(lambda tx: tx.put_notice(replace(row, kind="ERASURE")))
        assert await store.read(lambda tx: tx.notice("n1")) == row
        assert await store.read(lambda tx: tx.notice("n2")) is None

    async def test_notices_of_a_handover_and_of_a_parent_oldest_first(self, store: Store) -> None:
        rows = [
            notice("n3", created=NOW + 1),
            notice("n2", parent="n3"),
            notice("n1", ref="HO-2", parent="n3"),
            notice("n4", ref="HO-2"),
        ]
        await store.write(lambda tx: [tx.put_notice(row) for row in rows])
        assert list(await store.read(lambda tx: tx.notices(ref="HO-1"))) == [rows[1], rows[0]]
        assert list(await store.read(lambda tx: tx.notices(parent="n3"))) == [rows[2], rows[1]]
        assert list(await store.read(lambda tx: tx.notices(parent="n3", ref="HO-2"))) == [rows[2]]
        assert list(await store.read(lambda tx: tx.notices())) == []

    async def test_what_a_peer_has_said_is_counted_by_handover_and_open_requests(self, store: Store) -> None:
        rows = [
            notice("n1", side=Side.DESTINATION),
            notice("n2", side=Side.DESTINATION, state="DONE"),
            notice("n3"),
            notice("n4", side=Side.DESTINATION, peer="E09000033"),
            notice("n5", side=Side.DESTINATION, ref="HO-2"),
            notice("n6", side=Side.DESTINATION, ref=""),
            notice("n7", side=Side.DESTINATION, ref="", state="DONE"),
        ]
        await store.write(lambda tx: [tx.put_notice(row) for row in rows])
        found = await store.read(lambda tx: [tx.count_notices(PEER, ref) for ref in ("HO-1", "", "HO-3")])
        assert found == [2, 1, 0]

    async def test_a_notice_is_found_by_every_message_that_carried_it(self, store: Store) -> None:
        row = notice(mid="m2")
        await store.write(lambda tx: tx.put_notice(row))
        assert await store.write(lambda tx: [tx.put_notice_message(mid, "n1") for mid in ("m1", "m2")])
        assert not await store.write(lambda tx: tx.put_notice_message("m1", "n9"))
        for mid in ("m1", "m2"):
            assert await store.read(lambda tx, mid=mid: tx.notice_of(mid)) == row
        assert await store.read(lambda tx: tx.notice_of("m3")) is None

    async def test_a_notice_changes_its_message_and_state_only_as_it_was_seen(self, store: Store) -> None:
        row = notice()
        moved = replace(row, mid="m2", state="DONE")
        await store.write(lambda tx: tx.put_notice(row))
        for seen in (replace(row, mid="m9"), replace(row, state="DONE"), replace(row, id="n9")):
            assert not await store.write(lambda tx, seen=seen: tx.change_notice(seen, moved))
        assert await store.read(lambda tx: tx.notice("n1")) == row
        assert await store.write(lambda tx: tx.change_notice(row, replace(moved, code="ignored")))
        assert await store.read(lambda tx: tx.notice("n1")) == moved

    async def test_the_readers_of_a_notice_move_one_by_one(self, store: Store) -> None:
        rows = [
            NoticeLegRow("n1", principal, f"leg {principal}", "E09000012/police", "QUEUED", NOW, onward=later)
            for principal, later in ((POLICE, False), ("E09000007/node", True))
        ]
        assert await store.write(lambda tx: [tx.put_notice_leg(row) for row in rows]) == [True, True]
        assert not await store.write(lambda tx: tx.put_notice_leg(replace(rows[0], state="OPENED")))
        for name, reader, before in (("n1", POLICE, "OPENED"), ("n2", POLICE, "QUEUED"), ("n1", "x", "")):
            assert not await store.write(
                lambda tx, name=name, reader=reader, before=before: tx.advance_notice_leg(
                    name, reader, before, "DELIVERED", NOW
                )
            )
        assert await store.write(
            lambda tx: tx.advance_notice_leg("n1", POLICE, "QUEUED", "REJECTED", NOW + 5, code="WHY")
        )
        found = list(await store.read(lambda tx: tx.notice_legs("n1")))
        assert found == [replace(rows[0], state="REJECTED", updated=NOW + 5, code="WHY"), rows[1]]
        assert list(await store.read(lambda tx: tx.notice_legs("n2"))) == []

    async def test_notices_that_wait_for_an_agency(self, store: Store) -> None:
        rows = [
            notice("n3", side=Side.DESTINATION, created=NOW + 1),
            notice("n2", side=Side.DESTINATION),
            notice("n1", side=Side.DESTINATION, state="DONE"),
            notice("n4"),
            notice("n5", side=Side.DESTINATION),
        ]
        legs = [NoticeLegRow(row.id, POLICE, f"l {row.id}", "x", "DELIVERED", NOW) for row in rows[:4]]
        other = NoticeLegRow("n5", "E09000004/dwp", "l n5", "x", "DELIVERED", NOW)
        await store.write(lambda tx: [tx.put_notice(row) for row in rows])
        await store.write(lambda tx: [tx.put_notice_leg(leg) for leg in (*legs, other)])
        assert list(await store.read(lambda tx: tx.open_notices(POLICE, 9))) == [rows[1], rows[0]]
        assert list(await store.read(lambda tx: tx.open_notices(POLICE, 1))) == [rows[1]]

    async def test_what_draws_on_a_handover_is_found_in_every_version(self, store: Store) -> None:
        rows = [
            handover("HO-2", 1, onward_of="HO-1", id="1" * 32),
            handover("HO-2", 2, onward_of="HO-1", id="2" * 32),
            handover("HO-3", onward_of="HO-1", side=Side.DESTINATION, id="3" * 32),
            handover("HO-4", onward_of="HO-9", id="4" * 32),
            handover("HO-5", id="5" * 32),
        ]
        await store.write(lambda tx: [tx.put_handover(row) for row in rows])
        assert list(await store.read(lambda tx: tx.onward_from("HO-1"))) == rows[:2]
        assert list(await store.read(lambda tx: tx.onward_from(""))) == []

    async def test_what_answers_a_request_is_found_on_either_side(self, store: Store) -> None:
        rows = [
            handover("HO-2", 1, answers="a" * 32, id="1" * 32),
            handover("HO-2", 2, answers="a" * 32, id="2" * 32),
            handover("HO-3", answers="a" * 32, side=Side.DESTINATION, id="3" * 32),
            handover("HO-4", answers="b" * 32, id="4" * 32),
            handover("HO-5", id="5" * 32),
        ]
        await store.write(lambda tx: [tx.put_handover(row) for row in rows])
        assert list(await store.read(lambda tx: tx.answering("a" * 32))) == rows[:3]
        assert list(await store.read(lambda tx: tx.answering(""))) == []

    async def test_what_is_about_no_handover_is_listed_newest_first(self, store: Store) -> None:
        rows = [notice(f"r{n}", ref="", version=0, created=NOW + n) for n in range(3)]
        await store.write(lambda tx: [tx.put_notice(row) for row in (*rows, notice("n1"))])
        assert list(await store.read(lambda tx: tx.requests(9))) == rows[::-1]
        assert list(await store.read(lambda tx: tx.requests(2))) == rows[:0:-1]
