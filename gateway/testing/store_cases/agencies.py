# ruff: noqa: S101, PLR2004 - a suite is made of assertions and of the numbers it put in itself
"""Tasks for agencies, tokens, idempotency keys."""

from __future__ import annotations

from dataclasses import replace

from gateway.ports import IdempotencyRow, Lane, Parcel, Store, Task
from gateway.testing.store_cases.rows import NOW, POLICE, digest, task, token

HOUSING = "E09000004/housing"


class AgencyCases:
    async def test_a_task_comes_back_and_is_one_by_id(self, store: Store) -> None:
        row = task("t1", kind=Parcel.REPLY, attempts=2, error="e", subject="s", state=Task.HELD)
        assert await store.write(lambda tx: tx.put_task(row))
        assert not await store.write(lambda tx: tx.put_task(replace(row, leg="other")))
        assert await store.read(lambda tx: (tx.task("t1"), tx.task("t2"))) == (row, None)

    async def test_tasks_of_a_leg(self, store: Store) -> None:
        rows = [task("t2", created=1), task("t1", created=2), task("t3", created=3, state=Task.DONE)]
        await store.write(lambda tx: [tx.put_task(row) for row in [*rows, task("t4", leg="leg-2")]])
        assert await store.read(lambda tx: tx.tasks_of("leg-1")) == rows

    async def test_claims_give_one_agencys_due_tasks_oldest_first(self, store: Store) -> None:
        rows = [
            task("t2", NOW - 1),
            task("t1", NOW - 2),
            task("t3", NOW),
            task("later", NOW + 1),
            task("other", principal=HOUSING),
            task("parked", state=Task.PARKED),
            task("done", state=Task.DONE),
            task("held", state=Task.HELD),
        ]
        await store.write(lambda tx: [tx.put_task(row) for row in rows])
        first = await store.write(lambda tx: tx.claim_tasks(POLICE, NOW, 2, 30))
        assert first == [
            replace(rows[1], due=NOW + 30, attempts=1),
            replace(rows[0], due=NOW + 30, attempts=1),
        ]
        assert [row.id for row in await store.write(lambda tx: tx.claim_tasks(POLICE, NOW, 9, 30))] == ["t3"]
        assert await store.write(lambda tx: tx.claim_tasks(POLICE, NOW, 9, 30)) == []
        assert await store.read(lambda tx: tx.task("t1")) == first[0]

    async def test_urgent_tasks_are_claimed_first_and_alone_where_asked(self, store: Store) -> None:
        urgent = [task(f"u{n}", NOW - n, lane=Lane.URGENT) for n in range(3)]
        await store.write(lambda tx: [tx.put_task(row) for row in [task("old", NOW - 9), *urgent]])

        async def claim(limit: int, **lanes: tuple[Lane, ...]) -> list[str]:
            rows = await store.write(lambda tx: tx.claim_tasks(POLICE, NOW, limit, 30, **lanes))
            return [row.id for row in rows]

        assert await claim(1) == ["u2"]
        assert await claim(9, lanes=(Lane.URGENT,)) == ["u1", "u0"]
        assert await claim(9) == ["old"]
        assert (await store.read(lambda tx: tx.task("u1")) or task()).lane is Lane.URGENT

    async def test_a_start_takes_up_what_a_killed_process_had_claimed(self, store: Store) -> None:
        rows = [task("t1"), task("later", NOW + 9), task("parked", NOW + 9, state=Task.PARKED)]
        await store.write(lambda tx: [tx.put_task(row) for row in rows])
        await store.write(lambda tx: tx.claim_tasks(POLICE, NOW, 9, 300))
        assert await store.write(lambda tx: tx.release_tasks(NOW)) == 2
        again = await store.write(lambda tx: tx.claim_tasks(POLICE, NOW, 9, 300))
        assert [(row.id, row.attempts) for row in again] == [("later", 1), ("t1", 2)]
        assert await store.read(lambda tx: tx.task("parked")) == rows[2]

    async def test_a_start_tries_what_was_held_again_and_nothing_that_is_done(self, store: Store) -> None:
        rows = [task("held", NOW - 9, state=Task.HELD, error="e"), task("done", state=Task.DONE)]
        await store.write(lambda tx: [tx.put_task(row) for row in rows])
        assert await store.write(lambda tx: tx.release_tasks(NOW)) == 1
        assert await store.read(lambda tx: tx.task("held")) == replace(rows[0], state=Task.WAITING, due=NOW)
        assert await store.read(lambda tx: tx.task("done")) == rows[1]

    async def test_a_task_advances_only_from_the_state_named(self, store: Store) -> None:
        await store.write(lambda tx: [tx.put_task(task("t1", attempts=1)), tx.put_task(task("t2"))])
        assert not await store.write(lambda tx: tx.advance_task("t1", Task.PARKED, Task.DONE))
        assert not await store.write(lambda tx: tx.advance_task("nobody", Task.WAITING, Task.DONE))
        assert await store.write(
            lambda tx: tx.advance_task("t1", Task.WAITING, Task.WAITING, due=NOW + 5, error="timeout")
        )
        moved = await store.read(lambda tx: tx.task("t1"))
        assert moved == task("t1", NOW + 5, attempts=1, error="timeout")
        assert await store.write(lambda tx: tx.advance_task("t1", Task.WAITING, Task.DONE))
        assert await store.read(lambda tx: tx.task("t1")) == task("t1", 0, Task.DONE, attempts=1)
        assert await store.read(lambda tx: tx.task("t2")) == task("t2")

    async def test_parked_tasks_are_one_agencys(self, store: Store) -> None:
        rows = [task(f"t{n}", state=Task.PARKED, created=9 - n) for n in range(3)]
        others = [task("other", state=Task.PARKED, principal=HOUSING), task("waiting")]
        await store.write(lambda tx: [tx.put_task(row) for row in rows + others])
        assert await store.read(lambda tx: tx.parked_tasks(POLICE, 9)) == rows[::-1]
        assert len(await store.read(lambda tx: tx.parked_tasks(POLICE, 2))) == 2

    async def test_a_token_is_found_by_its_digest_and_revoked_once(self, store: Store) -> None:
        row = token("first", id="k1", expires=9)
        assert await store.write(lambda tx: tx.put_token(row))
        assert not await store.write(lambda tx: tx.put_token(replace(row, id="k2")))
        assert not await store.write(lambda tx: tx.put_token(replace(row, digest=digest("x"))))
        await store.write(lambda tx: tx.put_token(token("second", id="k3", created=NOW + 1)))
        assert await store.read(lambda tx: (tx.token(row.digest), tx.token(digest("x")))) == (row, None)
        assert await store.write(lambda tx: tx.revoke_token("k1", NOW + 5))
        assert not await store.write(lambda tx: tx.revoke_token("k1", NOW + 6))
        assert not await store.write(lambda tx: tx.revoke_token("nobody", NOW + 6))
        tokens = await store.read(lambda tx: tx.tokens())
        assert [(row.label, row.revoked) for row in tokens] == [("first", NOW + 5), ("second", 0)]

    async def test_an_idempotency_key_is_taken_once(self, store: Store) -> None:
        row = IdempotencyRow(digest("key"), digest("request"), "HO-1", 1, NOW)
        assert await store.write(lambda tx: tx.put_idempotency(row))
        assert not await store.write(lambda tx: tx.put_idempotency(replace(row, request=digest("other"))))
        found = await store.read(lambda tx: (tx.idempotency(digest("key")), tx.idempotency(digest("x"))))
        assert found == (row, None)
