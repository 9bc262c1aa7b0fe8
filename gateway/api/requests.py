"""Requests for a handover over HTTP: put one, see how far it is.

Thin: every decision is made in the flows. Whom a request is about stands in the sealed words alone.
"""

from __future__ import annotations

from aiohttp import web

from gateway.api.reading import body, idempotency_key, known_query
from gateway.api.routes import Call, reply
from gateway.core.encoding import Json
from gateway.flows import requests


async def post(call: Call) -> web.Response:
    """202: it is durably ours and goes out by itself. The same key and body again: the same answer."""
    known_query(call.request)
    key = idempotency_key(call.request)
    made = await requests.ask(call.node, call.caller, requests.read(await body(call.request)), key=key)
    headers = {"Location": f"/v1/requests/{made.id}"}
    if made.repeated:
        headers["Idempotency-Replayed"] = "true"
    return reply({"request": made.id}, status=202, headers=headers)


async def listed(call: Call) -> web.Response:
    """The requests that this agency has put or was asked, newest first."""
    known_query(call.request)
    principal = call.caller.principal
    found = await call.node.store.read(lambda tx: requests.listing(tx, principal))
    told: list[Json] = [*found]
    return reply({"requests": told})


async def one(call: Call) -> web.Response:
    """The checklist of one request."""
    known_query(call.request)
    wanted, principal = call.request.match_info["notice"], call.caller.principal
    return reply(await call.node.store.read(lambda tx: requests.one(tx, wanted, principal)))
