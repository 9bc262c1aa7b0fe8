"""``gateway run``: one node, up until it is told to stop."""

from __future__ import annotations

import asyncio
import importlib
import resource
import signal
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from gateway.cli.output import ConfigOption, JsonFlag, colours, emit, errors, say

if TYPE_CHECKING:  # heavy: imported when a node really starts, so that --help stays quick
    from gateway.config import Settings


def run(config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """Run this area's node until SIGTERM or Ctrl-C. Prints where the API listens once it is ready."""
    from gateway.config import load
    from gateway.logs import configure

    with errors(as_json=as_json):
        configure(colours=colours())
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold every key in memory
        settings = load(config)
        _loop()(_serve(settings, as_json))


async def _serve(settings: Settings, as_json: bool) -> None:
    from gateway.bootstrap import serving

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    async with serving(settings) as served:
        ready = {"area": settings.area, "api": served.url, "metrics": served.metrics}
        emit(ready, as_json=as_json, text=f"{settings.area} is ready at {served.url}")
        await stop.wait()
        say("stopping: finishing what is in hand")


def _loop() -> Callable[[Coroutine[Any, Any, None]], None]:
    """uvloop where it is installed (the extra ``fast``), else asyncio's own."""
    try:
        return importlib.import_module("uvloop").run  # type: ignore[no-any-return]  # it ships no types
    except ImportError:
        return asyncio.run
