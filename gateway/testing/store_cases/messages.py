# ruff: noqa: S101, PLR2004 - a suite is made of assertions and of the numbers it put in itself
"""Envelopes, streams and the outbox."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.ports import Lane, Outbound, OutboxRow, Side, Store, StreamRow, Transaction
from gateway.testing.store_cases.rows import NOW, PEER, STREAM, digest, envelope, outbox

ALL = list(Lane)


class MessageCases:
    async def test_an_envelope_comes_back_byte_for_byte(self, store: Store) -> None:
        row = envelope(
            body=bytes(range(256)),
            secrets=b"\x00s",
            epoch="2026-11",
            ref="HO-1",
            version=2,
            created=3,
        )
        assert await store.write(lambda tx: tx.put_envelope(row))
        assert await store.read(lambda tx: tx.envelope(row.mid)) == row
        assert await store.read(lambda tx: tx.envelope("f" * 32)) is None

    async def test_an_envelope_is_one_by_mid_and_side_and_a_received_one_by_its_place(
        self, store: Store
    ) -> None:
        row = envelope("m1", seq=1)
        assert await store.write(lambda tx: tx.put_envelope(row))
        assert not await store.write(lambda tx: tx.put_envelope(replace(row, seq=2)))
        assert not await store.write(lambda tx: tx.put_envelope(replace(row, mid="m2")))
        assert await store.write(lambda tx: tx.put_envelope(replace(row, mid="m3", peer="E09000005")))
        assert await store.write(lambda tx: tx.put_envelope(replace(row, mid="m4", stream="6" * 32)))
        ours = envelope("m5", Side.ORIGIN, seq=1)
        assert await store.write(lambda tx: tx.put_envelope(ours))
        assert not await store.write(lambda tx: tx.put_envelope(replace(ours, mid="m6")))
        assert await store.write(lambda tx: tx.put_envelope(replace(ours, mid="m7", seq=2)))
        found = await store.read(
            lambda tx: (tx.envelope_at(PEER, STREAM, 1), tx.envelope_at(PEER, STREAM, 2))
        )
        assert found == (row, None)

    async def test_of_two_envelopes_with_one_id_ours_is_found(self, store: Store) -> None:
        theirs, ours = envelope("same", body=b"theirs"), envelope("same", Side.ORIGIN, body=b"ours")
        await store.write(lambda tx: [tx.put_envelope(theirs), tx.put_envelope(ours)])
        assert await store.read(lambda tx: tx.envelope("same")) == ours

    async def test_a_stream_has_two_directions_and_is_replaced(self, store: Store) -> None:
        first = StreamRow(PEER, outgoing=True, stream=STREAM, seq=1, head=digest("1"))
        second = replace(first, seq=2, head=digest("2"), stream="7" * 32)
        incoming = replace(first, outgoing=False, seq=9)
        assert await store.write(lambda tx: tx.stream(PEER, outgoing=True)) is None
        await store.write(lambda tx: [tx.put_stream(first), tx.put_stream(incoming), tx.put_stream(second)])

        def both(tx: Transaction) -> object:
            return tx.stream(PEER, outgoing=True), tx.stream(PEER, outgoing=False)

        assert await store.read(both) == (second, incoming)
        assert await store.write(both) == (second, incoming)
        assert await store.write(lambda tx: tx.stream(PEER, outgoing=False, lock=False)) == incoming

    async def test_received_after_is_ascending_with_holes_and_of_that_stream_only(self, store: Store) -> None:
        rows = [envelope(f"m{n}", seq=n) for n in (7, 3, 5, 10)]
        others = [envelope("o1", Side.ORIGIN, seq=6), envelope("o2", seq=6, stream="6" * 32)]
        await store.write(lambda tx: [tx.put_envelope(row) for row in rows + others])
        found = await store.read(lambda tx: tx.received_after(PEER, STREAM, 3, 2))
        assert list(found) == [(5, digest("statement m5")), (7, digest("statement m7"))]
        assert await store.read(lambda tx: tx.received_after(PEER, STREAM, 10, 2)) == []

    async def test_what_was_sent_is_found_by_its_place(self, store: Store) -> None:
        rows = [envelope(f"m{n}", Side.ORIGIN, n, expires=NOW + n) for n in (7, 3, 5, 10)]
        others = [envelope("o1", seq=6), envelope("o2", Side.ORIGIN, 6, stream="6" * 32)]
        others.append(envelope("o3", Side.ORIGIN, 6, peer="E09000005"))
        await store.write(lambda tx: [tx.put_envelope(row) for row in rows + others])
        found = await store.read(lambda tx: tx.sent_between(PEER, STREAM, 4, 10, 9))
        assert list(found) == [(5, "m5", NOW + 5), (7, "m7", NOW + 7), (10, "m10", NOW + 10)]
        assert list(await store.read(lambda tx: tx.sent_between(PEER, STREAM, 3, 9, 1))) == [
            (3, "m3", NOW + 3)
        ]
        assert list(await store.read(lambda tx: tx.sent_between(PEER, STREAM, 11, 2**53, 9))) == []

    async def test_an_outbox_row_is_one_by_id_and_by_message(self, store: Store) -> None:
        row = outbox("m1", id="o1", expires=NOW + 9, attempts=3, error="x")
        assert await store.write(lambda tx: tx.put_outbox(row))
        assert not await store.write(lambda tx: tx.put_outbox(replace(row, mid="m2")))
        assert not await store.write(lambda tx: tx.put_outbox(replace(row, id="o2")))
        assert await store.read(lambda tx: (tx.outbox_of("m1"), tx.outbox_of("m2"))) == (row, None)

    async def test_claims_give_what_is_due_oldest_first_from_the_lanes_asked(self, store: Store) -> None:
        rows = [
            outbox("m3", NOW - 1, Lane.URGENT),
            outbox("m2", NOW - 2, state=Outbound.PUBLISHED),
            outbox("m1", NOW - 3, Lane.RECEIPTS),
            outbox("settled", NOW - 4, state=Outbound.SETTLED),
            outbox("m0", NOW),
            outbox("later", NOW + 1),
        ]
        await store.write(lambda tx: [tx.put_outbox(row) for row in rows])
        urgent = await store.write(lambda tx: tx.claim_outbox(NOW, 9, 30, [Lane.URGENT]))
        assert [row.mid for row in urgent] == ["m3"]
        first = await store.write(lambda tx: tx.claim_outbox(NOW, 2, 30, ALL))
        assert [row.mid for row in first] == ["m1", "m2"]
        rest = await store.write(lambda tx: tx.claim_outbox(NOW, 9, 30, [Lane.STANDARD, Lane.STANDARD]))
        assert [row.mid for row in rest] == ["m0"]
        assert await store.write(lambda tx: tx.claim_outbox(NOW, 9, 30, ALL)) == []

    async def test_every_peer_gets_its_share_of_a_claim(self, store: Store) -> None:
        """However many rows wait for one that is away, and however long."""
        many = [outbox(f"a{n}", NOW - 500 + n, peer="E09000099") for n in range(30)]
        few = [outbox(f"b{n}", NOW - 5 + n, peer=f"E0900000{n}") for n in range(3)]
        await store.write(lambda tx: [tx.put_outbox(row) for row in [*many, *few]])
        taken = await store.write(lambda tx: tx.claim_outbox(NOW, 12, 30, ALL))
        assert [row.mid for row in taken] == [*(f"a{n}" for n in range(9)), "b0", "b1", "b2"]
        assert len(await store.write(lambda tx: tx.claim_outbox(NOW, 50, 30, ALL))) == 21

    @pytest.mark.parametrize("peers", [1, 6])
    async def test_a_claim_of_less_than_half_its_limit_leaves_nothing_that_is_due(
        self, store: Store, peers: int
    ) -> None:
        """Whoever claims looks no further then (``flows.runtime``)."""
        due = [outbox(f"a{n}", NOW - n, peer="E09000099") for n in range(11)]
        others = [outbox(f"b{n}", NOW + 9, peer=f"E0900000{n}") for n in range(peers - 1)]
        await store.write(lambda tx: [tx.put_outbox(row) for row in [*due, *others]])
        taken = [len(await store.write(lambda tx: tx.claim_outbox(NOW, 7, 30, ALL))) for _ in range(9)]
        least = next(number for number, count in enumerate(taken) if count < 7 / 2)
        assert sum(taken[: least + 1]) == 11

    async def test_of_more_peers_than_a_claim_takes_the_oldest_rows_are_taken(self, store: Store) -> None:
        rows = [outbox(f"m{n}", NOW - n, peer=f"E09000{n:03}") for n in range(9)]
        await store.write(lambda tx: [tx.put_outbox(row) for row in rows])
        taken = await store.write(lambda tx: tx.claim_outbox(NOW, 2, 30, ALL))
        assert [row.mid for row in taken] == ["m8", "m7"]

    async def test_a_resting_peer_is_passed_over_on_that_lane_alone(self, store: Store) -> None:
        rows = [
            outbox("bulk", NOW),
            outbox("urgent", NOW, Lane.URGENT),
            outbox("other", NOW, peer="E09000099"),
        ]
        await store.write(lambda tx: [tx.put_outbox(row) for row in rows])
        resting = {(PEER, Lane.STANDARD)}
        taken = await store.write(lambda tx: tx.claim_outbox(NOW, 9, 30, ALL, resting=resting))
        assert {row.mid for row in taken} == {"urgent", "other"}
        (left,) = await store.write(lambda tx: tx.claim_outbox(NOW, 9, 30, ALL))
        assert left.mid == "bulk"

    async def test_a_start_takes_up_what_a_killed_process_had_claimed(self, store: Store) -> None:
        rows = [outbox("waits"), outbox("out", NOW - 1, state=Outbound.PUBLISHED)]
        await store.write(lambda tx: [tx.put_outbox(row) for row in rows])
        await store.write(lambda tx: tx.claim_outbox(NOW, 9, 30, ALL))
        assert await store.write(lambda tx: tx.release_outbox(NOW)) == 1
        again = await store.write(lambda tx: tx.claim_outbox(NOW, 9, 30, ALL))
        assert [(row.mid, row.attempts) for row in again] == [("waits", 2)]

    async def test_a_claimed_row_is_leased_and_counted_and_keeps_its_state(self, store: Store) -> None:
        row = outbox("m1", state=Outbound.PUBLISHED)
        await store.write(lambda tx: tx.put_outbox(row))
        (claimed,) = await store.write(lambda tx: tx.claim_outbox(NOW, 9, 30, ALL))
        assert claimed == replace(row, id=claimed.id, due=NOW + 30, attempts=1)
        assert await store.read(lambda tx: tx.outbox_of("m1")) == claimed
        assert await store.write(lambda tx: tx.claim_outbox(NOW + 29, 9, 30, ALL)) == []
        (again,) = await store.write(lambda tx: tx.claim_outbox(NOW + 30, 9, 30, ALL))
        assert (again.attempts, again.due) == (2, NOW + 60)

    async def test_an_outbox_row_advances_only_from_the_states_named(self, store: Store) -> None:
        await store.write(lambda tx: tx.put_outbox(outbox("m1", id="o1", attempts=2)))
        to_published = Outbound.PUBLISHED

        async def advance(before: list[Outbound], after: Outbound) -> bool:
            return await store.write(
                lambda tx: tx.advance_outbox("o1", before, after, due=NOW + 7, error="timeout")
            )

        assert not await advance([], to_published)
        assert not await advance([Outbound.PUBLISHED, Outbound.SETTLED], to_published)
        assert await advance([Outbound.WAITING], to_published)
        row = await store.read(lambda tx: tx.outbox_of("m1"))
        assert isinstance(row, OutboxRow)
        assert (row.state, row.due, row.error, row.attempts) == (to_published, NOW + 7, "timeout", 2)
        assert await advance([Outbound.WAITING, Outbound.PUBLISHED], Outbound.SETTLED)
        assert not await store.write(lambda tx: tx.advance_outbox("nobody", list(Outbound), Outbound.SETTLED))
        assert await store.write(lambda tx: tx.claim_outbox(NOW + 99, 9, 30, ALL)) == []

    async def test_seen_settles_receipts_and_control_up_to_its_number_and_no_message(
        self, store: Store
    ) -> None:
        sent = {
            "message": envelope("message", Side.ORIGIN, 1, kind=1),
            "receipts": envelope("receipts", Side.ORIGIN, 2, kind=2),
            "control": envelope("control", Side.ORIGIN, 3, kind=3),
            "beyond": envelope("beyond", Side.ORIGIN, 4, kind=2),
            "stream": envelope("stream", Side.ORIGIN, 2, kind=2, stream="6" * 32),
            "peer": envelope("peer", Side.ORIGIN, 2, kind=2, peer="E09000005"),
            "dead": envelope("dead", Side.ORIGIN, 0, kind=2, expires=NOW),
        }
        await store.write(
            lambda tx: [
                (tx.put_envelope(row), tx.put_outbox(outbox(mid, peer=row.peer, expires=row.expires)))
                for mid, row in sent.items()
            ]
        )
        assert await store.write(lambda tx: tx.settle_seen(PEER, STREAM, 3, NOW)) == 2
        assert await store.write(lambda tx: tx.settle_seen(PEER, STREAM, 3, NOW)) == 0
        states = await store.read(lambda tx: {mid: tx.outbox_of(mid) for mid in sent})
        settled = {mid for mid, row in states.items() if row and row.state is Outbound.SETTLED}
        assert settled == {"receipts", "control"}

    async def test_a_message_is_settled_once_and_for_good(self, store: Store) -> None:
        def published(tx: Transaction, mid: str) -> None:
            row = outbox(mid, id=mid)
            tx.put_outbox(row)
            tx.advance_outbox(mid, [Outbound.WAITING], Outbound.PUBLISHED, due=NOW + 30, error="late")

        await store.write(lambda tx: [published(tx, mid) for mid in ("m1", "m2")])
        await store.write(lambda tx: tx.put_outbox(outbox("m3")))
        assert await store.write(lambda tx: [tx.settle_message(mid) for mid in ("m1", "m3")]) == [True, True]
        assert await store.write(lambda tx: [tx.settle_message(mid) for mid in ("m1", "m9")]) == [
            False,
            False,
        ]
        rows = await store.read(lambda tx: [tx.outbox_of(mid) for mid in ("m1", "m2", "m3")])
        settled = (Outbound.SETTLED, 0, "")
        assert [(row.state, row.due, row.error) for row in rows if row] == [
            settled,
            (Outbound.PUBLISHED, NOW + 30, "late"),
            settled,
        ]

    async def test_seen_settles_also_where_the_outbox_row_was_put_first(self, store: Store) -> None:
        def work(tx: Transaction) -> None:
            tx.put_outbox(outbox("m1"))
            tx.put_envelope(envelope("m1", Side.ORIGIN, kind=2))
            tx.put_outbox(outbox("m2"))
            tx.put_envelope(envelope("m2", Side.ORIGIN, kind=1))
            tx.put_outbox(outbox("m3"))
            tx.put_envelope(envelope("m3", Side.DESTINATION, kind=2))  # a peer's, under an id of ours
            tx.put_envelope(envelope("m4", Side.DESTINATION, seq=0, kind=2))  # the same, before ours
            tx.put_outbox(outbox("m4"))

        await store.write(work)
        assert await store.write(lambda tx: tx.settle_seen(PEER, STREAM, 1, NOW)) == 1
        row = await store.read(lambda tx: tx.outbox_of("m1"))
        assert row is not None
        assert row.state is Outbound.SETTLED
