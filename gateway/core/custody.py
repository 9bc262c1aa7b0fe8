"""The chain of custody that travels with a version which was sent again: codes, versions and times.

Duty: :class:`Link` and its form in the routing table (protocol 4.4), both ways. It leaves out where the links
come from and who is shown them (``flows/custody.py``).

Rules: no area, no name, no words. Whoever gets it now learns that another agency had an earlier version, why
that came back, and that it is gone there; not where that was.

>>> link = Link(1, "HOUSING", "WRONG_AREA", 1_803_999_000)
>>> read_links(write_links([link])) == (link,)
True
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from gateway.core.encoding import MAX_TIME, Json, fields, integer, text, within
from gateway.errors import Malformed

MAX_LINKS: Final = 64
"""Legs that came back and of which a new version tells."""

_CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{1,39}\Z")
_TIMES: Final = ("ordered", "purged", "attested")


@dataclass(frozen=True, slots=True)
class Link:
    """One leg that came back: ``code`` says why. Times are unix seconds, 0 for not yet. ``ordered``: that it
    be destroyed; ``purged``: its node attested that nothing opens there; ``attested``: its agency the same of
    its own copies."""

    version: int
    agency: str
    code: str
    returned: int
    ordered: int = 0
    purged: int = 0
    attested: int = 0


def write_links(links: Sequence[Link]) -> list[Json]:
    """What is not known yet is left out."""
    return [{name: value for name, value in asdict(link).items() if value} for link in links[:MAX_LINKS]]


def read_links(value: Json) -> tuple[Link, ...]:
    """Raises Malformed."""
    if not isinstance(value, list) or not 0 < len(value) <= MAX_LINKS:
        raise Malformed("no chain of custody, or too long a one", code="field_value", field="/custody")
    with within("custody"):
        return tuple(_link(one) for one in value)


def _link(value: Json) -> Link:
    spec = {"version": int, "agency": str, "code": str, "returned": int} | dict.fromkeys(_TIMES, int)
    body = fields(value, spec, optional=_TIMES)
    times = {name: integer(body, name, low=1, high=MAX_TIME) for name in _TIMES if name in body}
    return Link(
        integer(body, "version", low=1),
        text(body, "agency", _CODE),
        text(body, "code", _CODE),
        integer(body, "returned", low=1, high=MAX_TIME),
        **times,
    )
