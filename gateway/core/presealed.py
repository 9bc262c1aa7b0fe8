"""A message whose words an agency sealed itself, on its way to the node that signs and sends it (protocol 5).

Only nodes send. An agency that keeps its own key seals the reader's part on its side and hands its node what
is left to do: take a place in the stream, sign the statement, encrypt it as part 0. For that the node needs
K_0, and K_1 to see that the routing table says what it would have said itself. It is never given the keys to
the words.

Form: ``{"v":1,"header":b64,"slots":b64,"to":[b64],"parts":[b64],"keys":[b64 K_0, b64 K_1]}``. It leaves out
whether this agency may send such a message at all (:mod:`gateway.flows.relay`).

Example::

    body = pack_presealed(prepare(net=net, kind=Kind.MESSAGE, ...))     # at the agency
    handed = open_presealed(body, net=net)                                # at its node
    handed.routing, handed.draft.finish(node, ...)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from gateway.core.encoding import (
    ZERO,
    Json,
    JsonObject,
    b64,
    check_version,
    fields,
    octets_list,
    unb64,
)
from gateway.core.envelope import Draft, open_part
from gateway.core.layout import MAX_HEADER, MIN_PADDED, Parsed, join, split
from gateway.core.recipients import ROUTING
from gateway.errors import Malformed

_SPEC: Final = {"v": int, "header": str, "slots": str, "to": list, "parts": list, "keys": list}
_PLACE: Final = bytes(32 + MIN_PADDED + 16)
"""Stands where part 0 will be, of the least size, so that the rest can be taken apart as an envelope."""


@dataclass(frozen=True, slots=True)
class Presealed:
    """``parsed``: the places in it, with a blank for part 0; ``routing``: the content of part 1. ``draft``
    finishes to an envelope; the keys beyond part 1 in it are zeros."""

    draft: Draft
    parsed: Parsed
    routing: bytes = field(repr=False)


def pack_presealed(draft: Draft) -> JsonObject:
    """What the agency hands over: everything but the keys to the parts after the routing table."""
    return {
        "v": 1,
        "header": b64(draft.header),
        "slots": b64(draft.slots),
        "to": [b64(one) for one in draft.to],
        "parts": [b64(part) for part in draft.parts],
        "keys": [b64(key) for key in draft.part_keys[: ROUTING + 1]],
    }


def open_presealed(value: Json, *, net: bytes) -> Presealed:
    """Raises Malformed, Unsupported, TooLarge for what makes no envelope, Forged where K_1 is not the key of
    part 1."""
    if isinstance(value, dict):
        check_version(value)
    body = fields(value, _SPEC)
    header, slots = unb64(str(body["header"])), unb64(str(body["slots"]))
    parts = _blobs(body["parts"])
    parsed = split(join(header, slots, (_PLACE, *parts)))
    if len(header) != MAX_HEADER or b"".join(parsed.slots) != slots:
        raise Malformed("header and slots are not cut where they end", code="slots")
    to = octets_list(body, "to", len(parsed.slots))
    statement_key, routing_key = octets_list(body, "keys", ROUTING + 1)
    keys = (statement_key, routing_key, *(ZERO for _ in parts[1:]))
    draft = Draft(parsed.mid, parsed.kind, parsed.expires, net, header, parsed.head, slots, to, parts, keys)
    return Presealed(draft, parsed, open_part(parsed, ROUTING, routing_key, net=net))


def _blobs(value: Json) -> tuple[bytes, ...]:
    texts = [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
    if texts != value or not texts:
        raise Malformed("a list of parts is expected", code="field_type", field="/parts")
    return tuple(unb64(item) for item in texts)
