# ruff: noqa: S101, PLR2004 - a suite is made of assertions and of the numbers it put in itself
"""Handovers, legs, their history and their deadlines."""

from __future__ import annotations

from dataclasses import replace

from gateway.ports import Side, Store, Transaction
from gateway.testing.store_cases.rows import NOW, POLICE, event, handover, leg
from gateway.testing.store_cases.units import raised

HOUSING = "E09000004/housing"


class HandoverCases:
    async def test_a_handover_comes_back_as_it_was_put_and_only_once(self, store: Store) -> None:
        row = handover(id="h1")
        assert await store.write(lambda tx: tx.put_handover(row))
        assert not await store.write(lambda tx: tx.put_handover(replace(row, id="h2", state="OTHER")))
        assert not await store.write(lambda tx: tx.put_handover(replace(row, ref="HO-2", state="OTHER")))
        assert await store.read(lambda tx: tx.handover("HO-1")) == row
        assert await store.read(lambda tx: tx.handover("HO-2")) is None

    async def test_a_handover_of_no_version_is_the_newest(self, store: Store) -> None:
        await store.write(lambda tx: [tx.put_handover(handover(version=n)) for n in (2, 10, 9)])
        found = await store.read(
            lambda tx: (tx.handover("HO-1"), tx.handover("HO-1", 9), tx.handover("HO-1", 3))
        )
        assert [row and row.version for row in found] == [10, 9, None]

    async def test_ids_left_empty_ascend(self, store: Store) -> None:
        for number in range(5):
            await store.write(lambda tx, n=number: tx.put_handover(handover(f"HO-{n}")))
        rows = await store.read(lambda tx: tx.handovers(side=None, principal=None, before="", limit=9))
        assert [row.ref for row in rows] == ["HO-4", "HO-3", "HO-2", "HO-1", "HO-0"]
        assert all(len(row.id) == 32 for row in rows)

    async def test_handovers_page_through_with_no_repeat_and_no_gap(self, store: Store) -> None:
        names = [f"{n:032x}" for n in range(25)]
        await store.write(lambda tx: [tx.put_handover(handover(f"HO-{n}", id=n)) for n in names])
        seen: list[str] = []
        before = ""
        for expected in (10, 10, 5, 0):
            page = await store.read(
                lambda tx, before=before: tx.handovers(side=None, principal=None, before=before, limit=10)
            )
            assert len(page) == expected
            seen += [row.id for row in page]
            before = seen[-1]
        assert seen == names[::-1]

    async def test_handovers_by_side_and_by_whom_they_concern(self, store: Store) -> None:
        def work(tx: Transaction) -> None:
            tx.put_handover(handover("SUBMITTED", submitted_by=POLICE))
            tx.put_handover(handover("RECIPIENT", side=Side.DESTINATION))
            tx.put_leg(leg("RECIPIENT"))
            tx.put_handover(handover("COUNTERPART"))
            tx.put_leg(leg("COUNTERPART", principal=HOUSING, counterpart=POLICE))
            tx.put_handover(handover("OTHER_VERSION", version=2))
            tx.put_leg(leg("OTHER_VERSION", version=1))
            tx.put_handover(handover("NOBODY"))

        await store.write(work)

        async def refs(side: Side | None, principal: str | None) -> list[str]:
            rows = await store.read(
                lambda tx: tx.handovers(side=side, principal=principal, before="", limit=9)
            )
            return [row.ref for row in rows]

        assert await refs(None, POLICE) == ["COUNTERPART", "RECIPIENT", "SUBMITTED"]
        assert await refs(Side.DESTINATION, None) == ["RECIPIENT"]
        assert await refs(Side.ORIGIN, POLICE) == ["COUNTERPART", "SUBMITTED"]
        assert await refs(Side.DESTINATION, HOUSING) == []

    async def test_a_handover_advances_only_from_the_state_named(self, store: Store) -> None:
        await store.write(lambda tx: [tx.put_handover(handover(version=n)) for n in (1, 2)])
        move = ("HO-1", 1, "ISSUED", "ACTIVE", NOW + 5)
        assert await store.write(lambda tx: tx.advance_handover(*move))
        assert not await store.write(lambda tx: tx.advance_handover(*move))
        first, second = await store.read(lambda tx: (tx.handover("HO-1", 1), tx.handover("HO-1", 2)))
        assert first is not None
        assert (first.state, first.updated, first.created) == ("ACTIVE", NOW + 5, NOW)
        assert second is not None
        assert (second.state, second.updated) == ("ISSUED", NOW)

    async def test_a_leg_is_one_by_id_and_one_by_place(self, store: Store) -> None:
        row = leg(id="l1", delivered=1, opened=2, acknowledge_by=3, decide_by=4, overdue="decide", updated=5)
        assert await store.write(lambda tx: tx.put_leg(row))
        assert not await store.write(lambda tx: tx.put_leg(replace(row, ref="HO-2", state="OTHER")))
        assert not await store.write(lambda tx: tx.put_leg(replace(row, id="l2", state="OTHER")))
        assert await store.write(lambda tx: tx.put_leg(replace(row, id="l3", version=2)))
        assert await store.read(lambda tx: tx.leg("l1")) == row
        assert await store.read(lambda tx: tx.leg("l2")) is None

    async def test_legs_come_in_the_order_they_were_put(self, store: Store) -> None:
        rows = [leg(id=f"l{n}", principal=f"E09000004/a{n}", mid=f"m{n % 2}") for n in (5, 1, 4, 2)]
        await store.write(lambda tx: [tx.put_leg(row) for row in [*rows, leg("HO-2"), leg(version=2)]])
        await store.write(lambda tx: tx.advance_leg("l5", "DELIVERED", "RECEIVED", event("l5")))
        assert [row.id for row in await store.read(lambda tx: tx.legs("HO-1", 1))] == ["l5", "l1", "l4", "l2"]
        assert [row.id for row in await store.read(lambda tx: tx.legs_of_message("m0"))] == ["l4", "l2"]

    async def test_the_inbox_is_one_principals_newest_first_in_pages(self, store: Store) -> None:
        rows = [leg(f"HO-{n}", id=f"{n:032x}") for n in range(7)]
        others = [leg("HO-8", principal=HOUSING), leg("HO-9", side=Side.ORIGIN, id="e" * 32)]
        await store.write(lambda tx: [tx.put_leg(row) for row in rows + others])
        first = await store.read(lambda tx: tx.inbox(POLICE, before="", limit=4))
        rest = await store.read(lambda tx: tx.inbox(POLICE, before=first[-1].id, limit=4))
        assert [*first, *rest] == rows[::-1]

    async def test_a_leg_advances_only_from_the_state_named_and_tells_its_history(self, store: Store) -> None:
        row, other = leg(acknowledge_by=7), leg(principal=HOUSING)
        line = event("", at=NOW + 1, id="e1", code="WRONG_AREA")  # its leg is the one that moves
        await store.write(lambda tx: [tx.put_leg(row), tx.put_leg(other)])
        assert not await store.write(lambda tx: tx.advance_leg(row.id, "ACCEPTED", "CLOSED", line))
        assert not await store.write(lambda tx: tx.advance_leg("nobody", "DELIVERED", "CLOSED", line))
        assert await store.write(
            lambda tx: tx.advance_leg(row.id, "DELIVERED", "RECEIVED", line, opened=9, mid="b" * 32)
        )
        assert await store.read(lambda tx: tx.leg(row.id)) == replace(
            row, state="RECEIVED", opened=9, mid="b" * 32, updated=NOW + 1
        )
        assert await store.read(lambda tx: tx.leg(other.id)) == other
        assert await store.read(lambda tx: (tx.history(row.id), tx.history(other.id))) == (
            [replace(line, leg=row.id)],
            [],
        )

    async def test_a_column_that_may_not_change_is_a_fault(self, store: Store) -> None:
        row = leg()
        await store.write(lambda tx: tx.put_leg(row))

        def work(tx: Transaction) -> bool:
            return tx.advance_leg(row.id, "DELIVERED", "RECEIVED", event(row.id), principal=HOUSING)

        assert isinstance(await raised(store.write(work)), TypeError)
        assert await store.read(lambda tx: (tx.leg(row.id), tx.history(row.id))) == (row, [])

    async def test_history_is_in_commit_order_whatever_the_clock_said(self, store: Store) -> None:
        row = leg()
        await store.write(lambda tx: tx.put_leg(row))
        for at in (NOW + 9, NOW + 1, NOW + 5):
            await store.write(
                lambda tx, at=at: tx.advance_leg(
                    row.id, "DELIVERED", "DELIVERED", event(row.id, f"at{at}", at)
                )
            )
        history = await store.read(lambda tx: tx.history(row.id))
        assert [line.at for line in history] == [NOW + 9, NOW + 1, NOW + 5]
        assert all(len(line.id) == 32 and line.leg == row.id for line in history)
