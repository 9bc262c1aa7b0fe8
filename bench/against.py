"""P3 and P4: whole exchanges of the gateway beside cycles of its peers, by turns in one run.

    .venv/bin/python bench/against.py --help

Ours is the exchange of ``exchange.py``: durable at both ends, over a broker, from the hand-in to the signed
receipt stored at the origin. Most peers do their security work alone, in memory; what each does is in the
table. Every peer runs in an environment and process of its own (``_peers.py``) and carries the same 4 KB
document. In each round ours goes first and everybody once; a ratio is ours before and after, over the peer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any

import structlog
from _case import document, exchange
from _peers import PEERS, Absent, Peer, start
from _place import Place
from _report import RESULTS, machine, publish, ratios, spread, table
from exchange import Load

from gateway.bootstrap import spare_collections

OURS = "gateway, whole exchange"
GOALS = {"pyas2lib": ("P3", 10.0), "mesh_sandbox": ("P4", 20.0)}

Rates = dict[str, list[float]]


def peers(stack: ExitStack, place: Place, names: list[str]) -> tuple[dict[str, Peer], dict[str, str]]:
    """Those that have started, and why others have not."""
    path = place.folder / "document.json"
    path.write_text(json.dumps(document(), separators=(",", ":")), encoding="utf-8")
    there, absent = dict[str, Peer](), dict[str, str]()
    for name in names:
        try:
            there[name] = start(stack, name, path, place.broker)
        except Absent as error:
            absent[name] = str(error)
            print(f"without {name}: {error}", file=sys.stderr)
    return there, absent


async def run(
    place: Place, there: Mapping[str, Peer], absent: dict[str, str], options: argparse.Namespace
) -> Rates:
    load, rates = Load(options.in_flight), Rates()
    async with exchange(
        place.broker, (place.database("origin"), place.database("destination")), load.end
    ) as ours:
        await load.round(ours, 0.0)
        rates[OURS] = [await load.round(ours, options.ours)]
        for _ in range(options.rounds):
            for name, peer in there.items():
                if name in absent:
                    continue
                try:
                    rates.setdefault(name, []).append(await asyncio.to_thread(peer.run, options.seconds))
                except Absent as error:
                    absent[name] = str(error)
            rates[OURS].append(await load.round(ours, options.ours))
    return rates


def compared(rates: Rates, absent: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """Ours over each peer that was there to the end."""
    if not all(rates[OURS]):
        raise SystemExit("a round of ours counted nothing: a longer --ours, or a quieter machine")
    mine = [mean(pair) for pair in pairwise(rates[OURS])]
    return {name: ratios(mine, rates[name]) for name in rates if name != OURS and name not in absent}


def report(rates: Rates, absent: Mapping[str, str], options: argparse.Namespace) -> None:
    over = compared(rates, absent)
    figures: dict[str, Any] = {
        "measure": "P3, P4: exchanges/s of ours (durable, brokered) over cycles/s of each peer, by turns",
        "machine": machine(),
        "options": {name: value for name, value in vars(options).items() if name != "keep"},
        "rates": {name: {"rounds": rates[name], **spread(rates[name])} for name in (OURS, *over)},
        "ratios": over,
        "absent": dict(absent),
        "titles": {name: about.title for name, about in PEERS.items()},
        "what": {name: about.what for name, about in PEERS.items()},
        **{goal: over[name] for name, (goal, _) in GOALS.items() if name in over},
    }
    rows: list[list[object]] = [
        [OURS, *spread(rates[OURS]).values(), "", "", "", "hand-in to signed receipt"]
    ]
    for name, ratio in sorted(over.items(), key=lambda one: -one[1]["median"]):
        rows.append([PEERS[name].title, *spread(rates[name]).values(), *ratio.values(), PEERS[name].what])
    heads = ["", "a second", "min", "max", "ours / it", "min", "max", "a cycle"]
    shown = table(f"{options.rounds} rounds of {options.seconds:g} s each, by turns", heads, rows)
    shown += "".join(f"\nnot here: {PEERS[name].title}: {why}" for name, why in absent.items())
    publish("against", shown, figures, options.keep)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=2.0, help="of each peer in each round")
    parser.add_argument("--ours", type=float, default=3.0, help="seconds of ours in each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--in-flight", type=int, default=256, help="of ours")
    parser.add_argument("--only", nargs="+", choices=tuple(PEERS), default=list(PEERS))
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--keep", type=Path, help=f"folder for the figures, such as {RESULTS}")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with ExitStack() as stack:
        place = Place(stack, options.store)
        there, absent = peers(stack, place, options.only)
        spare_collections()
        rates = asyncio.run(run(place, there, absent, options))
    report(rates, absent, options)


if __name__ == "__main__":
    main()
