"""The certificates of the line to the broker end: people are told 30, 14, 7 and 1 days before.

Duty: the alarm ``broker_certificate_expires`` about ours and about the broker's own, and its end when a later
one is in use. It leaves out reading and renewing them (:mod:`gateway.transports.certificates`).

Rule: each of the four days is told once, and the last one stands until it is renewed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from gateway.core.durations import DAY
from gateway.flows.alarms import settle, sound
from gateway.flows.node import Node
from gateway.ports import Transaction

ALARM: Final = "broker_certificate_expires"
DAYS: Final = (1, 7, 14, 30)


def days_left(ends: int, now: int) -> int:
    """Whole days; 0 on its last one and after it."""
    return max((ends - now) // DAY, 0)


def stage(ends: int, now: int) -> int | None:
    """Which of :data:`DAYS` has been reached; None while there is time."""
    return next((days for days in DAYS if ends - now <= days * DAY), None)


async def warn(node: Node) -> None:
    """Sound what has been reached, and clear what a renewal has ended."""
    now = node.clock.now()
    for whose, ends in node.certificates().items():
        reached, name = stage(ends, now) or 0, f"certificate {whose}"
        if node.told.get(name) != reached:
            await node.store.write(partial(_tell, node=node, whose=whose, reached=reached, now=now))
            node.told[name] = reached


def _tell(tx: Transaction, *, node: Node, whose: str, reached: int, now: int) -> None:
    subject = f"{whose} {reached}"
    standing = [
        row.subject
        for row in tx.standing_alarms(ALARM, peer=node.area)
        if row.subject.partition(" ")[0] == whose
    ]
    if standing != [subject]:
        settle(tx, ALARM, peer=node.area, at=now, why="renewed or nearer", about=f"{whose} ")
        if reached:
            sound(tx, ALARM, peer=node.area, at=now, subject=subject)


def told(ends: Mapping[str, int], now: int) -> str:
    """One line for a person about those that end within 30 days; "" when there is time."""
    near = {whose: days_left(end, now) for whose, end in ends.items() if stage(end, now) is not None}
    names = {"node": "this node's certificate for the broker", "broker": "the broker's own certificate"}
    return "; ".join(
        f"{names[whose]} has ended" if ends[whose] <= now else f"{names[whose]} ends in {days} days"
        for whose, days in sorted(near.items())
    )
