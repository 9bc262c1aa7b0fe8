"""What is stored of the processes of one area that work side by side."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a process does. API: answers agencies, and leaves the work to others. WORKER: takes, sends and
    delivers, and answers nobody. ALL: both."""

    ALL = "all"
    API = "api"
    WORKER = "worker"


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """One process that runs, or was never told to stop. ``id``: new at every start. ``place``: machine and
    process number, for people.

    ``beats`` grows with every sign of life; others watch that it does, each by a clock of its own. ``at``:
    when it gave the last, by its own clock, for people. ``ready``: it has read its urgent lane and goes on.
    """

    id: str
    role: Role
    version: str
    place: str
    started: int
    beats: int
    at: int
    ready: bool
