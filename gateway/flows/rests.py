"""Whom the publisher leaves in peace for a moment, because the broker has just not taken something for it.

Duty: after a failed publish, how long nothing more is tried for that peer on that lane, in this process. Left
out: the rows themselves. They stay where they are, so a million that wait for a queue that is full cost one
window of tries a pause, stand in front of nobody else, and leave within seconds once it takes them again.

Rules: 1 s, from the third on doubled to 30 s, and to 5 s for urgent ones; one confirmed message ends it.
Several failures of one pause count once. The first are short, for a channel that was opened while a queue had
no leader refuses for ever (RabbitMQ 3.10), and is given up after as many (``transports._publish``). A
connection that was lost says nothing about the peer: 1 s, and nothing is doubled. A restart forgets it:
whoever restarts a node wants it tried.

>>> rests = Rests()
>>> rests.failed("E09000004", Lane.STANDARD, now=100)
101
>>> sorted(rests.standing(now=100))
[('E09000004', <Lane.STANDARD: 'n'>)]
>>> rests.standing(now=101), rests.standing(now=100 - 3600)
(frozenset(), frozenset())
"""

from __future__ import annotations

from typing import Final

from gateway.ports import Lane

FIRST: Final = 1
SHORT: Final = 3
"""Pauses before they are doubled."""

LONGEST: Final = 30
LONGEST_URGENT: Final = 5

LINE: Final = "broker_lost"
"""The code of what a lost connection was to carry."""

Place = tuple[str, Lane]


class Rests:
    def __init__(self) -> None:
        self._held: dict[Place, tuple[int, int]] = {}  # until when, and how often in a row

    def failed(self, peer: str, lane: Lane, now: int, code: str = "") -> int:
        """When the next try is due. ``code``: of the error."""
        until, count = self._held.get((peer, lane), (0, 0))
        if _rests(until, now):
            return until
        longest = LONGEST_URGENT if lane is Lane.URGENT else LONGEST
        count += code != LINE
        doubled = 0 if code == LINE else min(max(0, count - SHORT), 9)
        until = now + min(longest, FIRST << doubled)
        self._held[peer, lane] = (until, count)
        return until

    def heard(self, peer: str, lane: Lane) -> None:
        self._held.pop((peer, lane), None)

    def standing(self, now: int) -> frozenset[Place]:
        return frozenset(place for place, (until, _) in self._held.items() if _rests(until, now))


def _rests(until: int, now: int) -> bool:
    """A clock that was set back must not make a pause of seconds one of hours."""
    return now < until <= now + LONGEST
