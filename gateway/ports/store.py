"""The database, as the flows see it: one unit of work, and who runs it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from gateway.core.merkle import Place
from gateway.ports.rows import (
    AccessRow,
    AlarmRow,
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
from gateway.ports.rows_actions import ActionRow, ResultRow
from gateway.ports.rows_breaches import BreachRow, BreachStepRow
from gateway.ports.rows_bridge import BridgeContactRow, BridgeFileRow
from gateway.ports.rows_held import HeldRow, Holding
from gateway.ports.rows_notices import NoticeLegRow, NoticeRow
from gateway.ports.rows_paging import CoverRow, PageRow, Paging
from gateway.ports.rows_retention import HoldRow, PurgeRow
from gateway.ports.rows_rights import RestrictionRow
from gateway.ports.rows_timers import TimerRow
from gateway.ports.rows_urgent import DraftRow, UrgentRow
from gateway.ports.rows_workers import WorkerRow
from gateway.ports.transport import PARCELS, Lane

T = TypeVar("T")


class Transaction(Protocol):
    """One unit of work. All of it is committed or none of it; see :class:`Store`. In a read every method
    that would change something raises RuntimeError, and none takes a lock.

    ``put_*`` returns False when a row of that identity is already there, and then changes nothing.
    ``advance_*`` moves a row only from the state named, and returns False when it is not in it.
    ``claim_*`` hands a due row to one worker only: the row's ``due`` becomes ``now + lease``, its
    ``attempts`` grows by one, and the row is returned as it is after that. ``worker``: whose claim it is,
    until the row is advanced; what a dead worker had claimed is made due again by ``release_*``, or the lease
    runs out.
    ``attempt`` (of ``advance_*``): only while the row stands at this number of attempts. So whoever was
    stopped while another took the row up cannot put it off, or aside, under that one's hands.
    Ids left "" are filled with a fresh UUIDv7 (hex).
    """

    # handovers and legs
    def put_handover(self, row: HandoverRow) -> bool:
        """Identity: (ref, version) and id."""
        ...

    def handover(self, ref: str, version: int | None = None) -> HandoverRow | None:
        """``version`` None: the newest."""
        ...

    def handovers(
        self, *, side: Side | None, principal: str | None, before: str, limit: int
    ) -> Sequence[HandoverRow]:
        """Newest first, ids smaller than ``before`` ("" = from the top). ``principal``: only those it
        submitted or is the counterpart or recipient of a leg of."""
        ...

    def advance_handover(self, ref: str, version: int, before: str, after: str, at: int) -> bool: ...
    def put_leg(self, row: LegRow) -> bool:
        """Identity: (ref, version, principal) and id."""
        ...

    def leg(self, leg: str) -> LegRow | None: ...
    def legs(self, ref: str, version: int) -> Sequence[LegRow]:
        """In the order they were put."""
        ...

    def legs_of_message(self, mid: str) -> Sequence[LegRow]: ...
    def inbox(self, principal: str, *, before: str, limit: int) -> Sequence[LegRow]:
        """Destination legs of one principal, newest first, ids smaller than ``before``."""
        ...

    def advance_leg(self, leg: str, before: str, after: str, event: LegEvent, **changes: object) -> bool:
        """Conditional on ``before``; also appends ``event`` to the history. ``changes`` are further columns
        of LegRow (``delivered``, ``opened``, ``acknowledge_by``, ``decide_by``, ``overdue``, ``mid``)."""
        ...

    def history(self, leg: str) -> Sequence[LegEvent]:
        """Oldest first, in commit order."""
        ...

    # messages, streams, outbox
    def put_envelope(self, row: EnvelopeRow) -> bool:
        """Identity: mid and side; and side, peer, stream and seq."""
        ...

    def envelope(self, mid: str) -> EnvelopeRow | None:
        """Should there be one of each side: the one we sent."""
        ...

    def envelope_at(self, peer: str, stream: str, seq: int) -> EnvelopeRow | None:
        """A received one, by its place in the peer's stream."""
        ...

    def stream(self, peer: str, *, outgoing: bool, lock: bool = True) -> StreamRow | None:
        """``lock``: takes the row's lock until the transaction ends. Of one peer the incoming one is locked
        before the outgoing one, so that nobody waits in a ring."""
        ...

    def put_stream(self, row: StreamRow) -> None:
        """Insert or replace."""
        ...

    def streams(self, *, outgoing: bool) -> Sequence[StreamRow]:
        """Every peer's, by its area. Takes no lock."""
        ...

    def put_gap(self, row: GapRow) -> None:
        """Insert or replace. Identity: peer, stream and first."""
        ...

    def drop_gap(self, peer: str, stream: str, first: int) -> None: ...
    def gaps(self, *, peer: str = "", stream: str = "") -> Sequence[GapRow]:
        """Those that match every filter given, by peer, stream and first."""
        ...

    def gap_at(self, peer: str, stream: str, seq: int) -> GapRow | None:
        """The gap that the number ``seq`` is in."""
        ...

    def first_gap(self, peer: str, stream: str) -> GapRow | None: ...

    def count_gaps(self, peer: str, stream: str) -> int: ...

    def received_after(self, peer: str, stream: str, seq: int, limit: int) -> Sequence[tuple[int, bytes]]:
        """(seq, statement hash) of received envelopes of a stream with a greater seq, ascending."""
        ...

    def sent_between(
        self, peer: str, stream: str, first: int, last: int, limit: int
    ) -> Sequence[tuple[int, str, int]]:
        """(seq, mid, expires) of envelopes that we sent, from ``first`` to ``last``, ascending."""
        ...

    def put_outbox(self, row: OutboxRow) -> bool:
        """Identity: id and mid."""
        ...

    def claim_outbox(
        self,
        now: int,
        limit: int,
        lease: int,
        lanes: Sequence[Lane],
        *,
        worker: str = "",
        resting: Collection[tuple[str, Lane]] = (),
    ) -> Sequence[OutboxRow]:
        """Due rows that are not settled, oldest due first. Where more are due than ``limit``, every peer that
        has some gets its share. When fewer than half of ``limit`` come, no more are due. ``resting``: peers
        that are passed over on a lane."""
        ...

    def advance_outbox(
        self,
        row: str,
        before: Iterable[Outbound],
        after: Outbound,
        *,
        due: int = 0,
        error: str = "",
        attempt: int | None = None,
    ) -> bool:
        """``due`` and ``error`` replace what the row had; ``due`` 0 is due at once unless it is settled."""
        ...

    def release_outbox(self, now: int, worker: str = "") -> int:
        """Make due now what ``worker`` has claimed and not advanced; "": every WAITING row, whoever claimed
        it. Returns how many were not due. A lease is too long to wait for when its holder is dead."""
        ...

    def outbox_of(self, mid: str) -> OutboxRow | None: ...
    def settle_message(self, mid: str) -> bool:
        """Settle the outbox row of a message, wherever it stands; False when there is nothing to settle."""
        ...

    def settle_seen(self, peer: str, stream: str, seq: int, now: int) -> int:
        """Settle the outbox rows of receipts and control envelopes (kinds 2 and 3) sent to ``peer`` in
        ``stream`` up to ``seq``. Returns how many. Those whose life has ended by ``now`` are left alone: a
        peer gives a gap up only when what was in it can be valid no more."""
        ...

    # what is to be destroyed
    def envelopes_of(self, ref: str, version: int | None = None) -> Sequence[EnvelopeRow]:
        """Every message of a handover, sent and received, replies and those sealed again among them, oldest
        first. ``version`` None: of every version."""
        ...

    def envelopes_in(self, epoch: str) -> Sequence[tuple[str, Side]]:
        """(mid, side) of every message stored under an epoch, in ascending order."""
        ...

    def change_secrets(self, mid: str, side: Side, before: bytes, after: bytes) -> bool:
        """Only where the row still has the secrets ``before``."""
        ...

    def strip_envelope(self, mid: str, side: Side, note: bytes) -> bool:
        """Leave of its bytes the signed statement alone, and no secrets. False when it is not there."""
        ...

    def put_puncture(self, row: PunctureRow) -> bool:
        """Identity: all of it."""
        ...

    def punctures(self) -> Sequence[PunctureRow]:
        """By epoch and path."""
        ...

    def drop_puncture(self, row: PunctureRow) -> None: ...

    # how long things are kept
    def put_hold(self, row: HoldRow) -> bool:
        """Identity: id. Several may stand on one handover."""
        ...

    def holds(self, ref: str = "", *, standing: bool = True) -> Sequence[HoldRow]:
        """Of one handover, or of all ("" = all), by the order of their ids; ``standing`` False: those that
        were lifted as well."""
        ...

    def lift_hold(self, hold: str, at: int, by: str) -> bool:
        """By its id. False when none of it stands."""
        ...

    def unpurged(self, after: str, limit: int) -> Sequence[HandoverRow]:
        """Those not in the state PURGED, by ids ascending, greater than ``after`` ("" = from the first)."""
        ...

    def put_purge(self, row: PurgeRow) -> bool:
        """Identity: id; and ref, version, area and at."""
        ...

    def purges(self, ref: str = "", *, area: str = "") -> Sequence[PurgeRow]:
        """Those that match every filter given, in the order of ids."""
        ...

    def unattested(self, area: str, limit: int) -> Sequence[PurgeRow]:
        """Of one area, without a note, in the order of ids."""
        ...

    def attest_purge(self, purge: str, note: bytes) -> bool:
        """By its id; False when it has a note."""
        ...

    # breaches and near misses
    def put_breach(self, row: BreachRow) -> bool:
        """Identity: id; and source with about."""
        ...

    def breach(self, breach: str) -> BreachRow | None: ...
    def breach_about(self, source: str, about: str) -> BreachRow | None: ...
    def breaches(self, ref: str = "") -> Sequence[BreachRow]:
        """Of one handover, or all ("" = all), oldest first."""
        ...

    def change_breach(self, before: BreachRow, after: BreachRow) -> bool:
        """Write near_miss, aware, opened and parts; False unless the stored row is as ``before`` in these."""
        ...

    def put_breach_step(self, row: BreachStepRow) -> bool:
        """Identity: (breach, n)."""
        ...

    def breach_steps(self, breach: str) -> Sequence[BreachStepRow]:
        """In the order of n."""
        ...

    # what grows
    def prune(self, what: str, before: int, limit: int) -> int:
        """Delete at most ``limit`` rows that ended before then; returns how many. ``what``: idempotency,
        timers (fired), tasks (done), pages (made or dropped), held, alarms (cleared); and of the envelopes
        that are about no handover: sent (with their outbox rows), heard (received, receipts and control),
        files (received, of kind 1). Raises KeyError for another word."""
        ...

    def unstripped(self, before: int, limit: int) -> Sequence[EnvelopeRow]:
        """Received control envelopes with their secrets, not the first of a stream, whose life ended before
        then, oldest first."""
        ...

    def spare_cosignatures(self, before: int, limit: int) -> Sequence[tuple[str, int]]:
        """(origin, size) of cosigned checkpoints older than ``before`` that are neither the smallest of
        their UTC day that somebody beside the log has cosigned, nor the largest of their log, in ascending
        order."""
        ...

    def drop_cosignatures(self, origin: str, size: int) -> int:
        """Returns how many there were."""
        ...

    # receipts
    def put_receipt(self, row: ReceiptRow) -> bool:
        """Identity: hash."""
        ...

    def receipt(self, receipt: bytes) -> ReceiptRow | None:
        """By its hash."""
        ...

    def receipts(
        self, *, mid: str = "", ref: str = "", by: str = "", sent_in: str = ""
    ) -> Sequence[ReceiptRow]:
        """Those that match every filter given, oldest first (in the order they were put)."""
        ...

    def unsent_receipts(self, limit: int, *, urgent: bool = False) -> Sequence[ReceiptRow]:
        """Our own with ``sent_in`` "" that are ``urgent`` or are not, oldest first, locked so that one worker
        packs each."""
        ...

    def mark_sent(self, hashes: Sequence[bytes], sent_in: str) -> None:
        """``sent_in`` "" makes them wait again (a duplicate asked for its receipt)."""
        ...

    def mark_applied(self, receipt: bytes) -> None: ...

    # agencies
    def put_task(self, row: TaskRow) -> bool: ...
    def task(self, task: str) -> TaskRow | None: ...
    def tasks_of(self, leg: str) -> Sequence[TaskRow]: ...
    def claim_tasks(
        self,
        principal: str,
        now: int,
        limit: int,
        lease: int,
        *,
        lanes: Sequence[Lane] = PARCELS,
        worker: str = "",
    ) -> Sequence[TaskRow]:
        """WAITING rows of one agency that are due, lane by lane, oldest due first: a slow agency holds up no
        other."""
        ...

    def advance_task(
        self,
        task: str,
        before: Task,
        after: Task,
        *,
        due: int = 0,
        error: str = "",
        attempt: int | None = None,
    ) -> bool: ...
    def release_tasks(self, now: int, worker: str = "") -> int:
        """:meth:`release_outbox` for WAITING tasks; with no ``worker`` HELD ones become WAITING, too: an
        operator who has mended an adapter restarts the node. A worker that still holds one hands it over once
        more, with the same key."""
        ...

    def parked_tasks(self, principal: str, limit: int) -> Sequence[TaskRow]: ...

    # accountability
    def append_log(self, leaf: bytes, *, mid: str = "") -> None:
        """One leaf of the node's log (protocol 8): canonical JSON of hashes and codes only. Its index is
        final when the work is committed, not before. ``mid``: the message it is about, to find it by."""
        ...

    def log(self, start: int, limit: int) -> Sequence[tuple[int, bytes]]:
        """(index, leaf) from index ``start``, counting from 0 with no holes."""
        ...

    def log_of(self, mid: str) -> Sequence[tuple[int, bytes]]:
        """(index, leaf) of the committed leaves about one message, ascending; none for "". A store may find
        them by a short hash, so compare the ``mid`` that a leaf names."""
        ...

    def log_size(self) -> int:
        """Leaves that are committed; those of transactions still open have no index to be counted by."""
        ...

    def log_nodes(self, places: Sequence[Place]) -> Sequence[bytes]:
        """The hashes of complete subtrees of committed leaves (``gateway.core.merkle``), in the order asked
        for, at a cost of one row each. Raises GatewayError ``log_broken`` for one that is not there."""
        ...

    def checkpoint(self, origin: str) -> CheckpointRow | None:
        """The newest that was signed for this log."""
        ...

    def put_checkpoint(self, row: CheckpointRow, *, after: int | None) -> bool:
        """Replace the checkpoint of ``row.origin`` whose size is ``after``; None: there is none yet. False,
        and nothing is changed, when another stands there: of two who sign at once the later gives way."""
        ...

    def put_cosignature(self, row: CosignatureRow) -> bool:
        """Identity: origin, size and by."""
        ...

    def cosignatures(self, origin: str, *, size: int | None = None) -> Sequence[CosignatureRow]:
        """Of one log, by size and area; ``size``: of that checkpoint alone."""
        ...

    def witness(self, peer: str) -> WitnessRow | None: ...
    def witnesses(self) -> Sequence[WitnessRow]:
        """Every peer's, by its area."""
        ...

    def put_witness(self, row: WitnessRow) -> None:
        """Insert or replace."""
        ...

    def loose(self, origin: str = "") -> Sequence[LooseRow]:
        """Of one log, or of all, by origin and the peer that it came from."""
        ...

    def put_loose(self, row: LooseRow) -> None:
        """Insert or replace. Identity: origin and via."""
        ...

    def drop_loose(self, origin: str, via: str) -> None: ...
    def put_alarm(self, row: AlarmRow) -> bool:
        """False while one of the same code, peer and subject stands, and for an id that is there."""
        ...

    def alarms(self, *, cleared: bool = False, limit: int = 100) -> Sequence[AlarmRow]:
        """Newest first: those that stand, or those that were cleared."""
        ...

    def alarm(self, alarm: str) -> AlarmRow | None:
        """By its id, standing or cleared."""
        ...

    def standing_alarms(self, code: str, *, peer: str = "", limit: int = 100) -> Sequence[AlarmRow]:
        """Those of one code that stand, by peer and subject; ``peer`` "": every peer's."""
        ...

    def clear_alarm(self, alarm: str, at: int, by: str) -> bool:
        """False when there is none of this id that stands."""
        ...

    def put_access(self, row: AccessRow) -> None: ...
    def accesses(self, *, ref: str = "", limit: int = 100) -> Sequence[AccessRow]:
        """Newest first."""
        ...

    def access_rows(self, after: int, limit: int) -> Sequence[tuple[int, AccessRow]]:
        """(number, row) in the order they were put, numbers above ``after``; 0 is below all. To read the
        whole table page by page."""
        ...

    def find_accesses(
        self, *, ref: str, principal: str, since: int, until: int, after: int, limit: int
    ) -> Sequence[tuple[int, AccessRow]]:
        """(number, row) in the order they were put, numbers above ``after``, from ``since`` to before
        ``until``; "" is every handover, or every agency that acted."""
        ...

    def put_restriction(self, row: RestrictionRow) -> bool:
        """Identity: id."""
        ...

    def restrictions(self, ref: str = "") -> Sequence[RestrictionRow]:
        """Of one handover, or of all, in the order of ids; those that were lifted as well."""
        ...

    def end_restriction(self, restriction: str, at: int) -> bool:
        """By its id. False when none of it stands."""
        ...

    # notices
    def put_notice(self, row: NoticeRow) -> bool:
        """Identity: id."""
        ...

    def notice(self, notice: str) -> NoticeRow | None: ...
    def notice_of(self, mid: str) -> NoticeRow | None:
        """The one that a message carries, or carried before it was sealed again."""
        ...

    def put_notice_message(self, mid: str, notice: str) -> bool:
        """Identity: mid."""
        ...

    def notices(self, *, ref: str = "", parent: str = "") -> Sequence[NoticeRow]:
        """Those about a handover, or that pass another notice on, oldest first; none for "" twice."""
        ...

    def requests(self, limit: int) -> Sequence[NoticeRow]:
        """Those that are about no handover, newest first."""
        ...

    def count_notices(self, peer: str, ref: str) -> int:
        """Those of ``peer`` about this handover of either side's; with "" its requests that are OPEN."""
        ...

    def change_notice(self, before: NoticeRow, after: NoticeRow) -> bool:
        """Its ``state`` and ``mid``, if they are still those of ``before``."""
        ...

    def open_notices(self, principal: str, limit: int) -> Sequence[NoticeRow]:
        """Received ones that are OPEN and have this agency among their readers, oldest first."""
        ...

    def put_notice_leg(self, row: NoticeLegRow) -> bool:
        """Identity: notice and principal."""
        ...

    def notice_legs(self, notice: str) -> Sequence[NoticeLegRow]:
        """By principal."""
        ...

    def advance_notice_leg(
        self, notice: str, principal: str, before: str, after: str, at: int, *, code: str = ""
    ) -> bool: ...

    def answering(self, request: str) -> Sequence[HandoverRow]:
        """Handovers of either side that answer this request, every version, by id; none for ""."""
        ...

    def onward_from(self, ref: str) -> Sequence[HandoverRow]:
        """Every version of the handovers of ours that draw on the handover ``ref`` (``onward_of``)."""
        ...

    # callers
    def put_token(self, row: TokenRow) -> bool: ...
    def token(self, digest: bytes) -> TokenRow | None: ...
    def tokens(self) -> Sequence[TokenRow]: ...
    def revoke_token(self, token: str, at: int) -> bool: ...
    def put_idempotency(self, row: IdempotencyRow) -> bool: ...
    def idempotency(self, key: bytes) -> IdempotencyRow | None: ...

    # attachments
    def put_blob(self, row: BlobRow) -> bool:
        """Identity: (peer, blob)."""
        ...

    def blob(self, peer: str, blob: str) -> BlobRow | None: ...
    def blobs(self, *, peer: str, ref: str, version: int) -> Sequence[BlobRow]:
        """Those of one handover, in order of their ids."""
        ...

    def advance_blob(self, before: BlobRow, after: BlobRow) -> bool:
        """Put ``after`` in the place of ``before``, if its state and ``sent`` are still those."""
        ...

    def drop_blob(self, peer: str, blob: str) -> bool:
        """With its segments."""
        ...

    def sending_blobs(self, limit: int) -> Sequence[BlobRow]:
        """In the state SENDING, oldest first."""
        ...

    def unnamed_blobs(self, before: int, limit: int) -> Sequence[BlobRow]:
        """Uploads that no handover names (UPLOADING, READY), created before then, oldest first."""
        ...

    def blobs_stored(self, *, peer: str, owner: str = "") -> tuple[int, int]:
        """How many blobs of a peer, or uploads of an owner that no handover names, and their sealed bytes."""
        ...

    def put_segment(self, row: SegmentRow) -> bool:
        """Identity: (peer, blob, no)."""
        ...

    def segment(self, peer: str, blob: str, no: int) -> SegmentRow | None: ...
    def segments(self, peer: str, blob: str) -> Sequence[int]:
        """The numbers that are there, ascending."""
        ...

    def spend_segment(self, blob: str, no: int, mid: str) -> bool:
        """One of ours went into the message ``mid``: its bytes go, the message stays named."""
        ...

    # clocks
    def put_timer(self, row: TimerRow) -> bool:
        """Identity: kind, subject and step."""
        ...

    def add_timer(self, row: TimerRow) -> None:
        """The same for who does not ask whether it was set before; the store may do several at once."""
        ...

    def due_timers(self, now: int, limit: int, *, since: int = 0) -> Sequence[TimerRow]:
        """Those that have not fired and fell due from ``since`` to ``now``, oldest first, then by subject,
        kind and step."""
        ...

    def fire_timer(self, row: TimerRow, at: int) -> bool:
        """False unless it stands as ``row`` says and has not fired."""
        ...

    def delay_timer(self, row: TimerRow, due: int) -> bool:
        """Make it due at another time; False unless it stands as ``row`` says and has not fired."""
        ...

    def drop_timers(self, kind: str, subject: str) -> None:
        """Those that have not fired. What has fired stays, so that it cannot be set to fire again."""
        ...

    def timers(self, subject: str) -> Sequence[TimerRow]:
        """All about one subject, fired or not, by kind and step."""
        ...

    # actions
    def put_action(self, row: ActionRow) -> bool:
        """Identity: leg and action."""
        ...

    def actions(self, leg: str) -> Sequence[ActionRow]:
        """By place, then action."""
        ...

    def change_action(self, before: ActionRow, after: ActionRow) -> bool:
        """Only where the row is still as ``before`` says; changes its clock, its state and its marks, never
        what it is."""
        ...

    def put_result(self, row: ResultRow) -> bool:
        """Identity: leg, statement and action."""
        ...

    def results(self, leg: str) -> Sequence[ResultRow]:
        """By statement and action."""
        ...

    # areas without a gateway
    def put_bridge_contact(self, row: BridgeContactRow) -> None:
        """Insert or replace. Identity: area."""
        ...

    def bridge_contact(self, area: str) -> BridgeContactRow | None: ...
    def bridge_contacts(self) -> Sequence[BridgeContactRow]:
        """By area."""
        ...

    def drop_bridge_contact(self, area: str) -> bool: ...
    def put_bridge_file(self, row: BridgeFileRow) -> bool:
        """Identity: mid."""
        ...

    def bridge_file(self, mid: str) -> BridgeFileRow | None: ...
    def confirm_bridge_file(self, mid: str, at: int, by: str) -> bool:
        """False when there is none, or its delivery was confirmed before."""
        ...

    # urgent moves, and what waits for a second person
    def put_urgent(self, row: UrgentRow) -> bool:
        """Identity: ref."""
        ...

    def urgent(self, ref: str) -> UrgentRow | None: ...
    def change_urgent(self, row: UrgentRow) -> bool:
        """Replace the one of this ref; False when there is none."""
        ...

    def urgent_moves(self, since: int, until: int) -> Sequence[UrgentRow]:
        """Issued from ``since`` to before ``until``, oldest first, then by ref."""
        ...

    def put_draft(self, row: DraftRow) -> bool:
        """Identity: id; and ref and version."""
        ...

    def draft(self, ref: str) -> DraftRow | None:
        """The newest version."""
        ...

    def drafts(self) -> Sequence[DraftRow]:
        """All, oldest first: a person looks at each within days."""
        ...

    def drop_draft(self, draft: str) -> bool:
        """By its id. False when there is none."""
        ...

    # calls to people
    def put_page(self, row: PageRow) -> bool:
        """Identity: id."""
        ...

    def pages(self, *, ref: str = "", limit: int = 100) -> Sequence[PageRow]:
        """Newest first; ``ref``: those about one handover."""
        ...

    def claim_pages(self, now: int, limit: int, lease: int, *, worker: str = "") -> Sequence[PageRow]:
        """WAITING rows that are due, oldest due first."""
        ...

    def advance_page(
        self,
        page: str,
        before: Paging,
        after: Paging,
        *,
        due: int = 0,
        error: str = "",
        attempt: int | None = None,
    ) -> bool: ...
    def release_pages(self, now: int, worker: str = "") -> int:
        """:meth:`release_outbox` for WAITING calls."""
        ...

    def put_cover(self, row: CoverRow) -> None:
        """Insert or replace. Identity: role."""
        ...

    def drop_cover(self, role: str) -> bool:
        """False when there was none."""
        ...

    def covers(self) -> Sequence[CoverRow]:
        """By role, those that have ended among them."""
        ...

    # workers of one area side by side
    def register_worker(self, row: WorkerRow) -> None:
        """Insert or replace. Identity: id."""
        ...

    def beat_worker(self, worker: str, at: int, *, ready: bool) -> bool:
        """One more sign of life. False when it is not registered: it was taken for gone."""
        ...

    def drop_worker(self, worker: str, beats: int | None = None) -> bool:
        """``beats``: only if it has given no sign since."""
        ...

    def workers(self) -> Sequence[WorkerRow]:
        """By start and id, those that are gone among them until somebody drops them."""
        ...

    def lead(self, worker: str) -> bool:
        """Whether this worker does what one alone has to do. It takes that over when whoever did is not
        registered any more; of several that try one gets it."""
        ...

    def leader(self) -> str:
        """Who got it last; "": nobody yet."""
        ...

    # held, trust, settings
    def put_held(self, row: HeldRow) -> bool:
        """Identity: digest and id. The same bytes, delivered again, are held once, and counted (``count``,
        ``seen``): False."""
        ...

    def held(self, limit: int) -> Sequence[HeldRow]:
        """Newest first, settled ones among them."""
        ...

    def held_heads(
        self, limit: int, *, place: str = "", code: str = "", settled: bool = False
    ) -> Sequence[HeldRow]:
        """Those that are HELD (``settled``: the others), newest first, without their body."""
        ...

    def held_row(self, identity: str) -> HeldRow | None: ...
    def held_load(self) -> tuple[int, int]:
        """Rows that are HELD, and the bytes in them."""
        ...

    def recode_held(self, identity: str, code: str) -> bool:
        """What is wrong with it is something else now. False when it is HELD no more."""
        ...

    def settle_held(self, identity: str, after: Holding, now: int, by: str) -> bool:
        """From HELD, once; the body goes. False when it is HELD no more."""
        ...

    def held_tasks(self, limit: int) -> Sequence[TaskRow]:
        """Parcels that are HELD, oldest first."""
        ...

    def put_trust(self, row: TrustRow) -> bool:
        """Identity: (kind, subject, version). Older versions stay."""
        ...

    def trust(self, kind: str, subject: str = "") -> Sequence[TrustRow]:
        """Every version, ascending. With subject "" for a kind whose documents have one (key cards,
        suspensions, break-glass notes): the newest of each subject, by subject."""
        ...

    def setting(self, name: str) -> bytes | None: ...
    def put_setting(self, name: str, value: bytes) -> bool:
        """Insert only; False when it is already set."""
        ...

    def counts(self) -> Mapping[str, int]:
        """Rows by table and state, for metrics: ``outbox.waiting``, ``outbox.published``, ``task.waiting``,
        ``task.parked``, ``task.held``, ``held`` (those nobody has settled), ``held_by.<place>.<code>``,
        ``leg.<STATE>``, ``log``, and ``alarm``: those that stand."""
        ...


class Store(Protocol):
    """Contract: ``write`` commits before it returns, or raises and leaves no trace.

    The work is a plain function so that it cannot wait for anything but the database. It may be run more
    than once (a group of writers shares one commit; a deadlock or a lost connection starts it again), so it
    must not touch anything outside the transaction; what it raises aborts it alone and reaches the caller.
    Cancelling the task that waits does not take back a work that was handed over: it may be committed.
    """

    async def start(self) -> None:
        """Open; raises Misconfigured when the schema is not at this release's head."""
        ...

    async def write(self, work: Callable[[Transaction], T], *, first: bool = False) -> T:
        """``first``: before all works that wait, for what is urgent.

        Raises Unavailable when the database does not answer, is full or is read-only. Its code
        ``store_in_doubt`` alone leaves open whether the work was committed: the connection went in COMMIT."""
        ...

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """A consistent snapshot; never waits for a writer. Writing in it is a programming error."""
        ...

    async def check(self) -> None: ...

    async def close(self) -> None: ...
