"""P8: exchanges a second among 33 areas, everybody to everybody, over those of one pair, as many in flight.

    .venv/bin/python bench/areas.py --help

Every borough of London has a node with a database of its own; all are in this one process and on one broker
with the topology of the product (165 intake and dead-letter queues, over 3,000 bindings). Both contenders use
these nodes and take turns: "all to all" draws sender and receiver of each handover anew, "one pair" always
sends from the same area to the same. So the nodes that rest are there in both, and each looks for work every
``--poll`` seconds.

What one pair gains by bundles (many handovers for one peer in one message, in one commit) 33 areas cannot:
with 256 in flight there is one in four pairs. "one pair, one envelope a message" tells that apart.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import structlog
from _case import Watched, document
from _place import Place
from _report import RESULTS, machine, publish, ratios, spread, table
from exchange import Load, bundles

from gateway.bootstrap import spare_collections
from gateway.flows.node import Pace
from gateway.flows.runtime import running
from gateway.flows.submit import submit
from gateway.stores import open_store
from gateway.testing.anywhere import Roles, SeededKeys, bundle_of
from gateway.testing.boroughs import BEXLEY, HACKNEY, START, Borough, Desk, ManualClock, _Memory, assemble
from gateway.transports.rabbit import RabbitTransport, declare
from keys_example import DAY
from schemas.areas import LONDON, display_name

ALL, PAIR, PAIR_SINGLE = "all to all", "one pair", "one pair, one envelope a message"
ROLES: Roles = {"community_safety": ("COMMUNITY_SAFETY", ""), "housing": ("HOUSING", "")}


def _template() -> str:
    """The document, with marks where the areas and the number stand."""
    text = json.dumps(document(), separators=(",", ":")).replace("-000417", "-@NUMBER")
    for area, code, name in ((HACKNEY, "@FROM", "@HERE"), (BEXLEY, "@TO", "@THERE")):
        text = text.replace(area, code).replace(f'"{display_name(area)}"', f'"{name}"')
    return text


@dataclass(slots=True)
class Network:
    """Every area's node, and handovers between any two."""

    boroughs: Mapping[str, Borough]
    _chance: random.Random = field(default_factory=lambda: random.Random(8))
    _text: str = field(default_factory=_template)
    _numbers: Any = field(default_factory=lambda: count(1))

    async def send(self, origin: str, destination: str) -> None:
        number = next(self._numbers)
        words = {"@NUMBER": f"{number:06d}", "@FROM": origin, "@TO": destination}
        words |= {"@HERE": display_name(origin), "@THERE": display_name(destination)}
        text = self._text
        for mark, word in words.items():
            text = text.replace(mark, word)
        sender = self.boroughs[origin]
        await submit(sender.node, sender.caller("community_safety"), text.encode(), key=f"k{number}")

    def any_two(self) -> tuple[str, str]:
        origin, destination = self._chance.sample(list(self.boroughs), 2)
        return origin, destination


@dataclass(slots=True)
class Way:
    """A contender: which two areas are next."""

    network: Network
    choose: Callable[[], tuple[str, str]]

    async def send(self) -> None:
        await self.network.send(*self.choose())


@asynccontextmanager
async def network(place: Place, load: Load, areas: list[str], poll: float) -> AsyncIterator[Network]:
    broker = place.fresh()
    await declare(broker, areas, patience=180)
    bundle, clock = bundle_of(dict.fromkeys(areas, ROLES), START - DAY), ManualClock()
    opened: dict[str, Borough] = {}
    async with AsyncExitStack() as stack:
        for area in areas:
            store = Watched(open_store(place.database(area)), load.end)
            await store.start()
            transport = RabbitTransport(broker, area)
            await transport.start()
            keys: Any = _Memory(SeededKeys(area, ROLES, START - DAY))
            desks = {"housing": Desk()}
            borough = await assemble(area, store, transport, clock, desks, Pace(poll=poll), keys, bundle)
            opened[area] = borough
            await stack.enter_async_context(running(borough.node, accept=lambda _: None))
        yield Network(opened)


async def run(place: Place, options: argparse.Namespace) -> dict[str, list[float]]:
    areas = [area.code for area in LONDON][: options.areas]
    load, rates = Load(options.in_flight), dict[str, list[float]]()
    async with network(place, load, areas, options.poll) as all_areas:
        pair = (areas[0], areas[1])
        ways = {
            ALL: (Way(all_areas, all_areas.any_two), True),
            PAIR: (Way(all_areas, lambda: pair), True),
            PAIR_SINGLE: (Way(all_areas, lambda: pair), False),
        }
        await load.round(ways[ALL][0], 0.0)
        for _ in range(options.rounds):
            for name, (way, bundling) in ways.items():
                with bundles(allowed=bundling):
                    rates.setdefault(name, []).append(await load.round(way, options.seconds))
    return rates


def report(rates: dict[str, list[float]], options: argparse.Namespace) -> None:
    over = {name: ratios(rates[ALL], rates[name]) for name in (PAIR, PAIR_SINGLE)}
    figures: dict[str, Any] = {
        "measure": "P8: exchanges/s among many areas, all to all, over one pair's, as many in flight",
        "machine": machine(),
        "options": {name: value for name, value in vars(options).items() if name != "keep"},
        "rates": {name: {"rounds": values, **spread(values)} for name, values in rates.items()},
        "P8": over[PAIR],
        "P8, one envelope a message": over[PAIR_SINGLE],
    }
    rows = [
        [name, *spread(values).values(), *(over[name].values() if name in over else ("", "", ""))]
        for name, values in rates.items()
    ]
    heads = ["", "a second", "min", "max", "all to all / it", "min", "max"]
    title = f"{options.areas} areas, {options.rounds} rounds of {options.seconds:g} s"
    title += f", {options.in_flight} in flight, sqlite"
    publish("areas", table(title, heads, rows), figures, options.keep)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--areas", type=int, default=33, choices=range(2, 34), metavar="2..33")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--in-flight", type=int, default=256)
    parser.add_argument("--poll", type=float, default=5.0, help="seconds after which a resting pump looks")
    parser.add_argument("--keep", type=Path, help=f"folder for the figures, such as {RESULTS}")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with ExitStack() as stack:
        place = Place(stack)
        spare_collections()
        rates = asyncio.run(run(place, options))
    report(rates, options)


if __name__ == "__main__":
    main()
