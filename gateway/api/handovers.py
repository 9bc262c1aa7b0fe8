"""Handovers over HTTP: hand one in, judge one, see where one stands.

Thin: every decision is made in the flows. No answer holds a word of a document; a reference, states, codes
and times are what an agency sees of a handover here, and only of those that concern it.
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from gateway.api.problems import BadRequest
from gateway.api.reading import (
    MAX_PAGE,
    body,
    cursor,
    flag,
    handover,
    idempotency_key,
    known_query,
    moment,
    number,
    version,
)
from gateway.api.routes import Call, reply
from gateway.core.encoding import PRINCIPAL, Json, JsonObject
from gateway.flows import custody, drafts, judging, marks, show, submit, succession
from gateway.flows import evidence as gathering
from gateway.flows.checklist import rows_of
from gateway.flows.show import Standing
from gateway.ports import Transaction
from schemas.acknowledgement import Justification

CODES = tuple(sorted(set(Justification) - {Justification.OTHER}))
"""Justifications that say enough by themselves: a query has no place for words."""

PAGE = 50
"""Rows of a list when nothing is asked for."""


async def post(call: Call) -> web.Response:
    """202: it is durably ours and goes out by itself. The same key and body again: the same answer. ``hold``:
    where only a second person is missing it rests as a DRAFT until one agrees. ``reason``: why there is a
    further version; what corrects an older one does not wait."""
    known_query(call.request, "hold", "reason")
    key, wait = idempotency_key(call.request), flag(call.request, "hold")
    reason = _reason(call, wait=wait)
    document = await body(call.request)
    if wait:
        made = await drafts.hold(call.node, call.caller, document, key=key)
    else:
        made = await submit.submit(call.node, call.caller, document, key=key, reason=reason)
    headers = {"Location": f"/v1/handovers/{made.ref}"}
    if made.repeated:
        headers["Idempotency-Replayed"] = "true"
    return reply(
        {"handover": made.ref, "version": made.version, "state": made.state}, status=202, headers=headers
    )


def _reason(call: Call, *, wait: bool) -> str:
    """Raises BadRequest."""
    reason = call.request.query.get("reason", succession.NEWS)
    if reason not in succession.REASONS or (wait and "reason" in call.request.query):
        raise BadRequest(
            "a reason for a further version that is not known, or one for a draft",
            code="query",
            field="reason",
            remedy=f"one of {', '.join(succession.REASONS)}, without hold",
        )
    return reason


async def validate(call: Call) -> web.Response:
    """Everything that handing it in would check, and nothing kept."""
    known_query(call.request, "as_of")
    at = moment(call.request, "as_of", call.now)
    judged = judging.judge(call.node, await body(call.request), now=at, caller=call.caller)
    named = judged.document.routing.recipients
    legs: list[Json] = [
        {
            "agency": principal.agency,
            "principal": principal.name,
            "sections": [str(section) for section in named[reader.index].sections],
        }
        for reader, principal in judged.readers
    ]
    return reply({"valid": True, "legs": legs, "audiences": len(judged.parts)})


async def listed(call: Call) -> web.Response:
    """A page of those that concern this agency, newest first; the next is in the Link header (RFC 8288)."""
    known_query(call.request, "limit", "cursor")
    limit = number(call.request, "limit", PAGE, low=1, high=MAX_PAGE)
    before, principal = cursor(call.request), call.caller.principal
    rows = await call.node.store.read(
        lambda tx: tx.handovers(side=None, principal=principal, before=before, limit=limit + 1)
    )
    page: list[Json] = [show.line(row) for row in rows[:limit]]
    more = len(rows) > limit
    link = {"Link": f'</v1/handovers?limit={limit}&cursor={rows[limit - 1].id}>; rel="next"'} if more else {}
    return reply({"handovers": page}, headers=link)


async def one(call: Call) -> web.Response:
    return reply(
        await _look(call, lambda tx, standing: show.summary(call.node, standing, rows_of(tx, standing.legs)))
    )


async def events(call: Call) -> web.Response:
    return reply(
        await _look(call, lambda tx, standing: _about(standing, "events", show.events(tx, standing)))
    )


async def receipts(call: Call) -> web.Response:
    return reply(
        await _look(call, lambda tx, standing: _about(standing, "receipts", show.receipts(tx, standing)))
    )


async def evidence(call: Call) -> web.Response:
    """Who sent what to whom, and every answer. Content only of sections asked for, with a justification; the
    disclosure is on record before the keys leave. With ``silent`` also that this agency had not acknowledged
    it by ``until``."""
    known_query(call.request, "version", "disclose", "justification", "silent", "until")
    wanted = [name for name in call.request.query.get("disclose", "").split(",") if name]
    found = await gathering.gather(
        call.node,
        call.caller,
        handover(call.request),
        version(call.request),
        wanted,
        justification(call.request.query.get("justification", ""), needed=bool(wanted)),
        _unanswered(call),
    )
    bundle = found.evidence.pack().decode()
    return reply(
        {
            "handover": handover(call.request),
            "evidence": bundle,
            "withheld": list[Json](found.withheld),
            "shredded": list[Json](found.shredded),
        }
    )


def _unanswered(call: Call) -> gathering.Unanswered | None:
    """Raises BadRequest for one of the two alone, or a principal without its form."""
    query = call.request.query
    if "silent" not in query and "until" not in query:
        return None
    silent = query.get("silent", "")
    if not PRINCIPAL.match(silent) or "until" not in query:
        raise BadRequest(
            "silence is shown of one agency, until one time",
            code="query",
            field="silent",
            remedy="send both: silent=E09000004/police and until=2026-12-08T00:00:00Z",
        )
    return gathering.Unanswered(silent, moment(call.request, "until", 0))


def justification(code: str, *, needed: bool) -> str:
    if needed and code not in CODES:
        raise BadRequest(
            "disclosing content needs a justification",
            code="justification",
            remedy=f"justification=CODE, one of {', '.join(CODES)}",
        )
    return code


async def custody_of(call: Call) -> web.Response:
    """Who had an earlier version by mistake, and that it is gone there: codes and times."""
    known_query(call.request)
    ref = handover(call.request)
    return reply(await call.node.store.read(lambda tx: custody.shown(tx, ref, call.caller.principal)))


async def why(call: Call) -> web.Response:
    return reply(await _look(call, lambda tx, standing: _why(call, tx, standing)))


def _why(call: Call, tx: Transaction, standing: Standing) -> JsonObject:
    row, legs = standing.handover, show.why(tx, standing, call.node.ladders.contacts)
    return marks.of(tx, row.ref, row.version) | _about(standing, "legs", legs)


async def _look(call: Call, view: Callable[[Transaction, Standing], JsonObject]) -> JsonObject:
    """One consistent snapshot of one handover. NotFound, also for one that is not this agency's."""
    known_query(call.request, "version")
    ref, chosen = handover(call.request), version(call.request)

    def look(tx: Transaction) -> JsonObject:
        return view(tx, show.find(tx, ref, call.caller.principal, chosen))

    return await call.node.store.read(look)


def _about(standing: Standing, name: str, found: list[Json]) -> JsonObject:
    return {"handover": standing.handover.ref, "version": standing.handover.version, name: found}
