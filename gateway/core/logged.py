"""What a log says of one message: leaves with their proofs under one checkpoint and its cosignatures.

Duty: the part of an evidence bundle that pins it to a log nobody can rewrite alone (protocol 5, 8), and its
judgement. It leaves out the tree (:mod:`gateway.core.merkle`), the cosignatures themselves
(:mod:`gateway.core.witness`) and where the leaves are found (flows).

Rules: leaves are hashes and codes. Each of them is proven to be in the tree of the checkpoint; who has
cosigned that checkpoint saw a tree that held them, at the time that stands in the cosignature.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.core.encoding import Json, JsonObject, b64, decode_object, fields, integer, unb64
from gateway.core.log import origin
from gateway.core.merkle import HASH, leaf_hash, verify_inclusion
from gateway.core.trust import Network
from gateway.core.witness import open_cosigned
from gateway.errors import Malformed


@dataclass(frozen=True, slots=True)
class Leaf:
    """One leaf (its bytes), its place from 0, and the RFC 6962 path to the checkpoint's root."""

    index: int
    leaf: bytes
    proof: tuple[bytes, ...] = field(repr=False)

    def body(self) -> JsonObject:
        return {
            "index": self.index,
            "leaf": self.leaf.decode(),
            "proof": [b64(hash_) for hash_ in self.proof],
        }


@dataclass(frozen=True, slots=True)
class Logged:
    """``checkpoint``: the signed note with the cosignature lines below the log's own."""

    checkpoint: bytes = field(repr=False)
    leaves: Sequence[Leaf]

    def body(self) -> JsonObject:
        return {"checkpoint": self.checkpoint.decode(), "leaves": [leaf.body() for leaf in self.leaves]}


@dataclass(frozen=True, slots=True)
class Pinned:
    """What was proven. ``facts``: the leaves; ``seen``: area -> when it cosigned (unix seconds)."""

    size: int
    facts: Sequence[JsonObject]
    seen: Mapping[str, int]

    def holds(self, **wanted: Json) -> bool:
        """Whether one leaf says all of this."""
        return any(all(fact.get(name) == value for name, value in wanted.items()) for fact in self.facts)


def read_logged(value: Json) -> Logged:
    """Raises Malformed. Nothing in it is verified yet."""
    body = fields(value, {"checkpoint": str, "leaves": list})
    leaves = body["leaves"]
    if not isinstance(leaves, list):
        raise Malformed("the log part of a bundle is a list of leaves", code="evidence_form")
    return Logged(str(body["checkpoint"]).encode(), [_leaf(leaf) for leaf in leaves])


def check_logged(logged: Logged, area: str, network: Network) -> Pinned:
    """Every leaf is in the log of ``area`` as its checkpoint has it. Raises Refused of any kind."""
    cosigned = open_cosigned(logged.checkpoint, origin(network.net, area), network)
    signed = cosigned.checkpoint
    for leaf in logged.leaves:
        verify_inclusion(leaf_hash(leaf.leaf), leaf.index, signed.size, leaf.proof, signed.root)
    return Pinned(signed.size, [decode_object(leaf.leaf) for leaf in logged.leaves], cosigned.times)


def _leaf(value: Json) -> Leaf:
    body = fields(value, {"index": int, "leaf": str, "proof": list})
    proof = body["proof"]
    hashes = tuple(unb64(str(item), HASH) for item in proof) if isinstance(proof, list) else ()
    return Leaf(integer(body, "index"), str(body["leaf"]).encode(), hashes)
