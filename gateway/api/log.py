"""The node's log for anybody: its checkpoint, its leaves, and proofs (protocol 8).

Leaves hold hashes, codes, times and message ids, never a name or a word of a handover, so nobody has to be
known to read them: a log that only its owner can see convinces nobody. Everything here is checked by whoever
asks, offline, with the directory of the network; the node is not believed.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from gateway.api.reading import known_query, number, required_number
from gateway.api.routes import Call, reply
from gateway.core.encoding import Json, b64
from gateway.flows import logbook, standing

MOST: Final = 10**15 - 1
"""Leaves: more than any log will hold, and a number that every JSON reader holds."""

PAGE: Final = 100
"""Leaves in an answer that names no limit."""


async def checkpoint(call: Call) -> web.Response:
    """The newest, and those that peers have cosigned; a new one is signed at most once a second."""
    known_query(call.request)
    signed = await logbook.checkpoint(call.node)
    peers = await standing.cosigned(call.node)
    same = await call.node.store.read(lambda tx: standing.note_at(tx, call.node, signed.size))
    listed: list[Json] = [note.decode() for note in peers]
    return reply(
        {
            "origin": signed.origin,
            "size": signed.size,
            "root": b64(signed.root),
            "note": (same or signed.note).decode(),
            "cosigned": listed,
        }
    )


async def inclusion(call: Call) -> web.Response:
    """One leaf, and that it is in the tree of the newest checkpoint."""
    known_query(call.request, "index")
    index = required_number(call.request, "index", low=0, high=MOST)
    signed = await logbook.checkpoint(call.node)
    (found,) = await logbook.prove(call.node, signed, [index])
    return reply(
        {
            "checkpoint": signed.note.decode(),
            "index": found.index,
            "leaf": found.leaf.decode(),
            "proof": _hashes(found.proof),
        }
    )


async def consistency(call: Call) -> web.Response:
    """That the larger tree begins with the smaller one."""
    known_query(call.request, "first", "second")
    second = required_number(call.request, "second", low=1, high=MOST)
    first = required_number(call.request, "first", low=1, high=second)
    proof = await logbook.consistency(call.node, first, second)
    return reply({"first": first, "second": second, "proof": _hashes(proof)})


async def leaves(call: Call) -> web.Response:
    """Leaves in their order; fewer than asked for only at the end."""
    known_query(call.request, "start", "limit")
    start = number(call.request, "start", 0, low=0, high=MOST)
    limit = number(call.request, "limit", PAGE, low=1, high=logbook.MAX_LEAVES)
    found = await logbook.leaves(call.node, start, limit)
    listed: list[Json] = [{"index": index, "leaf": leaf.decode()} for index, leaf in found]
    return reply({"leaves": listed})


def _hashes(proof: tuple[bytes, ...]) -> list[Json]:
    return [b64(one) for one in proof]
