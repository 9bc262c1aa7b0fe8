"""What is stored: one frozen record a table, and the states a row can be in.

No record holds personal data: references, codes, hashes, times, and sealed bytes. Times are whole unix
seconds (UTC). Ids are time-ordered (UUIDv7, RFC 9562) so that an index stays flat at a million rows; the
message id on the wire stays random.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from gateway.ports.transport import Lane


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


class Blob(StrEnum):
    """Where an attachment stands. UPLOADING, READY: our agency's, which no handover names yet. SENDING: named
    by one and on its way, segment by segment. SENT: every segment is in the outbox. ARRIVING: a peer's."""

    UPLOADING = "uploading"
    READY = "ready"
    SENDING = "sending"
    SENT = "sent"
    ARRIVING = "arriving"


class Parcel(StrEnum):
    """What is delivered to an agency: its view of a handover, the news about a leg, a sealed reply, or a
    notice about a handover that it was sent."""

    NOTIFICATION = "notification"
    STATUS = "status"
    REPLY = "reply"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True)
class HandoverRow:
    """One version of one handover as one side keeps it. No personal data: references, codes and times.

    ``drill``: a rehearsal, which never enters a case system. ``partial``: the full version is owed. The
    handover ``onward_of`` brought the person to the sender. ``answers``: the id of the request that asked for
    this one. ``purge_after``: when the document itself says that its content must go, 0 for not said.
    ``review_by``: the end of the first day by which something in it is to be reviewed, known at the origin
    alone, 0 for none. ``issued``: when the origin signed it; 0 in rows of older releases. ``address_check``:
    a code of ``core.places.AddressCheck``, at the origin alone. ``custody``: canonical JSON, who had
    an earlier version that went to the wrong place (codes and times), "" for nobody.
    """

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
    drill: bool = False
    partial: bool = False
    onward_of: str = ""
    answers: str = ""
    purge_after: int = 0
    review_by: int = 0
    issued: int = 0
    address_check: str = ""
    custody: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class LegRow:
    """One agency's part of a handover. ``id`` is minted at the origin and the same on both sides.

    ``acknowledge_by`` and ``decide_by`` are 0 until the clock starts with the receiving node's signed
    receipt. ``mid`` is the newest message that carries the leg. ``overdue`` names the deadlines that have
    fired: "", "acknowledge", "decide" or "acknowledge,decide". ``via`` "SPOC": relayed, sealed, by the
    destination's single point of contact. ``duty``: when responsibility moves (``core.duty``); "": on
    acceptance.
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
    via: str = ""
    duty: str = ""


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

    ``side`` ORIGIN: we sent it; DESTINATION: we received it. ``secrets``: who may read which part, and the
    part keys, those of the content hidden under leaves of the month's ``epoch``, which is outside the
    database (``flows.vault``). Both empty when there is nothing to open later.
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
    epoch: str = ""
    ref: str = ""
    version: int = 0
    created: int = 0


@dataclass(frozen=True, slots=True)
class PunctureRow:
    """Keys of an epoch that are recorded as destroyed and may still be in the key store: ``path`` and what is
    below it, "" for all of the month. The row goes when the key store has forgotten them."""

    epoch: str
    path: str


@dataclass(frozen=True, slots=True)
class StreamRow:
    """Our end of a stream with one peer (protocol 4.3, 4.5), in one direction.

    Outgoing: ``seq`` is the last number used, ``head`` its statement hash, ``top`` what that statement said
    we had seen of the peer's. Incoming: ``seq`` is the highest number up to which nothing is missing,
    ``head`` the statement hash of that message (empty: not known), ``top`` the highest number that came; what
    is missing between them is a :class:`GapRow`. ``at``: when the last one was sent, or the newest signed
    time of those received. ``busy``: when, by our clock, the last one passed that was no heartbeat;
    ``asks``: of those received, its number.
    """

    peer: str
    outgoing: bool
    stream: str
    seq: int
    head: bytes
    top: int = 0
    at: int = 0
    busy: int = 0
    asks: int = 0


@dataclass(frozen=True, slots=True)
class GapRow:
    """The numbers ``first`` to ``last`` of a peer's stream are missing, since ``noticed``. ``asked`` and
    ``alarmed``: when the peer was asked to send them again and when people were told; 0 for not yet.
    ``prev``: what the message after them names as the statement before its own; empty: not known."""

    peer: str
    stream: str
    first: int
    last: int
    noticed: int
    asked: int = 0
    alarmed: int = 0
    prev: bytes = b""


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
    same on every repeat. ``mid`` is the message that holds the content ("" for STATUS). ``lane``: URGENT goes
    before what waits for the same agency."""

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
    lane: Lane = Lane.STANDARD


@dataclass(frozen=True, slots=True)
class AccessRow:
    """One line of the s.62 DPA 2018 log: who did what to whose part of which handover, when and why.

    ``operation`` is one of COLLECTION, ALTERATION, CONSULTATION, DISCLOSURE, COMBINATION, ERASURE; AUDIT for
    a reading of this log itself. ``actor`` is a pseudonymous reference, never a name; ``justification`` and
    ``purpose`` are short codes; ``sealed`` holds the optional text of the person who acted, under a secret of
    the key store (``flows.accounts``). Written BEFORE plaintext is returned. ``salt``: 32 random bytes that
    go into the row's hash in the log (protocol 8). In rows of older releases ``salt`` is empty, and ``note``
    holds that text as it was written; no row gets one any more.
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
    salt: bytes = field(repr=False, default=b"")
    purpose: str = ""
    sealed: bytes = field(repr=False, default=b"")


@dataclass(frozen=True, slots=True)
class TokenRow:
    """An agency's API token: only its SHA-256 is stored (32 random bytes need no slow hash). ``also``:
    further agencies for which the same team answers."""

    id: str
    digest: bytes
    principal: str
    label: str
    created: int
    expires: int = 0
    revoked: int = 0
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class IdempotencyRow:
    """``key`` and ``request`` are keyed hashes: a plain hash of personal data is personal data."""

    key: bytes
    request: bytes
    ref: str
    version: int
    created: int


@dataclass(frozen=True, slots=True)
class BlobRow:
    """One attachment (protocol 4.7); ``peer`` is the area that sends it, "" for what is uploaded here.

    ``sealed``: bytes of its sealed form, in segments of their own. Of a peer's nothing else is known but the
    handover (``ref``, ``version``) that it says it belongs to: name, type, key and hash stand in the sealed
    section. Of ours: ``owner`` uploaded it; ``key`` is wrapped under a secret outside the database, and gone
    once a handover carries it; ``destination`` and ``sent`` (segments in the outbox) tell how far it is.
    """

    peer: str
    blob: str
    state: Blob
    sealed: int
    created: int
    owner: str = ""
    media_type: str = ""
    size: int = 0
    hash: bytes = b""
    key: bytes = field(repr=False, default=b"")
    ref: str = ""
    version: int = 0
    destination: str = ""
    sent: int = 0


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """A piece of the sealed bytes of a blob, ``no`` counting from 0, and the message that carries it: of ours
    "" until it is sent, and ``data`` is empty from then on, for the message holds it."""

    peer: str
    blob: str
    no: int
    data: bytes = field(repr=False)
    mid: str = ""


@dataclass(frozen=True, slots=True)
class TrustRow:
    """One signed trust document: ``kind`` is root, directory, keycard, suspension or break_glass; ``subject``
    the principal of a card, the key (hex) that a suspension stops, the area that broke the glass, else ""."""

    kind: str
    subject: str
    version: int
    note: bytes


@dataclass(frozen=True, slots=True)
class CheckpointRow:
    """The newest checkpoint that was signed for one log: ``size`` leaves under ``root``, at ``at``."""

    origin: str
    size: int
    root: bytes
    at: int
    note: bytes


@dataclass(frozen=True, slots=True)
class CosignatureRow:
    """A peer's signature on one checkpoint: ``line`` is the signature line of the note (protocol 8), ``by``
    the area whose log key made it, ``at`` when it says that it saw the tree."""

    origin: str
    size: int
    root: bytes
    by: str
    at: int
    line: bytes


@dataclass(frozen=True, slots=True)
class WitnessRow:
    """How far a peer and we have followed each other's log.

    Of ours: ``size`` is what it says it cosigned last, ``wanted`` older sizes that it asks a proof from, last
    changed by message ``their_seq`` of ``their_stream``. Of its own: ``told`` is the size that we said we
    cosigned, first said in message ``our_seq`` of ``our_stream``: a statement that has seen this one knows.
    ``gossiped``: when we last told it of others.
    """

    peer: str
    size: int = 0
    wanted: tuple[int, ...] = ()
    their_stream: str = ""
    their_seq: int = 0
    told: int = 0
    our_stream: str = ""
    our_seq: int = 0
    gossiped: int = 0


@dataclass(frozen=True, slots=True)
class LooseRow:
    """A checkpoint of the log ``origin`` that the peer ``via`` was shown, not yet proven to belong
    to what this log has shown us. ``asked``: when the log was first asked for that proof, in message ``seq``
    of our ``stream``; 0 for not yet."""

    origin: str
    via: str
    size: int
    root: bytes
    note: bytes
    at: int
    asked: int = 0
    stream: str = ""
    seq: int = 0


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """Something a person has to look at. ``code`` says what, ``peer`` the area it concerns, ``subject`` an id
    or a number, never a person's data; ``evidence`` is signed bytes that prove it. ``cleared``: when somebody
    did, 0 while it stands."""

    at: int
    code: str
    peer: str
    subject: str
    evidence: bytes = field(repr=False, default=b"")
    cleared: int = 0
    cleared_by: str = ""
    id: str = ""
