"""What is stored of clocks: one row for each thing that time will do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TimerRow:
    """Something falls due. Identity: (kind, subject, step), and each fires once.

    ``kind`` says what is done then (``flows/fires.py``). ``subject`` is what it is about: a leg's id, a
    handover's reference, a notice's id, never a person. ``step`` tells several of one kind about one subject
    apart. ``fired``: when it did, 0 for not yet.
    """

    kind: str
    subject: str
    due: int
    step: int = 0
    fired: int = 0
