"""Every seam of the gateway: what the flows need of the world, as Protocols with their contracts.

Each Protocol has one in-memory implementation and at least one real one; both pass the same behavioural
suite in ``gateway.testing``. Records that cross a seam are frozen dataclasses. Nothing here
does anything: no IO, no clock, no default implementation.

Times are whole unix seconds (UTC) unless a name says otherwise. Ids of rows are time-ordered (UUIDv7, RFC
9562) so that an index stays flat at a million rows; the message id on the wire stays random.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Protocol, TypeVar

from gateway.core.encoding import Json as Json  # noqa: PLC0414 - adapters take it from here, not from the core
from gateway.core.envelope import Opener
from gateway.core.notes import Signer
from gateway.errors import GatewayError

T = TypeVar("T")


# --- Clock ------------------------------------------------------------------------------------------


class Clock(Protocol):
    """Contract: aware of UTC only; never goes backwards within one process."""

    def now(self) -> int:
        """Unix seconds."""
        ...

    async def sleep_until(self, when: float) -> None:
        """Return no earlier than ``when`` (unix seconds); at once if it has passed."""
        ...


# --- Transport --------------------------------------------------------------------------------------


class Lane(StrEnum):
    """One queue of an area's intake. Urgent traffic has its own, on its own connection (broker.md)."""

    STANDARD = "n"
    URGENT = "u"
    RECEIPTS = "r"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One AMQP message: an envelope or a bundle (protocol 4.6) for one area and one lane.

    ``message_id`` is unique per ATTEMPT: two messages in flight with one id get each other's returns.
    """

    to: str
    lane: Lane
    body: bytes = field(repr=False)
    message_id: str
    urgent: bool = False


class Delivery(Protocol):
    """One message taken from a queue and not yet settled. Exactly one of the three calls settles it."""

    @property
    def body(self) -> bytes: ...

    @property
    def lane(self) -> Lane: ...

    @property
    def sender(self) -> str | None:
        """The area whose exchange the broker says it came through. A second line, never proof."""
        ...

    async def ack(self) -> None:
        """The row is committed; the broker may forget the message."""
        ...

    async def quarantine(self, code: str) -> None:
        """Put it aside for a person; it is never delivered again by itself."""
        ...

    async def release(self) -> None:
        """Give it back untouched: we are shutting down, or cannot store now."""
        ...


class Transport(Protocol):
    """Contract: ``publish`` returns only when the broker owns the message durably, and every wait on the
    broker has a time-out. Messages may be duplicated and reordered; none is lost once ``publish``
    returned. A lost connection is rebuilt without the caller's help; unsettled deliveries come again."""

    async def start(self) -> None:
        """Connect. Raises Unavailable when no broker answers within the time-out."""
        ...

    async def publish(self, message: Outgoing) -> None:
        """Raises Unavailable (not confirmed: it may or may not be there) or UnknownRecipient (unroutable)."""
        ...

    def deliveries(self, lane: Lane) -> AsyncIterator[Delivery]:
        """Every message of one lane of our own intake, for as long as the transport is open."""
        ...

    async def check(self) -> None:
        """Raises Unavailable when it could not publish or consume now."""
        ...

    async def close(self) -> None: ...


# --- Keys -------------------------------------------------------------------------------------------


class Keys(Protocol):
    """The private keys this node holds: its own and those of the agencies it hosts.

    Contract: nothing it returns shows a secret in its repr. ``signer`` and ``opener`` raise Misconfigured
    naming the principal when its key is not here. The epoch and the secrets are made on first use and never
    change after that; they live outside the database and its backups (protocol 7).
    """

    def principals(self) -> Collection[str]: ...
    def signer(self, principal: str) -> Signer: ...
    def opener(self, principal: str) -> Opener: ...
    def epoch(self, month: str) -> bytes:
        """The 32-byte key under which record keys of ``month`` ("2026-11") are wrapped."""
        ...

    def secret(self, name: str) -> bytes:
        """A 32-byte key for keyed hashes of one purpose."""
        ...


# --- Store ------------------------------------------------------------------------------------------


class Side(StrEnum):
    ORIGIN = "origin"
    DESTINATION = "destination"


class Outbound(StrEnum):
    """Where an outbox row stands. WAITING: to be published when due. PUBLISHED: the broker has it, the
    peer has not answered; published again when due. SETTLED: the peer has it, or it is obsolete."""

    WAITING = "waiting"
    PUBLISHED = "published"
    SETTLED = "settled"


class Task(StrEnum):
    """Where a delivery to an agency stands. WAITING: due. PARKED: the agency fetches it itself. DONE: the
    agency's adapter has it. HELD: the adapter refused it for good; a person must look."""

    WAITING = "waiting"
    PARKED = "parked"
    DONE = "done"
    HELD = "held"


class Parcel(StrEnum):
    """What is delivered to an agency: its view of a handover, the news about a leg, or a sealed reply."""

    NOTIFICATION = "notification"
    STATUS = "status"
    REPLY = "reply"


@dataclass(frozen=True, slots=True)
class HandoverRow:
    """One version of one handover as one side keeps it. No personal data: references, codes and times."""

    ref: str
    version: int
    side: Side
    origin: str
    destination: str
    urgency: str
    state: str
    submitted_by: str
    created: int
    updated: int
    id: str = ""


@dataclass(frozen=True, slots=True)
class LegRow:
    """One agency's part of a handover. ``id`` is minted at the origin and the same on both sides.

    ``acknowledge_by`` and ``decide_by`` are 0 until the clock starts with the receiving node's signed
    receipt. ``mid`` is the newest message that carries the leg. ``overdue`` names the deadlines that have
    fired: "", "acknowledge", "decide" or "acknowledge,decide".
    """

    id: str
    ref: str
    version: int
    side: Side
    principal: str
    agency: str
    counterpart: str
    state: str
    urgency: str
    mid: str
    delivered: int = 0
    opened: int = 0
    acknowledge_by: int = 0
    decide_by: int = 0
    overdue: str = ""
    updated: int = 0


@dataclass(frozen=True, slots=True)
class LegEvent:
    """One line of a leg's history. ``code`` is a reason code of the catalogue or "". Never free text."""

    leg: str
    at: int
    event: str
    before: str
    after: str
    by: str
    code: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class EnvelopeRow:
    """The sealed bytes of one message, sent or received, and the keys to its parts, wrapped.

    ``side`` ORIGIN: we sent it; DESTINATION: we received it. ``secrets`` is ``core.shred.wrap`` of the part
    keys (and who may read which part) under the record key; ``record_key`` is that key wrapped under the
    epoch key ``epoch``, which lives outside the database. Both empty when there is nothing to open later.
    """

    mid: str
    side: Side
    kind: int
    peer: str
    stream: str
    seq: int
    statement: bytes
    digest: bytes
    expires: int
    body: bytes = field(repr=False)
    secrets: bytes = field(repr=False, default=b"")
    record_key: bytes = field(repr=False, default=b"")
    epoch: str = ""
    ref: str = ""
    version: int = 0
    created: int = 0


@dataclass(frozen=True, slots=True)
class StreamRow:
    """Our end of a stream with one peer (protocol 4.3, 4.5), in one direction.

    Outgoing: ``seq`` is the last number used, ``head`` its statement hash. Incoming: ``seq`` is the highest
    number up to which nothing is missing, ``head`` the statement hash of that message.
    """

    peer: str
    outgoing: bool
    stream: str
    seq: int
    head: bytes


@dataclass(frozen=True, slots=True)
class OutboxRow:
    id: str
    peer: str
    lane: Lane
    mid: str
    state: Outbound
    due: int
    attempts: int = 0
    created: int = 0
    expires: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class ReceiptRow:
    """A signed receipt (protocol 5), received or our own. ``sent_in`` is the mid of the envelope that
    carries our own to the peer, "" while it waits to be packed; for a received one it is the mid it came in.
    """

    hash: bytes
    mid: str
    by: str
    state: str
    code: str
    at: int
    prev: bytes
    note: bytes
    peer: str
    ours: bool
    leg: str = ""
    ref: str = ""
    version: int = 0
    sent_in: str = ""
    applied: bool = False
    urgent: bool = False
    id: str = ""


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One thing to hand to an agency's adapter. ``id`` is the idempotency key the adapter is given, the
    same on every repeat. ``mid`` is the message that holds the content ("" for STATUS)."""

    id: str
    kind: Parcel
    principal: str
    leg: str
    mid: str
    state: Task
    due: int
    attempts: int = 0
    error: str = ""
    created: int = 0
    subject: str = ""


@dataclass(frozen=True, slots=True)
class AccessRow:
    """One line of the s.62 DPA 2018 log: who did what to whose part of which handover, when and why.

    ``operation`` is one of COLLECTION, ALTERATION, CONSULTATION, DISCLOSURE, COMBINATION, ERASURE. ``actor``
    is a pseudonymous reference, never a name; ``justification`` a short code; ``note`` the optional text of
    the person who acted, kept here and nowhere else. Written BEFORE plaintext is returned.
    """

    at: int
    operation: str
    principal: str
    actor: str
    role: str
    ref: str
    version: int
    leg: str
    sections: tuple[str, ...]
    recipients: tuple[str, ...]
    justification: str
    note: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class TokenRow:
    """An agency's API token: only its SHA-256 is stored (32 random bytes need no slow hash)."""

    id: str
    digest: bytes
    principal: str
    label: str
    created: int
    expires: int = 0
    revoked: int = 0


@dataclass(frozen=True, slots=True)
class IdempotencyRow:
    """``key`` and ``request`` are keyed hashes: a plain hash of personal data is personal data."""

    key: bytes
    request: bytes
    ref: str
    version: int
    created: int


@dataclass(frozen=True, slots=True)
class HeldRow:
    """Bytes that could not be accepted, kept for a person. ``digest`` is SHA-256 of ``body``."""

    id: str
    at: int
    code: str
    lane: Lane
    peer: str
    digest: bytes
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TrustRow:
    """One signed trust document: ``kind`` is root, directory or keycard; ``subject`` the principal of a
    card, else ""."""

    kind: str
    subject: str
    version: int
    note: bytes


class Transaction(Protocol):
    """One unit of work. All of it is committed or none of it; see :class:`Store`. In a read every method
    that would change something raises RuntimeError, and none takes a lock.

    ``put_*`` returns False when a row of that identity is already there, and then changes nothing.
    ``advance_*`` moves a row only from the state named, and returns False when it is not in it.
    ``claim_*`` hands a due row to one worker only: the row's ``due`` becomes ``now + lease``, its
    ``attempts`` grows by one, and the row is returned as it is after that. A worker that dies lets the
    lease run out.
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

    def overdue_legs(self, now: int, limit: int) -> Sequence[LegRow]:
        """Legs not settled with an unfired deadline <= now: state DELIVERED with acknowledge_by due and
        "acknowledge" not in overdue, or state in (DELIVERED, RECEIVED, INFO_REQUESTED) with decide_by due
        and "decide" not in it. A deadline of 0 is none."""
        ...

    # messages, streams, outbox
    def put_envelope(self, row: EnvelopeRow) -> bool:
        """Identity: mid and side; and for received ones (peer, stream, seq)."""
        ...

    def envelope(self, mid: str) -> EnvelopeRow | None:
        """Should there be one of each side: the one we sent."""
        ...

    def envelope_at(self, peer: str, stream: str, seq: int) -> EnvelopeRow | None:
        """A received one, by its place in the peer's stream."""
        ...

    def stream(self, peer: str, *, outgoing: bool) -> StreamRow | None:
        """Takes the row's lock until the transaction ends."""
        ...

    def put_stream(self, row: StreamRow) -> None:
        """Insert or replace."""
        ...

    def received_after(self, peer: str, stream: str, seq: int, limit: int) -> Sequence[tuple[int, bytes]]:
        """(seq, statement hash) of received envelopes of a stream with a greater seq, ascending."""
        ...

    def put_outbox(self, row: OutboxRow) -> bool:
        """Identity: id and mid."""
        ...

    def claim_outbox(self, now: int, limit: int, lease: int, lanes: Sequence[Lane]) -> Sequence[OutboxRow]:
        """Due rows that are not settled, oldest due first."""
        ...

    def advance_outbox(
        self, row: str, before: Iterable[Outbound], after: Outbound, *, due: int = 0, error: str = ""
    ) -> bool:
        """``due`` and ``error`` replace what the row had; ``due`` 0 is due at once unless it is settled."""
        ...

    def release_outbox(self, now: int) -> int:
        """Make every WAITING row due now; returns how many were not. For a node that starts: the claims of a
        process that was killed are nobody's, and a lease is too long to wait for."""
        ...

    def outbox_of(self, mid: str) -> OutboxRow | None: ...
    def settle_seen(self, peer: str, stream: str, seq: int) -> int:
        """Settle the outbox rows of receipts and control envelopes (kinds 2 and 3) sent to ``peer`` in
        ``stream`` up to ``seq``. Returns how many."""
        ...

    # receipts
    def put_receipt(self, row: ReceiptRow) -> bool:
        """Identity: hash."""
        ...

    def receipts(
        self, *, mid: str = "", ref: str = "", by: str = "", sent_in: str = ""
    ) -> Sequence[ReceiptRow]:
        """Those that match every filter given, oldest first (in the order they were put)."""
        ...

    def unsent_receipts(self, limit: int) -> Sequence[ReceiptRow]:
        """Our own with ``sent_in`` "", oldest first, locked so that one worker packs each."""
        ...

    def mark_sent(self, hashes: Sequence[bytes], sent_in: str) -> None:
        """``sent_in`` "" makes them wait again (a duplicate asked for its receipt)."""
        ...

    def mark_applied(self, receipt: bytes) -> None: ...

    # agencies
    def put_task(self, row: TaskRow) -> bool: ...
    def task(self, task: str) -> TaskRow | None: ...
    def tasks_of(self, leg: str) -> Sequence[TaskRow]: ...
    def claim_tasks(self, principal: str, now: int, limit: int, lease: int) -> Sequence[TaskRow]:
        """WAITING rows of one agency that are due, oldest due first: a slow agency holds up no other."""
        ...

    def advance_task(
        self, task: str, before: Task, after: Task, *, due: int = 0, error: str = ""
    ) -> bool: ...
    def release_tasks(self, now: int) -> int:
        """:meth:`release_outbox` for WAITING tasks. A worker that still holds one hands it over once more,
        with the same key."""
        ...

    def parked_tasks(self, principal: str, limit: int) -> Sequence[TaskRow]: ...

    # accountability
    def append_log(self, leaf: bytes) -> None:
        """One leaf of the node's log (protocol 8): canonical JSON of hashes and codes only. Its index is
        final when the work is committed, not before."""
        ...

    def log(self, start: int, limit: int) -> Sequence[tuple[int, bytes]]:
        """(index, leaf) from index ``start``, counting from 0 with no holes."""
        ...

    def put_access(self, row: AccessRow) -> None: ...
    def accesses(self, *, ref: str = "", limit: int = 100) -> Sequence[AccessRow]:
        """Newest first."""
        ...

    # callers
    def put_token(self, row: TokenRow) -> bool: ...
    def token(self, digest: bytes) -> TokenRow | None: ...
    def tokens(self) -> Sequence[TokenRow]: ...
    def revoke_token(self, token: str, at: int) -> bool: ...
    def put_idempotency(self, row: IdempotencyRow) -> bool: ...
    def idempotency(self, key: bytes) -> IdempotencyRow | None: ...

    # held, trust, settings
    def put_held(self, row: HeldRow) -> bool:
        """Identity: digest and id. The same bytes, delivered again, are held once."""
        ...

    def held(self, limit: int) -> Sequence[HeldRow]:
        """Newest first."""
        ...

    def put_trust(self, row: TrustRow) -> bool:
        """Identity: (kind, subject, version). Older versions stay."""
        ...

    def trust(self, kind: str, subject: str = "") -> Sequence[TrustRow]:
        """Every version, ascending. For ``keycard`` with subject "": the newest of every principal."""
        ...

    def setting(self, name: str) -> bytes | None: ...
    def put_setting(self, name: str, value: bytes) -> bool:
        """Insert only; False when it is already set."""
        ...

    def counts(self) -> Mapping[str, int]:
        """Rows by table and state, for metrics: ``outbox.waiting``, ``outbox.published``, ``task.waiting``,
        ``task.parked``, ``task.held``, ``held``, ``leg.<STATE>``, ``log``."""
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

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Raises Unavailable when the database does not answer, is full or is read-only. Its code
        ``store_in_doubt`` alone leaves open whether the work was committed: the connection went in COMMIT."""
        ...

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """A consistent snapshot; never waits for a writer. Writing in it is a programming error."""
        ...

    async def check(self) -> None: ...

    async def close(self) -> None: ...


# --- Agencies ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class View:
    """What one agency is given. ``content`` is PLAINTEXT, in the words of its profile: it exists between
    unsealing and the agency's adapter and nowhere else, so it is kept out of every repr."""

    kind: Parcel
    handover: str
    version: int
    leg: str
    principal: str
    urgency: str
    content: Mapping[str, Json] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Delivered:
    """The agency's system has it. ``reference`` is that system's own opaque id, or ""."""

    reference: str = ""


class Answer(Protocol):
    """One acknowledgement that an agency gave through its adapter, not yet recorded."""

    @property
    def leg(self) -> str: ...

    @property
    def body(self) -> bytes:
        """JSON of ``schemas.acknowledgement.Acknowledgement``."""
        ...

    async def done(self) -> None:
        """It is committed. May be called again after a crash."""
        ...

    async def refuse(self, error: GatewayError) -> None:
        """It cannot be recorded as it stands; the agency is told why."""
        ...


class Submission(Protocol):
    """One handover document that an agency handed in through its adapter, not yet accepted."""

    @property
    def body(self) -> bytes: ...

    @property
    def key(self) -> str:
        """Idempotency key: the same for the same hand-in, whatever crashes."""
        ...

    async def done(self, ref: str) -> None: ...

    async def refuse(self, error: GatewayError) -> None: ...


class Adapter(Protocol):
    """How one agency's system is spoken to.

    Contract: ``deliver`` is idempotent by ``key``: the same key again is the same parcel, and the agency can
    tell. It returns only when the agency's side owns the content durably. It raises Unavailable to be
    called again later, Rejected to stop and have a person look. ``pulls`` True: the agency fetches its
    parcels itself, with a justification, and ``deliver`` is never called for a notification.
    """

    pulls: ClassVar[bool]

    async def start(self) -> None: ...

    async def deliver(self, view: View, *, key: str) -> Delivered: ...

    def acknowledgements(self) -> AsyncIterator[Answer]:
        """Ends only when the adapter is closed; an adapter that brings none ends at once."""
        ...

    def submissions(self) -> AsyncIterator[Submission]: ...

    async def check(self) -> None:
        """Raises Unavailable or Misconfigured when it could not deliver now."""
        ...

    async def close(self) -> None: ...


class Profile(Protocol):
    """What an agency is shown, in its own words, and what it may answer."""

    agency: str

    def present(self, view: Mapping[str, Json], leg: LegRow) -> dict[str, Json]:
        """``view``: the merged sections that this agency could open. Adds headings and what is asked of it;
        of the data it may only leave out."""
        ...


@dataclass(frozen=True, slots=True)
class AgencyBinding:
    """One agency of this area: who it is, how it is reached, how it is spoken to."""

    principal: str
    adapter: Adapter
    profile: Profile
    justification: str


AdapterFactory = Callable[[str, Mapping[str, object]], Adapter]
"""``(principal, options) -> Adapter``: what a name in the configuration resolves to. Raises Misconfigured
naming the option that is missing or wrong."""
