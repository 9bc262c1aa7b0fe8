"""Drills over HTTP: what each measured, and its end. A drill is handed in as any handover is.

Thin: :mod:`gateway.flows.drills` reads the times, :mod:`gateway.flows.drill_end` ends one. An agency sees
those that concern it; a receiving agency its own leg alone.
"""

from __future__ import annotations

from aiohttp import web

from gateway.api.reading import handover, known_query
from gateway.api.routes import Call, reply
from gateway.core.encoding import Json, JsonObject
from gateway.flows import drill_end, drills, show
from gateway.ports import Transaction


async def listed(call: Call) -> web.Response:
    """Every drill among the newest handovers of this agency, with its times."""
    known_query(call.request)
    return reply({"drills": await call.node.store.read(lambda tx: _reports(tx, call.caller.principal))})


async def one(call: Call) -> web.Response:
    known_query(call.request)
    ref = handover(call.request)
    return reply(await call.node.store.read(lambda tx: _report(tx, call.caller.principal, ref)))


async def end(call: Call) -> web.Response:
    """Withdraw and purge it on both sides; the answer is its last report."""
    known_query(call.request)
    return reply(await drill_end.end(call.node, call.caller, handover(call.request)))


def _reports(tx: Transaction, principal: str) -> list[Json]:
    return [_report(tx, principal, row.ref) for row in drills.listed(tx, principal)]


def _report(tx: Transaction, principal: str, ref: str) -> JsonObject:
    """Raises NotFound, also for one that does not concern this agency."""
    row = drills.find(tx, ref)
    standing = show.find(tx, ref, principal)
    return drills.report(tx, row, standing.legs)
