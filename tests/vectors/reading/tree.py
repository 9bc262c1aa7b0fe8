"""The Merkle tree of RFC 6962 and its proofs (8), by the recursive definitions of that RFC."""

from __future__ import annotations

from collections.abc import Sequence

from .text import need, sha256


def leaf_hash(leaf: bytes) -> bytes:
    return sha256(b"\0" + leaf)


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right)


def root(leaves: Sequence[bytes]) -> bytes:
    """MTH of leaf hashes."""
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaves[0]
    middle = _middle(len(leaves))
    return node_hash(root(leaves[:middle]), root(leaves[middle:]))


def inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root_hash: bytes) -> None:
    """PATH, read from the top down: the last hash of a proof is the sibling nearest the root."""
    need(0 <= index < size, "log_index")
    need(len(proof) == _path_length(index, size), "log_proof")
    need(all(len(one) == 32 for one in (leaf, root_hash, *proof)), "log_hash")
    need(_climb(leaf, index, size, list(proof)) == root_hash, "log_inclusion")


def _climb(leaf: bytes, index: int, size: int, proof: list[bytes]) -> bytes:
    if size == 1:
        return leaf
    middle, sibling = _middle(size), proof.pop()
    if index < middle:
        return node_hash(_climb(leaf, index, middle, proof), sibling)
    return node_hash(sibling, _climb(leaf, index - middle, size - middle, proof))


def _path_length(index: int, size: int) -> int:
    if size == 1:
        return 0
    middle = _middle(size)
    inner = _path_length(index, middle) if index < middle else _path_length(index - middle, size - middle)
    return 1 + inner


def consistency(
    first: int, first_root: bytes, second: int, second_root: bytes, proof: Sequence[bytes]
) -> None:
    """PROOF(first, D[second]): it gives both roots, or the newer tree does not continue the older."""
    need(first >= 1, "log_size")
    need(first <= second, "log_shrunk")
    need(len(proof) == _proof_length(first, second, whole=True), "log_proof")
    need(all(len(one) == 32 for one in (first_root, second_root, *proof)), "log_hash")
    made = _both(first, second, list(proof), first_root, whole=True)
    need(made == (first_root, second_root), "log_consistency")


def _both(first: int, size: int, proof: list[bytes], known: bytes, *, whole: bool) -> tuple[bytes, bytes]:
    """(root over the first leaves, root over all) of one subtree, as SUBPROOF has it."""
    if first == size:
        one = known if whole else proof.pop()
        return one, one
    middle, sibling = _middle(size), proof.pop()
    if first <= middle:
        old, new = _both(first, middle, proof, known, whole=whole)
        return old, node_hash(new, sibling)
    old, new = _both(first - middle, size - middle, proof, known, whole=False)
    return node_hash(sibling, old), node_hash(sibling, new)


def _proof_length(first: int, size: int, *, whole: bool) -> int:
    if first == size:
        return 0 if whole else 1
    middle = _middle(size)
    if first <= middle:
        return 1 + _proof_length(first, middle, whole=whole)
    return 1 + _proof_length(first - middle, size - middle, whole=False)


def _middle(size: int) -> int:
    """The largest power of two smaller than ``size``."""
    return 1 << (size - 1).bit_length() - 1
