"""Good inputs for the parsers, and the ways to make others from them.

They come from the published vectors (tests/vectors), whose private keys are public, so that what must be
signed can be signed again after it was changed; and from the example documents.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from fuzzing.changes import Changes
from gateway.core import (
    encoding,
    layout,
)
from gateway.core.envelope import Kind, Position, Recipient, Seen, prepare
from gateway.core.keys import IdentityKey, KemKey, SubkeyOpener
from gateway.core.trust import Network
from gateway.errors import Malformed, Refused
from gateway.flows import vault

ROOT = Path(__file__).parents[2]
VECTORS = ROOT / "tests" / "vectors"
NODE, PEER, POLICE = "E09000012/node", "E09000004/node", "E09000004/police"

Make = Callable[[Changes], Any]


@dataclass(frozen=True, slots=True)
class Target:
    """``make`` gives the next input, ``read`` takes it; what is not of ``raises`` must not escape."""

    make: Make
    read: Callable[[Any], object]
    seeds: Sequence[bytes] = ()
    raises: tuple[type[BaseException], ...] = (Refused,)
    weight: float = 1.0
    """Its share of a run; what is dear to run gets less of it."""


# --- good inputs ------------------------------------------------------------------------------------------


def load(name: str) -> Any:
    return json.loads((VECTORS / name).read_text(encoding="utf-8"))


def unb64(text: str) -> bytes:
    return base64.b64decode(text)


def found(folder: str, field: str) -> list[bytes]:
    """The field of every vector of a folder, good and bad, and of its cases."""
    values: list[bytes] = []
    for path in sorted((VECTORS / folder).rglob("*.json")):
        one = json.loads(path.read_text(encoding="utf-8"))
        for holder in [one, *one.get("cases", ())]:
            if isinstance(holder.get(field), str):
                values.append(holder[field].encode())
            elif isinstance(holder.get(f"{field}_b64"), str):
                values.append(unb64(holder[f"{field}_b64"]))
    return sorted(set(values))


class World:
    """The network of the vectors with the private keys of everybody in it."""

    def __init__(self) -> None:
        self.file = load("network.json")
        self.net, self.now = unb64(self.file["net_b64"]), int(self.file["now"])
        self.roots = [one.encode() for one in self.file["roots"]]
        self.directory = self.file["directories"]["7"].encode()
        self.cards = [one.encode() for one in self.file["cards"]]
        self.network = Network.build(self.roots, self.directory, self.cards, now=self.now)

    def identity(self, name: str) -> IdentityKey:
        return IdentityKey(name, unb64(self.file["principals"][name]["sign_seed_b64"]))

    def signers(self, *names: str) -> list[IdentityKey]:
        return [IdentityKey(name, unb64(self.file["signers"][name]["seed_b64"])) for name in names]

    def log_key(self, area: str, name: str) -> IdentityKey:
        return IdentityKey(name, unb64(self.file["principals"][f"{area}/node"]["log_seed_b64"]))

    def opener(self, name: str) -> SubkeyOpener:
        subkeys = self.file["principals"][name]["subkeys"]
        return SubkeyOpener(
            name, [KemKey(unb64(one["seed_b64"]), one["from"], one["until"]) for one in subkeys]
        )

    def sealed(self, kind: Kind = Kind.MESSAGE) -> layout.Parsed:
        names = [PEER, POLICE] if kind is Kind.MESSAGE else [PEER]
        recipients = [
            Recipient(name, self.opener(name).publics()[0], frozenset() if name == PEER else frozenset({2}))
            for name in names
        ]
        contents = [vault.write_sections({"routing": ROUTING})] + [b"{}"] * (len(names) - 1)
        made = prepare(
            net=self.net, kind=kind, priority=0, to=PEER[:9], expires=self.now + 3600,
            recipients=recipients, contents=contents,
        )  # fmt: skip
        first = Position("ab" * 16, 1, bytes(32))
        sealed = made.finish(self.identity(NODE), created=self.now, directory=7, position=first, seen=Seen())
        return layout.split(sealed.envelope)


ROUTING: Any = {
    "type": "HANDOVER_NOTIFICATION", "handover": "HO-E09000012-2026-000123", "version": 1,
    "urgency": "URGENT",
    "legs": [{"slot": 1, "principal": POLICE, "leg": "ab" * 16, "reply_to": "E09000012/police"},
             {"slot": 2, "principal": "E09000004/housing", "leg": "cd" * 16, "reply_to": "E09000012/police"}],
}  # fmt: skip
ITEM: Any = {
    "blob": "ab" * 16, "name": "note.txt", "media_type": "text/plain", "size": 5,
    "key": encoding.b64(bytes(32)), "hash": encoding.b64(bytes(32)),
}  # fmt: skip
ACKNOWLEDGEMENT = b'{"state":"ACCEPTED","role":"Duty officer"}'
OPENING = b'{"justification":"OTHER","text":"A call at night"}'


def body_of(note: bytes) -> tuple[bytes, Any]:
    """(context, body) of a note."""
    context, _, rest = note[: note.rindex(b"\n\n")].partition(b"\n")
    return context, json.loads(rest)


# --- ways to make an input ---------------------------------------------------------------------------------


def raw(seeds: Sequence[bytes]) -> Make:
    return lambda changes: changes.bytes(changes.pick(seeds))


def tree(seeds: Sequence[Any]) -> Make:
    """JSON values, changed, as canonical bytes mostly."""
    return lambda changes: changes.canonical(changes.json(changes.pick(seeds)))


def value(seeds: Sequence[Any]) -> Make:
    """JSON values, changed and left as values: for what reads a part of something already decoded."""
    return lambda changes: changes.json(changes.pick(seeds))


def texts(seeds: Sequence[bytes]) -> Make:
    """JSON in whatever spelling, as an agency may write it: changed as a tree, then as bytes now and then."""
    trees = [json.loads(one) for one in seeds]

    def make(changes: Changes) -> bytes:
        made = json.dumps(changes.json(changes.pick(trees)), ensure_ascii=changes.random.random() < 0.5)
        data = made.encode(errors="surrogatepass")
        return changes.bytes(data) if changes.random.random() < 0.3 else data

    return make


def resigned(seeds: Sequence[bytes], signers: Sequence[IdentityKey]) -> Make:
    """Notes whose body was changed by somebody who has the keys."""
    parts = [body_of(one) for one in seeds]

    def make(changes: Changes) -> bytes:
        context, body = changes.pick(parts)
        return changes.note(context, body, signers)

    return make


def mixed(*makes: Make) -> Make:
    return lambda changes: changes.pick(makes)(changes)


def decoded(read: Callable[[Any], object]) -> Callable[[bytes], object]:
    """What reads a value, given canonical bytes."""
    return lambda data: read(encoding.decode(data))


def as_object(value: Any) -> Any:
    """A decoded value as a peer's would be: what no decoder gives out is refused here."""
    return encoding.decode(encoding.encode(value))


def as_dict(value: Any) -> Any:
    """The same for an object."""
    decoded = as_object(value)
    if not isinstance(decoded, dict):
        raise Malformed("an object is expected", code="json_object")
    return decoded


def is_object(data: bytes) -> bool:
    try:
        return isinstance(json.loads(data), dict)
    except ValueError:
        return False


def changes_for(target: Target, random: Random) -> Changes:
    return Changes(random, target.seeds or (b"{}", b"[]", b'"a"'))
