"""Parsers of what a proven peer says inside an envelope, and of what our own agencies and operators write."""

from __future__ import annotations

import asyncio
import json
import sys
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import tomli_w

from adapters._parcels import parse_object
from fuzzing.changes import Changes
from fuzzing.seeds import (
    ACKNOWLEDGEMENT,
    ITEM,
    NODE,
    OPENING,
    PEER,
    POLICE,
    ROOT,
    ROUTING,
    VECTORS,
    Target,
    World,
    as_dict,
    as_object,
    decoded,
    found,
    load,
    mixed,
    raw,
    resigned,
    texts,
    tree,
    value,
)
from gateway.client.opening import read_sealed
from gateway.config import build
from gateway.core import (
    audience,
    blob,
    bridge,
    ceremony,
    encoding,
    presealed,
    shred,
    statement,
)
from gateway.core.envelope import Kind, Recipient, open_part, open_slot, prepare
from gateway.errors import Misconfigured, Refused, Rejected
from gateway.flows import opening, resend, streams, trust, vault
from gateway.flows.control import Came
from gateway.flows.heard import HANDLERS, hear
from gateway.ports import Parcel
from gateway.stores.memory import MemoryTransaction
from schemas.acknowledgement import parse_acknowledgement, parse_opening
from schemas.base import ShapeError
from schemas.handover import parse_notification
from schemas.samples import minimal_example

UNKNOWN: set[str] = set()
"""Sections that a handler takes and for which no good input stands here: tests/fuzz wants none."""


def inside(world: World) -> Iterator[tuple[str, Target]]:
    """JSON out of what a proven peer has signed or sealed."""
    contents = [{"v": 1, "sections": {"routing": ROUTING}}, {"v": 1, "sections": {"receipts": ["note"]}}]
    yield "sections", Target(tree(contents), vault.read_sections)
    yield "routing table", Target(tree([ROUTING]), decoded(opening.read_routing), weight=2)
    told = {"previous": {"stream": "ab" * 16, "seq": 9}, "reason": "restored"}
    yield "announcement of a stream", Target(tree([told]), decoded(streams.read_announcement))
    again = [{"stream": "ab" * 16, "first": 1, "last": 9}]
    yield "question for a re-send", Target(tree([again]), decoded(resend._questions))  # noqa: SLF001 - the reader is what is looked at
    yield "attachment item", Target(tree([ITEM]), decoded(blob.read_item))
    segment = blob.Segment("ab" * 16, 0, blob.sealed_size(5), bytes(blob.sealed_size(5))).write()
    yield "attachment segment", Target(tree([segment]), decoded(blob.read_segment))
    sealer = blob.Sealer("ab" * 16, bytes(32), "text/plain")
    stream = sealer.push(b"hello") + sealer.finish()
    item = blob.Item("ab" * 16, "note.txt", "text/plain", sealer.size, bytes(32), sealer.hash)
    yield "attachment", Target(raw([stream]), lambda data: _unseal(item, data), [stream])
    yield (
        "look at a file",
        Target(raw([b"%PDF-1.7\n", "plain é".encode(), b"PK\3\4"]), _look),
    )
    carried = bridge.pack_file({"cards": []}, [world.sealed().raw])
    yield "carried file", Target(raw([carried]), bridge.open_file, [carried])
    parts = [one["parts"] for one in load("envelope-parts/merging.json")["cases"]]
    yield "parts to be joined", Target(value(parts), lambda told: audience.merge(_objects(told)))
    made = world.sealed()
    drawn = prepare(
        net=world.net, kind=Kind.MESSAGE, priority=0, to="E09000012", expires=world.now + 3600,
        recipients=[Recipient(NODE, world.opener(NODE).publics()[0])],
        contents=[vault.write_sections({"routing": ROUTING})],
    )  # fmt: skip
    yield (
        "pre-sealed reply",
        Target(
            tree([presealed.pack_presealed(drawn)]), decoded(partial(presealed.open_presealed, net=world.net))
        ),
    )
    epoch = shred.Epoch(b"", {}).encode()
    zero = encoding.b64(bytes(32))
    full = {"index": zero, "nodes": {"": zero, "01": zero}, "v": 1}
    yield "epoch file", Target(tree([json.loads(epoch), full]), shred.Epoch.decode)
    relayed = {
        "parcel": "p1", "kind": Parcel.NOTIFICATION.value, "leg": "ab" * 16, "principal": POLICE,
        "counterpart": "E09000012/police", "handover": "HO-E09000012-2026-000123", "version": 1,
        "agency": "POLICE", "state": "DELIVERED", "urgency": "URGENT", "acknowledge_by": 1, "decide_by": 2,
        "envelope": encoding.b64(made.raw), "slot": 1, "chain": ["note"], "received": "note", "content": {},
    }  # fmt: skip
    yield (
        "relayed parcel",
        Target(
            value([relayed]),
            lambda told: read_sealed(as_dict(told), _Keys()),
            weight=0.5,  # type: ignore[arg-type]
        ),
    )


def heard(world: World) -> Iterator[tuple[str, Target]]:
    """What a proven peer's node says beside its receipts, taken by a node with a store."""
    sys.path.insert(0, str(VECTORS))
    from product import Product  # noqa: PLC0415 - the vectors' packages are importable from their folder alone

    loop = asyncio.new_event_loop()
    node = loop.run_until_complete(Product(VECTORS).node({"now": world.now}, PEER[:9]))
    bundle = ceremony.Bundle(tuple(world.roots), world.directory, tuple(world.cards))
    loop.run_until_complete(node.store.write(lambda tx: trust.join(tx, bundle, world.now)))
    loop.close()
    parsed = world.sealed()
    key = open_slot(parsed, 0, net=world.net, opener=world.opener(PEER)).statement_key
    note = open_part(parsed, 0, key, net=world.net)
    proven = statement.read(note, parsed, net=world.net, keyring=world.network.keyring)
    came = Came(NODE[:9], proven, world.now)
    shown = [one.decode() for one in found("log/checkpoints/good", "note")]
    cosigned = [one.decode() for one in found("log/cosigned", "note")]
    told = [
        {"checkpoint": shown[0], "since": 0, "proof": [], "wanted": [1], "others": shown[:2]},
        {"cosigned": cosigned[0], "proofs": [{"size": 1, "proof": [encoding.b64(bytes(32))]}]},
    ]
    digest = encoding.b64(bytes(32))
    documents = [one.decode() for one in (*world.roots, world.directory, *world.cards[:2])]
    documents += list(world.file["suspensions"].values()) + list(world.file["directories"].values())
    seeds = [
        *({"log": one} for one in told),
        {"fork": {"a": shown[0], "b": shown[-1]}},
        {"heartbeat": {"at": world.now}},
        {"resend": [{"stream": "ab" * 16, "first": 1, "last": 9}]},
        {"stream": {"previous": {"stream": "ab" * 16, "seq": 9}, "reason": "restored"}},
        {"trust": {"directory": {"version": 8, "hash": digest}, "cards": digest}},
        {"want": {"directory": 1, "cards": ["E09000004"]}},
        {"ping": {"nonce": "ab" * 16}},
        {"pong": {"nonce": "ab" * 16}},
        {"downgrade": {"handover": f"HO-{NODE[:9]}-2026-000123", "at": world.now}},
        {"drill_end": {"handover": f"HO-{NODE[:9]}-2026-000123"}},
        {"attest": [{"handover": f"HO-{PEER[:9]}-2026-000123", "version": 1}]},
        {"purged": [shown[0], documents[0]]},
        *({"documents": [one]} for one in documents),
    ]
    UNKNOWN.update(set(HANDLERS) - {name for one in seeds for name in one})

    def take(sections: Any) -> None:
        node.told.clear()
        node.used.clear()
        tx = MemoryTransaction(node.store.memory.tables.copy(), writable=True)
        hear(tx, node, came, as_dict(sections))

    again = resigned(
        [world.directory, *(one.encode() for one in world.file["directories"].values())],
        world.signers("d1", "d2"),
    )
    stops = resigned([one.encode() for one in world.file["suspensions"].values()], world.signers("d3"))

    def signed_again(changes: Changes) -> Any:
        return {"documents": [changes.pick((again, stops))(changes).decode(errors="replace")]}

    yield (
        "sections of a peer's node",
        Target(mixed(value(seeds), value(seeds), signed_again), take, weight=0.3),
    )


class _Keys:
    principal = POLICE


def _objects(value: Any) -> list[Any]:
    decoded = as_object(value)
    if not isinstance(decoded, list) or not all(isinstance(one, dict) for one in decoded):
        raise Refused("not a list of sections")
    return decoded


def _unseal(item: blob.Item, data: bytes) -> object:
    unsealer = blob.Unsealer(item)
    return unsealer.push(data), unsealer.finish()


def _look(data: bytes) -> None:
    for kind in ("text/plain", "application/pdf"):
        look = blob.Look(kind)
        look.push(data[:3])
        look.push(data[3:])
        look.finish()


def ours() -> Iterator[tuple[str, Target]]:
    """What our own agencies and operators write."""
    examples = [minimal_example().encode()]
    examples += [path.read_bytes() for path in sorted((ROOT / "schemas/examples").glob("*.json"))]
    yield (
        "handover document",
        Target(texts(examples), parse_notification, examples, (ShapeError,), weight=0.1),
    )
    yield (
        "acknowledgement",
        Target(texts([ACKNOWLEDGEMENT]), parse_acknowledgement, raises=(ShapeError,), weight=0.5),
    )
    yield "justification", Target(texts([OPENING]), parse_opening, raises=(ShapeError,), weight=0.5)
    yield "adapter's file", Target(texts([ACKNOWLEDGEMENT, OPENING]), parse_object, raises=(Rejected,))
    tables = [tomllib.loads(_settings())]
    yield "configuration", Target(value(tables), _configuration, raises=(Misconfigured,), weight=0.1)


def _settings() -> str:
    return """environment = "demo"
area = "E09000012"
data_dir = "/tmp/x"
[database]
url = "sqlite:////tmp/x.db"
[broker]
url = "amqp://127.0.0.1/"
[api]
port = 8080
[agencies.police]
adapter = "adapters.inbox:Inbox"
"""


def _configuration(table: Any) -> object:
    """As TOML where TOML can say it, else as the table itself."""
    if not isinstance(table, dict):
        raise Misconfigured("a table is expected")
    with suppress(TypeError, ValueError, AttributeError, RecursionError):
        table = tomllib.loads(tomli_w.dumps(table))
    return build(table)
