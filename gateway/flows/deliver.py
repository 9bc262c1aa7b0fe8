"""Hand each agency its part: claim and log the access -> unseal -> profile -> adapter -> receipt "opened".

The access is on record before plaintext exists (s.62 DPA 2018). An adapter is called at least once: a crash
between its answer and our commit calls it again with the same key, which is how the agency tells. What it
says of the parcel in its reply is committed with the parcel (:mod:`gateway.flows.replied`). Pumps of its own
for each agency, so that a slow system holds up nobody else: one for everything, and one that is only woken,
for what is urgent and must not wait for a batch of the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import structlog

from gateway.core import purposes
from gateway.core.duty import responsible
from gateway.core.encoding import Json, JsonObject
from gateway.core.states import LegState
from gateway.errors import Conflict, GatewayError, NotAllowed, NotFound, Unavailable
from gateway.flows import (
    accounts,
    checklist,
    disclosed,
    drills,
    holds,
    notice_sign,
    notice_view,
    parcels,
    purge_clock,
    receipts,
    replied,
)
from gateway.flows.catch_up import check_caught_up
from gateway.flows.node import Caller, Node
from gateway.flows.retrieve import take_out
from gateway.flows.slots import check_hosted, keeps_own_key, readable, view_for
from gateway.flows.vault import view as opened
from gateway.flows.waiting import NEXT_STEPS
from gateway.ports import (
    PARCELS,
    ActionRow,
    AgencyBinding,
    Attachment,
    EnvelopeRow,
    HandoverRow,
    Lane,
    LegEvent,
    LegRow,
    NoticeRow,
    Parcel,
    Task,
    TaskRow,
    Transaction,
    View,
)

BATCH = 64
"""Parcels claimed at once: many share the commit that puts their accesses on record. Bounds the memory too:
each is an envelope of at most 1 MiB."""

AT_ONCE = 16
"""Parcels with one agency's adapter at a time: its system decides the pace, not our backlog."""

LEASE = 300
"""Seconds before another worker may take a claimed parcel up, beyond the adapter's time-outs of
BATCH / AT_ONCE turns."""

FRESH = 10.0
"""Seconds after which a claim is looked at before it is used: half of what a silent process is given."""

READ: Final = (Parcel.NOTIFICATION, Parcel.REPLY)
"""Parcels with content of a handover, which a notice can bar."""

log = structlog.get_logger("deliver")


@dataclass(frozen=True, slots=True)
class _Claimed:
    """One parcel of ours alone for the time of the lease, with what it is made of (None: gone)."""

    task: TaskRow
    leg: LegRow | None
    envelope: EnvelopeRow | None
    notice: NoticeRow | None = None
    rows: Sequence[ActionRow] = ()
    drill: bool = False
    beside: parcels.Beside = parcels.NOTHING


async def deliver(node: Node, binding: AgencyBinding, lanes: Sequence[Lane] = PARCELS) -> int:
    """Deliver what is due for one agency on ``lanes``. Returns how many were claimed: fewer than BATCH when
    no more are due."""
    first = Lane.STANDARD not in lanes
    now, since = node.clock.now(), asyncio.get_running_loop().time()

    def claim(tx: Transaction) -> tuple[int, Sequence[_Claimed]]:
        lease = LEASE + node.pace.adapter_timeout * (BATCH // AT_ONCE)
        tasks = tx.claim_tasks(binding.principal, now, BATCH, lease, lanes=lanes, worker=node.worker)
        # Due since before the agency changed to fetching, or to a key of its own: it finds them parked.
        if binding.adapter.pulls or keeps_own_key(node, binding.principal):
            for task in tasks:
                tx.advance_task(task.id, Task.WAITING, Task.PARKED)
            return len(tasks), ()
        claimed = [found for task in tasks if (found := _claimed(tx, task, binding, now)) is not None]
        for parcel in claimed:
            _account(tx, parcel.task, parcel.leg, binding, now)
        return len(tasks), claimed

    taken, claimed = await node.store.write(claim, first=first)
    room = asyncio.Semaphore(AT_ONCE)
    await asyncio.gather(*(_hand_over(node, binding, parcel, room, since) for parcel in claimed))
    return taken


def _claimed(tx: Transaction, task: TaskRow, binding: AgencyBinding, now: int) -> _Claimed | None:
    """None for a handover that has to wait for a notice about it, and for a drill that is a person's."""
    leg = parcels.leg_of(tx, task)
    row = tx.handover(leg.ref, leg.version) if leg is not None else None
    drill = row is not None and row.drill
    if drill and drills.kept_out(binding):
        tx.advance_task(task.id, Task.WAITING, Task.PARKED)
        return None
    # The leg, where there is any notice of which one could bar it; most often there is none.
    told = leg if leg is not None and task.kind in READ and tx.notices(ref=leg.ref) else None
    if task.kind is Parcel.NOTIFICATION and told is not None and parcels.notice_waits(tx, told):
        parcels.set_back(tx, task, now)
        return None
    bar = parcels.bar(tx, told) if told is not None else parcels.Bar()
    if bar.code:
        parcels.put_aside(tx, task, bar.code, now)
        return None
    if leg is not None and task.kind is Parcel.NOTIFICATION and over(tx, leg, row, now):
        parcels.put_aside(tx, task, parcels.OVER, now)
        return None
    notice = tx.notice(task.subject) if task.kind is Parcel.NOTICE else None
    rows = tx.actions(leg.id) if leg is not None and task.kind is Parcel.NOTIFICATION else ()
    beside = parcels.beside(tx, told, bar) if told is not None else parcels.NOTHING
    return _Claimed(task, leg, tx.envelope(task.mid), notice, rows, drill, beside)


def over(tx: Transaction, leg: LegRow, row: HandoverRow | None, now: int) -> bool:
    """Whether the date of this leg's purge has passed. ``row``: its handover.

    A node that was switched off comes back to its parcels before its sweep has purged them; and what a legal
    hold keeps is given to nobody who has not seen it."""
    if row is None or purge_clock.due_of(tx, row, leg).at > now:
        return False
    return not (leg.opened and holds.held(tx, leg.ref))


def check_in_time(tx: Transaction, leg: LegRow, now: int) -> None:
    """Raises NotAllowed for a handover whose last day is over."""
    if over(tx, leg, tx.handover(leg.ref, leg.version), now):
        raise NotAllowed(
            "the last day of this handover is over: it is purged, or kept and shown to nobody new",
            code=parcels.OVER,
            rule="s.39",
            remedy="ask the origin's agency; if it is still needed, it hands in a reviewed version",
        )


def _account(tx: Transaction, task: TaskRow, leg: LegRow | None, binding: AgencyBinding, now: int) -> None:
    if leg is None or task.kind is Parcel.STATUS:
        return  # news about a leg holds no personal data
    caller = Caller(binding.principal, leg.agency, actor="adapter", role="standing justification")
    accounts.record(
        tx, accounts.access(caller, leg, "DISCLOSURE", binding.justification, now, purpose=purposes.DEFAULT)
    )


async def _still_ours(node: Node, task: TaskRow, since: float) -> bool:
    """A process that was stopped wakes up with parcels in hand that another has handed over since, or that a
    notice bars by now: after a while we look whether the claim stands."""
    if asyncio.get_running_loop().time() < since + FRESH:
        return True
    row = await node.store.read(lambda tx: tx.task(task.id))
    return row is not None and (row.state, row.attempts) == (task.state, task.attempts)


async def _hand_over(
    node: Node, binding: AgencyBinding, parcel: _Claimed, room: asyncio.Semaphore, since: float
) -> None:
    """Whatever happens to one parcel stays with it: it is done, due again, or held for a person."""
    task = parcel.task
    try:
        async with room:  # first, so that no more than AT_ONCE are in plaintext
            if not await _still_ours(node, task, since):
                return
            await node.turns[task.lane].wait()
            shown = _shown(node, binding, parcel)
            async with asyncio.timeout(node.pace.adapter_timeout):
                given = await binding.adapter.deliver(shown.view, key=task.id)
            answer: bytes = getattr(given, "answer", b"")  # of an adapter older than answers, there is none
    except TimeoutError:
        await _postpone(node, task, Unavailable("the adapter took too long", code="adapter_timeout"))
    except Unavailable as error:
        await _postpone(node, task, error)
    except GatewayError as error:
        await _hold(node, task, error.code)
    except Exception as error:  # noqa: BLE001 - adapters and profiles are foreign code: a fault of one is
        # held with its parcel, for it would meet that parcel again after a restart, and stop all agencies.
        # Its type alone is logged: its text may hold what it was working on.
        log.critical("an adapter or profile failed", principal=task.principal, error=type(error).__name__)
        await _hold(node, task, "adapter_fault")
    else:
        if not (answer and await _answered(node, binding, parcel, shown.given, answer)):
            await _delivered(node, task, shown.given)


async def _delivered(node: Node, task: TaskRow, given: Given) -> None:
    first = task.lane is Lane.URGENT
    await node.store.write(lambda tx: delivered(tx, node, task, node.clock.now(), given), first=first)
    _wake_for_receipts(node, task)


async def _answered(
    node: Node, binding: AgencyBinding, parcel: _Claimed, given: Given, answer: bytes
) -> bool:
    """Delivered, and what the agency said of it at once, in one transaction. False when that was refused: its
    parcel is none the worse for it."""
    task, now = parcel.task, node.clock.now()

    def both(tx: Transaction) -> None:
        delivered(tx, node, task, now, given)
        said.record(tx)

    try:
        said = replied.prepare(node, binding, task, _leg_of(parcel), parcel.rows, answer, now)
        await node.store.write(both, first=task.lane is Lane.URGENT)
    except Unavailable as error:  # the agency says the same again to the repeat; nothing here would hold it
        await _postpone(node, task, error)
    except GatewayError as error:
        log.warning("an answer was refused", principal=task.principal, code=error.code)
        return False
    except Exception as error:  # noqa: BLE001 - a fault of ours over one answer, which would come again after a
        # restart and end the node with it: a person retries the parcel when it is mended.
        log.critical("an answer could not be recorded", principal=task.principal, error=type(error).__name__)
        await _hold(node, task, "answer_fault")
    else:
        _wake_for_receipts(node, task)
        said.ring()
    return True


def _wake_for_receipts(node: Node, task: TaskRow) -> None:
    """For "opened", which no other kinds bring; of a notice it is never urgent, though its parcel may be."""
    if task.kind is Parcel.NOTIFICATION:
        node.wake.signed(task.lane)
    elif task.kind is Parcel.NOTICE:
        node.wake.signed()


@dataclass(frozen=True, slots=True)
class Given:
    """What an agency was given, without its content. ``parts``: their numbers; ``undue``: field groups in
    them that are none of its type's."""

    parts: tuple[int, ...] = ()
    undue: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Shown:
    """``view`` is PLAINTEXT for one agency."""

    view: View
    given: Given


def _shown(node: Node, binding: AgencyBinding, parcel: _Claimed) -> _Shown:
    return present(
        node,
        binding,
        parcel.task,
        _leg_of(parcel),
        parcel.envelope,
        notice=parcel.notice,
        rows=parcel.rows,
        drill=parcel.drill,
        beside=parcel.beside,
    )


def _leg_of(parcel: _Claimed) -> LegRow:
    if parcel.leg is None:
        raise NotFound("the leg of this parcel is gone", code="no_leg")
    return parcel.leg


def present(
    node: Node,
    binding: AgencyBinding,
    task: TaskRow,
    leg: LegRow,
    envelope: EnvelopeRow | None,
    purpose: str = purposes.DEFAULT,
    *,
    notice: NoticeRow | None = None,
    rows: Sequence[ActionRow] = (),
    drill: bool = False,
    beside: parcels.Beside = parcels.NOTHING,
) -> _Shown:
    """PLAINTEXT for one agency: a view of the handover in its words, a reply, a notice, or news about a leg.
    Raises NotAllowed where ``purpose`` is not this handover's."""
    content: JsonObject
    files: Sequence[Attachment] = ()
    given = Given()
    if task.kind is Parcel.STATUS:
        content = status(leg, task)
    elif notice is not None and not task.mid:
        content = notice_view.to_verify(notice, leg)
    elif envelope is None:
        raise NotFound("the message of this parcel is gone", code="no_message")
    else:
        secrets = readable(node, envelope, binding.principal)
        found = beside.left_out(opened(node, envelope, secrets, binding.principal))
        content, files = take_out(node, envelope.peer, found)
        purposes.check_content(purpose, content)
        if task.kind is Parcel.NOTIFICATION:
            given = Given(secrets.readers[binding.principal], disclosed.undue(node, leg, content))
            content = binding.profile.present(content, leg) | _beside(node, binding.principal, beside)
            content = checklist.shown(content, leg, rows, node.tailoring, node.clock.now())
        elif notice is not None:
            content = notice_view.shown(notice, content)
    if drill:
        content = drills.headed(content)
    view = View(task.kind, leg.ref, leg.version, leg.id, binding.principal, leg.urgency, content, files)
    return _Shown(view, given)


def _beside(node: Node, reader: str, beside: parcels.Beside) -> JsonObject:
    """What travels with the data: the subject's own statements (s.46(3) DPA 2018), and what is restricted."""
    said: list[Json] = []
    for envelope in beside.statements:
        words = view_for(node, envelope, reader).get("notice")
        if isinstance(words, dict) and "statement" in words:
            said.append(words["statement"])
    restricted: list[Json] = [*sorted(beside.kept_out)]
    shown: JsonObject = {"supplementary_statements": said} if said else {}
    return shown | ({"restricted_sections": restricted} if restricted else {})


def status(leg: LegRow, task: TaskRow) -> JsonObject:
    """What the counterpart is told of a leg, or of one of its actions. Codes and times only."""
    event, _, about = task.subject.partition(".")
    code, _, action = about.partition(".")
    facts: dict[str, Json] = {
        "handover": leg.ref,
        "version": leg.version,
        "leg": leg.id,
        "agency": leg.agency,
        "principal": leg.principal,
        "event": event,
        "state": leg.state,
        "responsible": responsible(leg.duty, LegState(leg.state), leg.counterpart, leg.principal),
        "acknowledge_by": leg.acknowledge_by,
        "decide_by": leg.decide_by,
        "at": task.created,
        "next_step": NEXT_STEPS.get(event, ""),
    }
    return facts | ({"action": action, "code": code} if action else {})


def delivered(tx: Transaction, node: Node, task: TaskRow, now: int, given: Given) -> None:
    """Record that the agency's side has the parcel, with its signed receipt "opened"."""
    if not tx.advance_task(task.id, task.state, Task.DONE):
        return
    envelope = tx.envelope(task.mid)
    if task.kind is Parcel.NOTICE:
        _notice_delivered(tx, node, task, envelope, now)
    if task.kind is not Parcel.NOTIFICATION or envelope is None:
        return
    receipts.chain_lock(tx, envelope.peer)
    leg = tx.leg(task.leg)
    if leg is None or leg.opened:
        return
    event = LegEvent(leg.id, now, "opened", leg.state, leg.state, leg.principal)
    tx.advance_leg(leg.id, leg.state, leg.state, event, opened=now)
    disclosed.flag(tx, leg, envelope.mid, given.undue, now)
    receipts.sign(
        tx, node, by=leg.principal, envelope=envelope, state="opened", now=now, leg=leg, parts=given.parts
    )
    parcels.opened(tx, leg, now)


def _notice_delivered(
    tx: Transaction, node: Node, task: TaskRow, envelope: EnvelopeRow | None, now: int
) -> None:
    if envelope is not None:
        notice_sign.opened(tx, node, task, envelope, now)
    if (leg := parcels.leg_of(tx, task)) is not None:
        parcels.let_on(tx, leg.ref, task.principal, now)


async def _postpone(node: Node, task: TaskRow, error: GatewayError) -> None:
    log.warning("not delivered", principal=task.principal, kind=task.kind.value, code=error.code)
    due = node.clock.now() + node.pace.again(task.attempts)
    await node.store.write(
        lambda tx: tx.advance_task(
            task.id, task.state, task.state, due=due, error=error.code, attempt=task.attempts
        )
    )


async def _hold(node: Node, task: TaskRow, code: str) -> None:
    log.error("held for a person", principal=task.principal, kind=task.kind.value, code=code)
    await node.store.write(
        lambda tx: tx.advance_task(task.id, task.state, Task.HELD, error=code, attempt=task.attempts)
    )


class _Parked(NamedTuple):
    """A parcel that its agency opens itself, with what it is made of."""

    task: TaskRow
    leg: LegRow
    envelope: EnvelopeRow | None
    notice: NoticeRow | None
    beside: parcels.Beside


async def open_parked(
    node: Node,
    caller: Caller,
    task_id: str,
    *,
    justification: str,
    note: str = "",
    purpose: str = purposes.DEFAULT,
) -> View:
    """An agency that fetches opens one of its parcels, in two steps: on record first, then unsealed.

    Raises NotFound when it is not this caller's, Conflict when an adapter has it in hand, NotAllowed for an
    agency that keeps its own key, and for a purpose that is not this handover's.
    """
    check_hosted(node, caller.principal)
    check_caught_up(node)
    purposes.check(purpose, caller.agency)
    binding = node.binding(caller.principal)
    now = node.clock.now()

    def record(tx: Transaction) -> _Parked:
        task = tx.task(task_id)
        leg = parcels.leg_of(tx, task) if task else None
        if task is None or leg is None or task.principal != caller.principal:
            raise NotFound("no such parcel for this agency", remedy="list them with GET /v1/inbox")
        if task.state is Task.WAITING:
            raise Conflict("this parcel is with the agency's adapter", code="in_hand")
        if task.kind is Parcel.NOTIFICATION:
            parcels.check_notice_seen(tx, leg)
        bar = parcels.check_open(tx, leg, justification) if task.kind in READ else parcels.Bar()
        if task.kind is Parcel.NOTIFICATION:
            check_in_time(tx, leg, now)
        if task.kind is not Parcel.STATUS:
            seen = accounts.access(caller, leg, "CONSULTATION", justification, now, purpose=purpose)
            accounts.record(tx, accounts.noted(node.keys, seen, note))
        notice = tx.notice(task.subject) if task.kind is Parcel.NOTICE else None
        return _Parked(task, leg, tx.envelope(task.mid), notice, parcels.beside(tx, leg, bar))

    found = await node.store.write(record)
    task, leg = found.task, found.leg
    rows, drill = await node.store.read(lambda tx: (tx.actions(leg.id), drills.is_drill(tx, leg)))
    asks = rows if task.kind is Parcel.NOTIFICATION else ()
    shown = present(
        node,
        binding,
        task,
        leg,
        found.envelope,
        purpose,
        notice=found.notice,
        rows=asks,
        drill=drill,
        beside=found.beside,
    )
    parked = replace(task, state=Task.PARKED)
    await node.store.write(lambda tx: delivered(tx, node, parked, node.clock.now(), shown.given))
    _wake_for_receipts(node, task)
    return shown.view
