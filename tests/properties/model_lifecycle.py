"""What must be so, reckoned by other means than the product's: a diary of what people did and were answered.

Duty: of each function of each handover who is responsible, by when it had to be acknowledged and decided, and
whether its content may still be there. It leaves out who does what (:mod:`tests.properties.test_lifecycle`).

Rules
-----
- Nothing here reads a table of states, a deadline or a date of purge out of ``gateway.core``: the calendar
  and the steps are written down once more, in the plainest words, after domain 3.5, 6.5 and 6.7.
- The diary learns three things from the product: that an answer was recorded, that an agency was given a
  parcel, and the moment at which a node first held a leg or a notice. What follows it knows itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

HOUR, DAY = 3600, 86_400
LONDON: Final = ZoneInfo("Europe/London")
HOLIDAYS: Final = frozenset(
    date.fromisoformat(day)
    for day in (
        "2026-12-25", "2026-12-28", "2027-01-01", "2027-03-26", "2027-03-29", "2027-05-03", "2027-05-31",
        "2027-08-30", "2027-12-27", "2027-12-28", "2028-01-03",
    )
)  # fmt: skip
"""England and Wales, as gov.uk lists them."""

FOLLOWS: Final = {
    "RECEIVED": {"new", "asked"},
    "INFO_REQUESTED": {"new", "received"},
    "ACCEPTED": {"new", "received", "asked"},
    "REJECTED": {"new", "received", "asked"},
    "RETURNED": {"new", "received", "asked"},
    "DECLINED_NOT_RELEVANT": {"new", "received", "asked"},
    "IN_PROGRESS": {"taken", "working", "done"},
    "COMPLETED": {"taken", "working"},
    "NOT_DONE": {"taken", "working"},
    "CLOSED": {"done"},
}
"""An answer, and where a leg may stand when it is given (6.7). IN_PROGRESS after the end: a single action."""

BECOMES: Final = {
    "RECEIVED": "received",
    "INFO_REQUESTED": "asked",
    "ACCEPTED": "taken",
    "REJECTED": "refused",
    "RETURNED": "refused",
    "DECLINED_NOT_RELEVANT": "refused",
    "IN_PROGRESS": "working",
    "COMPLETED": "done",
    "NOT_DONE": "done",
    "CLOSED": "closed",
}
SHOWN: Final = {
    "received": {"RECEIVED"},
    "asked": {"INFO_REQUESTED"},
    "taken": {"ACCEPTED"},
    "refused": {"REJECTED", "RETURNED", "DECLINED_NOT_RELEVANT"},
    "working": {"IN_PROGRESS"},
    "done": {"COMPLETED"},
    "closed": {"CLOSED"},
}
"""Where a leg stands here -> what both nodes call it."""
MINE: Final = frozenset({"taken", "working", "done", "closed"})
"""The receiving agency has said yes."""


@dataclass
class Leg:
    """One function of one version."""

    role: str
    stage: str = "new"
    came: int = 0
    """When the receiving node first held it, and signed so."""
    given: int = 0
    """When its agency was given it."""
    taken: int = 0
    """When a named role acknowledged it."""
    decided: int = 0
    returned: bool = False
    """Misdirected: the receiving side destroys what only its agency could read."""
    ended: bool = False
    """By a notice, before anybody had said yes."""

    @property
    def answered(self) -> bool:
        return self.stage in MINE or self.stage == "refused"

    def may(self, state: str) -> bool:
        return self.stage in FOLLOWS[state] and (state not in {"RECEIVED", "ACCEPTED"} or self.given > 0)

    def say(self, state: str, now: int) -> None:
        assert self.stage in FOLLOWS[state], (self, state)
        if not (state == "IN_PROGRESS" and self.stage == "done"):
            self.stage = BECOMES[state]
        self.returned = self.returned or state == "RETURNED"
        self.taken = self.taken or now
        if self.answered:
            self.decided = self.decided or now


@dataclass
class Version:
    number: int
    at: int
    urgency: str
    drill: bool
    legs: dict[str, Leg]
    partial: bool = False

    @property
    def purge_by(self) -> int:
        """The last day that the document and the law allow; its own date is two days before the 90th."""
        return self.at + 90 * DAY

    def named(self, offset: int) -> int:
        """The end of the day that the document names."""
        day = local(self.at) + timedelta(days=offset + 1)
        return stamp(day, time())


@dataclass
class Said:
    """One notice: what it is, and at which nodes it is known."""

    id: str
    kind: str
    version: int
    at: int
    known: dict[str, int] = field(default_factory=dict)
    lifted: bool = False


@dataclass
class Handover:
    ref: str
    origin: str
    destination: str
    versions: list[Version] = field(default_factory=list)
    said: list[Said] = field(default_factory=list)
    closed: bool = False
    onward_of: str = ""
    moved_on: bool = False
    holds: dict[str, list[str]] = field(default_factory=dict)
    freed: dict[str, int] = field(default_factory=dict)
    """When the last hold at a node ended."""

    @property
    def newest(self) -> Version:
        return self.versions[-1]

    def legs(self) -> Iterator[tuple[Version, Leg]]:
        for version in self.versions:
            for leg in version.legs.values():
                yield version, leg

    def responsible(self, version: Version, role: str) -> str:
        """Never empty: the origin's agency until the other has said yes to this very version or another."""
        area = self.destination if version.legs[role].stage in MINE else self.origin
        return f"{area}/{role}"

    def destroying(self, version: Version) -> list[Said]:
        ends = {"WITHDRAWAL", "UNLAWFUL_DISCLOSURE", "ERASURE", "PURGE_ORDER"}
        return [one for one in self.said if one.kind in ends and one.version >= version.number]

    def restricted(self, version: Version, area: str) -> bool:
        return any(
            one.kind == "RESTRICTION" and not one.lifted and one.version >= version.number
            for one in self.said
            if area in one.known
        )

    def over(self) -> bool:
        """Nothing is awaited of anybody any more."""
        return self.closed or self.moved_on or bool(self.destroying(self.newest))


# --- the calendar, once more ------------------------------------------------------------------------


def local(moment: int) -> date:
    return datetime.fromtimestamp(moment, UTC).astimezone(LONDON).date()


def stamp(day: date, at: time) -> int:
    return int(datetime.combine(day, at, LONDON).timestamp())


def working_days(start: int, count: int) -> int:
    day, left = local(start), count
    while left:
        day = day + timedelta(days=1)
        if day.isoweekday() <= 5 and day not in HOLIDAYS:
            left -= 1
    return stamp(day, time(17))


def acknowledge_by(urgency: str, came: int) -> int:
    return came + 2 * HOUR if urgency == "URGENT" else working_days(came, 1)


def decide_by(urgency: str, came: int) -> int:
    return came + 4 * HOUR if urgency == "URGENT" else working_days(came, 5)
