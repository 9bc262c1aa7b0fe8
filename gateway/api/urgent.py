"""Urgent moves and second persons over HTTP: the call, the review, the agreement, and what waits for one.

Thin: every decision is made in :mod:`gateway.flows.urgent_review` and :mod:`gateway.flows.drafts`. Codes,
roles and times come in, references and times go out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeVar

from aiohttp import web
from pydantic import BaseModel

from gateway.api.handovers import justification
from gateway.api.reading import body, handover, known_query
from gateway.api.routes import Call, reply
from gateway.errors import InvalidDocument, Problem
from gateway.flows import drafts, urgent_review
from gateway.flows.show import when
from schemas.base import Section, ShapeError
from schemas.message import VerbalHandover
from schemas.urgent import Outcome, Review, parse_call, parse_review

T = TypeVar("T", bound=Section)

DOCUMENTS: Final[Mapping[str, type[BaseModel]]] = MappingProxyType({"review": Review, "call": VerbalHandover})
"""Name in a route's body -> the model of the document."""


async def authorise(call: Call) -> web.Response:
    """The second person agrees: a draft is issued, or an urgent handover is agreed to after the event."""
    known_query(call.request)
    made = await drafts.authorise(call.node, call.caller, handover(call.request))
    return reply({"handover": made.ref, "version": made.version, "state": made.state})


async def waiting(call: Call) -> web.Response:
    """Drafts of this area that wait for a second person: references and times, nothing of their content."""
    known_query(call.request)
    rows = await call.node.store.read(lambda tx: tx.drafts())
    return reply({"drafts": [drafts.facts(row) for row in rows]})


async def read_draft(call: Call) -> web.Response:
    """PLAINTEXT of a draft for a colleague of its own agency, after the reading is on record."""
    known_query(call.request, "justification")
    code = justification(call.request.query.get("justification", ""), needed=True)
    ref = handover(call.request)
    return reply(
        {"handover": ref, "content": await drafts.show(call.node, call.caller, ref, justification=code)}
    )


async def verbal(call: Call) -> web.Response:
    """The call that handed over goes on record."""
    known_query(call.request)
    said = await _read(call, parse_call)
    if not said.callback_verified:
        raise InvalidDocument(
            "the number was not called back",
            code="callback",
            field="/callback_verified",
            remedy="call back first: a call that nobody called back may have been anybody's",
        )
    ref = handover(call.request)
    record = urgent_review.Call(int(said.at.timestamp()), said.from_role, said.to_role)
    await urgent_review.called(call.node, call.caller, ref, record)
    return reply({"handover": ref, "called": when(record.at)})


async def review(call: Call) -> web.Response:
    """It stays urgent for another 72 hours, or is STANDARD from now."""
    known_query(call.request)
    said, ref = await _read(call, parse_review), handover(call.request)
    if said.outcome is Outcome.KEEP and said.reason is not None:
        made = await urgent_review.keep(call.node, call.caller, ref, said.reason)
    else:
        made = await urgent_review.downgrade(call.node, call.caller, ref)
    return reply({"handover": ref, "urgent": made.urgent, "review_by": when(made.review_by)})


async def _read(call: Call, parse: Callable[[bytes], T]) -> T:
    try:
        return parse(await body(call.request))
    except ShapeError as error:
        problems = [Problem(p.pointer, p.message, p.remedy) for p in error.problems]
        raise InvalidDocument(
            "this is not what is asked for here",
            problems=problems,
            remedy="correct the fields named; /openapi.json holds the shape",
        ) from None
