"""What every bad envelope is made of.

Two kinds of attacker: an outsider changes bytes on the way; an insider has a member's real keys and signs for
whatever he has made up.
"""

from __future__ import annotations

from typing import Any

from .good_envelopes import pair
from .network import B_NODE, B_POLICE, NOW
from .plain import b64
from .sealing import Sealing
from .vector import File, case, either, file

MAGIC, SUITE, KIND, PRIORITY, NSLOTS, NPARTS, EXPIRES, LENGTH, TO = 0, 4, 5, 6, 7, 8, 25, 33, 34
HEADER = 43
SLOT = 1120 + 3 * 32 + 16
"""Bytes of a slot of the smallest message, which has three parts."""

BASE = pair("base")
"""The message that most changes are made to. It is good."""


def put(data: bytes, at: int, *values: int) -> bytes:
    return data[:at] + bytes(values) + data[at + len(values) :]


def flip(data: bytes, at: int) -> bytes:
    return put(data, at, data[at] ^ 1)


def bad(
    number: int,
    name: str,
    comment: str,
    envelope: bytes | Sealing,
    node: str = "",
    *,
    police: str = "",
    **more: Any,
) -> File:
    """``node``, ``police``: what the two readers refuse it with; one that begins with "?" is not exact."""
    data = envelope.envelope if isinstance(envelope, Sealing) else envelope
    cases = []
    for who, reader, slot, code in (("the node", B_NODE, 0, node), ("the police", B_POLICE, 1, police)):
        if code:
            make = either if code.startswith("?") else case
            cases.append(make(code.lstrip("?"), who, reader=reader, slot=slot))
    return file(
        f"envelopes/bad/{number:03}-{name}",
        "envelope",
        comment,
        cases,
        [number],
        **{"envelope_b64": b64(data), "now": NOW, **more},
    )
