"""Clocks in the database: whoever starts one sets a timer, and :mod:`gateway.flows.sweep` fires it.

Duty: the one way to set a timer, and what a function that is called when one falls due looks like. A timer is
a row, so a node that was stopped catches up when it starts, and each fires once.

It leaves out what each kind does: ``flows/fires.py`` has one line a kind. The two files are two because the
modules that own a kind import this one.

Rules
-----
- A fire runs in a transaction of its own, the one that marks the timer: all of it is committed or none. It
  may run again after a crash, so it changes nothing outside the transaction.
- It looks whether it is still needed. Nobody has to drop the timers of what was answered in between.
- A timer that repeats sets the next one itself, with the next ``step``, from ``now`` and not from when it was
  due: after a week switched off there is one thing to do and not seven.

Example::

    set_timer(tx, "breach", breach.id, noticed + 24 * HOUR, step=24)  # its kind is in flows/fires.py
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.flows.node import Node
from gateway.ports import TaskRow, TimerRow, Transaction

Fire = Callable[[Transaction, Node, TimerRow, int], Sequence[TaskRow]]
"""``(tx, node, timer, now)`` -> the parcels for agencies that it put, so that their pumps are woken."""


def set_timer(tx: Transaction, kind: str, subject: str, due: int, step: int = 0) -> None:
    """Have ``kind`` fire at ``due`` (unix seconds), unless this one was set before, fired or not."""
    tx.add_timer(TimerRow(kind, subject, due, step))


def set_again(tx: Transaction, kind: str, subject: str, due: int) -> None:
    """Another one of ``kind`` about ``subject``, whatever became of those before; it takes the next step."""
    steps = [row.step for row in tx.timers(subject) if row.kind == kind]
    set_timer(tx, kind, subject, due, max(steps, default=-1) + 1)
