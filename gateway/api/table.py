"""Every route of the API, once. The application serves this table and the OpenAPI document prints it."""

from __future__ import annotations

from typing import Final

from gateway.api import (
    attachments,
    audit,
    breaches,
    drills,
    handovers,
    inbox,
    log,
    notices,
    ops,
    reference,
    relay,
    requests,
    rights,
    shapes,
    spoc,
    urgent,
    watch,
)
from gateway.api.reading import HANDOVER, ID, MAX_PAGE, MAX_WAIT
from gateway.api.routes import BYTES, Access, Body, Parameter, Route
from gateway.core.purposes import Purpose
from gateway.flows.audit import Use
from gateway.flows.audit_export import REFERENCE as REFERENCE_FORM
from gateway.flows.logbook import MAX_LEAVES
from gateway.flows.subject import Ground
from gateway.flows.succession import REASONS
from schemas.base import ITEM_ID

REF: Final = Parameter(
    "ref",
    "path",
    "Reference of the handover.",
    {"type": "string", "pattern": f"^{HANDOVER.pattern[:-2]}$"},
    True,
)
LEG: Final = Parameter(
    "leg",
    "path",
    "Id of the leg, from the inbox.",
    {"type": "string", "pattern": f"^{ID.pattern[:-2]}$"},
    True,
)
PARCEL: Final = Parameter("parcel", "path", "Id of the parcel, from the inbox.", {"type": "string"}, True)
ACTION: Final = Parameter(
    "action",
    "path",
    "Id of the action, from the inbox.",
    {"type": "string", "pattern": ITEM_ID},
    True,
)
NAME: Final = Parameter("name", "path", "Name of a document or section.", {"type": "string"}, True)
VERSION: Final = Parameter(
    "version", "query", "A version; the newest if not given.", {"type": "integer", "minimum": 1}
)
DISCLOSE: Final = Parameter(
    "disclose", "query", "Sections to disclose, with commas between; none if not given.", {"type": "string"}
)
JUSTIFICATION: Final = Parameter(
    "justification", "query", "Why content is disclosed: a code.", {"type": "string"}
)
SILENT: Final = Parameter(
    "silent", "query", "Show that this agency (E09000004/police) had not acknowledged it.", {"type": "string"}
)
UNTIL: Final = Parameter(
    "until", "query", "By when it had not. A time that its node has spoken after.",
    {"type": "string", "format": "date-time"},
)  # fmt: skip
LIMIT: Final = Parameter(
    "limit", "query", "Rows in the answer.", {"type": "integer", "minimum": 1, "maximum": MAX_PAGE}
)
CURSOR: Final = Parameter("cursor", "query", "From the Link header.", {"type": "string"})
WAIT: Final = Parameter(
    "wait",
    "query",
    "Seconds to hold the call until there is news.",
    {"type": "integer", "minimum": 0, "maximum": MAX_WAIT},
)
SEEN: Final = Parameter("If-None-Match", "header", "ETag of the list that was seen last.", {"type": "string"})
AS_OF: Final = Parameter(
    "as_of",
    "query",
    "The moment at which it is judged; now if not given.",
    {"type": "string", "format": "date-time"},
)
INDEX: Final = Parameter(
    "index", "query", "Index of a leaf, from 0.", {"type": "integer", "minimum": 0, "maximum": log.MOST}, True
)
FIRST: Final = Parameter(
    "first",
    "query",
    "Leaves of the smaller tree.",
    {"type": "integer", "minimum": 1, "maximum": log.MOST},
    True,
)
SECOND: Final = Parameter(
    "second",
    "query",
    "Leaves of the larger tree.",
    {"type": "integer", "minimum": 1, "maximum": log.MOST},
    True,
)
START: Final = Parameter(
    "start", "query", "Index of the first leaf.", {"type": "integer", "minimum": 0, "maximum": log.MOST}
)
LEAVES: Final = Parameter(
    "limit", "query", "Leaves in the answer.", {"type": "integer", "minimum": 1, "maximum": MAX_LEAVES}
)
ALARM: Final = Parameter(
    "alarm", "path", "Id of the alarm.", {"type": "string", "pattern": f"^{ID.pattern[:-2]}$"}, True
)
ALARMS: Final = Parameter(
    "limit", "query", "Rows in the answer.", {"type": "integer", "minimum": 1, "maximum": watch.MOST}
)
CLEARED: Final = Parameter(
    "cleared", "query", "Those that were cleared instead.", {"type": "string", "enum": ["true", "false"]}
)
BREACH: Final = Parameter(
    "breach", "path", "Id of the record.", {"type": "string", "pattern": f"^{ID.pattern[:-2]}$"}, True
)
REASON: Final = Parameter(
    "reason",
    "query",
    "One word for the log: checked_with_peer.",
    {"type": "string", "pattern": f"^{watch.REASON.pattern[:-2]}$"},
    True,
)
HOLD: Final = Parameter(
    "hold",
    "query",
    "true: where only a second person is missing, keep it sealed as a draft until one agrees.",
    {"type": "string", "enum": ["true", "false"]},
)
AGAIN: Final = Parameter(
    "reason",
    "query",
    "Why there is a further version. All but NEW_INFORMATION make it a correction (s.38(5)(c) DPA 2018).",
    {"type": "string", "enum": [*REASONS]},
)
KEY: Final = Parameter(
    "Idempotency-Key",
    "header",
    "Fresh for each document, the same on a retry.",
    {"type": "string", "minLength": 1, "maxLength": 255},
    True,
)

BLOB: Final = Parameter(
    "blob",
    "path",
    "Id of the attachment, from its section.",
    {"type": "string", "pattern": f"^{attachments.BLOB.pattern[:-2]}$"},
    True,
)
WHY: Final = Parameter("justification", "query", "Why it is read: a code.", {"type": "string"}, True)
PURPOSE: Final = Parameter(
    "purpose",
    "query",
    "For what; CONTINUITY_OF_SUPPORT if not given.",
    {"type": "string", "enum": [*Purpose]},
)
SEGMENT: Final = Parameter(
    "segment",
    "query",
    "Number of the segment, from 0.",
    {"type": "integer", "minimum": 0, "maximum": relay.MAX_SEGMENTS},
    True,
)
GROUND: Final = Parameter(
    "ground",
    "query",
    "Withhold something on this ground (s.45(4) DPA 2018); nothing if not given.",
    {"type": "string", "enum": [*Ground]},
)
WITHHOLD: Final = Parameter(
    "withhold", "query", "Sections, with commas between; all content if not given.", {"type": "string"}
)
REVIEW: Final = Parameter(
    "review",
    "query",
    "When that decision is looked at again: within a year.",
    {"type": "string", "format": "date-time"},
)
OF: Final = Parameter(
    "handover",
    "query",
    "Of this handover alone, by its reference.",
    {"type": "string", "pattern": f"^{HANDOVER.pattern[:-2]}$"},
)
BY: Final = Parameter("principal", "query", "By this agency alone: E09000012/police.", {"type": "string"})
FROM: Final = Parameter("from", "query", "From this time.", {"type": "string", "format": "date-time"})
TO: Final = Parameter("to", "query", "To before this time.", {"type": "string", "format": "date-time"})
USE: Final = Parameter(
    "justification",
    "query",
    "For what the log is read (s.62(4) DPA 2018).",
    {"type": "string", "enum": [*Use]},
    True,
)
NUMBER: Final = Parameter("cursor", "query", "`next` of the page before.", {"type": "string"})
REFERENCE: Final = Parameter(
    "reference",
    "query",
    "The Commissioner's reference of the request.",
    {"type": "string", "pattern": f"^{REFERENCE_FORM.pattern[:-2]}$"},
    True,
)
FILE: Final = Body("file", attachments.MEDIA)

NOTICE: Final = Parameter(
    "notice",
    "path",
    "Id of the notice.",
    {"type": "string", "pattern": f"^{ID.pattern[:-2]}$"},
    True,
)

_DOCUMENT, _REFUSED = Body("handover"), (400, 403, 404, 409, 413, 415, 422)

TABLE: Final[tuple[Route, ...]] = (
    Route(
        "POST", "/v1/handovers", handovers.post, "Hand in a handover", Access.STAFF, shapes.Accepted,
        status=202, body=_DOCUMENT, parameters=(KEY, HOLD, AGAIN),
        problems=(400, 403, 409, 413, 415, 422, 503), adds=True,
    ),
    Route(
        "GET", "/v1/drills", drills.listed, "What the newest drills measured", Access.AGENCY, shapes.Drills,
        problems=(400,),
    ),
    Route(
        "GET", "/v1/drills/{ref}", drills.one, "What one drill measured", Access.AGENCY, shapes.Drill,
        parameters=(REF,), problems=(400, 404),
    ),
    Route(
        "POST", "/v1/drills/{ref}/end", drills.end, "Withdraw and purge a drill on both sides", Access.STAFF,
        shapes.Drill, parameters=(REF,), problems=(400, 403, 404, 409, 503),
    ),
    Route(
        "GET", "/v1/drafts", urgent.waiting, "Documents of this area that wait for a second person",
        Access.AGENCY, shapes.Drafts, problems=(400,),
    ),
    Route(
        "GET", "/v1/drafts/{ref}", urgent.read_draft, "Read a draft of this agency, with a justification",
        Access.STAFF, shapes.DraftOpened, parameters=(REF, WHY), problems=(400, 404),
    ),
    Route(
        "POST", "/v1/handovers/{ref}/authorisations", urgent.authorise,
        "Agree as the second person: a draft is issued, an urgent handover agreed to", Access.STAFF,
        shapes.Accepted, parameters=(REF,), problems=(400, 403, 404, 409, 422, 503),
    ),
    Route(
        "POST", "/v1/handovers/{ref}/verbal", urgent.verbal, "Record the call of an urgent handover",
        Access.STAFF, shapes.Called, body=Body("call"), parameters=(REF,), problems=_REFUSED,
    ),
    Route(
        "POST", "/v1/handovers/{ref}/review", urgent.review, "Review an urgent handover",
        Access.STAFF, shapes.Reviewed, body=Body("review"), parameters=(REF,),
        problems=(400, 403, 404, 409, 413, 415, 422, 503),
    ),
    Route(
        "POST", "/v1/handovers/validate", handovers.validate, "Judge a handover and keep nothing",
        Access.AGENCY, shapes.Validated, body=_DOCUMENT, parameters=(AS_OF,),
        problems=(400, 403, 413, 415, 422, 503),
    ),
    Route(
        "GET", "/v1/handovers", handovers.listed, "Handovers that concern this agency, newest first",
        Access.AGENCY, shapes.Page, parameters=(LIMIT, CURSOR), problems=(400,),
    ),
    Route(
        "GET", "/v1/handovers/{ref}", handovers.one, "Where a handover stands and who is responsible",
        Access.AGENCY, shapes.Handover, parameters=(REF, VERSION), problems=(400, 404),
    ),
    Route(
        "GET", "/v1/handovers/{ref}/events", handovers.events, "The history of its legs",
        Access.AGENCY, shapes.Events, parameters=(REF, VERSION), problems=(400, 404),
    ),
    Route(
        "GET", "/v1/handovers/{ref}/receipts", handovers.receipts, "Its signed receipts",
        Access.AGENCY, shapes.Receipts, parameters=(REF, VERSION), problems=(400, 404),
    ),
    Route(
        "GET", "/v1/handovers/{ref}/evidence", handovers.evidence, "One file that proves it offline",
        Access.STAFF, shapes.Evidence, parameters=(REF, VERSION, DISCLOSE, JUSTIFICATION, SILENT, UNTIL),
        problems=(400, 403, 404, 409, 413, 422),
    ),
    Route(
        "GET", "/v1/handovers/{ref}/why", handovers.why, "What it waits for, and what to do",
        Access.AGENCY, shapes.Reasons, parameters=(REF, VERSION), problems=(400, 404),
    ),
    Route(
        "GET", "/v1/handovers/{ref}/custody", handovers.custody_of,
        "Who had an earlier version by mistake, and that it is gone there",
        Access.AGENCY, shapes.Custody, parameters=(REF,), problems=(400, 404),
    ),
    Route(
        "POST", "/v1/handovers/{ref}/notices", notices.post, "Say something about a handover that was sent",
        Access.STAFF, shapes.NoticeAccepted, status=202, body=Body("notice"), parameters=(REF, KEY),
        problems=(*_REFUSED, 503),
    ),
    Route(
        "GET", "/v1/handovers/{ref}/notices", notices.listed,
        "Its notices, and who has not acknowledged them, since when",
        Access.AGENCY, shapes.Notices, parameters=(REF,), problems=(400, 404),
    ),
    Route(
        "POST", "/v1/requests", requests.post, "Ask another area for a handover of somebody who is here",
        Access.STAFF, shapes.RequestAccepted, status=202, body=Body("request"), parameters=(KEY,),
        problems=(*_REFUSED, 503), adds=True,
    ),
    Route(
        "GET", "/v1/requests", requests.listed, "Requests that this agency has put or was asked",
        Access.AGENCY, shapes.Requests, problems=(400,),
    ),
    Route(
        "GET", "/v1/requests/{notice}", requests.one, "The checklist of one request", Access.AGENCY,
        shapes.Request, parameters=(NOTICE,), problems=(400, 404),
    ),
    Route(
        "POST", "/v1/inbox/notices/{notice}/open", inbox.open_notice, "Read a notice, with a justification",
        Access.STAFF, shapes.Opened, body=Body("opening"), parameters=(NOTICE,), problems=_REFUSED,
    ),
    Route(
        "POST", "/v1/inbox/notices/{notice}/acknowledgements", notices.answer, "Answer a notice",
        Access.STAFF, shapes.NoticeAnswered, body=Body("notice_answer"), parameters=(NOTICE,),
        problems=_REFUSED,
    ),
    Route(
        "POST", "/v1/attachments", attachments.upload, "Upload a file for a handover", Access.STAFF,
        shapes.Uploaded, status=201, body=FILE, problems=(409, 413, 415, 422, 503),
        patience=attachments.PATIENCE,
        adds=True,
    ),
    Route(
        "GET", "/v1/inbox/{leg}/attachments/{blob}", attachments.read,
        "Read a file that came with a handover, with a justification", Access.STAFF, None,
        parameters=(LEG, BLOB, WHY, PURPOSE), problems=(403, 404, 409), media=BYTES,
    ),
    Route(
        "GET", "/v1/inbox", inbox.listed, "What waits for this agency",
        Access.AGENCY, shapes.Inbox, parameters=(WAIT, LIMIT, SEEN), problems=(400,), waits=True,
    ),
    Route(
        "POST", "/v1/inbox/parcels/{parcel}/open", inbox.open_parcel, "Open a parcel, with a justification",
        Access.STAFF, shapes.Opened, body=Body("opening"), parameters=(PARCEL,), problems=_REFUSED,
    ),
    Route(
        "POST", "/v1/inbox/{leg}/open", inbox.open_leg, "Open a handover, with a justification",
        Access.STAFF, shapes.Opened, body=Body("opening"), parameters=(LEG,), problems=_REFUSED,
    ),
    Route(
        "POST", "/v1/inbox/{leg}/acknowledgements", inbox.answer, "Answer for a leg",
        Access.STAFF, shapes.Recorded, body=Body("acknowledgement"), parameters=(LEG,), problems=_REFUSED,
    ),
    Route(
        "POST", "/v1/inbox/{leg}/actions/{action}", inbox.act, "Say what became of one action",
        Access.STAFF, shapes.Recorded, body=Body("action"), parameters=(LEG, ACTION), problems=_REFUSED,
    ),
    Route(
        "GET", "/v1/network", relay.network, "The signed documents of the network",
        Access.ANYONE, shapes.NetworkDocuments,
    ),
    Route(
        "GET", "/v1/relay", relay.listed, "Sealed parcels of an agency with a key of its own",
        Access.AGENCY, shapes.RelayList, parameters=(WAIT, LIMIT), problems=(400, 403), waits=True,
    ),
    Route(
        "GET", "/v1/relay/{parcel}", relay.fetch, "One sealed parcel",
        Access.AGENCY, shapes.RelayParcel, parameters=(PARCEL,), problems=(403, 404),
    ),
    Route(
        "GET", "/v1/relay/{parcel}/attachments/{blob}", relay.segment, "Sealed bytes of a file",
        Access.AGENCY, shapes.RelaySegment, parameters=(PARCEL, BLOB, SEGMENT), problems=(400, 403, 404),
    ),
    Route(
        "POST", "/v1/relay/{parcel}/settled", relay.settle, "A parcel that was taken, or cannot be",
        Access.AGENCY, shapes.RelaySettled, body=Body("relay_settling"), parameters=(PARCEL,),
        problems=_REFUSED,
    ),
    Route(
        "POST", "/v1/relay/{leg}/receipts", relay.receipts, "Receipts that the agency signed itself",
        Access.AGENCY, shapes.RelayTaken, body=Body("relay_receipts"), parameters=(LEG,), problems=_REFUSED,
    ),
    Route(
        "POST", "/v1/relay/{leg}/reply", relay.reply, "Words of an answer that the agency sealed itself",
        Access.AGENCY, shapes.RelayReply, body=Body("relay_reply"), parameters=(LEG,), problems=_REFUSED,
    ),
    Route(
        "POST", "/v1/relay/card", relay.card, "A key card that the agency signed itself",
        Access.AGENCY, shapes.RelayCard, body=Body("relay_card"), problems=_REFUSED,
    ),
    Route(
        "GET", "/v1/spoc", spoc.listed, "Legs that come by way of the single point of contact",
        Access.AGENCY, shapes.Behind, problems=(403,),
    ),
    Route("GET", "/v1/me", reference.me, "Whose token this is", Access.AGENCY, shapes.Me),
    Route("GET", "/v1/areas", reference.areas, "Areas and agencies in use", Access.AGENCY, shapes.Areas),
    Route("GET", "/v1/schemas", reference.schemas, "Names of all schemas", Access.AGENCY, shapes.Schemas),
    Route(
        "GET", "/v1/schemas/{name}", reference.schema, "JSON Schema of a document or section",
        Access.AGENCY, None, parameters=(NAME,), problems=(404,), media=reference.SCHEMA_MEDIA,
    ),
    Route(
        "POST", "/v1/receipts/verify", reference.verify, "Judge a signed receipt",
        Access.ANYONE, shapes.Verdict, body=Body("receipt", reference.RECEIPT_MEDIA), problems=(413, 415),
    ),
    Route(
        "GET", "/v1/log/checkpoint", log.checkpoint, "The signed state of this node's log",
        Access.ANYONE, shapes.Checkpoint,
    ),
    Route(
        "GET", "/v1/log/proof/inclusion", log.inclusion, "A leaf, and the proof that the log holds it",
        Access.ANYONE, shapes.Inclusion, parameters=(INDEX,), problems=(404,),
    ),
    Route(
        "GET", "/v1/log/proof/consistency", log.consistency, "The proof that the log only grew",
        Access.ANYONE, shapes.Consistency, parameters=(FIRST, SECOND), problems=(404,),
    ),
    Route(
        "GET", "/v1/log/leaves", log.leaves, "Leaves of the log: hashes, codes and times",
        Access.ANYONE, shapes.Leaves, parameters=(START, LEAVES),
    ),
    Route(
        "POST", "/v1/handovers/{ref}/subject-access", rights.access,
        "What this agency holds about the person, for the person", Access.STAFF, None,
        parameters=(REF, GROUND, WITHHOLD, REVIEW), problems=(400, 403, 404),
    ),
    Route(
        "GET", "/v1/audit/log", audit.listed, "Who did what with which handover, when and why",
        Access.AUDITOR, shapes.AuditPage, parameters=(OF, BY, FROM, TO, USE, NUMBER, LIMIT),
        problems=(400, 403),
    ),
    Route(
        "GET", "/v1/audit/export", audit.export, "Lines of that log with their proofs, for the Commissioner",
        Access.AUDITOR, None, parameters=(OF, BY, FROM, TO, USE, REFERENCE), problems=(400, 403),
        patience=audit.PATIENCE,
    ),
    Route(
        "GET", "/v1/ops/alarms", watch.listed, "What a person has to look at, newest first",
        Access.OPERATOR, shapes.Alarms, parameters=(CLEARED, ALARMS), problems=(403,),
    ),
    Route(
        "GET", "/v1/ops/alarms/{alarm}/evidence", watch.evidence, "The signed bytes that prove an alarm",
        Access.OPERATOR, None, parameters=(ALARM,), problems=(403, 404),
    ),
    Route(
        "POST", "/v1/ops/alarms/{alarm}/clear", watch.clear, "Somebody has looked",
        Access.OPERATOR, shapes.Alarm, parameters=(ALARM, REASON), problems=(403, 404),
    ),
    Route(
        "GET", "/v1/ops/breaches", breaches.listed, "Personal data breaches and near misses, oldest first",
        Access.OPERATOR, shapes.Breaches, problems=(400, 403),
    ),
    Route(
        "GET", "/v1/ops/breaches/{breach}", breaches.one, "One of them, with what was decided",
        Access.OPERATOR, shapes.Breach, parameters=(BREACH,), problems=(400, 403, 404),
    ),
    Route(
        "GET", "/v1/ops/peers", watch.peers, "Each peer's stream: numbers, gaps, when it was heard last",
        Access.OPERATOR, shapes.Peers, problems=(403,),
    ),
    Route("GET", "/openapi.json", reference.openapi, "This document", Access.ANYONE, None),
    Route("GET", "/healthz", ops.alive, "The process answers", Access.ANYONE, shapes.Alive),
    Route("GET", "/readyz", ops.ready, "The node can work; 503 says why not", Access.ANYONE, shapes.Ready),
)  # fmt: skip
