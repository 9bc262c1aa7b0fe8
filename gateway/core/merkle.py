"""The Merkle tree of RFC 6962 (SHA-256): heads, inclusion and consistency proofs, and their verification.

Duty: the arithmetic of the tree. It leaves out where hashes are kept (the store gives them, see `Fetch`) and
who signs a root (:mod:`gateway.core.log`).

A *place* is (level, index): the complete subtree over the leaves ``index << level`` up to, not including,
``(index + 1) << level``. A complete subtree never changes once its last leaf is there, so a log that keeps
the hash of each needs O(log n) of them for any root and any proof, and hashes a leaf once.

Rules: every verification here refuses by raising; a proof of another length than the tree asks for is refused
before a hash is made. Sizes and indexes are counted in leaves, from 0; a hash has 32 bytes.

Example::

    head = Head()
    for leaf in leaves:
        head.append(leaf_hash(leaf))
    proof = inclusion_proof(3, head.size, fetch)
    verify_inclusion(leaf_hash(leaves[3]), 3, head.size, proof, head.root)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from hashlib import sha256
from hmac import compare_digest
from typing import Final

from gateway.errors import Forged, Malformed

HASH: Final = 32  # bytes
EMPTY: Final = sha256(b"").digest()
"""The root of a tree without leaves (RFC 6962 2.1)."""

Place = tuple[int, int]
"""(level, index) of a complete subtree; level 0 is a leaf."""

Fetch = Callable[[Sequence[Place]], Sequence[bytes]]
"""The hashes of complete subtrees, in the order asked for."""

Span = tuple[int, int]
"""Leaves from the first up to, not including, the second."""


def leaf_hash(leaf: bytes) -> bytes:
    """RFC 6962 2.1: the prefix 0x00 keeps a leaf from posing as a node."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962 2.1: the prefix 0x01 keeps a node from posing as a leaf."""
    return sha256(b"\x01" + left + right).digest()


class Head:
    """A tree that only grows: its size, and the roots of its largest complete subtrees, left to right."""

    def __init__(self, size: int = 0, roots: Iterable[bytes] = ()) -> None:
        """``roots``: one for each bit that is set in ``size``, as :func:`peaks` names them."""
        self.size = size
        self._roots = list(roots)
        if len(self._roots) != size.bit_count():
            raise ValueError("a head has one root for each complete subtree of its size")

    @property
    def roots(self) -> tuple[bytes, ...]:
        return tuple(self._roots)

    @property
    def root(self) -> bytes:
        """32 bytes: RFC 6962's MTH of all leaves."""
        return _fold(self._roots) if self._roots else EMPTY

    def append(self, leaf: bytes) -> tuple[bytes, ...]:
        """Take one more leaf, by its hash.

        Returns the hashes of the subtrees above level 0 that it completes, from level 1 up: none for an even
        index, one on average.
        """
        made = [leaf]
        for _ in range(trailing_ones(self.size)):
            made.append(node_hash(self._roots.pop(), made[-1]))
        self._roots.append(made[-1])
        self.size += 1
        return tuple(made[1:])


def root_of(hashes: Iterable[bytes]) -> bytes:
    """The root over leaf hashes."""
    head = Head()
    for one in hashes:
        head.append(one)
    return head.root


def trailing_ones(index: int) -> int:
    """How many complete subtrees above level 0 end with the leaf at ``index``."""
    return (~index & (index + 1)).bit_length() - 1


def peaks(size: int) -> Sequence[Place]:
    """The largest complete subtrees of a tree, from left to right."""
    return _places((0, size))


# --- proofs -----------------------------------------------------------------------------------------


def inclusion_proof(index: int, size: int, fetch: Fetch) -> tuple[bytes, ...]:
    """PATH(index, D[size]) of RFC 6962 2.1.1: the siblings on the way up. Raises Malformed."""
    _check_inside(index, size)
    return _resolve(_path(index, size), fetch)


def consistency_proof(first: int, second: int, fetch: Fetch) -> tuple[bytes, ...]:
    """PROOF(first, D[second]) of RFC 6962 2.1.2. Raises Malformed unless 1 <= first <= second."""
    _check_growth(first, second)
    return _resolve(_subproof(first, (0, second), whole=True), fetch)


def root_at(size: int, fetch: Fetch) -> bytes:
    """The root that the tree had when it held ``size`` leaves."""
    return Head(size, fetch(peaks(size))).root


def _path(index: int, size: int) -> list[Span]:
    low, high, spans = 0, size, list[Span]()
    while high - low > 1:
        middle = _middle(low, high)
        if index < middle:
            spans.append((middle, high))
            high = middle
        else:
            spans.append((low, middle))
            low = middle
    return spans[::-1]


def _subproof(first: int, span: Span, *, whole: bool) -> list[Span]:
    """SUBPROOF(first, D[span], whole). ``whole``: this subtree is the old tree, whose root is known."""
    low, high = span
    if first == high:
        return [] if whole else [span]
    middle = _middle(low, high)
    if first <= middle:
        return [*_subproof(first, (low, middle), whole=whole), (middle, high)]
    return [*_subproof(first, (middle, high), whole=False), (low, middle)]


def _middle(low: int, high: int) -> int:
    """The largest power of two smaller than the number of leaves goes to the left."""
    return low + (1 << (high - low - 1).bit_length() - 1)


def _places(span: Span) -> Sequence[Place]:
    """The complete subtrees that make up a span of a proof, largest first. ``low`` is a multiple of each."""
    low, high = span
    places = []
    while low < high:
        level = (high - low).bit_length() - 1
        places.append((level, low >> level))
        low += 1 << level
    return places


def _resolve(spans: Sequence[Span], fetch: Fetch) -> tuple[bytes, ...]:
    """The hash of each span, with one fetch for all of them."""
    wanted = [_places(span) for span in spans]
    found = iter(fetch([place for places in wanted for place in places]))
    return tuple(_fold([next(found) for _ in places]) for places in wanted)


def _fold(roots: Sequence[bytes]) -> bytes:
    """The hash above complete subtrees of falling size: the small ones join first."""
    return reduce(lambda right, left: node_hash(left, right), reversed(roots))


# --- verification -----------------------------------------------------------------------------------


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """RFC 9162 2.1.3.2: the leaf of this hash is at ``index`` of the tree of ``size`` leaves under ``root``.

    Raises Malformed (an index outside the tree, a proof of another length), Forged (another root).
    """
    _check_inside(index, size)
    _check_hashes([leaf, root, *proof], len(proof), len(_path(index, size)))
    place, last, made = index, size - 1, leaf
    for sibling in proof:
        if place & 1 or place == last:
            made = node_hash(sibling, made)
            while place and not place & 1:  # the right border: levels at which it has no sibling
                place, last = place >> 1, last >> 1
        else:
            made = node_hash(made, sibling)
        place, last = place >> 1, last >> 1
    if not compare_digest(made, root):
        raise Forged("the leaf is not in the tree at this place", code="log_inclusion")


def verify_consistency(
    first: int, first_root: bytes, second: int, second_root: bytes, proof: Sequence[bytes]
) -> None:
    """RFC 9162 2.1.4.2: the first tree is what the second began with. Nothing was changed or taken out.

    Raises Malformed (a size of 0, a tree that shrinks, a proof of another length), Forged (another history).
    """
    _check_growth(first, second)
    wanted = len(_subproof(first, (0, second), whole=True))
    _check_hashes([first_root, second_root, *proof], len(proof), wanted)
    old, new = (first_root, first_root) if first == second else _roots(first, second, first_root, proof)
    if not (compare_digest(old, first_root) and compare_digest(new, second_root)):
        raise Forged("the newer tree does not continue the older one", code="log_consistency")


def _roots(first: int, second: int, first_root: bytes, proof: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The roots of both trees, as the proof has it."""
    # A chain begins with a subtree that is in both; the proof leaves it out where that is the whole old tree.
    chain = [first_root, *proof] if first.bit_count() == 1 else proof
    shift = trailing_ones(first - 1)
    place, last = first - 1 >> shift, second - 1 >> shift
    old = new = chain[0]
    for sibling in chain[1:]:
        if place & 1 or place == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        place, last = place >> 1, last >> 1
    return old, new


def _check_inside(index: int, size: int) -> None:
    if not 0 <= index < size:
        raise Malformed("no such leaf in a tree of this size", code="log_index", field="/index")


def _check_growth(first: int, second: int) -> None:
    if first < 1:
        raise Malformed("a tree without leaves proves nothing", code="log_size", field="/first")
    if first > second:
        raise Malformed("a log never shrinks", code="log_shrunk", field="/second")


def _check_hashes(hashes: Iterable[bytes], given: int, wanted: int) -> None:
    if given != wanted:
        raise Malformed("a proof of another length than this tree asks for", code="log_proof", field="/proof")
    if any(len(one) != HASH for one in hashes):
        raise Malformed(f"a hash has {HASH} bytes", code="log_hash", field="/proof")
