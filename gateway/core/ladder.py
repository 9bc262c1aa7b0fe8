"""Who is called when a leg is late (domain 6.6): named roles one after the other, and who stands in for them.

Duty: an agency's ladder, the role whose turn it is, its deputy while it is absent, and when the next is
called. It leaves out how somebody is called (:mod:`gateway.pagers`) and what is late
(:mod:`gateway.flows.late`).

Rules
-----
- Roles, never persons: who sits behind ``duty_inspector`` tonight is the agency's roster, not ours.
- The last role of a ladder is called again and again; a ladder never ends in silence.
- URGENT: the next call after the role's own minutes, half an hour at most, at night and on Sundays as well.
  Anything else: after its working days, at 17:00 London time as every standard deadline.
- A deputy may be absent, too, and has a deputy. Where all of them are absent the role itself is called: a
  call that nobody takes goes on to the next role, one that is not made goes nowhere.

>>> roles = {"duty": Role("duty", "mail", deputy="head"), "head": Role("head", "mail")}
>>> ladders = Ladders(roles, {DEFAULT: ("duty",)})
>>> ladders.called("duty", absent={"duty"}).name
'head'
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.core.deadlines import add_working_days
from gateway.core.durations import MINUTE

PAGE_EVERY = 30
"""Minutes between two calls about an urgent leg, at most (domain 6.6)."""

DEFAULT = ""
"""The ladder of agencies that have none of their own."""


@dataclass(frozen=True, slots=True)
class Role:
    """``to``: where the channel reaches it, for channels that need to know (an e-mail address of the role).
    ``minutes`` and ``days``: how long it has, in urgent and in standard handovers, before the next is called.
    """

    name: str
    channel: str
    to: str = ""
    deputy: str = ""
    minutes: int = PAGE_EVERY
    days: int = 1


@dataclass(frozen=True, slots=True)
class Ladders:
    """``ladders``: names of roles, by an agency's role in its area ("police"); :data:`DEFAULT` for the rest.

    ``undelivered`` and ``undelivered_urgent``: seconds that a handover may be on its way before its sender is
    told. ``link``: where people look a handover up, without a slash at its end. ``contacts``: whom to
    telephone in another area, by its code.
    """

    roles: Mapping[str, Role] = field(default_factory=dict)
    ladders: Mapping[str, Sequence[str]] = field(default_factory=dict)
    undelivered: int = 4 * 3600
    undelivered_urgent: int = 600
    link: str = ""
    contacts: Mapping[str, str] = field(default_factory=dict)

    def of(self, principal: str) -> Sequence[str]:
        """The ladder of an agency ("E09000012/police"); empty when nobody is named for it."""
        return self.ladders.get(principal.partition("/")[2]) or self.ladders.get(DEFAULT, ())

    def rung(self, principal: str, step: int) -> str:
        """The role whose turn it is at ``step``: the last one from its own step on. "": nobody is named."""
        ladder = self.of(principal)
        return ladder[min(step, len(ladder) - 1)] if ladder else ""

    def called(self, name: str, absent: Collection[str]) -> Role:
        """Who is called in its place while it is absent. Raises KeyError for a role that is not named."""
        asked: list[str] = []
        at = name
        while at in absent and at not in asked:
            asked.append(at)
            at = self.roles[at].deputy
            if not at:
                return self.roles[name]
        return self.roles[name] if at in asked else self.roles[at]

    def next_call(self, name: str, urgency: str, now: int) -> int:
        """When the one after ``name`` is called, counted from ``now``."""
        role = self.roles[name]
        if urgency == "URGENT":
            return now + min(role.minutes, PAGE_EVERY) * MINUTE
        return add_working_days(now, role.days)
