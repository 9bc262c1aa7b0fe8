"""What good answers look like, for the OpenAPI document. The tests hold every answer against these.

Documents that agencies send are described by :mod:`schemas`; these are only the answers. Times are RFC 3339
in UTC, null for "not yet". No field can hold a word of a handover but ``Opened.content``.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

State = str
When = str | None


class Shape(BaseModel):
    """Closed: a field that is not described here is not sent."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class Accepted(Shape):
    """The node owns the handover now; it goes out by itself."""

    handover: str
    version: int
    state: State


class DrillLeg(Shape):
    agency: str
    principal: str
    state: State
    received: int | None
    """Seconds from the issue; null for "not yet". The same for the next three."""
    opened: int | None
    acknowledged: int | None
    accepted: int | None
    acknowledge_by: When
    decide_by: When
    acknowledged_in_time: bool | None
    decided_in_time: bool | None


class Drill(Shape):
    """What a drill measured."""

    drill: Literal[True]
    handover: str
    version: int
    destination: str
    urgency: str
    state: State
    issued: When
    legs: list[DrillLeg]


class Drills(Shape):
    drills: list[Drill]


class Draft(Shape):
    """A document that waits for a second person."""

    handover: str
    version: int
    state: Literal["DRAFT"]
    owner: str
    destination: str
    urgency: str
    recipients: int
    """How many it names. Nothing else of it is known until it is opened."""
    created: When
    expires: When
    """It is destroyed then, if nobody has agreed."""


class Drafts(Shape):
    drafts: list[Draft]


class DraftOpened(Shape):
    handover: str
    content: dict[str, Any]
    """PLAINTEXT."""


class Called(Shape):
    handover: str
    called: When


class Reviewed(Shape):
    handover: str
    urgent: bool
    review_by: When
    """When the next review is due; null when it is urgent no more."""


class ValidatedLeg(Shape):
    agency: str
    principal: str
    sections: list[str]


class Validated(Shape):
    valid: Literal[True]
    legs: list[ValidatedLeg]
    audiences: int
    """Parts the document would be sealed in, one for each set of readers."""


class Line(Shape):
    drill: bool
    """A rehearsal with an invented person."""
    handover: str
    version: int
    side: Literal["origin", "destination"]
    origin: str
    destination: str
    urgency: str
    state: State
    created: When
    updated: When


class Evidence(Shape):
    handover: str
    evidence: str
    """The bundle: save it as it is. `gateway receipt verify` judges it by the network's fingerprint."""

    withheld: list[str]
    """Sections asked for of which something stands only in parts together with other sections."""

    shredded: list[str]
    """Sections asked for that were destroyed at the origin, in whole or in part."""


class Page(Shape):
    """The next page is in the ``Link`` header."""

    handovers: list[Line]


class Leg(Shape):
    leg: str
    agency: str
    principal: str
    state: State
    responsible: str
    """The principal who is responsible now: the origin's agency until the receiving one has accepted."""
    duty: Literal["", "CARETAKING", "STAYS", "TRANSFERRED"]
    """Why that is otherwise: home keeps a youth order until its review, or the function does not move."""
    acknowledge_by: When
    decide_by: When
    delivered: When
    opened: When
    overdue: list[str]
    restricted: bool
    """It, or a section of it, is kept and not used (s.46-48 DPA 2018)."""


class Action(Shape):
    leg: str
    action: str
    code: str
    title: str
    """The catalogue's; the origin's own title stands in the document."""
    agency: str
    owner: str
    """The principal that owes it."""
    chases: str
    """The principal that asks after it."""
    blocks_closure: bool
    due: When
    """Binding: both nodes reckon it from the signed receipt."""
    planned: When
    """The origin's plan."""
    target: When
    """An earlier date of this area's own."""
    state: Literal["OPEN", "COMPLETED", "NOT_DONE"]
    answer: str
    reason_code: str
    late: bool
    local: bool
    """Added by this area; the origin knows nothing of it."""


class Handover(Line):
    summary: str
    """One sentence: who has taken it on, who is waited for."""
    responsible: dict[str, str]
    address_check: Literal["", "NO_ADDRESS", "NOT_MADE", "NOT_FOUND", "INSIDE", "OUTSIDE", "OVERRIDDEN"]
    """Whether the new address lies in the destination (R11). NOT_MADE: this node has no table of addresses;
    empty at the destination."""
    legs: list[Leg]
    checklist: list[Action]
    """Every action asked: whose, by when, what became of it."""


class Event(Shape):
    at: When
    leg: str
    agency: str
    event: str
    before: State
    after: State
    by: str
    code: str


class Events(Shape):
    handover: str
    version: int
    events: list[Event]


class Receipt(Shape):
    by: str
    state: State
    code: str
    at: When
    about: str
    """Id of the message that it is about."""
    hash: str
    note: str
    """The signed receipt itself; it verifies offline against the network's directory."""


class Receipts(Shape):
    handover: str
    version: int
    receipts: list[Receipt]


class LegReason(Shape):
    agency: str
    state: State
    where: str
    turn: str
    last_error: str
    next_try: When
    fix: str
    since: When
    """Since when it is where it is."""
    heard: When
    """When anything last came from the other area's node."""
    telephone: str
    """Whom to telephone there, as this node's settings say; "" when they do not."""


class Reasons(Shape):
    """Leg by leg: where it is, whose turn it is, what went wrong last, what to do."""

    drill: bool
    notes: list[str]
    """What to know first, and what the sender still owes."""
    handover: str
    version: int
    legs: list[LegReason]


class Entry(Shape):
    drill: bool
    """A rehearsal with an invented person: look for nobody."""
    notes: list[str]
    """What to know first: "partial, full version owed by 2026-12-07T17:00:00Z"."""
    parcel: str
    kind: Literal["notification", "status", "reply", "notice"]
    notice: str
    """Id of the notice, "" for what is none."""
    notice_kind: str
    """WITHDRAWAL, CORRECTION, ...: what it is, before it is opened. "" for what is none."""
    handover: str
    version: int
    leg: str
    agency: str
    state: State
    urgency: str
    waiting: bool
    """True until somebody opens it."""
    acknowledge_by: When
    decide_by: When
    overdue: list[str]
    actions: list[Action]
    """What the leg is asked, with its deadlines."""


class Inbox(Shape):
    entries: list[Entry]


class Opened(Shape):
    """Holds personal data, for the agency it was sealed to."""

    parcel: str
    kind: Literal["notification", "status", "reply", "notice"]
    handover: str
    version: int
    leg: str
    principal: str
    urgency: str
    content: dict[str, Any]


class NoticeAccepted(Shape):
    """``notices``: one for each area that has to hear it; ``notice`` is the first."""

    handover: str
    notice: str
    notices: list[str]


class NoticeReader(Shape):
    """``onward``: no agency but an area to which the notice was passed on."""

    principal: str
    state: str
    updated: str | None
    code: str
    onward: bool


class NoticeLine(Shape):
    """``sent``: by this side. ``state``: OPEN until every reader has taken it in."""

    notice: str
    kind: str
    reason_code: str
    sent: bool
    peer: str
    by: str
    version: int
    created: str
    answer_by: str | None
    state: str
    about: str
    facts: dict[str, object]
    legal: str
    readers: list[NoticeReader]


class NoticeUnresolved(Shape):
    """Who has not taken what in, since when."""

    notice: str
    kind: str
    principal: str
    state: str
    since: str
    onward: bool


class Notices(Shape):
    handover: str
    notices: list[NoticeLine]
    unresolved: list[NoticeUnresolved]


class RequestAccepted(Shape):
    """``request``: what a handover names in ``message.answers``."""

    request: str


class RequestLine(Shape):
    principal: str
    state: Literal["ASKED", "NOT_REACHED", "READ", "KNOWN", "HANDED_OVER", "DECLINED"]
    code: str
    updated: When


class Request(Shape):
    """``waiting``: agencies of which nothing is known yet; ``handovers``: references of those that answer."""

    request: str
    sent: bool
    peer: str
    by: str
    reason_code: str
    urgency: str
    created: When
    answer_by: When
    agencies: list[RequestLine]
    handovers: list[str]
    waiting: list[str]


class Requests(Shape):
    requests: list[Request]


class NoticeAnswered(Shape):
    """``receipts``: what was signed by this answer."""

    notice: str
    state: str
    receipts: list[str]
    repeated: bool


class Uploaded(Shape):
    """Goes as it is into ``attachments`` of a section, with a name."""

    blob: str
    size: int
    media_type: Literal["application/pdf", "text/plain", "text/csv"]


class Recorded(Shape):
    leg: str
    state: State
    receipts: list[str]
    """States of the receipts that were signed for this answer, in order."""
    repeated: bool
    """True when the leg had already been answered so; nothing was signed again."""


class Me(Shape):
    principal: str
    agency: str
    area: str
    label: str
    acts_for: list[str]
    """Every agency for which this token's team answers (an integrated unit)."""


class AreaAgency(Shape):
    agency: str
    principal: str


class Area(Shape):
    area: str
    name: str
    agencies: list[AreaAgency]


class Areas(Shape):
    areas: list[Area]
    directory: int
    expires: When


class Schemas(Shape):
    version: str
    documents: list[str]
    sections: list[str]


class Checkpoint(Shape):
    """``note`` is what is signed (C2SP tlog-checkpoint), with cosignatures of peers (tlog-cosignature) below;
    the rest repeats what it says."""

    origin: str
    size: int
    root: str
    """RFC 6962 root over all leaves, base64."""
    note: str
    cosigned: list[str]
    """The checkpoints that peers cosigned last, the largest first: notes with their lines."""


class Inclusion(Shape):
    checkpoint: str
    """The signed note that the proof leads to."""
    index: int
    leaf: str
    proof: list[str]
    """Hashes in base64, from the leaf up (RFC 6962 2.1.1)."""


class Consistency(Shape):
    first: int
    second: int
    proof: list[str]
    """Hashes in base64 (RFC 6962 2.1.2)."""


class LogLeaf(Shape):
    index: int
    leaf: str
    """Canonical JSON of hashes, codes and times: hash exactly these bytes, in UTF-8."""


class Leaves(Shape):
    leaves: list[LogLeaf]


class ReceiptAbout(Shape):
    mid: str
    sender: str
    envelope: str
    """SHA-256 of the sealed message, base64."""


class Verdict(Shape):
    """``by`` and what follows are null unless the verdict is VALID."""

    verdict: Literal["VALID", "INVALID", "CANNOT_TELL"]
    by: str | None
    state: State | None
    code: str | None
    at: When
    about: ReceiptAbout | None
    reasons: list[str]


class NetworkDocuments(Shape):
    """Signed notes in base64, as stored: verify them against the fingerprint that was read aloud."""

    roots: list[str]
    directory: str
    cards: list[str]
    suspensions: list[str]


class RelayLine(Shape):
    parcel: str
    kind: Literal["notification", "status", "reply", "notice"]
    handover: str
    version: int
    leg: str
    state: State
    urgency: str


class RelayList(Shape):
    parcels: list[RelayLine]


class RelayParcel(RelayLine):
    """Sealed: only the agency's own key opens its slot."""

    agency: str
    principal: str
    counterpart: str
    acknowledge_by: int
    decide_by: int
    envelope: str
    """The message's own bytes in base64, "" for news about a leg."""
    slot: int
    received: str
    """The node's signed receipt for these bytes."""
    chain: list[str]
    """Receipts that this agency has signed for the message already, oldest first."""
    content: dict[str, Any]
    """News about a leg: codes and times. Empty for what is sealed."""


class RelaySegment(Shape):
    data: str
    """Sealed bytes in base64; the key and the hash of the whole stand in the agency's section."""


class RelaySettled(Shape):
    parcel: str


class RelayTaken(Shape):
    leg: str
    state: State
    repeated: bool
    """True when every receipt was on record already."""


class RelayReply(Shape):
    message: str
    statement: str
    """Hash of the signed statement, base64: the receipt of the answer names it as its ``reply``."""


class BehindLine(Shape):
    """A leg that comes by way of the single point of contact; its content is sealed to its agency."""

    leg: str
    handover: str
    version: int
    agency: str
    principal: str
    urgency: str
    state: State
    own_key: bool
    """True: the agency keeps its key itself, and takes its part as a package."""
    owner_named: str | None
    owner_by: str | None
    acknowledge_by: str | None
    decide_by: str | None
    overdue: list[str]


class Behind(Shape):
    legs: list[BehindLine]


class RelayCard(Shape):
    version: int


class AuditLine(Shape):
    """One entry of the access log: references, codes and times; ``text`` is what the acting person wrote."""

    number: int
    id: str
    at: When
    operation: str
    """COLLECTION, ALTERATION, CONSULTATION, DISCLOSURE, COMBINATION, ERASURE; AUDIT: this log was read."""
    principal: str
    actor: str
    """The agency's own reference for the person, never a name."""
    role: str
    handover: str
    version: int
    leg: str
    sections: list[str]
    recipients: list[str]
    justification: str
    purpose: str
    text: str


class AuditPage(Shape):
    lines: list[AuditLine]
    next: str | None
    """For ``cursor``; null at the end."""


class Alarm(Shape):
    id: str
    at: When
    code: str
    peer: str
    subject: str
    evidence: bool
    """Whether there are signed bytes that prove it: fetch them under its id."""
    cleared: When
    cleared_by: str


class Alarms(Shape):
    alarms: list[Alarm]


class Missing(Shape):
    stream: str
    first: int
    last: int
    since: When


class Peer(Shape):
    area: str
    sent: int
    sent_stream: str
    sent_at: When
    seen: int
    """The highest number of the peer's stream up to which nothing is missing."""
    received: int
    received_stream: str
    heard_at: When
    gaps: list[Missing]


class Returned(Shape):
    version: int
    area: str | None
    """Shown to the area that sent it alone."""
    agency: str
    code: str
    returned_at: When
    purge_ordered_at: When
    node_attested_at: When
    agency_attested_at: When


class Custody(Shape):
    """Who had an earlier version by mistake; for a recipient as of the issue of its own."""

    handover: str
    version: int
    earlier: list[Returned]


class BreachStep(Shape):
    what: str
    at: When
    role: str
    code: str | None


class Breach(Shape):
    """A personal data breach or a near miss: codes, references, roles and times."""

    id: str
    kind: Literal["BREACH", "NEAR_MISS"]
    source: str
    code: str | None
    handover: str
    version: int
    area: str
    agency: str | None
    aware_at: When
    notify_ico_by: When
    """72 hours after ``aware_at``; null for a near miss."""
    opened_at: When
    parts_opened: int
    state: Literal["OPEN", "DECIDED", "NONE"]
    subject_owed: bool
    """The risk is called high, and the person has not been told."""
    steps: list[BreachStep]


class Breaches(Shape):
    breaches: list[Breach]


class Peers(Shape):
    peers: list[Peer]


class Alive(Shape):
    alive: Literal[True]


class CheckOutcome(Shape):
    check: str
    ok: bool
    code: str = ""
    reason: str = ""
    remedy: str = ""


class Ready(Shape):
    ready: bool
    checks: list[CheckOutcome]


class Fault(Shape):
    pointer: str
    """JSON Pointer (RFC 6901) into the document that was sent."""
    rule: str
    """Its number in docs/rules.md; empty for a matter of shape."""
    source: str
    """The law or finding behind the rule."""
    message: str
    remedy: str


class ProblemDetails(Shape):
    """RFC 9457. Never holds a value out of the document that was sent."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    field: str = ""
    remedy: str = ""
    rule: str = ""
    errors: list[Fault] = []
    instance: str
