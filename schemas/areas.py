"""The 33 areas of London by ONS GSS code, and the county beside them that the examples know.

Leaves out who serves an area: agencies are not borough-shaped, and the signed directory says who answers for
which. Rules: the code is the identity, the name is for people (domain 4.1). Source: ONS, Greater London and
the London Boroughs; the codes run alphabetically with the City first.

>>> display_name("E09000012")
'Hackney'
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Area:
    """``external``: outside London, reached over a bridge and not by a standing queue (domain 6.4)."""

    code: str
    name: str
    external: bool = False


LONDON: tuple[Area, ...] = tuple(
    Area(f"E09{number:06}", name)
    for number, name in enumerate(
        (
            "City of London",
            "Barking and Dagenham",
            "Barnet",
            "Bexley",
            "Brent",
            "Bromley",
            "Camden",
            "Croydon",
            "Ealing",
            "Enfield",
            "Greenwich",
            "Hackney",
            "Hammersmith and Fulham",
            "Haringey",
            "Harrow",
            "Havering",
            "Hillingdon",
            "Hounslow",
            "Islington",
            "Kensington and Chelsea",
            "Kingston upon Thames",
            "Lambeth",
            "Lewisham",
            "Merton",
            "Newham",
            "Redbridge",
            "Richmond upon Thames",
            "Southwark",
            "Sutton",
            "Tower Hamlets",
            "Waltham Forest",
            "Wandsworth",
            "Westminster",
        ),
        start=1,
    )
)
"""32 boroughs and the City."""

EXTERNAL: tuple[Area, ...] = (Area("E10000016", "Kent", external=True),)
"""Areas outside London that are known by name."""

AREAS: Mapping[str, Area] = MappingProxyType({area.code: area for area in (*LONDON, *EXTERNAL)})
"""GSS code -> area."""


def display_name(code: str) -> str:
    """The name of an area; the code itself for one that is not known here."""
    area = AREAS.get(code)
    return area.name if area else code


def find(text: str) -> Area | None:
    """An area by its code or by its name, without regard to case (what a person types at a prompt)."""
    wanted = text.strip().casefold()
    return next(
        (area for area in AREAS.values() if wanted in (area.code.casefold(), area.name.casefold())), None
    )
