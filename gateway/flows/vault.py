"""The keys to the parts of a stored message: wrapped at rest, opened for one reader at a time.

A message is stored as the envelope's own bytes. Beside it lie the keys to its parts, under a record key,
itself under the month's epoch key, which is outside the database (protocol 7): destroying either shreds
the content while every hash, receipt and log entry still verifies. Plaintext leaves this module only as the
return value of :func:`open_for` and :func:`open_all`, on its way to an agency's adapter or into a new seal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gateway.core import shred
from gateway.core.audience import merge
from gateway.core.encoding import Json, JsonObject, b64, decode_object, encode, unb64
from gateway.core.envelope import Parsed, open_part, split
from gateway.errors import Forged, Malformed, NotFound
from gateway.flows.node import Node
from gateway.ports import EnvelopeRow

ROUTING = 1
"""Part 1 is for the destination node alone (protocol 4.3)."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """Part keys of one message: by part number, and which parts each reader may open.

    The order of ``readers`` is that of their slots, which the routing table refers to; so they are kept as a
    list, for an object of canonical JSON is sorted and a message sealed again would have other slots.
    """

    keys: Mapping[int, bytes] = field(repr=False)
    readers: Mapping[str, tuple[int, ...]]

    def encode(self) -> bytes:
        return encode(
            {
                "keys": {str(number): b64(key) for number, key in self.keys.items()},
                "readers": [[name, list(parts)] for name, parts in self.readers.items()],
            }
        )

    @classmethod
    def decode(cls, data: bytes) -> Secrets:
        body = decode_object(data)
        keys, readers = body["keys"], body["readers"]
        if not isinstance(keys, dict) or not isinstance(readers, list):
            raise Malformed("stored part keys have another shape", code="secrets")
        return cls(
            {int(number): unb64(str(key), 32) for number, key in keys.items()},
            dict(_reader(line) for line in readers),
        )


@dataclass(frozen=True, slots=True)
class Wrapped:
    """What EnvelopeRow keeps: ``secrets``, ``record_key``, ``epoch``."""

    secrets: bytes = field(repr=False)
    record_key: bytes = field(repr=False)
    epoch: str


@dataclass(frozen=True, slots=True)
class RecordKey:
    """A fresh record key and its wrapped form, made outside the transaction that will use it."""

    key: bytes = field(repr=False)
    sealed: bytes = field(repr=False)
    epoch: str
    mid: str

    def wrap(self, secrets: Secrets) -> Wrapped:
        return Wrapped(
            shred.wrap(self.key, secrets.encode(), context=f"bx/1/parts/{self.mid}"), self.sealed, self.epoch
        )


def new_record_key(node: Node, mid: str, now: int) -> RecordKey:
    key, moment = shred.new_key(), datetime.fromtimestamp(now, UTC)
    epoch = f"{moment.year}-{moment.month:02}"
    return RecordKey(key, shred.wrap(node.keys.epoch(epoch), key, context=_record(mid)), epoch, mid)


def secrets_of(node: Node, row: EnvelopeRow) -> Secrets:
    """Raises NotFound when the content has been shredded, Forged when a stored byte was changed."""
    if not row.record_key:
        raise NotFound(
            "the content of this message is no longer held",
            code="shredded",
            remedy="ask the origin to send it again",
        )
    key = shred.unwrap(node.keys.epoch(row.epoch), row.record_key, context=_record(row.mid))
    return Secrets.decode(shred.unwrap(key, row.secrets, context=f"bx/1/parts/{row.mid}"))


def open_for(node: Node, row: EnvelopeRow, reader: str) -> JsonObject:
    """PLAINTEXT: the sections that ``reader`` may see, merged. Raises NotFound, Forged, Malformed."""
    secrets = secrets_of(node, row)
    if reader not in secrets.readers:
        raise NotFound("nothing in this message is for this agency", code="no_parts")
    parsed = split(row.body)
    return merge([_sections(node, parsed, secrets, number) for number in secrets.readers[reader]])


def open_parts(node: Node, row: EnvelopeRow) -> tuple[Secrets, Sequence[bytes]]:
    """PLAINTEXT, to be sealed again at once: every part after part 0, in order, byte for byte."""
    secrets = secrets_of(node, row)
    parsed = split(row.body)
    numbers = range(ROUTING, len(parsed.parts))
    return secrets, [open_part(parsed, n, secrets.keys[n], net=node.network.net) for n in numbers]


def read_sections(content: bytes) -> JsonObject:
    """The sections of one part's content (protocol 4.3). Raises Malformed."""
    body = decode_object(content)
    sections = body.get("sections")
    if set(body) != {"v", "sections"} or body["v"] != 1 or not isinstance(sections, dict):
        raise Malformed("a part is not of the form {v, sections}", code="part_form")
    return sections


def write_sections(sections: JsonObject) -> bytes:
    return encode({"v": 1, "sections": sections})


def _sections(node: Node, parsed: Parsed, secrets: Secrets, number: int) -> JsonObject:
    if number not in secrets.keys:
        raise Forged("a part that was promised has no key", code="part_key")
    return read_sections(open_part(parsed, number, secrets.keys[number], net=node.network.net))


def _reader(line: Json) -> tuple[str, tuple[int, ...]]:
    match line:
        case [str(name), list(parts)]:
            return name, tuple(number for number in parts if isinstance(number, int))
    raise Malformed("a stored reader has another shape", code="secrets")


def _record(mid: str) -> str:
    return f"bx/1/record/{mid}"
