"""The access log over HTTP, for the auditor's role: a page of it, and the file for the Commissioner.

By reference, agency and time, never by a person: the log names none. Every call of these is itself put on
record before it answers (:mod:`gateway.flows.audit`).
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from gateway.api.problems import BadRequest
from gateway.api.reading import HANDOVER, known_query, moment, number
from gateway.api.routes import Call, reply
from gateway.core.encoding import PRINCIPAL, Json
from gateway.flows import audit, audit_export
from gateway.flows.audit import END, MOST, Wanted
from gateway.flows.tokens import AUDITOR

PATIENCE: Final = 120
"""Seconds that an export may take beyond an ordinary call: it reads the whole log once."""

_FILTER: Final = ("handover", "principal", "from", "to", "justification")


async def listed(call: Call) -> web.Response:
    """Oldest first; ``next`` is where the following page goes on, null at the end."""
    known_query(call.request, *_FILTER, "cursor", "limit")
    limit = number(call.request, "limit", MOST, low=1, high=MOST)
    page = await audit.read(call.node, call.caller, _wanted(call), use=_use(call), limit=limit)
    lines: list[Json] = list(page.lines)
    return reply({"lines": lines, "next": str(page.last) if page.last else None})


async def export(call: Call) -> web.Response:
    known_query(call.request, *_FILTER, "reference")
    reference = call.request.query.get("reference", "")
    made = await audit_export.export(
        call.node, call.caller, _wanted(call), use=_use(call), reference=reference
    )
    return web.Response(body=made, content_type="application/json")


def _use(call: Call) -> str:
    return str(call.request.query.get("justification", ""))


def _wanted(call: Call) -> Wanted:
    query = call.request.query
    ref, principal = query.get("handover", ""), query.get("principal", "")
    if ref and not HANDOVER.match(ref):
        raise _unusable("handover", "a reference: HO-<area>-<year>-<6 digits>")
    if principal and not _is_holder(principal, call.node.area):
        raise _unusable("principal", "an agency: E09000012/police")
    return Wanted(
        ref=ref,
        principal=principal,
        since=moment(call.request, "from", 0),
        until=moment(call.request, "to", END),
        after=number(call.request, "cursor", 0, low=0, high=END),
    )


def _is_holder(name: str, area: str) -> bool:
    return bool(PRINCIPAL.match(name)) or name == f"{area}/{AUDITOR}"


def _unusable(name: str, wanted: str) -> BadRequest:
    return BadRequest("a query parameter is not usable", code="query", field=name, remedy=f"send {wanted}")
