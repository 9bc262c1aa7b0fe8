"""What is stored of a person's own rights: what was withheld from them, on what ground, until when."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RestrictionRow:
    """One decision to withhold something from the person it is about (s.45(4) DPA 2018), by one agency.

    ``ground`` is a code of the law's closed list, ``withheld`` names of sections (all: "content"), ``review``
    when it must be looked at again, ``ended`` when it was lifted, 0 while it stands. Never what it says.
    """

    ref: str
    principal: str
    ground: str
    withheld: tuple[str, ...]
    review: int
    made: int
    actor: str
    role: str
    ended: int = 0
    id: str = ""
