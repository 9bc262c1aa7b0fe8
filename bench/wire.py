"""P11: bytes on the wire of a handover, sealed for one agency, for eight, and example 1 for its seven.

    .venv/bin/python bench/wire.py

Nothing is timed. "4 KB in one part" is the core's own sealing of one part of 4,096 random bytes that every
agency reads, with a routing part of 300. The example goes through a whole node: its routing table, its parts
cut by audience, a slot for the node and one an agency; what is counted is the envelope as it lies in the
outbox, against its JSON without spaces. A KB is 1,024 bytes, in the document as in the goals. AMQP adds some
150 bytes a message, which up to 64 envelopes share.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
from pathlib import Path
from typing import Any

from _report import RESULTS, machine, publish, table

from gateway.core.envelope import Kind, Position, Recipient, Seen, prepare
from gateway.core.keys import IdentityKey, KemKey
from gateway.core.receipts import ZERO
from gateway.ports import Transaction
from gateway.testing.boroughs import two_boroughs
from schemas.samples import minimal_example

HERE, THERE = "E09000012", "E09000004"
NOW, LIFE, PART, ROUTING = 1_795_514_700, 72 * 3600, 4096, 300
GOALS = {1: 9 * 1024, 8: 21 * 1024}
OF_JSON, A_SLOT = 2.5, 1.3 * 1024


def sealed(agencies: int) -> int:
    """Bytes of an envelope with one part of 4 KB that ``agencies`` read."""
    keys = [KemKey.generate(NOW - 1, NOW + LIFE).public for _ in range(agencies + 1)]
    readers = [Recipient(f"{THERE}/node", keys[0], frozenset({1}))]
    readers += [
        Recipient(f"{THERE}/agency_{number}", key, frozenset({2})) for number, key in enumerate(keys[1:])
    ]
    draft = prepare(
        net=bytes(32),
        kind=Kind.MESSAGE,
        priority=0,
        to=THERE,
        expires=NOW + LIFE,
        recipients=readers,
        contents=[secrets.token_bytes(ROUTING), secrets.token_bytes(PART)],
    )
    signer = IdentityKey.generate(f"{HERE}/node")
    made = draft.finish(signer, created=NOW, directory=1, position=Position("0" * 32, 1, ZERO), seen=Seen())
    return len(made.envelope)


async def example() -> tuple[int, int, int]:
    """(bytes of its JSON, bytes of its envelope, slots) of the first example."""
    document = json.loads(minimal_example())

    def outgoing(tx: Transaction) -> tuple[int, int]:
        legs = tx.legs(document["message"]["handover_id"], 1)
        envelope = tx.envelope(legs[0].mid)
        return len(envelope.body) if envelope else 0, len(legs) + 1

    async with two_boroughs() as world:
        await world.hackney.submit(document)
        size, slots = await world.hackney.node.store.read(outgoing)
    return len(json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()), size, slots


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keep", type=Path, help=f"folder for the figures, such as {RESULTS}")
    options = parser.parse_args()
    rows: list[list[Any]] = [
        [f"4 KB in one part, {agencies} {'agency' if agencies == 1 else 'agencies'}", sealed(agencies), goal]
        for agencies, goal in GOALS.items()
    ]
    of_json, size, slots = asyncio.run(example())
    rows.append(
        [
            f"example 1: {of_json:,} bytes of JSON, {slots} slots",
            size,
            int(OF_JSON * of_json + A_SLOT * slots),
        ]
    )
    figures = {
        "measure": "P11: bytes of an envelope, and the most that it may have",
        "machine": machine(),
        "bytes": {name: {"value": value, "goal": goal} for name, value, goal in rows},
        "P11": {name: value / goal for name, value, goal in rows},
    }
    publish("wire", table("bytes on the wire", ["", "bytes", "at most"], rows), figures, options.keep)


if __name__ == "__main__":
    main()
