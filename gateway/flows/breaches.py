"""The record of personal data breaches: opened by what happens, with the 72 hours, decided by a person (F14).

Duty: a record for every handover that somebody else had (:func:`of_returned`, :func:`of_notice` or
:func:`open_by_hand`), calls while nothing is decided (:func:`fire`), decisions (:func:`decide`), and what has
to be told to the Commissioner (:func:`report`). It leaves out what may be decided (`gateway.core.breach`).

Rules
-----
- We are aware when our node has the signed receipt that says so, or when a person here says so; the 72 hours
  run from then, through nights and weekends. They are timers in the database, so a restart forgets none.
- What nobody opened is a near miss: recorded, counted, without a clock. If a receipt shows later that it was
  opened, it becomes a breach from that receipt on.
- A record holds codes, references, times and roles. A rationale in words is sealed under a secret of the key
  store. Each record and each step is a leaf of the log, so that nobody can put one in or take one out later.
- The controller that had it is told with a notice BREACH_RECORD: that, since when, and until when.
- A drill is no breach: nobody's data is in it.

Example::

    await decide(node, record, Step(What.NOTIFY_ICO, role="Data protection officer", actor="dpo-1"))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from uuid_utils import uuid7

from gateway.core import breach, shred
from gateway.core.breach import HOURS, Delay, Exemption, Source, What
from gateway.core.durations import DAY, HOUR
from gateway.core.encoding import Json, JsonObject
from gateway.core.notices import NoticeKind
from gateway.core.receipts import open_receipt
from gateway.errors import Conflict, InvalidDocument, NotAllowed, NotFound, Problem
from gateway.flows.alarms import settle, sound
from gateway.flows.node import Node, area_of, log_leaf
from gateway.flows.notice_out import Drawn, Reader, send, words_of
from gateway.flows.paging import page
from gateway.flows.show import when
from gateway.flows.timers import set_timer
from gateway.ports import (
    BreachRow,
    BreachStepRow,
    Clock,
    Keys,
    LegRow,
    NoticeRow,
    Side,
    Store,
    TaskRow,
    TimerRow,
    Transaction,
)

CLOCK: Final = "breach"
"""The timer; its step is the hours."""

WORDS: Final = "breach-words"
"""The secret of the key store over what people wrote about a breach."""

OWED: Final = "breach_tell_subject"
"""The alarm: the risk is called high, and the person has not been told."""

MOST: Final = 1_000_000  # people
LONGEST: Final = 4_000  # characters of a rationale
ROLE: Final = 64  # characters of a role


class Recorder(Protocol):
    """Whoever records: a running node, or a command beside it."""

    @property
    def area(self) -> str: ...
    @property
    def store(self) -> Store: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def keys(self) -> Keys: ...


@dataclass(frozen=True, slots=True)
class Step:
    """What a person records. ``at``: when it was done, 0 for now."""

    what: What
    role: str
    actor: str
    at: int = 0
    rationale: str = ""
    delay: Delay | None = None
    exemption: Exemption | None = None
    high_risk: bool = False


# --- what opens one ---------------------------------------------------------------------------------


def of_returned(tx: Transaction, node: Node, leg: LegRow, aware: int, now: int) -> None:
    """A leg came back as misdirected; ``aware``: when its receipt came. May run again."""
    handover = tx.handover(leg.ref, leg.version)
    if handover is None or handover.drill:
        return
    first, parts = _opened(tx, node, leg)
    if (row := tx.breach_about(Source.RETURNED, leg.id)) is not None:
        if row.near_miss and first:
            _became(tx, node, row, replace(row, near_miss=False, aware=aware, opened=first, parts=parts), now)
        return
    row = BreachRow(
        id=uuid7().hex,
        source=Source.RETURNED,
        about=leg.id,
        ref=leg.ref,
        version=leg.version,
        area=area_of(leg.principal),
        agency=leg.agency,
        near_miss=not first,
        aware=aware,
        created=now,
        opened=first,
        parts=parts,
        code=_why(tx, leg),
    )
    _start(tx, node, row, now)
    if not row.near_miss:
        _tell_controller(tx, node, row, [leg], now)


def _opened(tx: Transaction, node: Node, leg: LegRow) -> tuple[int, int]:
    """When this leg's agency says that it opened it first, and how many parts of it; (0, 0) for never. Also a
    receipt that waits for its predecessor is its signed word."""
    said = [row for row in tx.receipts(mid=leg.mid, by=leg.principal) if row.state == "opened"]
    network = node.network
    read = [open_receipt(row.note, net=network.net, keyring=network.keyring) for row in said]
    return min((row.at for row in said), default=0), len({number for one in read for number in one.parts})


def _why(tx: Transaction, leg: LegRow) -> str:
    said = [row.code for row in tx.receipts(mid=leg.mid, by=leg.principal) if row.state == "returned"]
    return said[-1] if said else ""


def of_notice(tx: Transaction, node: Node, row: NoticeRow, now: int) -> None:
    """We have said that something should not have been disclosed (UNLAWFUL_DISCLOSURE): a person here has
    judged that it was, so this is no near miss unless no recipient has opened it."""
    if row.side is not Side.ORIGIN or row.parent:
        return
    legs = [leg for one in tx.notice_legs(row.id) if (leg := tx.leg(one.leg)) is not None]
    handover = tx.handover(row.ref)
    if not legs or (handover and handover.drill):
        return
    seen = [_opened(tx, node, leg) for leg in legs]
    record = BreachRow(
        id=uuid7().hex,
        source=Source.UNLAWFUL_DISCLOSURE,
        about=row.id,
        ref=row.ref,
        version=row.version,
        area=row.peer,
        agency=legs[0].agency if len(legs) == 1 else "",
        near_miss=not any(first for first, _ in seen),
        aware=now,
        created=now,
        opened=min((first for first, _ in seen if first), default=0),
        parts=sum(parts for _, parts in seen),
        code=row.code,
    )
    _start(tx, node, record, now)


async def open_by_hand(
    node: Recorder, ref: str, *, area: str, code: str, role: str, actor: str, aware: int = 0, people: int = 1
) -> BreachRow:
    """A breach that no receipt tells of: a print-out on a bus. ``ref``: the handover that it is about.
    Raises NotFound, InvalidDocument."""
    now = node.clock.now()
    wrong = [] if 0 < people < MOST else [Problem("/people", "is no number of people", "about how many")]
    if aware > now:
        wrong.append(Problem("/aware", "has not come yet", "when did you learn of it?"))
    if wrong:
        raise InvalidDocument("this record cannot be made", code="breach", problems=wrong)
    name = uuid7().hex
    row = BreachRow(
        id=name, source=Source.BY_HAND, about=name, ref=ref, version=0, area=area, agency="", near_miss=False,
        aware=aware or now, created=now, people=people, code=code,
    )  # fmt: skip

    def work(tx: Transaction) -> BreachRow:
        newest = tx.handover(ref)
        if newest is None:
            raise NotFound("no such handover here", code="no_handover", remedy="check the reference")
        made = replace(row, version=newest.version)
        _start(tx, node, made, now)
        _put(tx, made, BreachStepRow(made.id, 1, "OPENED", now, now, role, actor, code), now)
        return made

    return await node.store.write(work)


def _start(tx: Transaction, node: Recorder, row: BreachRow, now: int) -> None:
    tx.put_breach(row)
    kind = "near_miss" if row.near_miss else "breach"
    log_leaf(tx, kind, now, breach=row.id, source=row.source, code=row.code, aware=row.aware)
    if not row.near_miss:
        _wind(tx, node, row, now)


def _became(tx: Transaction, node: Node, before: BreachRow, after: BreachRow, now: int) -> None:
    """A near miss that was opened after all: it is a breach from this receipt on, and nothing that was
    decided of the near miss stands for it."""
    if not tx.change_breach(before, after):
        return
    log_leaf(tx, "breach", now, breach=after.id, source=after.source, code=after.code, aware=after.aware)
    n = len(tx.breach_steps(after.id)) + 1
    _put(tx, after, BreachStepRow(after.id, n, OPENED_LATE, now, now, "node", "node"), now)
    _wind(tx, node, after, now)
    leg = tx.leg(after.about)
    if leg is not None:
        _tell_controller(tx, node, after, [leg], now)


OPENED_LATE: Final = "OPENED_LATE"
"""A step of the node's own: decisions before it were about a near miss."""


def _wind(tx: Transaction, node: Recorder, row: BreachRow, now: int) -> None:
    for hours, _ in HOURS:
        set_timer(tx, CLOCK, row.id, row.aware + hours * HOUR, step=hours)
    sound(tx, "breach", peer=row.area, at=now, subject=row.id)


def _tell_controller(tx: Transaction, node: Node, row: BreachRow, legs: Sequence[LegRow], now: int) -> None:
    """The other controller keeps a record, too: BREACH_RECORD, in codes and times."""
    told: JsonObject = {"handover": row.ref, "until": breach.notify_by(row.aware)}
    by = legs[0].counterpart
    drawn = Drawn(row.ref, row.version, NoticeKind.BREACH_RECORD, row.code or row.source, by, facts=told)
    words = words_of(node, drawn, node.network.principal(by).agency)
    send(tx, node, drawn, [Reader(leg.principal, leg.id, leg.counterpart, words) for leg in legs], now)


# --- the clock --------------------------------------------------------------------------------------


def fire(tx: Transaction, node: Node, timer: TimerRow, now: int) -> Sequence[TaskRow]:
    """``breach``: nothing is decided after so many hours. Past the 72nd people are called every day."""
    row = tx.breach(timer.subject)
    if row is None or row.near_miss or breach.stopped(_decisions(tx, row.id)):
        return ()
    passed = [(hours, code) for hours, code in HOURS if row.aware + hours * HOUR <= now]
    if not passed:
        return ()
    code = passed[-1][1]
    for _, other in HOURS:
        if other != code:
            settle(tx, other, peer=row.area, at=now, why=code, about=row.id)
    sound(tx, code, peer=row.area, at=now, subject=row.id)
    page(tx, node, code, ref=row.ref, area=row.area, step=_turn(timer.step), now=now)
    if timer.step >= HOURS[-1][0]:
        set_timer(tx, CLOCK, row.id, now + DAY, timer.step + 24)
    return ()


def _turn(hours: int) -> int:
    """Which rung of the ladder is called: the next one each time."""
    passed = [place for place, (limit, _) in enumerate(HOURS) if limit <= hours]
    return passed[-1] + max(0, hours - HOURS[-1][0]) // 24


def _decisions(tx: Transaction, record: str) -> list[str]:
    """What was decided since it has been a breach."""
    said: list[str] = []
    for step in tx.breach_steps(record):
        said = [] if step.what == OPENED_LATE else [*said, step.what]
    return said


# --- decisions --------------------------------------------------------------------------------------


async def decide(node: Recorder, record: str, step: Step) -> BreachRow:
    """Put a decision on record; the first one stops the clock. Raises NotFound, NotAllowed,
    InvalidDocument with every field named."""
    now = node.clock.now()
    _check_person(step)

    def work(tx: Transaction) -> BreachRow:
        row = find(tx, record)
        steps = tx.breach_steps(record)
        code = breach.check(
            step.what,
            near_miss=row.near_miss,
            aware=row.aware,
            at=step.at or now,
            now=now,
            delay=step.delay,
            exemption=step.exemption,
            high_risk=step.high_risk,
            rationale=step.rationale,
            done=_decisions(tx, record),
        )
        made = BreachStepRow(
            record, len(steps) + 1, step.what, step.at or now, now, step.role, step.actor, code
        )
        _put(tx, row, replace(made, sealed=_seal(node.keys, made, step.rationale)), now)
        _after(tx, row, now)
        return row

    return await node.store.write(work)


def _check_person(step: Step) -> None:
    wrong = []
    if not 0 < len(step.role.strip()) <= ROLE:
        wrong.append(Problem("/role", "is not a role", "for example Data protection officer; never a name"))
    if len(step.rationale) > LONGEST:
        wrong.append(Problem("/rationale", "is too long", f"at most {LONGEST} characters"))
    if wrong:
        raise InvalidDocument("this cannot be recorded so", code="breach_step", problems=wrong)


def _put(tx: Transaction, row: BreachRow, step: BreachStepRow, now: int) -> None:
    if not tx.put_breach_step(step):
        raise Conflict(
            "somebody recorded something a moment ago", code="breach_step", remedy="look at it, then again"
        )
    log_leaf(tx, "breach_step", now, breach=row.id, n=step.n, what=step.what, code=step.code, when=step.at)


def _after(tx: Transaction, row: BreachRow, now: int) -> None:
    steps = tx.breach_steps(row.id)
    if breach.stopped(_decisions(tx, row.id)):
        for code in ("breach", *(code for _, code in HOURS)):
            settle(tx, code, peer=row.area, at=now, why="decided", about=row.id)
    if breach.owes_subject([(step.what, step.code) for step in steps]):
        sound(tx, OWED, peer=row.area, at=now, subject=row.id)
    else:
        settle(tx, OWED, peer=row.area, at=now, why="decided", about=row.id)


def _seal(keys: Keys, step: BreachStepRow, text: str) -> bytes:
    if not text:
        return b""
    return shred.wrap(keys.secret(WORDS), text.encode(), context=_context(step))


def words(keys: Keys, step: BreachStepRow) -> str:
    """PLAINTEXT of a rationale. Raises Forged for one of another step."""
    if not step.sealed:
        return ""
    return shred.unwrap(keys.secret(WORDS), step.sealed, context=_context(step)).decode()


def _context(step: BreachStepRow) -> str:
    return f"breach {step.breach} {step.n}"


# --- what it says -----------------------------------------------------------------------------------


def find(tx: Transaction, record: str) -> BreachRow:
    """Raises NotFound."""
    row = tx.breach(record)
    if row is None:
        raise NotFound("no such record", code="no_breach", remedy="`gateway breach list` shows their ids")
    return row


def shown(tx: Transaction, row: BreachRow) -> JsonObject:
    """Codes, references, roles and times; no rationale."""
    steps: list[Json] = [
        {"what": one.what, "at": when(one.at), "role": one.role, "code": one.code or None}
        for one in tx.breach_steps(row.id)
    ]
    decided = breach.stopped(_decisions(tx, row.id))
    return {
        "id": row.id,
        "kind": "NEAR_MISS" if row.near_miss else "BREACH",
        "source": row.source,
        "code": row.code or None,
        "handover": row.ref,
        "version": row.version,
        "area": row.area,
        "agency": row.agency or None,
        "aware_at": when(row.aware),
        "notify_ico_by": None if row.near_miss else when(breach.notify_by(row.aware)),
        "opened_at": when(row.opened),
        "parts_opened": row.parts,
        "state": "DECIDED" if decided else "NONE" if row.near_miss else "OPEN",
        "subject_owed": breach.owes_subject([(s.what, s.code) for s in tx.breach_steps(row.id)]),
        "steps": steps,
    }


def report(tx: Transaction, node: Recorder, row: BreachRow, contact: str) -> JsonObject:
    """What s.67(4) DPA 2018 and Art 33(3) UK GDPR ask for, as far as a gateway knows it; never a name.

    ``contact``: the role and mailbox from which more can be had. Raises NotAllowed for a near miss.
    """
    if row.near_miss:
        raise NotAllowed("a near miss is not reported", code="near_miss", remedy="`gateway breach show` it")
    sections = sorted(
        {
            name
            for one in tx.accesses(ref=row.ref, limit=10_000)
            if one.operation == "DISCLOSURE" and one.leg and _to(row, one.recipients)
            for name in one.sections
        }
    )
    orders = [one for one in tx.notices(ref=row.ref) if one.kind == NoticeKind.PURGE_ORDER]
    categories: list[Json] = [*sections]
    measures: list[Json] = [_measure(tx, order) for order in orders if order.peer == row.area]
    said: list[Json] = [
        {
            "what": one.what,
            "at": when(one.at),
            "role": one.role,
            "code": one.code or None,
            "why": words(node.keys, one),
        }
        for one in tx.breach_steps(row.id)
    ]
    late = [one for one in tx.breach_steps(row.id) if one.what == What.NOTIFY_ICO]
    return {
        "record": row.id,
        "controller": node.area,
        "regime": ["DPA 2018 s.67", "UK GDPR Art 33"],
        "nature": {"source": row.source, "code": row.code or None, "handover": row.ref, "had_by": row.area},
        "categories_of_data": categories,
        "people": row.people,
        "records": 1,
        "parts_opened": row.parts,
        "contact": contact,
        "aware_at": when(row.aware),
        "notify_ico_by": when(breach.notify_by(row.aware)),
        "delay": next((one.code for one in late if one.at > breach.notify_by(row.aware)), None),
        "consequences": said,
        "measures": measures,
    }


def _to(row: BreachRow, recipients: Sequence[str]) -> bool:
    return any(area_of(one) == row.area for one in recipients)


def _measure(tx: Transaction, order: NoticeRow) -> JsonObject:
    readers = tx.notice_legs(order.id)
    return {
        "what": order.kind,
        "at": when(order.created),
        "readers": len(readers),
        "attested": sum(one.state == "COMPLETED" for one in readers),
        "attested_at": when(max((one.updated for one in readers if one.state == "COMPLETED"), default=0)),
    }
