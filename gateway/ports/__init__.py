"""Every seam of the gateway: what the flows need of the world, as Protocols with their contracts.

Each Protocol has one in-memory implementation and at least one real one; both pass the same behavioural
suite in ``gateway.testing``. Records that cross a seam are frozen dataclasses. Nothing here does anything:
no IO, no clock, no default implementation.
"""

from __future__ import annotations

from gateway.core.encoding import Json
from gateway.ports.agencies import (
    Adapter,
    AdapterFactory,
    AgencyBinding,
    Answer,
    Attachment,
    Delivered,
    Profile,
    Submission,
    View,
)
from gateway.ports.machine import Anchor, Clock, Keys, Room
from gateway.ports.pager import Page, Pager
from gateway.ports.places import Places
from gateway.ports.rows import (
    AccessRow,
    AlarmRow,
    Blob,
    BlobRow,
    CheckpointRow,
    CosignatureRow,
    EnvelopeRow,
    GapRow,
    HandoverRow,
    IdempotencyRow,
    LegEvent,
    LegRow,
    LooseRow,
    Outbound,
    OutboxRow,
    Parcel,
    PunctureRow,
    ReceiptRow,
    SegmentRow,
    Side,
    StreamRow,
    Task,
    TaskRow,
    TokenRow,
    TrustRow,
    WitnessRow,
)
from gateway.ports.rows_actions import ActionRow, ActionState, ResultRow
from gateway.ports.rows_breaches import BreachRow, BreachStepRow
from gateway.ports.rows_bridge import BridgeContactRow, BridgeFileRow
from gateway.ports.rows_held import HeldRow, Holding, Place
from gateway.ports.rows_notices import NoticeLegRow, NoticeRow
from gateway.ports.rows_paging import CoverRow, PageRow, Paging
from gateway.ports.rows_retention import HoldRow, PurgeRow
from gateway.ports.rows_rights import RestrictionRow
from gateway.ports.rows_timers import TimerRow
from gateway.ports.rows_urgent import DraftRow, UrgentRow
from gateway.ports.rows_workers import Role, WorkerRow
from gateway.ports.siblings import EVERY_BELL, Siblings
from gateway.ports.store import Store, Transaction
from gateway.ports.transport import PARCELS, Aside, Delivery, Lane, Outgoing, Shelf, Transport

__all__ = [
    "EVERY_BELL",
    "PARCELS",
    "AccessRow",
    "ActionRow",
    "ActionState",
    "Adapter",
    "AdapterFactory",
    "AgencyBinding",
    "AlarmRow",
    "Anchor",
    "Answer",
    "Aside",
    "Attachment",
    "Blob",
    "BlobRow",
    "BreachRow",
    "BreachStepRow",
    "BridgeContactRow",
    "BridgeFileRow",
    "CheckpointRow",
    "Clock",
    "CosignatureRow",
    "CoverRow",
    "Delivered",
    "Delivery",
    "DraftRow",
    "EnvelopeRow",
    "GapRow",
    "HandoverRow",
    "HeldRow",
    "HoldRow",
    "Holding",
    "IdempotencyRow",
    "Json",
    "Keys",
    "Lane",
    "LegEvent",
    "LegRow",
    "LooseRow",
    "NoticeLegRow",
    "NoticeRow",
    "Outbound",
    "OutboxRow",
    "Outgoing",
    "Page",
    "PageRow",
    "Pager",
    "Paging",
    "Parcel",
    "Place",
    "Places",
    "Profile",
    "PunctureRow",
    "PurgeRow",
    "ReceiptRow",
    "RestrictionRow",
    "ResultRow",
    "Role",
    "Room",
    "SegmentRow",
    "Shelf",
    "Siblings",
    "Side",
    "Store",
    "StreamRow",
    "Submission",
    "Task",
    "TaskRow",
    "TimerRow",
    "TokenRow",
    "Transaction",
    "Transport",
    "TrustRow",
    "UrgentRow",
    "View",
    "WitnessRow",
    "WorkerRow",
]
