"""Rule R12, second part: no agency that a case concerns is left out in silence (domain 6.3).

Leaves out who is concerned and why (:mod:`gateway.core.relevance`), and ages
(:mod:`gateway.core.rules.subject`).
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.core.relevance import relevant
from gateway.core.rules import Case
from gateway.errors import Problem
from schemas.vocabulary import Agency

COORDINATORS = frozenset({Agency.COMMUNITY_SAFETY, Agency.SPOC})
"""Either of them brings the rest together, so one is enough."""


def r12_nobody_left_out(case: Case) -> Iterator[Problem]:
    """R12. Handover fails where each assumes that another has been told (background notes). Who is concerned
    is a recipient, or stands in ``not_relevant`` with the reason for which the origin leaves it out."""
    routing = case.document.routing
    told = {leg.agency for leg in routing.recipients}
    considered = told | {entry.agency for entry in routing.not_relevant}
    if considered & COORDINATORS:
        considered |= COORDINATORS
    for agency in relevant(case.document):
        if agency not in considered:
            yield Problem(
                "/routing/not_relevant",
                f"{agency.value} is concerned, and is neither told nor ruled out",
                "add it to the recipients, or list it here with the reason",
                "R12",
            )
    for index, entry in enumerate(routing.not_relevant):
        if entry.agency in told:
            yield Problem(
                f"/routing/not_relevant/{index}/agency",
                "ruled out, and a recipient",
                "remove it here, or from the recipients",
                "R12",
            )
