"""Streams (4.5): what one node makes of several envelopes, one after the other."""

from __future__ import annotations

from typing import Any

from .good_envelopes import pair, said
from .network import B_NODE, NOW, random
from .plain import b64
from .sealing import Sealing
from .vector import File, Files, case, file

STREAM = random("a stream", 16).hex()


def at(seq: int, before: Sealing | None = None, **changes: Any) -> Sealing:
    """Place ``seq`` of the stream, with a leg of its own."""
    name = changes.pop("name", f"stream {seq}")
    return pair(name, stream=STREAM, seq=seq, prev=before.stmt if before else bytes(32), **changes)


def step(expect: str, comment: str, sealing: Sealing, **more: Any) -> tuple[Sealing, dict[str, Any]]:
    gives = said(sealing) if expect in ("good", "duplicate") else None
    return sealing, case(expect, comment, gives=gives, **more)


def played(name: str, comment: str, attacks: list[int], *steps: tuple[Sealing, dict[str, Any]]) -> File:
    """Each envelope stands once; a case says ``which``."""
    envelopes = list(dict.fromkeys(b64(sealing.envelope) for sealing, _ in steps))
    cases = [{**told, "which": envelopes.index(b64(sealing.envelope))} for sealing, told in steps]
    shared = {"envelopes_b64": envelopes, "reader": B_NODE, "now": NOW}
    return file(f"streams/{name}", "stream", comment, cases, attacks, **shared)


def files() -> Files:
    one = at(1)
    two = at(2, one)
    three = at(3, two)
    yield played(
        "in-order",
        "Three messages, each with the hash of the one before",
        [],
        step("good", "1", one),
        step("good", "2", two),
        step("good", "3", three),
    )
    yield played(
        "out-of-order",
        "Taken at once, whatever the order",
        [56, 62],
        step("good", "3", three),
        step("good", "1", one),
        step("good", "2", two),
    )
    yield played(
        "duplicate",
        "The same bytes again, also later: answered with the stored receipt",
        [54, 59],
        step("good", "1", one),
        step("duplicate", "1 again", one),
        step("good", "2", two),
        step("duplicate", "1 again, 2 hours later, within its life and 120 s", one, now=NOW + 3600),
    )
    resealed = at(1, name="another in the first place")
    yield played(
        "equivocation",
        "Another statement in a place that is taken",
        [55],
        step("good", "1", one),
        step("equivocation", "another first", resealed),
        step("good", "2", two),
        step("duplicate", "the first stands", one),
    )
    again = at(2, one, name="the same message id", mid=one.mid)
    yield played(
        "message-id-twice",
        "A message id that was used before, in another place",
        [23],
        step("good", "1", one),
        step("mid", "2 with the id of 1", again),
        step("good", "2", two),
    )
    contents = at(1, name="another content", mid=one.mid)
    yield played(
        "message-id-two-contents",
        "A message id and a place that were used before, with another content",
        [23, 55],
        step("good", "1", one),
        step("equivocation", "the same id and place, other bytes", contents),
    )
    broken = at(2, three, name="broken prev")
    yield played(
        "prev-broken",
        "A `prev` that does not fit: taken; a node warns of it",
        [57],
        step("good", "1", one),
        step("good", "2, after something else", broken),
    )
    other = pair("new stream", stream=random("another stream", 16).hex(), seq=1)
    yield played(
        "new-stream",
        "A new stream that nobody announced: taken; a node warns of it",
        [58],
        step("good", "1", one),
        step("good", "1 of another stream", other),
        step("good", "2 of the first", two),
    )
