"""The rules of domain 6.9 that read one document at one moment, a small function each.

Duty of the package: one generator per rule, grouped by what it reads. A rule yields every problem it finds
and decides nothing; :mod:`gateway.core.policy` holds the table and raises. This module holds what they share.

A rule reads the document, the moment, the entitlements, the registers and the table of addresses, and nothing
else. A message names the place and the remedy, never a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, timedelta

from gateway.core.deadlines import LONDON, london_day
from gateway.core.encoding import JsonObject
from gateway.core.narrowing import age_on
from gateway.core.places import Lookup
from gateway.core.registers import Registers
from gateway.errors import Problem
from schemas.assertions import Assertion
from schemas.handover import HandoverNotification
from schemas.message import Completeness
from schemas.orders import Condition, Order
from schemas.routing import Recipient
from schemas.vocabulary import Urgency

FEBRUARY = 2


@dataclass(frozen=True, slots=True)
class Case:
    """What a rule may look at. ``now`` in unix seconds; ``content`` is the document as JSON-able values.

    ``registers`` None: judged away from any node, so that nothing which only a register can answer is asked.
    ``lookup`` None: no table of addresses.
    """

    document: HandoverNotification
    content: JsonObject
    now: int
    entitlements: Mapping[str, AbstractSet[str]]
    registers: Registers | None = None
    lookup: Lookup | None = None

    @property
    def today(self) -> date:
        """The day in London on which the document is judged."""
        return london_day(self.now)

    @property
    def age(self) -> int:
        """The subject's completed years on the day of issue."""
        return age_on(self.document.core.date_of_birth, self.issued)

    @property
    def partial(self) -> bool:
        """An urgent document whose full version is owed: it may lack what domain 6.6 leaves out, and no more.
        R14 refuses one that calls itself partial under another urgency."""
        document = self.document
        return (
            document.message.urgency is Urgency.URGENT
            and document.data_quality.completeness is Completeness.PARTIAL_URGENT
        )

    @property
    def issued(self) -> date:
        """The day of issue in London."""
        return self.document.message.issued_at.astimezone(LONDON).date()

    def areas(self, leg: Recipient) -> tuple[str, str]:
        """The two areas between which a leg goes; county and district divide a destination's legs."""
        routing = self.document.routing
        tiers, area = routing.destination.two_tier, routing.destination.area_code
        if tiers is not None:
            area = tiers.county if leg.agency in tiers.county_agencies else tiers.district
        return routing.origin.area_code, area

    def assertions(self) -> Iterator[tuple[str, Assertion]]:
        """``(pointer, assertion)``: the history, and the group association where one is asserted."""
        for index, assertion in enumerate(self.document.history or ()):
            yield f"/history/{index}", assertion
        if isinstance(self.document.gang_association, Assertion):
            yield "/gang_association", self.document.gang_association

    def conditions(self) -> Iterator[tuple[str, Order, Condition]]:
        """``(pointer, order, condition)`` of every term of every order."""
        for index, order in enumerate(self.document.orders or ()):
            for at, condition in enumerate(order.conditions):
                yield f"/orders/{index}/conditions/{at}", order, condition


Rule = Callable[[Case], Iterator[Problem]]


def years_after(day: date, years: int) -> date:
    """The same day ``years`` later; 1 March for 29 February in a common year."""
    if (day.month, day.day) == (FEBRUARY, 29):
        return date(day.year + years, FEBRUARY, 28) + timedelta(days=1)
    return day.replace(year=day.year + years)
