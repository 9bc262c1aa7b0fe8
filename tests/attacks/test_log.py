"""Attacks 105, 106 and 109: a borough rewrites its log, and an auditor recomputes.

Checkpoints are made and verified offline; no node sends one to another yet.
"""

from __future__ import annotations

import pytest

from gateway.core import merkle
from gateway.core.log import log_keyring, make_checkpoint, open_checkpoint, origin
from gateway.core.merkle import Head, leaf_hash, verify_consistency, verify_inclusion
from gateway.errors import Forged, Malformed, Untrusted
from gateway.testing.boroughs import BEXLEY, HACKNEY
from keys_example import unlocked

LEAVES = [f"leaf {number}".encode() for number in range(11)]


class Tree:
    """A log of some leaves, its proofs computed from the leaves each time."""

    def __init__(self, leaves):
        self.hashes = [leaf_hash(leaf) for leaf in leaves]
        head = Head()
        for one in self.hashes:
            head.append(one)
        self.size, self.root = head.size, head.root

    def fetch(self, places):
        return [merkle.root_of(self.hashes[i << level : i + 1 << level]) for level, i in places]

    def inclusion(self, index):
        return merkle.inclusion_proof(index, self.size, self.fetch)

    def since(self, first):
        return merkle.consistency_proof(first, self.size, self.fetch)


@pytest.fixture
def tree():
    return Tree(LEAVES)


async def test_105_wrong_leaf_root_proof_length_and_size(attack, tree):
    for index, leaf in enumerate(tree.hashes):
        proof = tree.inclusion(index)
        verify_inclusion(leaf, index, tree.size, proof, tree.root)
        for wrong in (
            (leaf_hash(b"x"), index, tree.root),
            (leaf, index, bytes(32)),
            (leaf, index ^ 1, tree.root),
        ):
            if wrong[1] < tree.size and len(tree.inclusion(wrong[1])) == len(proof):
                with attack.refused(Forged, "log_inclusion"):
                    verify_inclusion(wrong[0], wrong[1], tree.size, proof, wrong[2])
        for other in (proof[:-1], (*proof, bytes(32)), ()):
            with attack.refused(Malformed, "log_proof"):
                verify_inclusion(leaf, index, tree.size, other, tree.root)
        with attack.refused(Malformed, "log_hash"):
            verify_inclusion(leaf, index, tree.size, (proof[0][:-1], *proof[1:]), tree.root)
    with attack.refused(Malformed, "log_index"):
        verify_inclusion(tree.hashes[0], 0, 0, (), merkle.EMPTY)


async def test_106_a_log_that_shrinks_or_was_rewritten(attack, tree):
    """Every older head is a beginning of the newer one, or the proof does not hold."""
    for size in range(1, len(LEAVES)):
        old = Tree(LEAVES[:size])
        verify_consistency(size, old.root, tree.size, tree.root, tree.since(size))
        rewritten = Tree([b"another history", *LEAVES[1:]])
        with attack.refused(Forged, "log_consistency"):
            verify_consistency(size, old.root, rewritten.size, rewritten.root, rewritten.since(size))
        with attack.refused(Malformed, "log_shrunk"):
            verify_consistency(tree.size, tree.root, size, old.root, ())
    with attack.refused(Malformed, "log_size"):
        verify_consistency(0, merkle.EMPTY, tree.size, tree.root, ())


async def test_109_a_checkpoint_of_another_log(attack, tree):
    """Another area's, another network's, another key's; and a cosignature in place of the log's own."""
    network = attack.node.network
    keyring, ours = log_keyring(network), origin(network.net, BEXLEY)

    def made(area, net=network.net, key=None):
        signer = key or unlocked(area).log_signer(area)
        return make_checkpoint(signer, net=net, area=area, size=tree.size, root=tree.root).note

    assert open_checkpoint(made(BEXLEY), ours, keyring).root == tree.root
    with attack.refused(Forged, "log_origin"):
        open_checkpoint(made(HACKNEY), ours, keyring)
    with attack.refused(Untrusted, "unknown_key"):
        open_checkpoint(made(BEXLEY, net=bytes(32)), ours, keyring)
    for key in (unlocked(HACKNEY).log_signer(HACKNEY), attack.node.keys.signer(attack.NODE)):
        with attack.refused(Untrusted, "unknown_key"):
            open_checkpoint(made(BEXLEY, key=key), ours, keyring)
    good = made(BEXLEY)
    text = good[: good.rindex(b"\n\n") + 1]
    witness = unlocked(HACKNEY).log_signer(HACKNEY)
    line = attack.line(witness, text, name=origin(network.net, HACKNEY))
    with attack.refused(Untrusted, "log_unsigned"):
        open_checkpoint(text + b"\n" + line, ours, keyring)
