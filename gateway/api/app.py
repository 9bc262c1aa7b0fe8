"""The application: the route table, and around every call the same four things.

From the outside in: a request id and the headers that every answer bears; every error as a problem; a time
limit; who calls and how often. Handlers see none of it. It leaves out listening and TLS
(``gateway.bootstrap``).

Rules: a log line holds the route's template, never the path as it came; of an exception that nobody foresaw
it holds the type, never the text, which may quote what it was given. No body is ever logged.

Example::

    metrics = Metrics()
    runner = web.AppRunner(build(node, metrics=metrics), access_log=None)
"""

from __future__ import annotations

import asyncio
import json
from functools import cache, partial
from typing import Final

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from uuid_utils.compat import uuid7

from gateway.api import problems
from gateway.api.auth import AGENCY, CHALLENGE, acting, acting_for, authenticate, check_access
from gateway.api.limits import Buckets
from gateway.api.openapi import document
from gateway.api.reading import MAX_WAIT
from gateway.api.routes import CODE, REQUEST_ID, Access, Call, Options, Route
from gateway.api.table import TABLE
from gateway.errors import GatewayError, Unauthenticated
from gateway.flows.metrics import Metrics
from gateway.flows.node import Caller, Node

log = structlog.get_logger("api")

HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Server": "gateway",
    "X-Content-Type-Options": "nosniff",
}
"""On every answer. ``Server`` names no version: that only helps who looks for an old one."""


def build(node: Node, *, metrics: Metrics | None = None, options: Options | None = None) -> web.Application:
    """The HTTP API of one node. ``metrics``: give the same to ``build_metrics`` to see its counters there."""
    app = web.Application(
        middlewares=[_frame(metrics or Metrics()), _refusals], client_max_size=problems.MAX_BODY
    )
    desk = _Desk(node, options or Options())
    for route in TABLE:
        serve = partial(desk.serve, route)
        app.router.add_route(route.method, route.path, serve)
        if route.method == "GET":
            app.router.add_route("HEAD", route.path, serve)
    return app


@cache
def _printed() -> bytes:
    """The OpenAPI document: of the code alone, so one for every node of a process."""
    return json.dumps(document(TABLE), ensure_ascii=False).encode()


class _Desk:
    """Answers a route for whoever may ask."""

    def __init__(self, node: Node, options: Options) -> None:
        self._node, self._options = node, options
        self._buckets = Buckets(rate=options.rate, burst=options.burst)
        self._printed = _printed()

    async def serve(self, route: Route, request: web.Request) -> web.Response:
        limit = self._options.timeout + route.patience + (MAX_WAIT if route.waits else 0)
        try:
            async with asyncio.timeout(limit):
                return await route.handler(await self._call(route, request))
        except TimeoutError:
            raise problems.overdue() from None

    async def _call(self, route: Route, request: web.Request) -> Call:
        make = partial(Call, self._node, request, options=self._options, printed=self._printed)
        if route.access is Access.ANYONE:
            self._admit(f"from {request.remote}")
            return make(caller=Caller("", ""))
        holder = await authenticate(self._node, request)
        self._admit(holder.token)
        check_access(route.access, holder.caller)
        caller = await acting_for(self._node, request, holder)
        if route.access.by_a_person:
            caller = acting(request, caller)
        if route.adds:
            self._node.check_room()
        unit = holder.callers if AGENCY not in request.headers else (caller,)
        return make(caller=caller, label=holder.label, unit=tuple(one.principal for one in unit))

    def _admit(self, who: str) -> None:
        """Time is the event loop's: it never goes backwards, whatever the wall clock does."""
        if wait := self._buckets.take(who, now=asyncio.get_running_loop().time()):
            raise problems.TooManyRequests(wait)


def _frame(metrics: Metrics) -> Middleware:
    @web.middleware
    async def frame(request: web.Request, handler: Handler) -> web.StreamResponse:
        identity = str(uuid7())
        request[REQUEST_ID] = identity
        response = await handler(request)
        response.headers.update({**HEADERS, "X-Request-Id": identity})
        code = request.get(CODE, "")
        metrics.answered(response.status, code)
        told = {"method": _method(request), "route": _template(request), "status": response.status}
        log.info("answered", **told, code=code, id=identity)
        return response

    return frame


@web.middleware
async def _refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The one edge at which errors become answers."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        return _refuse(request, problems.of_http(error), error.headers.get("Allow", ""))
    except GatewayError as error:
        return _refuse(request, error)
    except Exception as error:  # noqa: BLE001 - the edge: its text may quote a document, so it ends here
        log.error("unforeseen", error=type(error).__name__, route=_template(request), id=request[REQUEST_ID])
        return _refuse(request, problems.unforeseen())


def _refuse(request: web.Request, error: GatewayError, allow: str = "") -> web.Response:
    request[CODE] = error.code
    response = problems.answer(error, request[REQUEST_ID])
    if isinstance(error, Unauthenticated):
        response.headers["WWW-Authenticate"] = CHALLENGE
    if allow:
        response.headers["Allow"] = allow
    return response


def _template(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource else "none"


def _method(request: web.Request) -> str:
    """A method is any word that the caller likes; only those we serve are written down."""
    return request.method if request.method in {"GET", "HEAD", "POST"} else "other"
