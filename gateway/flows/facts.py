"""What both nodes must know of a handover without reading it: in part 1, and in the row of each side.

Duty: take it from the document at the origin, write it into the routing table, read it there (protocol 4.4).
Codes, references and times; nothing of it is about what the person did or suffered.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Final

from gateway.core.custody import Link, read_links, write_links
from gateway.core.deadlines import LONDON
from gateway.core.encoding import HEX_ID, MAX_TIME, JsonObject, encode, integer, text
from gateway.errors import Malformed
from schemas.handover import HandoverNotification
from schemas.message import Completeness

SPEC: Final = {
    "drill": bool,
    "partial": bool,
    "onward_of": str,
    "answers": str,
    "purge": int,
    "custody": list,
}
"""The optional members of ``routing``, with their types."""

HANDOVER: Final = re.compile(r"HO-[A-Z][0-9]{8}-[0-9]{4}-[0-9]{6}\Z")


@dataclass(frozen=True, slots=True)
class Facts:
    """``custody``: who had an earlier version and gave it back.

    ``purge``: unix seconds, the end of the London day after which the content must be gone; 0: not said.
    The other fields are those of :class:`gateway.ports.HandoverRow`."""

    drill: bool = False
    partial: bool = False
    onward_of: str = ""
    answers: str = ""
    purge: int = 0
    custody: tuple[Link, ...] = ()

    def columns(self) -> dict[str, Any]:
        """For the row of either side."""
        return {
            "drill": self.drill,
            "partial": self.partial,
            "onward_of": self.onward_of,
            "answers": self.answers,
            "purge_after": self.purge,
            "custody": encode(write_links(self.custody)).decode() if self.custody else "",
        }


NONE: Final = Facts()


def of(document: HandoverNotification) -> Facts:
    message = document.message
    return Facts(
        drill=bool(message.drill),
        partial=document.data_quality.completeness is Completeness.PARTIAL_URGENT,
        onward_of=message.onward_of or "",
        answers=message.answers or "",
        purge=end_of_day(document.retention.gateway_payload_purge_after),
    )


def write(facts: Facts) -> JsonObject:
    """The members to put into the routing table: those that say something."""
    members: JsonObject = {"onward_of": facts.onward_of, "answers": facts.answers, "purge": facts.purge}
    members |= {"drill": facts.drill, "partial": facts.partial, "custody": write_links(facts.custody)}
    return {name: value for name, value in members.items() if value}


def read(table: JsonObject) -> Facts:
    """Out of a routing table whose types are checked against :data:`SPEC`. Raises Malformed."""
    for flag in ("drill", "partial"):
        if table.get(flag, True) is not True:  # one spelling of no: absent
            raise Malformed(f"{flag} is true or absent", code="field_value", field=f"/{flag}")
    return Facts(
        drill="drill" in table,
        partial="partial" in table,
        onward_of=text(table, "onward_of", HANDOVER) if "onward_of" in table else "",
        answers=text(table, "answers", HEX_ID) if "answers" in table else "",
        purge=integer(table, "purge", low=1, high=MAX_TIME) if "purge" in table else 0,
        custody=read_links(table["custody"]) if "custody" in table else (),
    )


@lru_cache(maxsize=256)  # handovers of one week name few days, each of them several times
def end_of_day(day: date) -> int:
    """Midnight in London after ``day``, in unix seconds."""
    return int(datetime.combine(day + timedelta(days=1), time(), LONDON).timestamp())
