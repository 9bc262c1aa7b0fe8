"""For whoever runs the node: is it alive, can it work, what do its figures say.

``/healthz`` says only that the process answers: a supervisor restarts on it, and a restart mends no broker.
``/readyz`` asks every part for itself and names what is to be mended. Metrics have an application of their
own, for a bind that the outside does not reach.

Rules: nothing here names an agency's system, a path or an address; a check gets a few seconds and no more, so
that one dead part does not hide the others.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

from aiohttp import web

from gateway.api.routes import Call, reply
from gateway.core.encoding import Json, JsonObject
from gateway.errors import GatewayError, Misconfigured, Unavailable
from gateway.flows import certificates
from gateway.flows.metrics import CONTENT_TYPE, Metrics
from gateway.flows.node import Node

PATIENCE: Final = 5.0
"""Seconds for one check: under the time-out of the probes that ask."""

FREE: Final = 256 << 20
"""Bytes of disk below which the node is not ready: room for a few hundred messages of the largest size, so
that it stops taking work before its database stops taking rows."""

SKEW: Final = 120
"""Seconds that clocks may differ by (protocol 4.3)."""

Check = tuple[str, Callable[[], Awaitable[None]]]


async def alive(call: Call) -> web.Response:
    return reply({"alive": True})


async def ready(call: Call) -> web.Response:
    """503 as long as one check fails, with the reason and the remedy of each."""
    outcomes = await asyncio.gather(*(_outcome(name, work) for name, work in checks(call)))
    good = all(outcome["ok"] for outcome in outcomes)
    listed: list[Json] = [_noted(call, outcome) for outcome in outcomes]
    return reply({"ready": good, "checks": listed}, status=200 if good else 503)


def checks(call: Call) -> Sequence[Check]:
    node, data = call.node, call.options.data
    listed: list[Check] = [
        ("database", node.store.check),
        ("broker", node.transport.check),
        ("keys", _now(lambda: check_keys(node, call.now))),
        ("directory", _now(lambda: node.network.check_sendable(call.now))),
        ("clock", _now(lambda: check_clock(call.now, node.network.created))),
    ]
    if data is not None:
        listed.append(("disk", _now(lambda: _check_room(node, data))))
    return listed


def _now(work: Callable[[], None]) -> Callable[[], Awaitable[None]]:
    async def run() -> None:
        work()

    return run


async def _outcome(name: str, work: Callable[[], Awaitable[None]]) -> JsonObject:
    try:
        async with asyncio.timeout(PATIENCE):
            await work()
    except TimeoutError:
        return _bad(name, Unavailable("no answer in time", code="timeout"))
    except GatewayError as error:
        return _bad(name, error)
    return {"check": name, "ok": True}


def _noted(call: Call, outcome: JsonObject) -> JsonObject:
    """A certificate that ends soon makes nobody unready, and is told beside the broker that is reached."""
    note = certificates.told(call.node.certificates(), call.now) if outcome["check"] == "broker" else ""
    return {**outcome, "reason": note} if note and outcome["ok"] else outcome


def _bad(name: str, error: GatewayError) -> JsonObject:
    return {"check": name, "ok": False, "code": error.code, "reason": error.message, "remedy": error.remedy}


def check_keys(node: Node, now: int) -> None:
    """The node and every agency it hosts has its private key here and a key card that is valid now. Raises
    Misconfigured or UnknownRecipient naming the principal."""
    held = node.keys.principals()
    for principal in (node.principal, *node.agencies):
        node.network.sealing_key(principal, now)
        if principal not in held:
            raise Misconfigured(
                f"the private key of {principal} is not in the key store",
                code="no_key",
                remedy="`gateway keys list` shows what is there; restore it from the backup",
            )


def check_clock(now: int, directory_created: int) -> None:
    """A clock before the directory's own date is wrong for certain. Raises Misconfigured."""
    if now < directory_created - SKEW:
        raise Misconfigured(
            "this machine's clock is behind the date of the signed directory",
            code="clock",
            remedy="set the clock and keep it set with NTP",
        )


def _check_room(node: Node, data: Path) -> None:
    """Below the floor no work is taken any more; above it, this says beforehand that it will come to that."""
    node.check_room()
    check_disk(data)


def check_disk(folder: Path) -> None:
    """Raises Unavailable when there is too little room, or the disk does not say."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise Unavailable(f"the data folder does not answer: {type(error).__name__}", code="disk") from error
    if free < FREE:
        raise Unavailable(
            f"less than {FREE >> 20} MiB of disk are free",
            code="disk_full",
            remedy="make room on the data disk",
        )


def build_metrics(node: Node, metrics: Metrics | None = None) -> web.Application:
    """The application behind ``/metrics``, for a bind of its own. ``metrics``: the counters that were given
    to ``gateway.api.app.build``; without them the page shows the node's gauges and counters that stand at
    0."""
    counted = metrics or Metrics()

    async def page(_: web.Request) -> web.Response:
        return web.Response(
            body=await counted.page(node),
            headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"},
        )

    app = web.Application()
    app.router.add_get("/metrics", page)
    return app
