"""What is stored of calls to people: who is to be called about what, and who stands in for whom."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Paging(StrEnum):
    """Where a call stands. WAITING: to be made when due. SENT: the channel has taken it. DROPPED: what it was
    about was answered first, or it is a day old and later ones are under way."""

    WAITING = "waiting"
    SENT = "sent"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class PageRow:
    """One call to a role about one matter. ``id`` is the idempotency key the channel is given, the same on
    every repeat. No personal data: a role, codes, references and times.

    ``code``: what is late. ``principal``: the agency of ours that has to act; ``agency`` and ``area``: whose
    answer is awaited. ``since``: since when it is late, 0 for not said.
    """

    id: str
    role: str
    code: str
    principal: str
    agency: str
    area: str
    ref: str
    leg: str
    urgent: bool
    since: int
    state: Paging
    due: int
    created: int
    attempts: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class CoverRow:
    """A role is absent until ``until`` (unix seconds): its deputy is called. ``by``: whose account
    said so."""

    role: str
    until: int
    at: int
    by: str
