"""Every statement on a hot path is found by an index: none reads a whole table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from gateway.ports import (
    AlarmRow,
    Blob,
    BlobRow,
    CheckpointRow,
    CoverRow,
    Lane,
    Outbound,
    Side,
    Task,
    TimerRow,
    Transaction,
    WitnessRow,
)
from gateway.stores import migrations
from gateway.stores.database import Database, Session
from gateway.stores.sql import SqlTransaction
from gateway.testing.store_cases.rows import (
    NOW,
    PEER,
    POLICE,
    STREAM,
    digest,
    envelope,
    event,
    handover,
    leg,
    outbox,
    receipt,
    task,
)

TIMER = TimerRow("decide", "l1", NOW)
BLOB = BlobRow(PEER, "b", Blob.ARRIVING, 9, NOW)

HOT: dict[str, Callable[[Transaction], object]] = {
    "handover": lambda tx: (tx.handover("HO-1"), tx.handover("HO-1", 1)),
    "handovers": lambda tx: tx.handovers(side=Side.ORIGIN, principal=POLICE, before="f", limit=9),
    "advance_handover": lambda tx: tx.advance_handover("HO-1", 1, "ISSUED", "ACTIVE", NOW),
    "leg": lambda tx: (tx.leg("l1"), tx.legs("HO-1", 1), tx.legs_of_message("a" * 32)),
    "inbox": lambda tx: tx.inbox(POLICE, before="f", limit=9),
    "advance_leg": lambda tx: tx.advance_leg("l1", "DELIVERED", "RECEIVED", event("l1"), opened=1),
    "history": lambda tx: tx.history("l1"),
    "envelope": lambda tx: (tx.envelope("m"), tx.envelope_at(PEER, STREAM, 1)),
    "received_after": lambda tx: tx.received_after(PEER, STREAM, 1, 9),
    "sent_between": lambda tx: tx.sent_between(PEER, STREAM, 1, 9, 5),
    "stream": lambda tx: (tx.stream(PEER, outgoing=True), tx.stream(PEER, outgoing=True, lock=False)),
    "claim_outbox": lambda tx: tx.claim_outbox(NOW, 9, 9, list(Lane)),
    "advance_outbox": lambda tx: tx.advance_outbox("o1", [Outbound.WAITING], Outbound.PUBLISHED),
    "outbox_of": lambda tx: tx.outbox_of("m"),
    "settle_message": lambda tx: tx.settle_message("m"),
    "settle_seen": lambda tx: tx.settle_seen(PEER, STREAM, 9, NOW),
    "put_envelope": lambda tx: tx.put_envelope(envelope("new", Side.ORIGIN, kind=2)),
    "put_outbox": lambda tx: tx.put_outbox(outbox("new")),
    "receipt": lambda tx: tx.receipt(digest("r")),
    "receipts": lambda tx: (tx.receipts(mid="m"), tx.receipts(ref="r"), tx.receipts(sent_in="m", by=POLICE)),
    "unsent_receipts": lambda tx: (tx.unsent_receipts(9), tx.unsent_receipts(9, urgent=True)),
    "mark": lambda tx: (tx.mark_sent([digest("r")], "m"), tx.mark_applied(digest("r"))),
    "task": lambda tx: (tx.task("t1"), tx.tasks_of("leg-1"), tx.parked_tasks(POLICE, 9)),
    "claim_tasks": lambda tx: tx.claim_tasks(POLICE, NOW, 9, 9),
    "advance_task": lambda tx: tx.advance_task("t1", Task.WAITING, Task.DONE),
    "log": lambda tx: (tx.log(5, 9), tx.log_of("m"), tx.log_size(), tx.checkpoint("bx/1/log/x/y")),
    "log_nodes": lambda tx: tx.log_nodes([(0, 0), (1, 0)]),
    "put_checkpoint": lambda tx: tx.put_checkpoint(CheckpointRow("o", 2, digest("r"), NOW, b""), after=1),
    "cosignatures": lambda tx: (tx.cosignatures("o"), tx.cosignatures("o", size=7)),
    "witness": lambda tx: (tx.witness(PEER), tx.put_witness(WitnessRow(PEER))),
    "loose": lambda tx: (tx.loose("o"), tx.drop_loose("o", PEER)),
    "access_rows": lambda tx: tx.access_rows(5, 9),
    "alarms": lambda tx: (tx.alarms(), tx.put_alarm(AlarmRow(NOW, "gap", PEER, "5"))),
    "clear_alarm": lambda tx: tx.clear_alarm("a1", NOW, "x"),
    "standing_alarms": lambda tx: (tx.standing_alarms("gap"), tx.standing_alarms("gap", peer=PEER)),
    "alarm": lambda tx: tx.alarm("a1"),
    "blob": lambda tx: (tx.blob(PEER, "b"), tx.blobs(peer=PEER, ref="HO-1", version=1)),
    "advance_blob": lambda tx: tx.advance_blob(BLOB, BLOB),
    "blobs_by_state": lambda tx: (tx.sending_blobs(9), tx.unnamed_blobs(NOW, 9)),
    "blobs_stored": lambda tx: (tx.blobs_stored(peer=PEER), tx.blobs_stored(peer="", owner=POLICE)),
    "segments": lambda tx: (tx.segment(PEER, "b", 0), tx.segments(PEER, "b"), tx.drop_blob(PEER, "b")),
    "accesses": lambda tx: tx.accesses(ref="HO-1"),
    "shred": lambda tx: (tx.envelopes_in("2026-11"), tx.change_secrets("m", Side.ORIGIN, b"", b"x")),
    "envelopes_of": lambda tx: (tx.envelopes_of("HO-1"), tx.envelopes_of("HO-1", 1)),
    "timers": lambda tx: (tx.due_timers(NOW, 9), tx.timers("l1"), tx.drop_timers("decide", "l1")),
    "pages": lambda tx: (tx.pages(ref="HO-1"), tx.claim_pages(NOW, 9, 9)),
    "covers": lambda tx: (tx.drop_cover("duty"), tx.put_cover(CoverRow("duty", 1, 1, "x"))),
    "fire_timer": lambda tx: (tx.fire_timer(TIMER, NOW), tx.delay_timer(TIMER, NOW)),
    "token": lambda tx: tx.token(digest("t")),
    "idempotency": lambda tx: tx.idempotency(digest("k")),
}

# A partial index read from end to end holds nothing but the rows that are asked for.
# `waited` is the list of peers that is being made, one step in the index a peer.
_WHOLE = "receipts USING INDEX ix_receipts_unsent|blobs USING INDEX ix_blobs_sending|CONSTANT ROW|waited$"
SLOW = re.compile(rf"\bSCAN (?!{_WHOLE})")
# These find the legs of one handover or message, or the tasks of one leg: a handful, sorted in no time.
# SQLite numbers a table's constraints as it copies them, not always in one order.
FEW = re.compile(
    r"sqlite_autoindex_legs_\d \(ref=\? AND version=\?\)"
    r"|ix_legs_mid \(mid=\?\)|ix_tasks_leg \(leg=\?\)|ix_envelopes_ref \("
)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    url = f"sqlite:///{tmp_path_factory.mktemp('plans')}/store.db"
    migrations.upgrade(url)
    database = Database(url)
    session = database.open(writable=True)
    yield session
    session.close()
    database.engine.dispose()


@pytest.mark.parametrize("name", HOT)
def test_it_is_found_by_an_index_and_comes_sorted(session: Session, name: str) -> None:
    statements: list[str] = []
    session.begin()
    tx = SqlTransaction(session)
    tx.put_handover(handover())
    tx.put_leg(leg(id="l1"))
    tx.put_outbox(outbox("m1", id="o1"))
    tx.put_receipt(receipt("r"))
    tx.put_task(task("t1"))
    for leaf in (b"0", b"1"):
        tx.append_log(leaf)
    tx.keep()
    tx.flush()
    session._driver.set_trace_callback(statements.append)
    HOT[name](tx)
    session._driver.set_trace_callback(None)
    plans = {text: explain(session, text) for text in statements}
    session.rollback()
    assert plans
    assert [step for plan in plans.values() for step in plan if SLOW.search(step)] == []
    sorted_ = [plan for plan in plans.values() if "USE TEMP B-TREE FOR ORDER BY" in plan]
    assert [plan for plan in sorted_ if not FEW.search(plan[0])] == []


def explain(session: Session, statement: str) -> list[str]:
    rows = session._driver.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
    return [row[3] for row in rows]
