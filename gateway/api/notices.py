"""Notices over HTTP: hand one in, see who has taken it in and who has not, answer one.

Thin: every decision is made in the flows. What a notice says stands in the parcel of the agency that it was
sealed to (``GET /v1/inbox``); here are its codes, its readers and their states.
"""

from __future__ import annotations

from aiohttp import web

from gateway.api.reading import body, handover, idempotency_key, known_query, notice
from gateway.api.routes import Call, reply
from gateway.core.encoding import Json, JsonObject
from gateway.flows import notice_answer, notice_view, notices
from gateway.ports import Transaction


async def post(call: Call) -> web.Response:
    """202: it is durably ours and goes out by itself. The same key and body again: the same answer."""
    known_query(call.request)
    ref, key = handover(call.request), idempotency_key(call.request)
    made = await notices.issue(call.node, call.caller, ref, notices.read(await body(call.request)), key=key)
    headers = {"Location": f"/v1/handovers/{ref}/notices"}
    if made.repeated:
        headers["Idempotency-Replayed"] = "true"
    ids: list[Json] = [*made.ids]
    return reply({"handover": ref, "notice": made.id, "notices": ids}, status=202, headers=headers)


async def listed(call: Call) -> web.Response:
    """Every notice about a handover, its readers, and who has not taken what in, since when."""
    known_query(call.request)
    ref = handover(call.request)

    def look(tx: Transaction) -> JsonObject:
        principal = call.caller.principal
        return notice_view.listing(tx, notice_view.find(tx, ref, principal), principal)

    return reply(await call.node.store.read(look))


async def answer(call: Call) -> web.Response:
    """The agency's answer to a notice, signed with its key and on its way when this returns."""
    known_query(call.request)
    name = notice(call.request)
    words = notice_answer.read(await body(call.request))
    made = await notice_answer.answer(call.node, call.caller, name, words)
    receipts: list[Json] = [*made.receipts]
    return reply(
        {"notice": made.notice, "state": made.state, "receipts": receipts, "repeated": made.repeated}
    )
