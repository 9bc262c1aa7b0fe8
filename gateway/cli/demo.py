"""``gateway demo``: two boroughs, one handover there, and every acknowledgement back."""

from __future__ import annotations

import asyncio
import json
import signal
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.output import Exit, JsonFlag, emit, errors, say
from gateway.cli.timeline import timeline

WITHIN = 60.0
"""Seconds for all seven agencies, from the submission on."""


@dataclass(frozen=True, slots=True)
class _Options:
    broker: str
    once: bool
    as_json: bool
    keep: bool


def demo(
    broker: Annotated[
        str, typer.Option(help="An AMQP URL, or 'embedded'. Default: an own RabbitMQ if installed.")
    ] = "",
    once: Annotated[bool, typer.Option("--once", help="As fast as it goes; for scripts.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the nodes running until Ctrl-C.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Hackney hands a fictional person over to Bexley; seven agencies acknowledge."""
    with errors(as_json=as_json):
        try:
            complete = asyncio.run(_demo(_Options(broker, once, as_json, keep)))
        except asyncio.CancelledError:
            raise typer.Exit(128 + signal.SIGTERM) from None
    raise typer.Exit(Exit.OK if complete else Exit.FAILED)


async def _demo(options: _Options) -> bool:
    from gateway.demo.boroughs import prepare

    # SIGTERM as Ctrl-C: by default it would end this process alone and leave the nodes and the broker.
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - this is a coroutine, so some task runs it
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with tempfile.TemporaryDirectory(prefix="gateway-demo-") as scratch:
        folder = Path(scratch)
        async with AsyncExitStack() as stack:
            broker, url = await stack.enter_async_context(_broker(options.broker, folder))
            _tell(options, f"broker: {broker}" + (" (in this process, not durable)" if not url else ""))
            boroughs = await prepare(
                folder, _now(), broker_urls=[url] if url else [], pace=0.0 if options.once else 0.8
            )
            urls = await stack.enter_async_context(_nodes(boroughs, bool(url)))
            return await _story(options, boroughs, urls, broker)


@asynccontextmanager
async def _broker(wanted: str, folder: Path) -> AsyncIterator[tuple[str, str]]:
    """(its name, its URL); the embedded one has no URL."""
    from gateway.demo.nodes import own_broker
    from gateway.transports.private_broker import PrivateBroker
    from gateway.transports.rabbit import declare
    from keys_example import AREAS

    if wanted and wanted != "embedded":
        await declare(wanted, AREAS)  # before anything is started: says at once when nobody answers there
        yield "rabbitmq", wanted
    elif not wanted and PrivateBroker.installed():
        async with own_broker(folder / "broker") as url:
            yield "rabbitmq", url
    else:
        yield "embedded", ""


@asynccontextmanager
async def _nodes(boroughs: Any, separate: bool) -> AsyncIterator[list[str]]:
    from gateway.demo.nodes import embedded, processes

    async with (processes if separate else embedded)(boroughs) as urls:
        yield urls


async def _story(options: _Options, boroughs: Any, urls: list[str], broker: str) -> bool:
    from gateway.demo.story import Sender, fresh, outcome, session, watch
    from schemas.samples import minimal_example

    async with session() as client:
        sender = Sender(client, urls[0], boroughs[0].token)
        document = fresh(json.loads(minimal_example()), _now())
        ref = await sender.send(document, key=f"demo-{ref_of(document)}")
        _tell(options, f"{ref}: handed in at Hackney by its Integrated Gangs Unit")
        with timeline(quiet=options.as_json) as shown:
            async for event in watch(sender, ref, within=WITHIN):
                if shown is not None:
                    shown.add(event)
        result = await outcome(sender, ref, broker)
        _show(options, result)
        if options.keep:
            _tell(options, f"Hackney: {urls[0]}  Bexley: {urls[1]}  folder: {boroughs[0].folder.parent}")
            await asyncio.Event().wait()
    return all(leg["state"] == "ACCEPTED" for leg in result["legs"]) and len(result["legs"]) == 7  # noqa: PLR2004 - the case study's seven


def ref_of(document: Mapping[str, Any]) -> str:
    return str(document["message"]["handover_id"])


def _tell(options: _Options, text: str) -> None:
    if not options.as_json:
        say(text)


def _show(options: _Options, result: Mapping[str, Any]) -> None:
    lines = [str(result["summary"])]
    lines += [
        f"  {leg['agency']:<17} {leg['state']:<10} {len(leg['receipts'])} signed receipts   responsible now: "
        f"{result['responsible'].get(leg['agency'], '')}"
        for leg in result["legs"]
    ]
    emit(result, as_json=options.as_json, text="\n".join(lines))


def _now() -> int:
    from gateway.clock import SystemClock

    return SystemClock().now()
