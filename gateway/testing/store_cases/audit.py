# ruff: noqa: S101 - a suite is made of assertions
"""The access log as an auditor reads it, and restrictions of a person's rights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.ports import RestrictionRow, Store
from gateway.testing.store_cases.rows import NOW, POLICE, access

HOUSING = "E09000004/housing"
EVERYTHING: dict[str, Any] = {
    "ref": "",
    "principal": "",
    "since": 0,
    "until": NOW + 99,
    "after": 0,
    "limit": 9,
}


def restriction(name: str, ref: str = "HO-1", **more: Any) -> RestrictionRow:
    values: dict[str, Any] = {
        "principal": POLICE,
        "ground": "PREJUDICE",
        "withheld": ("history", "orders"),
        "review": NOW + 9,
        "made": NOW,
        "actor": "person-17",
        "role": "OFFICER",
    }
    return RestrictionRow(ref=ref, id=name, **values | more)


class AuditCases:
    async def test_the_access_log_is_searched_by_reference_agency_and_time(self, store: Store) -> None:
        rows = [
            access(at=NOW, id="a", purpose="SAFEGUARDING", sealed=b"\x00sealed"),
            access("HO-2", at=NOW + 1, id="b"),
            access(at=NOW + 2, id="c", principal=HOUSING),
            access(at=NOW + 3, id="d"),
        ]
        for row in rows:
            await store.write(lambda tx, row=row: tx.put_access(row))

        async def found(**named: Any) -> str:
            seen = await store.read(lambda tx: tx.find_accesses(**{**EVERYTHING, **named}))
            return "".join(row.id for _, row in seen)

        assert await found() == "abcd"
        assert await found(ref="HO-1") == "acd"
        assert await found(principal=HOUSING) == "c"
        assert await found(ref="HO-1", principal=POLICE) == "ad"
        assert await found(ref="HO-9") == ""
        assert await found(since=NOW + 1) == "bcd"
        assert await found(until=NOW + 3) == "abc"
        assert await found(limit=2) == "ab"
        numbers = await store.read(lambda tx: tx.find_accesses(**EVERYTHING))
        assert await found(after=numbers[1][0]) == "cd"
        assert numbers[0][1] == rows[0]

    async def test_a_restriction_stands_until_it_is_lifted(self, store: Store) -> None:
        first, second = restriction("1" * 32), restriction("2" * 32, "HO-2")
        assert (
            await store.write(lambda tx: [tx.put_restriction(one) for one in (second, first)]) == [True] * 2
        )
        assert not await store.write(lambda tx: tx.put_restriction(replace(first, ground="OTHER")))
        assert list(await store.read(lambda tx: tx.restrictions())) == [first, second]
        assert list(await store.read(lambda tx: tx.restrictions("HO-2"))) == [second]
        assert await store.write(lambda tx: tx.end_restriction(first.id, NOW + 5))
        assert not await store.write(lambda tx: tx.end_restriction(first.id, NOW + 6))
        assert not await store.write(lambda tx: tx.end_restriction("3" * 32, NOW + 6))
        assert list(await store.read(lambda tx: tx.restrictions("HO-1"))) == [replace(first, ended=NOW + 5)]
