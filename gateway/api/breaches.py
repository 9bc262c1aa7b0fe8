"""Breach records over HTTP, for operators: what is open, until when. `gateway breach decide` decides."""

from __future__ import annotations

from aiohttp import web

from gateway.api.reading import ID, known_query
from gateway.api.routes import Call, reply
from gateway.core.encoding import Json, JsonObject
from gateway.errors import NotFound
from gateway.flows import breaches
from gateway.ports import Transaction


async def listed(call: Call) -> web.Response:
    """Oldest first: codes, references, roles and times."""
    known_query(call.request)
    return reply({"breaches": await call.node.store.read(_all)})


async def one(call: Call) -> web.Response:
    known_query(call.request)
    name = call.request.match_info["breach"]
    if not ID.match(name):
        raise NotFound("no such record", code="no_breach", remedy="list them: GET /v1/ops/breaches")
    return reply(await call.node.store.read(lambda tx: _one(tx, name)))


def _all(tx: Transaction) -> list[Json]:
    return [breaches.shown(tx, row) for row in tx.breaches()]


def _one(tx: Transaction, name: str) -> JsonObject:
    return breaches.shown(tx, breaches.find(tx, name))
