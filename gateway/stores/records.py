"""Between the records of :mod:`gateway.ports` and the rows of :mod:`gateway.stores.tables`.

Duty: the order of columns, and the few values that differ on the two sides (enumerations, booleans, lists).
A row comes from the driver as a plain tuple in the order of the record's fields, so that reading one is a
constructor call.

Example::

    OUTBOX.load(("0193...", "E09000004", "n", ...))     # -> OutboxRow
    OUTBOX.dump(row)                                    # -> {"id": "0193...", ...}; "" becomes a fresh id
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

import sqlalchemy as sa

from gateway import ports
from gateway.stores import tables
from gateway.stores.common import new_id

R = TypeVar("R")
Convert = Callable[[Any], Any]


class Record(Generic[R]):
    """How one kind of record is kept. ``load``/``dump`` name the fields whose stored form differs."""

    def __init__(
        self,
        kind: Callable[..., R],
        table: sa.Table,
        *,
        load: Mapping[str, Convert] | None = None,
        dump: Mapping[str, Convert] | None = None,
    ) -> None:
        self.names = tuple(field.name for field in dataclasses.fields(kind))  # type: ignore[arg-type] # a dataclass
        self.columns: Sequence[sa.Column[Any]] = [table.c[name] for name in self.names]
        self.table = table
        self.kind = kind
        self._values = attrgetter(*self.names)
        self._has_id = "id" in self.names
        self._load = tuple((self.names.index(name), convert) for name, convert in (load or {}).items())
        self._dump = tuple((dump or {}).items())

    def load(self, values: Sequence[Any]) -> R:
        if not self._load:
            return self.kind(*values)
        row = list(values)
        for place, convert in self._load:
            row[place] = convert(row[place])
        return self.kind(*row)

    def load_all(self, rows: Sequence[Sequence[Any]]) -> list[R]:
        return [self.load(row) for row in rows]

    def dump(self, row: R) -> dict[str, Any]:
        values = dict(zip(self.names, self._values(row), strict=True))
        for name, convert in self._dump:
            values[name] = convert(values[name])
        if self._has_id and not values["id"]:
            values["id"] = new_id()
        return values


def _plain(member: Any) -> Any:
    """The drivers look at the exact type first; a member of an enumeration takes their slow way."""
    return member.value


def _tuple(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


HANDOVER: Final = Record(
    ports.HandoverRow,
    tables.handovers,
    load={"side": ports.Side, "drill": bool, "partial": bool},
    dump={"side": _plain},
)
LEG: Final = Record(ports.LegRow, tables.legs, load={"side": ports.Side}, dump={"side": _plain})
LEG_EVENT: Final = Record(ports.LegEvent, tables.leg_events)
ENVELOPE: Final = Record(
    ports.EnvelopeRow, tables.envelopes, load={"side": ports.Side}, dump={"side": _plain}
)
NOTICE: Final = Record(ports.NoticeRow, tables.notices, load={"side": ports.Side}, dump={"side": _plain})
NOTICE_LEG: Final = Record(ports.NoticeLegRow, tables.notice_legs, load={"onward": bool})
PUNCTURE: Final = Record(ports.PunctureRow, tables.punctures)
HOLD: Final = Record(ports.HoldRow, tables.holds)
PURGE: Final = Record(ports.PurgeRow, tables.purges)
BREACH: Final = Record(ports.BreachRow, tables.breaches, load={"near_miss": bool})
BREACH_STEP: Final = Record(ports.BreachStepRow, tables.breach_steps)
STREAM: Final = Record(ports.StreamRow, tables.streams, load={"outgoing": bool})
GAP: Final = Record(ports.GapRow, tables.gaps)
OUTBOX: Final = Record(
    ports.OutboxRow,
    tables.outbox,
    load={"lane": ports.Lane, "state": ports.Outbound},
    dump={"lane": _plain, "state": _plain},
)
RECEIPT: Final = Record(
    ports.ReceiptRow, tables.receipts, load={"ours": bool, "applied": bool, "urgent": bool}
)
TASK: Final = Record(
    ports.TaskRow,
    tables.tasks,
    load={"kind": ports.Parcel, "state": ports.Task, "lane": ports.Lane},
    dump={"kind": _plain, "state": _plain, "lane": _plain},
)
ACCESS: Final = Record(
    ports.AccessRow,
    tables.accesses,
    load={"sections": _tuple, "recipients": _tuple},
    dump={"sections": json.dumps, "recipients": json.dumps},
)
RESTRICTION: Final = Record(
    ports.RestrictionRow, tables.restrictions, load={"withheld": _tuple}, dump={"withheld": json.dumps}
)
TOKEN: Final = Record(ports.TokenRow, tables.tokens, load={"also": _tuple}, dump={"also": json.dumps})
IDEMPOTENCY: Final = Record(ports.IdempotencyRow, tables.idempotency)
BLOB: Final = Record(ports.BlobRow, tables.blobs, load={"state": ports.Blob}, dump={"state": _plain})
SEGMENT: Final = Record(ports.SegmentRow, tables.blob_segments)
HELD: Final = Record(
    ports.HeldRow,
    tables.held,
    load={"lane": ports.Lane, "place": ports.Place, "state": ports.Holding},
    dump={"lane": _plain, "place": _plain, "state": _plain},
)
TRUST: Final = Record(ports.TrustRow, tables.trust)
CHECKPOINT: Final = Record(ports.CheckpointRow, tables.checkpoints)
COSIGNATURE: Final = Record(ports.CosignatureRow, tables.cosignatures)
WITNESS: Final = Record(
    ports.WitnessRow, tables.witnesses, load={"wanted": _tuple}, dump={"wanted": json.dumps}
)
LOOSE: Final = Record(ports.LooseRow, tables.loose)
BRIDGE_CONTACT: Final = Record(ports.BridgeContactRow, tables.bridge_contacts)
BRIDGE_FILE: Final = Record(ports.BridgeFileRow, tables.bridge_files)
ACTION: Final = Record(
    ports.ActionRow,
    tables.actions,
    load={"state": ports.ActionState, "blocks": bool, "local": bool},
    dump={"state": _plain},
)
RESULT: Final = Record(ports.ResultRow, tables.action_results)
PAGE: Final = Record(
    ports.PageRow, tables.pages, load={"state": ports.Paging, "urgent": bool}, dump={"state": _plain}
)
COVER: Final = Record(ports.CoverRow, tables.covers)
WORKER: Final = Record(
    ports.WorkerRow, tables.workers, load={"role": ports.Role, "ready": bool}, dump={"role": _plain}
)
TIMER: Final = Record(ports.TimerRow, tables.timers)
ALARM: Final = Record(ports.AlarmRow, tables.alarms)
URGENT: Final = Record(ports.UrgentRow, tables.urgent, load={"other": bool, "drill": bool})
DRAFT: Final = Record(ports.DraftRow, tables.drafts)
