"""Whom the publisher leaves in peace for a moment, because the broker has just not taken something for it.

Duty: after a failed publish, how long nothing more is tried for that peer on that lane, in this process. Left
out: the rows themselves. They stay where they are, so a million that wait for a queue that is full cost one
window of tries a pause, stand in front of nobody else, and leave within seconds once it takes them again.

Rules: 1 s, doubled to 30 s, and to 5 s for urgent ones; one confirmed message ends it. Several failures of
one pause count once. A restart forgets it: whoever restarts a node wants it tried.

>>> rests = Rests()
>>> rests.failed("E09000004", Lane.STANDARD, now=100)
101
>>> sorted(rests.standing(now=100))
[('E09000004', <Lane.STANDARD: 'n'>)]
>>> rests.standing(now=101)
frozenset()
"""

from __future__ import annotations

from typing import Final

from gateway.ports import Lane

FIRST: Final = 1
LONGEST: Final = 30
LONGEST_URGENT: Final = 5

Place = tuple[str, Lane]


class Rests:
    def __init__(self) -> None:
        self._held: dict[Place, tuple[int, int]] = {}

    def failed(self, peer: str, lane: Lane, now: int) -> int:
        """When the next try is due."""
        until, pause = self._held.get((peer, lane), (0, 0))
        if until > now:
            return until
        longest = LONGEST_URGENT if lane is Lane.URGENT else LONGEST
        pause = min(longest, pause * 2) or FIRST
        self._held[peer, lane] = (now + pause, pause)
        return now + pause

    def heard(self, peer: str, lane: Lane) -> None:
        self._held.pop((peer, lane), None)

    def standing(self, now: int) -> frozenset[Place]:
        return frozenset(place for place, (until, _) in self._held.items() if until > now)
