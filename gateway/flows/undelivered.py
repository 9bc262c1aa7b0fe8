"""What has not arrived: the sender is told within minutes, and again when its life ends (broker.md, faults).

Duty: the timer ``undelivered`` of a version of a handover, set with its outbox row; the alarms about the
peer; and the end of legs whose message may not be sent any more. It leaves out trying again
(:mod:`gateway.flows.dispatch`, :mod:`gateway.flows.reseal`).

Rules
-----
- A leg is on its way until the receiving node's signed receipt, whatever a broker confirmed. After ten
  minutes for an urgent handover and four hours for another (both settings) the agency that stays responsible
  gets a parcel that says so and what to do, and its ladder is climbed.
- The alarm is ``peer_unreachable`` where nothing at all has come from that area since, and clears itself with
  its next word; ``undelivered`` where the area speaks and has not taken this, cleared when it has.
- An area without a gateway is written to by hand: :mod:`gateway.flows.bridge` watches over that.
- A message whose life of 72 hours ends is sealed again, and its sender is told. A leg becomes EXPIRED when
  its content may not be sent any more: its own purge date has come, or a review in it is due (R16). It
  becomes UNDELIVERABLE when this node has no key to seal it again with. Both stay with the origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from gateway.core.states import LegState, advance_leg
from gateway.flows import escalation
from gateway.flows.alarms import settle, sound
from gateway.flows.node import Node
from gateway.flows.timers import set_timer
from gateway.flows.waiting import DELIVER, OPEN, awaits, note, ours, tell, theirs
from gateway.ports import AlarmRow, HandoverRow, LegEvent, LegRow, Side, TaskRow, TimerRow, Transaction
from schemas.message import Message
from schemas.vocabulary import Urgency

TIMER: Final = "undelivered"
UNREACHABLE: Final = "peer_unreachable"


def watch(tx: Transaction, node: Node, message: Message, now: int) -> None:
    """Look after it when it should have arrived. In the transaction that puts it into the outbox."""
    ladders = node.ladders
    wait = ladders.undelivered_urgent if message.urgency == Urgency.URGENT else ladders.undelivered
    set_timer(tx, TIMER, message.handover_id, now + wait, message.version)


def fire(tx: Transaction, node: Node, timer: TimerRow, now: int) -> Sequence[TaskRow]:
    sent = _ours(tx, timer.subject, timer.step)
    late = [leg for leg in sent if awaits(tx, leg, DELIVER) and not node.network.external(theirs(leg))]
    legs = [leg for leg in late if note(tx, node, leg, DELIVER, "overdue", now)]
    for area in sorted({theirs(leg) for leg in legs}):
        _sound(tx, area, timer, now)
    called: set[tuple[str, ...]] = set()
    for leg in legs:  # one matter, however many legs: each ladder is climbed once
        ladder = tuple(node.ladders.of(ours(leg)))
        if ladder not in called:
            escalation.begin(tx, leg, DELIVER, now)
        called.add(ladder)
    return [tell(tx, node, leg, TIMER, now) for leg in legs]


def _ours(tx: Transaction, ref: str, version: int) -> list[LegRow]:
    return [leg for leg in tx.legs(ref, version) if leg.side is Side.ORIGIN]


def _sound(tx: Transaction, area: str, timer: TimerRow, now: int) -> None:
    heard, sent = tx.stream(area, outgoing=False, lock=False), tx.handover(timer.subject, timer.step)
    if sent is not None and (heard is None or heard.at < sent.created):
        sound(tx, UNREACHABLE, peer=area, at=now)
    else:
        sound(tx, TIMER, peer=area, at=now, subject=f"{timer.subject} {timer.step}")


async def look(node: Node, now: int) -> None:
    """Clear the alarms about what is over."""
    over = await node.store.read(_over)
    if over:
        await node.store.write(partial(_clear, over=over, now=now))


def _over(tx: Transaction) -> Sequence[AlarmRow]:
    heard = []
    for row in tx.standing_alarms(UNREACHABLE):
        stream = tx.stream(row.peer, outgoing=False, lock=False)
        if stream is not None and stream.at > row.at:
            heard.append(row)
    return [*heard, *(row for row in tx.standing_alarms(TIMER) if _arrived(tx, row))]


def _arrived(tx: Transaction, alarm: AlarmRow) -> bool:
    ref, _, version = alarm.subject.partition(" ")
    if not version:  # it counts those that came after too many (flows.alarms.MORE)
        return False
    legs = [leg for leg in _ours(tx, ref, int(version)) if theirs(leg) == alarm.peer]
    return not any(leg.state in OPEN[DELIVER] for leg in legs)


def _clear(tx: Transaction, *, over: Sequence[AlarmRow], now: int) -> None:
    for row in over:
        tx.clear_alarm(row.id, now, "heard again" if row.code == UNREACHABLE else "delivered")


# --- the end of a message's life ------------------------------------------------------------------------


def may_go_again(row: HandoverRow | None, now: int) -> bool:
    """Whether the content may be sent once more (R16, R17)."""
    return row is None or all(not end or now < end for end in (row.purge_after, row.review_by))


def give_up(tx: Transaction, node: Node, mid: str, event: str, now: int, code: str = "") -> Sequence[TaskRow]:
    """The legs of a message that will never be sent again end: ``expired`` or ``undeliverable``."""
    news = []
    for leg in tx.legs_of_message(mid):
        if leg.state in OPEN[DELIVER]:
            after = advance_leg(LegState(leg.state), event)
            line = LegEvent(leg.id, now, event, leg.state, after, node.principal, code)
            if tx.advance_leg(leg.id, leg.state, after, line):
                settle(tx, escalation.EXHAUSTED, peer=theirs(leg), at=now, why=event, about=leg.id)
                news.append(tell(tx, node, leg, event, now))
    return news
