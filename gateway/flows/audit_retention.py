"""How long the access log is kept: a preview, six years after a handover's last event (domain 3.3).

Nothing is deleted here. A line that goes is missed by :func:`gateway.flows.accounts.check` for ever, as it is
meant to be; so taking lines out is a decision of people with its own record, and this says what it would be
about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.flows import accounts
from gateway.ports import Transaction

YEARS: Final = 6
YEAR: Final = 31_557_600
"""Seconds of 365.25 days."""


@dataclass(frozen=True, slots=True)
class Preview:
    """``past``: lines of handovers (and of readings) without an event since; ``handovers``: how many
    handovers these are; ``oldest``: when the first line was written, 0 for none."""

    lines: int
    past: int
    handovers: int
    oldest: int


def preview(tx: Transaction, *, now: int, years: int = YEARS) -> Preview:
    last: dict[str, int] = {}
    count: dict[str, int] = {}
    lines = oldest = after = 0
    while page := tx.access_rows(after, accounts.PAGE):
        after = page[-1][0]
        for _, row in page:
            oldest = oldest or row.at
            lines += 1
            name = row.ref or row.id  # a line about no handover stands for itself
            last[name] = max(last.get(name, 0), row.at)
            count[name] = count.get(name, 0) + 1
    before = now - years * YEAR
    past = {name for name, at in last.items() if at < before}
    return Preview(
        lines, sum(count[name] for name in past), sum(name.startswith("HO-") for name in past), oldest
    )
