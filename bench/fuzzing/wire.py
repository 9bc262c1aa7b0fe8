"""Parsers of what comes over the wire before its sender is proven, and of what a sender has signed."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from fuzzing.changes import Changes, signed
from fuzzing.seeds import (
    NODE,
    PEER,
    POLICE,
    Target,
    World,
    as_object,
    decoded,
    found,
    is_object,
    load,
    mixed,
    raw,
    resigned,
    tree,
    value,
)
from gateway.core import (
    encoding,
    kem,
    layout,
    logged,
    merkle,
    notes,
    receipts,
    statement,
    witness,
)
from gateway.core.envelope import Kind, open_part, open_slot
from gateway.core.log import log_keyring, open_checkpoint
from gateway.core.trust import Network
from gateway.flows import gossip


def outer(world: World) -> Iterator[tuple[str, Target]]:
    envelopes = found("envelopes", "envelope")
    bundles = [layout.bundle(envelopes[:2]), layout.bundle([envelopes[0]] * 3), envelopes[0]]
    yield "envelope", Target(raw(envelopes), layout.split, envelopes)
    yield "AMQP body", Target(raw(bundles), layout.unbundle, bundles)
    parsed, police = world.sealed(), world.opener(POLICE)
    slot = open_slot(parsed, 1, net=world.net, opener=police)
    key = slot.keys[2] or b""
    yield "slot", Target(
        raw(parsed.slots),
        lambda data: open_slot(
            _with(parsed, slots=(_fit(data, len(parsed.slots[1])),) * 2), 1, net=world.net, opener=police
        ),
        parsed.slots, weight=0.2,
    )  # fmt: skip
    yield "part", Target(
        raw(parsed.parts[2:]),
        lambda data: open_part(_with(parsed, parts=(_fit(data, 560),) * 3), 2, key, net=world.net),
        parsed.parts[2:],
    )  # fmt: skip
    padded = [layout.pad(b""), layout.pad(b"x" * 700), layout.pad(bytes(508))]
    yield "padding", Target(raw(padded), lambda data: layout.unpad(data.ljust(4, b"\0")), padded)
    subkey = kem.DecapsulationKey(bytes(32))
    ciphertexts = [kem.encapsulate(subkey.public)[1]]
    yield "KEM ciphertext", Target(raw(ciphertexts), subkey.decapsulate, ciphertexts, weight=0.2)
    yield "KEM public key", Target(raw([subkey.public]), kem.check_public, [subkey.public], weight=0.2)
    jsons = [one if isinstance(one, bytes) else one.encode() for one in found("encoding", "json")]
    yield "canonical JSON", Target(mixed(raw(jsons), tree(_trees(jsons))), encoding.decode, jsons, weight=2)
    coded = found("encoding", "base64")
    yield "base64", Target(raw(coded), lambda data: encoding.unb64(data.decode("latin-1"), 32), coded)


def _fit(data: bytes, least: int) -> bytes:
    """At least so long, which `split` makes sure of."""
    return data if len(data) >= least else data.ljust(least, b"\0")


def _with(parsed: layout.Parsed, **changes: Any) -> layout.Parsed:
    held = {name: getattr(parsed, name) for name in layout.Parsed.__dataclass_fields__}
    return layout.Parsed(**{**held, **changes})


def _trees(jsons: Sequence[bytes]) -> list[Any]:
    found = []
    for one in jsons:
        try:
            found.append(json.loads(one))
        except (ValueError, RecursionError):
            continue
    return found


def signed_by_peers(world: World) -> Iterator[tuple[str, Target]]:
    ring, net, node = world.network.keyring, world.net, world.identity(NODE)
    police, peer = world.identity(POLICE), world.identity(PEER)
    bare = found("notes", "note")
    yield "note", Target(
        mixed(raw(bare), resigned([signed(b"bx/1/example", b'{"at":1,"v":1}', [node])], [node, police])),
        lambda data: notes.open_note(data, "bx/1/example", ring), bare,
    )  # fmt: skip
    yield "note, unproven", Target(raw(bare), notes.peek_body, bare)
    yield "note, hash", Target(raw(bare), notes.text_hash, bare)
    lines = found("log/checkpoints", "note")
    yield "note of lines", Target(raw(lines), lambda data: notes.open_lines(data, lambda _: []), lines)
    for kind in Kind:
        parsed = world.sealed(kind)
        opener = world.opener(PEER)
        statement_key = open_slot(parsed, 0, net=net, opener=opener).statement_key
        note = open_part(parsed, 0, statement_key, net=net)
        yield f"statement of {kind.name.lower()}", Target(
            resigned([note], [node]), partial(statement.read, parsed=parsed, net=net, keyring=ring), [note],
        )  # fmt: skip
        if kind is Kind.MESSAGE:
            yield (
                "statement alone",
                Target(
                    resigned([note], [node]), partial(statement.read_alone, net=net, keyring=ring), [note]
                ),
            )
    good = found("receipts/good", "note")
    by_police = [one for one in good if b'"by":"E09000004/police"' in one]
    by_node = [one for one in good if b'"by":"E09000004/node"' in one]
    yield "receipt", Target(
        mixed(resigned(by_police, [police]), resigned(by_node, [peer]), raw(found("receipts", "note"))),
        partial(receipts.open_receipt, net=net, keyring=ring), good, weight=2,
    )  # fmt: skip


def of_logs(world: World) -> Iterator[tuple[str, Target]]:
    network = world.network
    checkpoints, cosigned = found("log/checkpoints", "note"), found("log/cosigned", "note")
    name = load("log/checkpoints/bad/another-log.json")["origin"]
    key = world.log_key("E09000012", name)

    def checkpoint(changes: Changes) -> bytes:
        lines = changes.pick(checkpoints).partition(b"\n\n")[0].split(b"\n")
        lines[changes.below(len(lines))] = changes.text(lines[-1].decode(errors="replace")).encode(
            errors="replace"
        )
        text = b"\n".join(lines) + b"\n"
        stamp = base64.b64encode(notes.key_id(name, key.public) + key.sign(text)).decode()
        return text + f"\n— {name} {stamp}\n".encode()

    yield "checkpoint", Target(
        mixed(raw(checkpoints), checkpoint),
        lambda data: open_checkpoint(data, name, log_keyring(network)), checkpoints,
    )  # fmt: skip
    yield (
        "cosigned checkpoint",
        Target(raw(cosigned), lambda data: witness.open_cosigned(data, name, network), cosigned),
    )
    pairs = [[one.decode(), other.decode()] for one in checkpoints[:4] for other in checkpoints[-4:]]
    yield "proof of a fork", Target(
        value([{"a": a, "b": b} for a, b in pairs]),
        lambda said: _fork(said, name, network), weight=0.5,
    )  # fmt: skip
    inclusion, consistency = (load(f"log/{what}-good.json")["cases"] for what in ("inclusion", "consistency"))
    yield "inclusion proof", Target(tree(inclusion), decoded(_inclusion))
    yield "consistency proof", Target(tree(consistency), decoded(_consistency))
    proofs = [[{"size": one["second"], "proof": one["proof"]}] for one in consistency]
    yield (
        "proofs of a peer",
        Target(
            value(proofs),
            lambda said: [gossip.hashes(one) for one in gossip.proofs_of(as_object(said)).values()],
        ),
    )
    yield "sizes of a peer", Target(tree([[1], [1, 2, 3]]), decoded(gossip.sizes_of))
    leaf = {"leaf": inclusion[0]["leaf"], "index": 0, "proof": inclusion[5]["proof"]}
    bundles = [json.loads(one) for one in found("evidence", "bundle") if is_object(one)]
    shown = [one["log"] for one in bundles if "log" in one] or [{"checkpoint": "", "leaves": [leaf]}]
    yield "log of a bundle", Target(tree(shown), decoded(logged.read_logged))


def _fork(said: Any, name: str, network: Network) -> object:
    two = encoding.fields(as_object(said), {"a": str, "b": str})
    a, b = (str(two[which]).encode(errors="surrogatepass") for which in ("a", "b"))
    return witness.prove_fork(a, b, name, network)


def _inclusion(case: Any) -> None:
    names = ("leaf", "index", "size", "proof", "root_b64")
    told = encoding.fields(
        {name: case.get(name) for name in names} if isinstance(case, dict) else case,
        {"leaf": str, "index": int, "size": int, "proof": list, "root_b64": str},
    )
    leaf = merkle.leaf_hash(str(told["leaf"]).encode(errors="replace"))
    size, index = (encoding.integer(told, name) for name in ("size", "index"))
    proof = gossip.hashes(told["proof"])
    merkle.verify_inclusion(leaf, index, size, proof, encoding.octets(told, "root_b64"))


def _consistency(case: Any) -> None:
    names = ("first", "first_root_b64", "second", "second_root_b64", "proof")
    told = encoding.fields(
        {name: case.get(name) for name in names} if isinstance(case, dict) else case,
        {"first": int, "first_root_b64": str, "second": int, "second_root_b64": str, "proof": list},
    )
    first, second = (encoding.integer(told, name) for name in ("first", "second"))
    roots = (encoding.octets(told, name) for name in ("first_root_b64", "second_root_b64"))
    merkle.verify_consistency(first, next(roots), second, next(roots), gossip.hashes(told["proof"]))
