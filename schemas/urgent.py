"""What a person says of an urgent move after it was sent: the review after 72 hours (domain 6.6).

Leaves out the telephone call, which is :class:`schemas.message.VerbalHandover` wherever it is said. Rule:
codes alone; why it stays urgent is one of a list, so that reasons are counted and nothing is told in them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from schemas.base import Section
from schemas.message import VerbalHandover
from schemas.reading import read


class Outcome(StrEnum):
    """KEEP: urgent for another 72 hours. DOWNGRADE: STANDARD from now."""

    KEEP = "KEEP"
    DOWNGRADE = "DOWNGRADE"


class Keep(StrEnum):
    """Why a move stays urgent."""

    THREAT_CONTINUES = "THREAT_CONTINUES"
    FURTHER_INCIDENT = "FURTHER_INCIDENT"
    SUSPECTS_AT_LARGE = "SUSPECTS_AT_LARGE"
    PLACEMENT_NOT_SAFE = "PLACEMENT_NOT_SAFE"
    ASSESSMENT_AWAITED = "ASSESSMENT_AWAITED"


class Review(Section):
    """The outcome, and for KEEP its reason."""

    outcome: Outcome
    reason: Keep | None = None

    @model_validator(mode="after")
    def _reason_for_keeping(self) -> Self:
        if (self.outcome is Outcome.KEEP) != (self.reason is not None):
            # The kind "answer" is one that schemas.flaws passes on as it is: every word of it is ours.
            told = {"at": ["reason"], "message": "a reason where it stays urgent, and nowhere else"}
            told["remedy"] = f"give one of {', '.join(Keep)} with KEEP, none with DOWNGRADE"
            raise PydanticCustomError("answer", "{message}", told)
        return self


def parse_review(body: bytes) -> Review:
    """Raises ShapeError."""
    return read(Review, body, name="review")


def parse_call(body: bytes) -> VerbalHandover:
    """Raises ShapeError."""
    return read(VerbalHandover, body, name="call")
