"""Somebody is here already: asking the other area for a handover, and who there has answered (domain 6.8).

Duty: :func:`ask`, the inbound checklist (:func:`checklist`), and what a handover settles that answers a
request (:func:`answered`). A request is a notice about no handover yet: sealed to each agency asked, with
codes for the node; its id is the reference by which a handover answers it (``message.answers``).

Rules
-----
- The person is named to the agencies asked and to nobody else: no table, no list and no log holds the name.
- The power must reach the agency asked, as when something is sent (R5).
- An agency that knows nobody of that name says NOT_KNOWN: that is an answer. Silence is not, and is called
  about.
- A request is read before it is answered; the handover that answers it completes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from uuid_utils.compat import uuid4

from gateway.core import shred
from gateway.core.deadlines import deadlines
from gateway.core.encoding import Json, JsonObject
from gateway.core.notices import TYPES, NoticeKind
from gateway.core.powers import POWERS
from gateway.errors import Conflict, InvalidDocument, NotAllowed, NotFound, Problem, UnknownRecipient
from gateway.flows import accounts, outgoing, questions
from gateway.flows.node import Caller, Node
from gateway.flows.notice_out import Drawn, Reader, send
from gateway.flows.notice_sign import sign
from gateway.flows.notices import ring
from gateway.flows.show import when
from gateway.flows.slots import keeps_own_key
from gateway.flows.timers import set_timer
from gateway.ports import AccessRow, HandoverRow, IdempotencyRow, NoticeLegRow, NoticeRow, Side, Transaction
from schemas.base import ShapeError, to_json
from schemas.handover import HandoverNotification
from schemas.request import HandoverRequest, parse_request

KIND: Final = NoticeKind.HANDOVER_REQUEST
FIELD: Final = "/message/answers"
MANY: Final = 1_000
"""Of the newest requests of an area, those are listed that are the caller's."""


@dataclass(frozen=True, slots=True)
class Asked:
    """``id`` is what the answering handover names. ``repeated``: it was handed in before."""

    id: str
    repeated: bool = False


def read(body: bytes) -> HandoverRequest:
    """Raises InvalidDocument naming the fields, never their values."""
    try:
        return parse_request(body)
    except ShapeError as error:
        raise InvalidDocument(
            "this is not a request for a handover",
            problems=[Problem(p.pointer, p.message, p.remedy) for p in error.problems],
            remedy="`gateway schema show request` prints the shape",
        ) from None


async def ask(node: Node, caller: Caller, request: HandoverRequest, *, key: str) -> Asked:
    """Ask another area. ``key`` is the caller's Idempotency-Key.

    Raises UnknownRecipient (no such area or agency there), NotAllowed (a power that does not reach it),
    Conflict (the same key with another request), Unavailable.
    """
    now = node.clock.now()
    readers = _readers(node, caller, request, now)
    repeat = _fingerprints(node, caller, key, request)

    def work(tx: Transaction) -> Asked:
        if done := _earlier(tx, repeat):
            return done
        row = _send(tx, node, caller, request, readers, now)
        tx.put_idempotency(IdempotencyRow(*repeat, row.id, 0, now))
        return Asked(row.id)

    asked = await node.store.write(work)
    ring(node)
    return asked


def _readers(node: Node, caller: Caller, request: HandoverRequest, now: int) -> Sequence[Reader]:
    """Every agency asked, each with its own sealed copy of the words."""
    outgoing.check_sendable(node.network, now)
    if request.to_area == node.area:
        raise NotAllowed(
            "a request goes to another area", code="same_area", field="/to_area", remedy="ask your own people"
        )
    words = _words(node, caller, request)
    return [
        Reader(_asked(node, request, index, now), uuid4().hex, caller.principal, words)
        for index, _ in enumerate(request.agencies)
    ]


def _asked(node: Node, request: HandoverRequest, index: int, now: int) -> str:
    agency = request.agencies[index]
    for place, code in enumerate(request.lawful_basis.powers):
        power = POWERS.get(code)
        if power is None or not power.commenced or agency not in power.reaches:
            raise NotAllowed(
                f"a power of this basis does not reach {agency.value}",
                rule="R5",
                field=f"/lawful_basis/powers/{place}",
                remedy=f"name a power that does (`gateway schema rules`), or leave {agency.value} out",
            )
    try:
        principal = node.network.find(request.to_area, agency)
        node.network.sealing_key(principal.name, now)
    except UnknownRecipient as error:
        raise UnknownRecipient(
            error.message, code=error.code, field=f"/agencies/{index}", remedy=error.remedy
        ) from None
    return principal.name


def _words(node: Node, caller: Caller, request: HandoverRequest) -> JsonObject:
    """PLAINTEXT, sealed to each agency asked."""
    said = to_json(request)
    told: list[Json] = [*request.agencies]
    return {
        "kind": KIND.value,
        "reason_code": request.reason_code.value,
        "from": {"area": node.area, "agency": caller.agency},
        "legal": TYPES[KIND].legal,
        "facts": {"agencies": told},
        **{name: said[name] for name in ("role", "subject", "lawful_basis", "text") if name in said},
    }


def _send(
    tx: Transaction,
    node: Node,
    caller: Caller,
    request: HandoverRequest,
    readers: Sequence[Reader],
    now: int,
) -> NoticeRow:
    agencies: list[Json] = [*request.agencies]
    facts: JsonObject = {"agencies": agencies}
    due = deadlines(request.urgency, now).decide_by
    drawn = Drawn("", 0, KIND, request.reason_code.value, caller.principal, (), facts, "", due)
    row = send(tx, node, drawn, readers, now, urgency=request.urgency)
    for reader in readers:
        accounts.record(tx, _disclosed(caller, row, reader.principal, request, now))
    set_timer(tx, questions.TIMER, row.id, due)
    return row


def _disclosed(
    caller: Caller, row: NoticeRow, principal: str, request: HandoverRequest, now: int
) -> AccessRow:
    """s.62 DPA 2018: the other agency was told that the person is here."""
    return AccessRow(
        at=now,
        operation="DISCLOSURE",
        principal=caller.principal,
        actor=caller.actor,
        role=caller.role,
        ref=f"request:{row.id}",
        version=0,
        leg="",
        sections=("subject",),
        recipients=(principal,),
        justification="+".join(request.lawful_basis.powers),
    )


def _fingerprints(node: Node, caller: Caller, key: str, request: HandoverRequest) -> tuple[bytes, bytes]:
    """Keyed, as those of submit: a plain hash of a name would be the name (protocol 7)."""
    secret = node.keys.secret("idempotency")
    named, said = f"request\n{caller.principal}\n{key}".encode(), request.model_dump_json().encode()
    return shred.keyed_hash(secret, named, purpose="key"), shred.keyed_hash(secret, said, purpose="body")


def _earlier(tx: Transaction, repeat: tuple[bytes, bytes]) -> Asked | None:
    row = tx.idempotency(repeat[0])
    if row is None:
        return None
    if row.request != repeat[1]:
        raise Conflict(
            "this Idempotency-Key was used with another request",
            code="idempotency_key_reused",
            remedy="use a fresh key for a new request, or send the same one again",
        )
    return Asked(row.ref, repeated=True)


# --- a handover answers -------------------------------------------------------------------------------


def check(tx: Transaction, document: HandoverNotification, caller: Caller) -> None:
    """Whether a document answers a request that its destination put to this agency. Raises NotFound,
    Conflict while it is unread."""
    if document.message.answers is None:
        return
    found = _put_to(tx, document.message.answers, caller.principal)
    if found is None or found[0].peer != document.routing.destination.area_code:
        raise NotFound(
            "that area has put no such request to this agency",
            code="no_request",
            field=FIELD,
            remedy="`gateway request list` shows the ids; leave the field out where nobody asked",
        )
    if found[1].state == "DELIVERED":
        raise Conflict(
            "this request has not been opened yet",
            code="not_opened",
            field=FIELD,
            remedy="open it first, with a justification: GET /v1/inbox lists it",
        )


def answered(tx: Transaction, node: Node, document: HandoverNotification, caller: Caller, now: int) -> None:
    """In the transaction that issues the handover: the request of this agency is completed with it."""
    found = _put_to(tx, document.message.answers or "", caller.principal)
    if found is None or keeps_own_key(node, caller.principal):
        return
    row, reader = found
    envelope = tx.envelope(row.mid)
    for step in questions.steps(reader) if envelope is not None else ():
        assert envelope is not None  # noqa: S101 - for the type checker: looked at a line before
        reader = sign(tx, node, reader, envelope, step, now)


def _put_to(tx: Transaction, notice: str, principal: str) -> tuple[NoticeRow, NoticeLegRow] | None:
    row = tx.notice(notice) if notice else None
    if row is None or row.kind != KIND or row.side is not Side.DESTINATION:
        return None
    reader = next((one for one in tx.notice_legs(notice) if one.principal == principal), None)
    return (row, reader) if reader is not None else None


# --- what people see ----------------------------------------------------------------------------------


def listing(tx: Transaction, principal: str) -> Sequence[JsonObject]:
    """The requests that this agency has put or was asked, newest first, each with its checklist. Codes,
    references and times: whom it is about stands in the sealed words alone."""
    mine = [row for row in tx.requests(MANY) if _concerns(tx, row, principal)]
    return [checklist(tx, row, principal) for row in mine]


def one(tx: Transaction, request: str, principal: str) -> JsonObject:
    """Raises NotFound for what is not this agency's."""
    row = tx.notice(request)
    if row is None or row.kind != KIND or not _concerns(tx, row, principal):
        raise NotFound("no such request of this agency", code="no_request", remedy="gateway request list")
    return checklist(tx, row, principal)


def _concerns(tx: Transaction, row: NoticeRow, principal: str) -> bool:
    if row.side is Side.ORIGIN:
        return row.by == principal
    return any(reader.principal == principal for reader in tx.notice_legs(row.id))


_SAID: Final[Mapping[str, str]] = {
    "QUEUED": "ASKED",
    "UNDELIVERABLE": "NOT_REACHED",
    "DELIVERED": "ASKED",
    "OPENED": "READ",
    "ACKNOWLEDGED": "KNOWN",
    "COMPLETED": "HANDED_OVER",
    "REJECTED": "DECLINED",
}


def _answers(found: HandoverRow, row: NoticeRow) -> bool:
    """It goes back to whoever asked: from the area that was asked, or from us to the one that asked us. A
    third area that names this request (it saw the id, or guessed it) answers nothing."""
    if row.side is Side.ORIGIN:
        return found.side is Side.DESTINATION and found.origin == row.peer
    return found.side is Side.ORIGIN and found.destination == row.peer


def checklist(tx: Transaction, row: NoticeRow, principal: str) -> JsonObject:
    """Agency by agency: asked, read, declined with a reason, or handed over, and how far our leg is then.
    ``waiting``: agencies of which nothing is known yet; it is empty when the checklist is complete."""
    sent = row.side is Side.ORIGIN
    readers = [one for one in tx.notice_legs(row.id) if sent or one.principal == principal]
    handovers = [found.ref for found in tx.answering(row.id) if _answers(found, row)]
    lines: list[Json] = [
        {
            "principal": one.principal,
            "state": _SAID[one.state],
            "code": one.code,
            "updated": when(one.updated),
        }
        for one in readers
    ]
    waiting: list[Json] = [
        one.principal for one in readers if _SAID[one.state] not in {"HANDED_OVER", "DECLINED"}
    ]
    refs: list[Json] = [*dict.fromkeys(handovers)]
    return {
        "request": row.id,
        "sent": sent,
        "peer": row.peer,
        "by": row.by,
        "reason_code": row.code,
        "urgency": row.urgency,
        "created": when(row.created),
        "answer_by": when(row.answer_by),
        "agencies": lines,
        "handovers": refs,
        "waiting": waiting,
    }
