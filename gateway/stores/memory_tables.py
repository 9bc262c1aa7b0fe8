"""The tables of the reference store, and what every part of its transaction has.

Rules: a dictionary keeps the order in which its keys were first put, which is the order the contract calls
"as they were put"; replacing a row keeps its place. Rows are frozen.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from gateway.ports import (
    AccessRow,
    ActionRow,
    AlarmRow,
    BlobRow,
    BreachRow,
    BreachStepRow,
    BridgeContactRow,
    BridgeFileRow,
    CheckpointRow,
    CosignatureRow,
    CoverRow,
    DraftRow,
    EnvelopeRow,
    GapRow,
    HandoverRow,
    HeldRow,
    HoldRow,
    IdempotencyRow,
    LegEvent,
    LegRow,
    LooseRow,
    NoticeLegRow,
    NoticeRow,
    OutboxRow,
    PageRow,
    PunctureRow,
    PurgeRow,
    ReceiptRow,
    RestrictionRow,
    ResultRow,
    SegmentRow,
    Side,
    StreamRow,
    TaskRow,
    TimerRow,
    TokenRow,
    TrustRow,
    UrgentRow,
    WitnessRow,
    WorkerRow,
)
from gateway.stores.common import refuse_write

K = TypeVar("K")
R = TypeVar("R")


@dataclass
class Tables:
    """Every table by its primary key."""

    handovers: dict[str, HandoverRow] = field(default_factory=dict)
    legs: dict[str, LegRow] = field(default_factory=dict)
    events: list[LegEvent] = field(default_factory=list)
    envelopes: dict[tuple[str, Side], EnvelopeRow] = field(default_factory=dict)
    punctures: dict[tuple[str, str], PunctureRow] = field(default_factory=dict)
    holds: dict[str, HoldRow] = field(default_factory=dict)
    purges: dict[str, PurgeRow] = field(default_factory=dict)
    notices: dict[str, NoticeRow] = field(default_factory=dict)
    notice_legs: dict[tuple[str, str], NoticeLegRow] = field(default_factory=dict)
    notice_messages: dict[str, str] = field(default_factory=dict)
    streams: dict[tuple[str, bool], StreamRow] = field(default_factory=dict)
    gaps: dict[tuple[str, str, int], GapRow] = field(default_factory=dict)
    outbox: dict[str, OutboxRow] = field(default_factory=dict)
    receipts: dict[bytes, ReceiptRow] = field(default_factory=dict)
    tasks: dict[str, TaskRow] = field(default_factory=dict)
    log: list[tuple[bytes, str]] = field(default_factory=list)
    checkpoints: dict[str, CheckpointRow] = field(default_factory=dict)
    cosignatures: dict[tuple[str, int, str], CosignatureRow] = field(default_factory=dict)
    alarms: dict[str, AlarmRow] = field(default_factory=dict)
    accesses: list[AccessRow] = field(default_factory=list)
    tokens: dict[str, TokenRow] = field(default_factory=dict)
    idempotency: dict[bytes, IdempotencyRow] = field(default_factory=dict)
    blobs: dict[tuple[str, str], BlobRow] = field(default_factory=dict)
    segments: dict[tuple[str, str, int], SegmentRow] = field(default_factory=dict)
    held: dict[str, HeldRow] = field(default_factory=dict)
    trust: dict[tuple[str, str, int], TrustRow] = field(default_factory=dict)
    witnesses: dict[str, WitnessRow] = field(default_factory=dict)
    loose: dict[tuple[str, str], LooseRow] = field(default_factory=dict)
    actions: dict[tuple[str, str], ActionRow] = field(default_factory=dict)
    action_results: dict[tuple[str, bytes, str], ResultRow] = field(default_factory=dict)
    timers: dict[tuple[str, str, int], TimerRow] = field(default_factory=dict)
    breaches: dict[str, BreachRow] = field(default_factory=dict)
    breach_steps: dict[tuple[str, int], BreachStepRow] = field(default_factory=dict)
    bridge_contacts: dict[str, BridgeContactRow] = field(default_factory=dict)
    bridge_files: dict[str, BridgeFileRow] = field(default_factory=dict)
    restrictions: dict[str, RestrictionRow] = field(default_factory=dict)
    urgent: dict[str, UrgentRow] = field(default_factory=dict)
    drafts: dict[str, DraftRow] = field(default_factory=dict)
    pages: dict[str, PageRow] = field(default_factory=dict)
    covers: dict[str, CoverRow] = field(default_factory=dict)
    settings: dict[str, bytes] = field(default_factory=dict)
    workers: dict[str, WorkerRow] = field(default_factory=dict)
    leaders: dict[str, str] = field(default_factory=dict)
    claims: dict[tuple[str, str], str] = field(default_factory=dict)
    """By table and row: whose claim it is."""

    def copy(self) -> Tables:
        """Rows are frozen, so it is enough to copy what holds them."""
        return Tables(*(getattr(self, column.name).copy() for column in dataclasses.fields(self)))


class MemoryPart:
    """``writable`` False: a method that would change something raises RuntimeError, as in every store."""

    def __init__(self, tables: Tables, *, writable: bool) -> None:
        self._t = tables
        self._writable = writable

    def _change(self) -> Tables:
        if not self._writable:
            raise refuse_write()
        return self._t

    def _claim(self, table: str, rows: Iterable[str], worker: str) -> None:
        for row in rows:
            self._t.claims[table, row] = worker

    def _is_claim(self, table: str, row: str, worker: str) -> bool:
        return bool(worker) and self._t.claims.get((table, row)) == worker

    def _put(self, table: dict[K, R], key: K, row: R, *, taken: bool = False) -> bool:
        self._change()
        if taken or key in table:
            return False
        table[key] = row
        return True
