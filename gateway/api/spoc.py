"""What stands behind a borough's single point of contact: for whom there is a leg, and how late it is."""

from __future__ import annotations

from aiohttp import web

from gateway.api.reading import known_query
from gateway.api.routes import Call, reply
from gateway.core.encoding import Json
from gateway.flows import spoc
from gateway.ports import Transaction


async def listed(call: Call) -> web.Response:
    known_query(call.request)
    spoc.check(call.caller)

    def look(tx: Transaction) -> list[Json]:
        return [spoc.line(tx, call.node, leg) for leg in spoc.behind(tx, call.node)]

    return reply({"legs": await call.node.store.read(look)})
