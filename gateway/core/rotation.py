"""When a principal's X-Wing subkeys are renewed and destroyed: the calendar alone (protocol 7).

Duty: pure answers about terms. What it leaves out: making keys, signing cards, destroying files (keystore,
flows).

Rules:

- A new subkey every 7 days, each valid for 14: two stand in a card at any time, so a peer that has not heard
  of the newest for a week still seals to one that opens.
- A seed goes when nothing honest can arrive any more that was sealed to it: a message may be sealed in the
  last second of a term, lives 72 hours, and clocks differ by 120 seconds. What was recorded on the wire is
  beyond every key from then on.

Example::

    pace = Pace()                                   # or Pace(every=DAY, term=2 * DAY)
    if due(terms, now, pace): make_subkey(*next_term(now, pace))
    for gone in to_destroy(terms, now, pace): destroy(gone)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from gateway.core.durations import DAY
from gateway.core.root import SKEW
from gateway.core.statement import MAX_LIFE
from gateway.errors import Misconfigured

EVERY: Final = 7 * DAY
TERM: Final = 14 * DAY
GRACE: Final = MAX_LIFE + SKEW


class Term(Protocol):
    """Anything with a term in unix seconds, such as `gateway.core.keys.KemKey`."""

    @property
    def since(self) -> int: ...
    @property
    def until(self) -> int: ...


T = TypeVar("T", bound=Term)


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds. ``every``: how often a subkey is made; ``term``: how long one is sealed to; ``grace``: how
    long after that its seed is kept. Raises Misconfigured where a gap without any key would open."""

    every: int = EVERY
    term: int = TERM
    grace: int = GRACE

    def __post_init__(self) -> None:
        if not 0 < self.every <= self.term or self.grace < 0:
            raise Misconfigured(
                "subkeys would end before their successors begin",
                code="rotation_pace",
                remedy="renew at least once a term; twice is usual (every 7 days, valid for 14)",
            )


PACE: Final = Pace()


def due(terms: Iterable[Term], now: int, pace: Pace = PACE) -> bool:
    """Whether a new subkey is to be made now: the newest is ``every`` old, has ended, or there is none.

    One that begins in the future counts as the newest: a clock that went back makes no key a minute.
    """
    newest = max(terms, key=lambda term: (term.since, term.until), default=None)
    return newest is None or now >= newest.since + pace.every or now >= newest.until


def next_term(now: int, pace: Pace = PACE) -> tuple[int, int]:
    """(since, until) of a subkey that is made now."""
    return now, now + pace.term


def on_card(terms: Iterable[T], now: int) -> Sequence[T]:
    """Those that the next card shows, newest first: every one that has not ended. A card that left out the
    one before the newest would be newer than what its peers have, and say less."""
    alive = [term for term in terms if now < term.until]
    return sorted(alive, key=lambda term: (term.since, term.until), reverse=True)


def card_version(newest: int, now: int) -> int:
    """The version of a card that is signed now, after version ``newest`` (0 for none): the second it is
    signed in, and always one more than before, whatever the clock did."""
    return max(newest + 1, now)


def to_destroy(terms: Iterable[T], now: int, pace: Pace = PACE) -> Sequence[T]:
    """Those whose seeds go now, oldest end first."""
    over = [term for term in terms if now >= term.until + pace.grace]
    return sorted(over, key=lambda term: (term.until, term.since))
