"""A rehearsal is about nobody: what a drill must look like so that no real person is ever in one.

Duty: the test of a document marked ``drill``, and of one marked ``fictional``. It leaves out how a drill
travels and what is measured (:mod:`gateway.flows.drills`).

Rules
-----
- A drill says ``fictional: true``, bears a family name of :data:`NAMES` and given names ending in
  "(fictional)"; telephones, addresses and numbers are of the ranges kept for drama and tests (domain 4.2).
- In production nothing else is fictional: an example that somebody sends by mistake would have agencies look
  for a person who does not exist.

>>> refusals({"drill": True})[0].field
'/fictional'
"""

from __future__ import annotations

import re
from typing import Final

from gateway.core.encoding import Json, JsonObject
from gateway.errors import NotAllowed, Problem

NAMES: Final = frozenset(
    {"EXAMPLE", "SAMPLE", "SPECIMEN", "DRILL", "FICTION", "INVENTED", "NOBODY", "TESTCASE"}
)
"""Family names that nobody bears."""

ENDING: Final = "(fictional)"
PROD: Final = "prod"

_RANGES: Final = {
    # Ofcom keeps these numbers for drama.
    "/core/safe_contact/phone": re.compile(r"(?:020 ?7946 ?0|07700 ?900 ?)[0-9]{3}\Z"),
    "/move/new_address/uprn": re.compile(r"9999[0-9]{8}\Z"),
    "/move/new_address/postcode": re.compile(r"ZZ99 ?[0-9][A-Z]{2}\Z"),
    "/identifiers/pnc_id": re.compile(r"2099/[0-9]{7}[A-Z]\Z"),
    "/identifiers/crn": re.compile(r"X0000[0-9]{2}\Z"),
    "/identifiers/nhs_number": re.compile(r"999[0-9]{7}\Z"),
}
"""Place -> what may stand there in a drill."""

_NEVER: Final = ("cro", "nomis", "nino")
"""Identifiers of which no range is kept for tests."""


def check(document: JsonObject, env: str) -> None:
    """Raises NotAllowed. ``env``: of the network, "prod" or "demo"."""
    message = document.get("message")
    if isinstance(message, dict) and message.get("drill") is True:
        _check_invented(refusals(document))
    elif env == PROD and document.get("fictional") is True:
        raise NotAllowed(
            "an invented person, in production, and no drill",
            code="fictional",
            field="/fictional",
            remedy="remove it for a person who exists; set message.drill to true for a rehearsal",
        )


def _check_invented(problems: list[Problem]) -> None:
    if problems:
        raise NotAllowed(
            "a drill is about an invented person, visibly",
            code="drill",
            problems=problems,
            field=problems[0].field,
            remedy=problems[0].remedy,
        )


def refusals(document: JsonObject) -> list[Problem]:
    """Everything by which a document marked as a drill could be about somebody."""
    found = []
    if document.get("fictional") is not True:
        found.append(Problem("/fictional", "a drill of a real person", "set it to true, about nobody"))
    family, given = str(_at(document, "/core/family_name")), str(_at(document, "/core/given_names"))
    if family.upper() not in NAMES:
        remedy = f"use one of {', '.join(sorted(NAMES))}"
        found.append(Problem("/core/family_name", "a name that somebody may bear", remedy))
    if not given.endswith(ENDING):
        found.append(Problem("/core/given_names", "names that somebody may bear", f"end them in {ENDING}"))
    for place, kept in _RANGES.items():
        value = _at(document, place)
        if value is not None and not kept.match(str(value)):
            remedy = "use a range kept for tests: 020 7946 0xxx, 07700 900xxx, ZZ99, 9999..., 2099/, 999..."
            found.append(Problem(place, "may be somebody's", remedy))
    theirs = [
        place for place in (f"/identifiers/{name}" for name in _NEVER) if _at(document, place) is not None
    ]
    return found + [Problem(place, "may be somebody's", "leave it out of a drill") for place in theirs]


def _at(document: JsonObject, pointer: str) -> Json:
    value: Json = document
    for step in pointer.strip("/").split("/"):
        value = value.get(step) if isinstance(value, dict) else None
    return value
