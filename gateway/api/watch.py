"""For operators: alarms with their evidence, and peers. Their token is one of the node itself.

An agency's token opens none of this, and an operator's opens nothing of an agency: what a node knows of its
peers is no agency's business, and nobody reads a handover by being an operator.
"""

from __future__ import annotations

import re
from typing import Final

from aiohttp import web

from gateway.api.problems import BadRequest
from gateway.api.reading import ID, known_query, number
from gateway.api.routes import Call, reply
from gateway.errors import NotFound
from gateway.flows import watch

MOST: Final = 1000
PAGE: Final = 100
REASON: Final = re.compile(r"[A-Za-z0-9_]{1,40}\Z")


async def listed(call: Call) -> web.Response:
    known_query(call.request, "cleared", "limit")
    cleared = call.request.query.get("cleared", "false")
    if cleared not in {"true", "false"}:
        raise BadRequest(
            "a query parameter is not usable", code="query", field="cleared", remedy="send true or false"
        )
    limit = number(call.request, "limit", PAGE, low=1, high=MOST)
    found = await call.node.store.read(lambda tx: watch.alarms(tx, cleared=cleared == "true", limit=limit))
    return reply({"alarms": found})


async def evidence(call: Call) -> web.Response:
    """The bytes as they are kept: JSON with the signed notes, for whoever has to judge."""
    known_query(call.request)
    identity = _identity(call.request)
    row = await call.node.store.read(lambda tx: watch.alarm(tx, identity))
    if not row.evidence:
        raise NotFound("this alarm has no evidence", code="no_evidence", remedy="what it says is its subject")
    return web.Response(body=row.evidence, content_type="application/json")


async def clear(call: Call) -> web.Response:
    known_query(call.request, "reason")
    reason, identity = call.request.query.get("reason", ""), _identity(call.request)
    if not REASON.match(reason):
        raise BadRequest(
            "a reason is missing", code="query", field="reason", remedy="send one word: checked_with_peer"
        )
    who, now = call.caller.actor, call.now
    row = await call.node.store.write(lambda tx: watch.clear(tx, identity, who=who, reason=reason, now=now))
    return reply(watch.alarm_facts(row))


async def peers(call: Call) -> web.Response:
    known_query(call.request)
    return reply({"peers": await call.node.store.read(watch.peers)})


def _identity(request: web.Request) -> str:
    if not ID.match(request.match_info["alarm"]):
        raise NotFound("no such alarm", code="no_alarm", remedy="list them with GET /v1/ops/alarms")
    return request.match_info["alarm"]
