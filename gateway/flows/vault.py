"""The keys to the parts of a stored message: wrapped at rest, opened for one reader at a time.

A message is stored as the envelope's own bytes. Beside it lie the keys to its parts. Those of the content are
each hidden under a leaf of the month's epoch, which is outside the database (protocol 7): without its leaf a
part is shredded, here and in every copy of the database, while every hash, receipt and log entry still
verifies. Those of parts 0 and 1 (the statement and the routing table: hashes, names of agencies and nodes)
lie under a secret of the key store and stay, so that what was sent to whom can be proven after its content
has gone. Plaintext leaves this module only as the return value of :func:`open_for` and :func:`open_parts`,
on its way to an agency's adapter or into a new seal.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from gateway.core import shred
from gateway.core.audience import merge
from gateway.core.encoding import Json, JsonObject, b64, decode_object, encode, unb64
from gateway.core.envelope import Parsed, open_part, split
from gateway.core.shred import Epoch
from gateway.core.trust import Network
from gateway.errors import Forged, Malformed, NotFound, Unavailable
from gateway.ports import EnvelopeRow, Keys, Side

ROUTING = 1
"""Part 1 is for the destination node alone (protocol 4.3)."""

LASTING = "messages"
"""The secret over what is never shredded: the keys to parts 0 and 1, and who may read which part."""


NOTE = b"bx/1/"
"""How every signed statement begins, and no envelope (protocol 4.1)."""


class Holder(Protocol):
    """Whoever opens what is stored: a running node (``flows.node.Node``), or a command beside it."""

    @property
    def network(self) -> Network: ...
    @property
    def keys(self) -> Keys: ...


@dataclass(frozen=True, slots=True)
class Secrets:
    """Part keys of one message: by part number, and which parts each reader may open.

    The order of ``readers`` is that of their slots, which the routing table refers to; so they are kept as a
    list, for an object of canonical JSON is sorted and a message sealed again would have other slots.
    ``shredded``: parts whose keys were held here and are destroyed.
    """

    keys: Mapping[int, bytes] = field(repr=False)
    readers: Mapping[str, tuple[int, ...]]
    shredded: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Wrapped:
    """What EnvelopeRow keeps: ``secrets``, ``epoch``."""

    secrets: bytes = field(repr=False)
    epoch: str


@dataclass(frozen=True, slots=True)
class RecordKey:
    """What the part keys of one message are stored under; got outside the transaction that will use it."""

    lasting: bytes = field(repr=False)
    epoch: Epoch
    month: str
    record: str

    def wrap(self, secrets: Secrets) -> Wrapped:
        """A part whose leaf is gone stays shredded: a message that comes once more, after a restore say,
        must not bring back what a person had destroyed."""
        content = [number for number in secrets.keys if number > ROUTING]
        leaves = self.epoch.leaves(self.record, content)
        kept = replace(secrets, shredded=secrets.shredded.union(content).difference(leaves))
        month = self.month if content else ""  # nothing of it depends on the epoch
        return Wrapped(_wrap(self.lasting, self.record, kept, leaves), month)


def new_record_key(node: Holder, mid: str, side: Side, now: int) -> RecordKey:
    """Raises Unavailable when this month was destroyed already: a clock that stands in the past."""
    moment = datetime.fromtimestamp(now, UTC)
    month = f"{moment.year}-{moment.month:02}"
    epoch = node.keys.epoch(month, make=True)
    if epoch.destroyed:
        raise Unavailable(
            f"the keys of {month} were destroyed for good: nothing more can be stored in that month",
            code="epoch_destroyed",
            remedy="set this machine's clock and keep it set with NTP",
        )
    return RecordKey(node.keys.secret(LASTING), epoch, month, record_name(mid, side))


def record_name(mid: str, side: Side) -> str:
    """What a record's place in its epoch is derived from."""
    return f"{mid}/{side.value}"


def stripped(row: EnvelopeRow) -> bool:
    """Whether nothing of a message is here but its signed statement, which is its body then."""
    return not row.secrets and row.body.startswith(NOTE)


def secrets_of(node: Holder, row: EnvelopeRow) -> Secrets:
    """Every part key that can still be had. Raises NotFound for a message stored without any, Forged when a
    stored byte was changed."""
    if not row.secrets:
        raise _shredded()
    record = record_name(row.mid, row.side)
    body = decode_object(shred.unwrap(node.keys.secret(LASTING), row.secrets, context=_context(record)))
    keys, parts = _held(body.get("keys")), _held(body.get("parts"))
    readers, gone = body.get("readers"), body.get("shredded")
    if not isinstance(readers, list) or not isinstance(gone, list):
        raise _misshapen()
    leaves = node.keys.epoch(row.epoch).leaves(record, parts) if parts else {}
    shown = shred.blind(leaves.values(), [parts[number] for number in leaves])
    shredded = frozenset(parts).difference(leaves).union(n for n in gone if isinstance(n, int))
    return Secrets(
        keys | dict(zip(leaves, shown, strict=True)), dict(_reader(line) for line in readers), shredded
    )


def without(node: Holder, row: EnvelopeRow, secrets: Secrets, numbers: Collection[int]) -> bytes:
    """The row's ``secrets`` without the keys to these parts."""
    record = record_name(row.mid, row.side)
    left = {number: key for number, key in secrets.keys.items() if number not in numbers}
    leaves = node.keys.epoch(row.epoch).leaves(record, [number for number in left if number > ROUTING])
    kept = replace(secrets, keys=left, shredded=secrets.shredded.union(numbers))
    return _wrap(node.keys.secret(LASTING), record, kept, leaves)


def _wrap(lasting: bytes, record: str, secrets: Secrets, leaves: Mapping[int, bytes]) -> bytes:
    keys = secrets.keys
    hidden = shred.blind(leaves.values(), [keys[number] for number in leaves])
    body: JsonObject = {
        "keys": _listed({number: key for number, key in keys.items() if number <= ROUTING}),
        "parts": _listed(dict(zip(leaves, hidden, strict=True))),
        "readers": [[name, list(parts)] for name, parts in secrets.readers.items()],
        "shredded": [*sorted(secrets.shredded)],
    }
    return shred.wrap(lasting, encode(body), context=_context(record))


def open_for(node: Holder, row: EnvelopeRow, reader: str) -> JsonObject:
    """PLAINTEXT: the sections that ``reader`` may see, merged, without those that were shredded. Raises
    NotFound, Forged, Malformed."""
    return view(node, row, secrets_of(node, row), reader)


def view(node: Holder, row: EnvelopeRow, secrets: Secrets, reader: str) -> JsonObject:
    """:func:`open_for` with part keys that are at hand."""
    if reader not in secrets.readers:
        raise NotFound("nothing in this message is for this agency", code="no_parts")
    parsed, numbers = split(row.body), secrets.readers[reader]
    held = [number for number in numbers if number not in secrets.shredded]
    if numbers and not held:
        raise _shredded()
    return merge([_sections(node, parsed, secrets, number) for number in held])


def open_parts(node: Holder, row: EnvelopeRow) -> tuple[Secrets, Sequence[bytes]]:
    """PLAINTEXT, to be sealed again at once: every part after part 0, in order, byte for byte. Raises
    NotFound when one of them was shredded."""
    secrets = secrets_of(node, row)
    if secrets.shredded:
        raise _shredded()
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


def _sections(node: Holder, parsed: Parsed, secrets: Secrets, number: int) -> JsonObject:
    if number not in secrets.keys:
        raise Forged("a part that was promised has no key", code="part_key")
    return read_sections(open_part(parsed, number, secrets.keys[number], net=node.network.net))


def _reader(line: Json) -> tuple[str, tuple[int, ...]]:
    match line:
        case [str(name), list(parts)]:
            return name, tuple(number for number in parts if isinstance(number, int))
    raise _misshapen()


def _listed(keys: Mapping[int, bytes]) -> Json:
    """Part numbers, and their keys one after the other."""
    return [[*keys], b64(b"".join(keys.values()))]


def _held(value: Json) -> dict[int, bytes]:
    match value:
        case [list(numbers), str(text)]:
            keys = unb64(text, shred.KEY * len(numbers))
            cut = [keys[at : at + shred.KEY] for at in range(0, len(keys), shred.KEY)]
            return {number: key for number, key in zip(numbers, cut, strict=True) if isinstance(number, int)}
    raise _misshapen()


def _misshapen() -> Malformed:
    return Malformed("stored part keys have another shape", code="secrets")


def _context(record: str) -> str:
    return f"bx/1/parts/{record}"


def _shredded() -> NotFound:
    return NotFound(
        "the content of this message is no longer held",
        code="shredded",
        remedy="ask the origin to send it again",
    )
