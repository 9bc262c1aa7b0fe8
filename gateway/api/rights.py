"""A person's right of access, answered by the agency that holds the case, by the handover's reference."""

from __future__ import annotations

import re
from typing import Final

from aiohttp import web

from gateway.api.problems import BadRequest
from gateway.api.reading import handover, known_query, moment
from gateway.api.routes import Call, reply
from gateway.flows import subject
from gateway.flows.subject import EVERYTHING, Withhold
from schemas.vocabulary import SectionName

_CODE: Final = re.compile(r"[A-Z_]{1,40}\Z")
_NAMES: Final = frozenset({EVERYTHING, *SectionName})


async def access(call: Call) -> web.Response:
    """PLAINTEXT of what this agency holds, without other people; on record before it is opened."""
    known_query(call.request, "ground", "withhold", "review")
    ref = handover(call.request)
    return reply(await subject.access(call.node, call.caller, ref, _withhold(call)))


def _withhold(call: Call) -> Withhold | None:
    query = call.request.query
    if not query:
        return None
    ground, named = query.get("ground", ""), tuple(query.get("withhold", EVERYTHING).split(","))
    if not _CODE.match(ground):
        raise _unusable("ground", "a ground of s.45(4)")
    if not _NAMES.issuperset(named):
        raise _unusable("withhold", "names of sections with commas between, or `content`")
    return Withhold(ground, named, moment(call.request, "review", 0))


def _unusable(name: str, wanted: str) -> BadRequest:
    return BadRequest("a query parameter is not usable", code="query", field=name, remedy=f"send {wanted}")
