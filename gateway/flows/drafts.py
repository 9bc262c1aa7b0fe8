"""A document that needs a second person rests here, sealed, until one agrees (surface.md, "Who acted").

Order: judge it as if a second person had agreed, so that only the agreement can be missing -> seal it under a
key of its own -> ONE transaction {draft, collection on record, leaf} -> DRAFT. Then another member of staff
of this area authorises: opening on record -> unseal -> the authorisation goes into
``message.authorisations`` -> AUTHORISED, judged anew, issued (ISSUED), and the draft's key is destroyed in
the same transaction.

What is kept of a draft in the clear: references, codes, times and how many recipients it has. Its key lies
under a leaf of the month's epoch as those of every message (:mod:`gateway.flows.vault`): once it is issued,
or has expired, no copy of the database opens it.

Rules: nobody authorises what the same person handed in. An URGENT handover needs no draft: it is issued at
once, and the second person agrees within a working day (:mod:`gateway.flows.urgent` asks). A draft that
nobody authorises within five working days is destroyed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from uuid_utils.compat import uuid7

from gateway.core import shred
from gateway.core.deadlines import add_working_days
from gateway.core.encoding import JsonObject
from gateway.core.rules.sharing import LEGS_WITHOUT_SECOND_PERSON
from gateway.core.rules.subject import UNTESTED_SOURCE
from gateway.core.states import HandoverState, advance_handover
from gateway.core.urgent_second import agreed
from gateway.errors import Conflict, NotAllowed, NotFound
from gateway.flows import accounts, attachments, judging, submit, urgent
from gateway.flows.alarms import sound
from gateway.flows.node import Caller, Node, log_leaf
from gateway.flows.show import when
from gateway.flows.timers import set_timer
from gateway.flows.vault import ROUTING, Secrets, new_record_key, record_name, secrets_of
from gateway.ports import (
    AccessRow,
    DraftRow,
    EnvelopeRow,
    PunctureRow,
    Side,
    TaskRow,
    TimerRow,
    Transaction,
    UrgentRow,
)
from schemas.handover import HandoverNotification, to_document

TIMER: Final = "draft"
LASTS: Final = 5
"""Working days that a draft waits."""

_PART: Final = ROUTING + 1
"""The number under which the key of a draft is kept: the first that is content."""


class Because(StrEnum):
    """What made a second person necessary, for ``message.authorisations[].why``."""

    MANY_RECIPIENTS = "more than 8 recipients"
    UNRELIABLE_SOURCE = "an unreliable source"
    SECOND_PERSON = "a second person asked for"


@dataclass(frozen=True, slots=True)
class Authorised:
    """What the second person is told: where the handover stands now."""

    ref: str
    version: int
    state: str


async def hold(node: Node, caller: Caller, body: bytes, *, key: str) -> submit.Submitted:
    """Hand in a document that may lack its second person. One that lacks nobody is issued at once.

    Raises what :func:`submit.submit` raises, for everything else that is wrong with it; Conflict when the
    version rests here already with other words.
    """
    now = node.clock.now()
    repeat = submit.fingerprints(node, caller, key, body)
    if stored := await node.store.read(lambda tx: submit.earlier(tx, repeat)):
        return stored
    if _lacks_nobody(node, caller, body, now):
        return await submit.submit(node, caller, body, key=key)
    if attachments.mentioned(body):
        raise NotAllowed(
            "a document with files cannot wait for a second person",
            code="draft_attachments",
            field="/message/authorisations",
            remedy="an upload lasts 24 hours: have it authorised first, and name the second role in it",
        )
    draft = _seal(node, caller, judging.read(body), body, now)
    return await node.store.write(lambda tx: _keep(tx, draft, repeat, now))


def _lacks_nobody(node: Node, caller: Caller, body: bytes, now: int) -> bool:
    """Raises for all that a second person's agreement does not mend."""
    try:
        judging.judge(node, body, now=now, caller=caller)
    except NotAllowed:
        document = judging.read(body)
        judging.judge(node, _agreed(document, node, caller, now), now=now, caller=caller)
        return False
    return True


def _agreed(document: HandoverNotification, node: Node, by: Caller, now: int) -> bytes:
    """With the reason that the rules would name without it."""
    why = Because.SECOND_PERSON
    if len(document.routing.recipients) > LEGS_WITHOUT_SECOND_PERSON:
        why = Because.MANY_RECIPIENTS
    elif _unreliable(document):
        why = Because.UNRELIABLE_SOURCE
    return agreed(document, role=by.role or "second", agency=by.agency, area=node.area, at=now, why=why.value)


def _unreliable(document: HandoverNotification) -> bool:
    graded = [item.grading for item in document.history if item.grading is not None]
    return any(grading.source == UNTESTED_SOURCE for grading in graded)


def _seal(node: Node, caller: Caller, document: HandoverNotification, body: bytes, now: int) -> DraftRow:
    """Nothing of it opens without the leaf, which is outside the database."""
    name, key, message = uuid7().hex, shred.new_key(), document.message
    wrapped = new_record_key(node, name, Side.ORIGIN, now).wrap(
        Secrets({_PART: key}, {caller.principal: (_PART,)})
    )
    return DraftRow(
        id=name,
        ref=message.handover_id,
        version=message.version,
        owner=caller.principal,
        actor=caller.actor,
        role=caller.role,
        destination=document.routing.destination.area_code,
        urgency=message.urgency.value,
        legs=len(document.routing.recipients),
        created=now,
        expires=add_working_days(now, LASTS),
        body=shred.wrap(key, body, context=_context(name)),
        secrets=wrapped.secrets,
        epoch=wrapped.epoch,
    )


def _context(draft: str) -> str:
    return f"bx/1/draft/{draft}"


def _unseal(node: Node, draft: DraftRow) -> bytes:
    """PLAINTEXT, on its way to the judge and the seal. Raises NotFound when it is destroyed."""
    key = secrets_of(node, _record_of(draft)).keys.get(_PART)
    if key is None:
        raise _gone()
    return shred.unwrap(key, draft.body, context=_context(draft.id))


def _record_of(draft: DraftRow) -> EnvelopeRow:
    """As the vault knows what it keeps keys of; a draft has no envelope yet."""
    return EnvelopeRow(
        mid=draft.id,
        side=Side.ORIGIN,
        kind=0,
        peer=draft.destination,
        stream="",
        seq=0,
        statement=b"",
        digest=b"",
        expires=draft.expires,
        body=b"",
        secrets=draft.secrets,
        epoch=draft.epoch,
        ref=draft.ref,
        version=draft.version,
        created=draft.created,
    )


def _keep(tx: Transaction, draft: DraftRow, repeat: submit.Repeat, now: int) -> submit.Submitted:
    if stored := submit.earlier(tx, repeat):
        return stored
    newest = tx.handover(draft.ref)
    if (newest and newest.version >= draft.version) or not tx.put_draft(draft):
        raise Conflict(
            "this version is issued already, or rests here with other words",
            code="draft_exists",
            field="/message/version",
            remedy="hand in the next version; a draft that is not wanted expires by itself",
        )
    set_timer(tx, TIMER, draft.id, draft.expires)
    tx.put_idempotency(repeat.row(draft.ref, draft.version, now))
    accounts.record(tx, _access(draft, Caller(draft.owner, "", draft.actor, draft.role), "COLLECTION", now))
    log_leaf(tx, "draft", now, ref=draft.ref, version=draft.version, draft=draft.id)
    return submit.Submitted(draft.ref, draft.version, HandoverState.DRAFT)


def _access(draft: DraftRow, by: Caller, operation: str, now: int) -> AccessRow:
    return AccessRow(
        at=now,
        operation=operation,
        principal=by.principal,
        actor=by.actor,
        role=by.role,
        ref=draft.ref,
        version=draft.version,
        leg="",
        sections=(),
        recipients=(),
        justification="AUTHORISATION" if operation == "CONSULTATION" else "DRAFT",
    )


# --- the second person ------------------------------------------------------------------------------


async def authorise(node: Node, caller: Caller, ref: str) -> Authorised:
    """Agree to a draft of this area, which is issued then; or to an urgent handover that was issued.

    Raises NotFound; NotAllowed for the person who handed it in; Conflict when there is nothing to agree to;
    and whatever the document is refused for by now, the draft staying as it is.
    """
    now = node.clock.now()
    draft = await node.store.write(lambda tx: _consult(tx, caller, ref, now))
    if draft is None:
        return await node.store.write(lambda tx: _after_the_event(tx, node, caller, ref, now))
    body = _agreed(judging.read(_unseal(node, draft)), node, caller, now)
    owner = Caller(draft.owner, node.network.principal(draft.owner).agency, draft.actor, draft.role)
    made = await submit.submit(
        node, owner, body, key=f"draft-{draft.id}", then=lambda tx: _issued(tx, node, caller, draft, now)
    )
    return Authorised(made.ref, made.version, made.state)


async def show(node: Node, caller: Caller, ref: str, *, justification: str) -> JsonObject:
    """PLAINTEXT of a draft for its own agency, whose people are to agree to what they have read. On record
    first. Raises NotFound, also for another agency: until it is issued it is nobody else's."""
    now = node.clock.now()

    def record(tx: Transaction) -> DraftRow:
        draft = tx.draft(ref)
        if draft is None or draft.owner != caller.principal or draft.expires <= now:
            raise _gone()
        accounts.record(tx, replace(_access(draft, caller, "CONSULTATION", now), justification=justification))
        return draft

    draft = await node.store.write(record)
    return to_document(judging.read(_unseal(node, draft)))


def _consult(tx: Transaction, caller: Caller, ref: str, now: int) -> DraftRow | None:
    draft = tx.draft(ref)
    if draft is None:
        return None
    _check_another(caller, draft.actor)
    if draft.expires <= now:
        raise _gone()
    accounts.record(tx, _access(draft, caller, "CONSULTATION", now))
    return draft


def _check_another(caller: Caller, first: str) -> None:
    if not caller.actor or caller.actor == first:
        raise NotAllowed(
            "the second person is another than the first",
            code="same_person",
            field="Gateway-Actor",
            remedy="have a colleague authorise it, under a reference of their own",
        )


def _issued(tx: Transaction, node: Node, caller: Caller, draft: DraftRow, now: int) -> None:
    """In the transaction that issues it: the draft and its key are gone, and who agreed is on record."""
    state = advance_handover(HandoverState.DRAFT, "authorised", ())
    advance_handover(state, "issued", ())
    if not tx.drop_draft(draft.id):
        raise Conflict("it was authorised meanwhile", code="authorised", remedy="nothing is left to do")
    _destroy(tx, node, draft)
    tx.drop_timers(TIMER, draft.id)
    accounts.record(tx, replace(_access(draft, caller, "ALTERATION", now), justification="AUTHORISED"))
    log_leaf(tx, "authorised", now, ref=draft.ref, version=draft.version, draft=draft.id)


def _destroy(tx: Transaction, node: Node, draft: DraftRow) -> None:
    """The reminder by which the key store forgets the leaf, with every node's next look."""
    path = node.keys.epoch(draft.epoch).record(record_name(draft.id, Side.ORIGIN))
    tx.put_puncture(PunctureRow(draft.epoch, path))


def _after_the_event(tx: Transaction, node: Node, caller: Caller, ref: str, now: int) -> Authorised:
    row, handover = tx.urgent(ref), tx.handover(ref)
    if handover is None or handover.side is not Side.ORIGIN:
        raise _gone()
    if row is None or row.authorised:
        raise Conflict("nobody is waited for here", code="authorised", remedy="nothing is left to do")
    _check_another(caller, row.actor)
    _agree(tx, node, caller, row, handover.version, now)
    return Authorised(ref, handover.version, handover.state)


def _agree(tx: Transaction, node: Node, caller: Caller, row: UrgentRow, version: int, now: int) -> None:
    tx.change_urgent(replace(row, authorised=now))
    urgent.stop(tx, node, urgent.AUTHORISER, row.ref, now)
    access = AccessRow(
        at=now,
        operation="ALTERATION",
        principal=caller.principal,
        actor=caller.actor,
        role=caller.role,
        ref=row.ref,
        version=version,
        leg="",
        sections=(),
        recipients=(),
        justification="AUTHORISED",
    )
    accounts.record(tx, access)
    log_leaf(tx, "authorised", now, ref=row.ref, version=version)


# --- time, and what is shown ------------------------------------------------------------------------


def fire(tx: Transaction, node: Node, timer: TimerRow, now: int) -> Sequence[TaskRow]:
    """Nobody agreed in time: it is destroyed, and its agency hands it in anew if it is still true."""
    draft = next((one for one in tx.drafts() if one.id == timer.subject), None)
    if draft is None or not tx.drop_draft(draft.id):
        return ()
    _destroy(tx, node, draft)
    accounts.record(tx, replace(_access(draft, _node(node), "ERASURE", now), justification="DRAFT_EXPIRED"))
    log_leaf(tx, "draft_expired", now, ref=draft.ref, version=draft.version, draft=draft.id)
    sound(tx, "draft_expired", peer=node.area, at=now, subject=draft.ref)
    return ()


def _node(node: Node) -> Caller:
    return Caller(node.principal, "NODE", "gateway", "node")


def facts(draft: DraftRow) -> JsonObject:
    """One line of a list: references, codes and times."""
    return {
        "handover": draft.ref,
        "version": draft.version,
        "state": HandoverState.DRAFT.value,
        "owner": draft.owner,
        "destination": draft.destination,
        "urgency": draft.urgency,
        "recipients": draft.legs,
        "created": when(draft.created),
        "expires": when(draft.expires),
    }


def _gone() -> NotFound:
    return NotFound(
        "no draft and no urgent handover of this area under this reference",
        code="no_draft",
        remedy="`gateway handover drafts` lists what waits for a second person",
    )
