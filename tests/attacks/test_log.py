"""Attacks 105 to 110: a borough rewrites its log, or shows two; an auditor recomputes, and its peers compare.

The liar is Hackney: `Liar` makes any tree and any section with Hackney's real keys, and sends it by the real
way. What it is told is told by the honest nodes' own flows.
"""

from __future__ import annotations

import pytest

from gateway.core import merkle
from gateway.core.encoding import b64, decode_object
from gateway.core.log import log_keyring, make_checkpoint, open_checkpoint, origin
from gateway.core.merkle import Head, leaf_hash, verify_consistency, verify_inclusion
from gateway.core.witness import attach, make_cosignature, prove_fork
from gateway.errors import Forged, Malformed, Untrusted
from gateway.flows import gossip, logbook, witness
from gateway.flows.control import Came, tell
from gateway.testing.boroughs import BEXLEY, HACKNEY
from gateway.testing.third import CAMDEN, three_boroughs
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


class Liar:
    """Hackney's real keys over any history; its honest flows take what peers tell it."""

    def __init__(self, world):
        self.world, self.node = world, world.hackney.node
        self.origin = origin(self.node.network.net, HACKNEY)

    def signed(self, tree):
        signer = self.node.keys.log_signer(HACKNEY)
        return make_checkpoint(
            signer, net=self.node.network.net, area=HACKNEY, size=tree.size, root=tree.root
        )

    async def show(self, to, tree, since=0, proof=None, **more):
        """One checkpoint, with the true proof of this history unless a test has another."""
        made = tree.since(since) if proof is None and since else proof or ()
        section = {
            "checkpoint": self.signed(tree).note.decode(),
            "since": since,
            "proof": [b64(one) for one in made],
            **more,
        }
        now = self.world.clock.now()
        await self.node.store.write(lambda tx: tell(tx, self.node, to, {"log": section}, now))
        await self.world.settle()

    async def listen(self, peer):
        """The honest peer says what it has to say."""
        await ride(self.world, peer, HACKNEY)


async def ride(world, sender, to):
    node, now = sender.node, world.clock.now()
    await node.store.write(lambda tx: tell(tx, node, to, witness.ride(tx, node, to, now), now))
    await world.settle()


async def followed(borough, area=HACKNEY):
    node = borough.node
    row = await node.store.read(lambda tx: tx.checkpoint(origin(node.network.net, area)))
    return row.size if row else 0


async def cosigned(borough):
    """The sizes of Hackney's log that a borough has cosigned."""
    node = borough.node
    rows = await node.store.read(lambda tx: tx.cosignatures(origin(node.network.net, HACKNEY)))
    return [row.size for row in rows if row.by == borough.area]


async def alarms(borough):
    return await borough.node.store.read(lambda tx: tx.alarms())


async def codes(borough):
    return [(row.code, row.peer) for row in await alarms(borough)]


def notes_of(alarm):
    return [note.encode() for note in decode_object(alarm.evidence)["notes"]]


def sent(borough, kind=3):
    """How many control envelopes a borough has sent."""
    rows = borough.node.store.memory.tables.envelopes.values()
    return sum(row.kind == kind and row.side == "origin" for row in rows)


@pytest.fixture
async def three():
    async with three_boroughs() as world:
        yield world


OTHERS = [f"another {number}".encode() for number in range(11)]
"""The history that the liar shows to somebody else."""


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


# --- between nodes ------------------------------------------------------------------------------------


async def test_106_a_peer_whose_checkpoint_shrinks(attack):
    """Once it has seen that we follow it further, a smaller tree is no message that was late."""
    liar, bexley = Liar(attack.world), attack.world.bexley
    await liar.show(BEXLEY, Tree(LEAVES[:9]))
    await liar.show(BEXLEY, Tree(LEAVES[:5]))  # it has seen nothing of ours: it may have overtaken
    assert await codes(bexley) == []
    await liar.listen(bexley)
    await liar.listen(bexley)  # the first one began our stream, and has no number to be dated by
    await liar.show(BEXLEY, Tree(LEAVES[:5]))
    (alarm,) = await alarms(bexley)
    assert (alarm.code, alarm.peer, alarm.subject) == ("log_shrunk", HACKNEY, liar.origin)
    assert notes_of(alarm) == [liar.signed(Tree(LEAVES[:size])).note for size in (9, 5)]
    assert (await followed(bexley), await cosigned(bexley)) == (9, [9])
    await liar.show(BEXLEY, Tree(LEAVES[:5]))
    assert len(await alarms(bexley)) == 1


async def test_107_a_fork_shown_to_two_peers_is_proven_when_they_compare(three):
    """Everybody has both notes and verifies them; nobody tells on twice, and the key is cosigned no more."""
    (camden,) = three.others
    liar = Liar(three)
    await liar.show(BEXLEY, Tree(LEAVES[:6]))
    await liar.show(CAMDEN, Tree(OTHERS[:6]))
    assert (await cosigned(three.bexley), await cosigned(camden)) == ([6], [6])
    await ride(three, three.bexley, CAMDEN)
    for borough in three.boroughs:
        (alarm,) = await alarms(borough)
        assert (alarm.code, alarm.peer, alarm.subject) == ("log_fork", HACKNEY, liar.origin)
        fork = prove_fork(*notes_of(alarm), liar.origin, borough.node.network)
        assert {fork.a.root, fork.b.root} == {Tree(LEAVES[:6]).root, Tree(OTHERS[:6]).root}
    told = [sent(borough) for borough in three.boroughs]
    three.clock.advance(gossip.EVERY)
    await ride(three, camden, BEXLEY)
    await liar.show(BEXLEY, Tree(LEAVES[:9]), since=6)
    await liar.show(CAMDEN, Tree(LEAVES[:6]))
    assert (await cosigned(three.bexley), await cosigned(camden)) == ([6], [6])
    assert [sent(borough) for borough in three.boroughs] == [told[0] + 2, told[1], told[2] + 1]
    for borough in three.boroughs:
        assert len(await alarms(borough)) == 1


async def test_107_two_roots_of_one_size_shown_to_one_peer(attack):
    liar, bexley = Liar(attack.world), attack.world.bexley
    await liar.show(BEXLEY, Tree(LEAVES[:6]))
    await liar.show(BEXLEY, Tree(LEAVES[:8]), since=6)
    await liar.show(BEXLEY, Tree(OTHERS[:6]))  # older than the newest, and still kept to compare
    assert await codes(bexley) == [("log_fork", HACKNEY)]
    assert await codes(attack.world.hackney) == [("log_fork", HACKNEY)]


async def test_107_what_proves_no_fork_is_told_in_vain(attack):
    """A peer that cries wolf: one note twice, two sizes, a forged one, somebody else's log."""
    liar, bexley = Liar(attack.world), attack.world.bexley
    good = liar.signed(Tree(LEAVES[:6])).note.decode()
    other = liar.signed(Tree(OTHERS[:6])).note.decode()
    before = attack.dump()["settings"]
    for a, b in (
        (good, good),
        (good, liar.signed(Tree(OTHERS[:7])).note.decode()),
        (good, other.replace("\n6\n", "\n7\n")),
        (good, other.replace(HACKNEY, BEXLEY)),
        (good.replace(HACKNEY, BEXLEY), other.replace(HACKNEY, BEXLEY)),
        ("", ""),
    ):
        now = attack.world.clock.now()
        section = {"fork": {"a": a, "b": b}}
        await liar.node.store.write(lambda tx, said=section, at=now: tell(tx, liar.node, BEXLEY, said, at))
        await attack.world.settle()
    assert await codes(bexley) == []
    assert attack.dump()["settings"] == before


@pytest.mark.parametrize("answer", ["another proof", "no proof"])
async def test_107_a_fork_at_sizes_that_never_meet_is_found_by_asking(three, answer):
    """Bexley saw 6 leaves, Camden 9 others. Camden asks; no proof can join the two."""
    (camden,) = three.others
    liar = Liar(three)
    await liar.show(BEXLEY, Tree(LEAVES[:6]))
    await liar.show(CAMDEN, Tree(OTHERS[:9]))
    await ride(three, three.bexley, CAMDEN)
    assert await codes(camden) == []
    await liar.listen(camden)
    await liar.listen(camden)
    if answer == "another proof":
        joined = [b64(one) for one in Tree(OTHERS[:10]).since(6)]
        await liar.show(CAMDEN, Tree(OTHERS[:10]), since=9, proofs=[{"size": 6, "proof": joined}])
    else:
        await liar.show(CAMDEN, Tree(OTHERS[:10]), since=9)
        assert await codes(camden) == []
        three.clock.advance(gossip.PATIENCE)
        await liar.show(CAMDEN, Tree(OTHERS[:10]))
        assert await codes(camden) == []
        three.clock.advance(1)
        await liar.show(CAMDEN, Tree(OTHERS[:10]))
    (alarm,) = await alarms(camden)
    assert (alarm.code, alarm.peer, alarm.subject) == ("log_split", HACKNEY, f"6 by {BEXLEY}")
    assert notes_of(alarm) == [liar.signed(Tree(LEAVES[:6])).note, liar.signed(Tree(OTHERS[:10])).note]
    assert await codes(three.bexley) == []


async def test_107_the_answer_that_joins_is_taken(three):
    (camden,) = three.others
    liar = Liar(three)
    await liar.show(BEXLEY, Tree(LEAVES[:6]))
    await liar.show(CAMDEN, Tree(LEAVES[:9]))
    await ride(three, three.bexley, CAMDEN)
    joined = [b64(one) for one in Tree(LEAVES[:10]).since(6)]
    await liar.show(CAMDEN, Tree(LEAVES[:10]), since=9, proofs=[{"size": 6, "proof": joined}])
    assert await codes(camden) == []
    assert await camden.node.store.read(lambda tx: tx.loose()) == []


async def test_108_a_proof_that_does_not_hold(attack):
    """No cosignature, an alarm with both notes, and the tree that was followed stays."""
    liar, bexley = Liar(attack.world), attack.world.bexley
    old, new = Tree(LEAVES[:5]), Tree(LEAVES[:9])
    rewritten = Tree([b"another", *LEAVES[1:9]])
    await liar.show(BEXLEY, old)
    for tree, proof in (
        (new, ()),
        (new, new.since(5)[:-1]),
        (new, (*new.since(5), bytes(32))),
        (new, new.since(4)),
        (rewritten, rewritten.since(5)),
        (rewritten, new.since(5)),
    ):
        await liar.show(BEXLEY, tree, since=5, proof=proof)
        (alarm,) = await alarms(bexley)
        assert (alarm.code, alarm.peer, alarm.subject) == ("log_proof", HACKNEY, liar.origin)
        assert notes_of(alarm) == [liar.signed(old).note, liar.signed(tree).note]
        assert (await followed(bexley), await cosigned(bexley)) == (5, [5])
        await bexley.node.store.write(lambda tx, row=alarm: tx.clear_alarm(row.id, 1, "test"))
    await liar.show(BEXLEY, new, since=5)
    assert (await codes(bexley), await followed(bexley)) == ([], 9)


@pytest.mark.parametrize("since", [0, 4])
async def test_108_a_proof_that_is_missing(attack, since):
    """Silence before it can know how far we follow it; an alarm once it has seen our word."""
    liar, bexley = Liar(attack.world), attack.world.bexley
    await liar.show(BEXLEY, Tree(LEAVES[:4]))
    await liar.show(BEXLEY, Tree(LEAVES[:5]), since=4)
    await liar.show(BEXLEY, Tree(LEAVES[:9]), since=since)
    assert await codes(bexley) == []
    await liar.listen(bexley)
    await liar.listen(bexley)
    await liar.show(BEXLEY, Tree(LEAVES[:9]), since=since)
    assert await codes(bexley) == [("log_proof", HACKNEY)]
    assert (await followed(bexley), await cosigned(bexley)) == (5, [4, 5])


async def test_109_a_cosignature_for_another_log_or_tree_is_not_kept(attack):
    """Bexley has to say that it cosigned OUR tree: not its own, not another of ours, in its own name."""
    world = attack.world
    hackney, bexley = world.hackney.node, world.bexley.node
    await hackney.store.write(lambda tx: [tx.append_log(leaf) for leaf in LEAVES])
    ours = await logbook.checkpoint(hackney)
    net, now = hackney.network.net, world.clock.now()

    def line(about, key=None, area=BEXLEY, on=net):
        signer = key or bexley.keys.log_signer(BEXLEY)
        return make_cosignature(signer, about, net=on, area=area, at=now).line

    theirs = make_checkpoint(hackney.keys.log_signer(HACKNEY), net=net, area=BEXLEY, size=1, root=bytes(32))
    smaller = make_checkpoint(hackney.keys.log_signer(HACKNEY), net=net, area=HACKNEY, size=1, root=bytes(32))
    foreign = make_checkpoint(bexley.keys.log_signer(BEXLEY), net=net, area=CAMDEN, size=1, root=bytes(32))
    for note in (
        attach(ours.note, [line(theirs, area=CAMDEN)]),
        attach(ours.note, [line(smaller)]),
        attach(ours.note, [line(foreign)]),
        attach(ours.note, [line(ours, key=bexley.keys.signer(f"{BEXLEY}/node"))]),
        attach(ours.note, [line(ours, area=CAMDEN)]),
        attach(ours.note, [line(ours, on=bytes(32))]),
        attach(ours.note, [line(ours), line(ours, area=CAMDEN)]),
        ours.note,
    ):
        section = {"log": {"cosigned": note.decode()}}
        await bexley.store.write(lambda tx, said=section: tell(tx, bexley, HACKNEY, said, now))
        await world.settle()
        assert await hackney.store.read(lambda tx: tx.cosignatures(ours.origin)) == []
    section = {"log": {"cosigned": attach(ours.note, [line(ours)]).decode()}}
    await bexley.store.write(lambda tx: tell(tx, bexley, HACKNEY, section, now))
    await world.settle()
    (kept,) = await hackney.store.read(lambda tx: tx.cosignatures(ours.origin))
    assert (kept.by, kept.size, kept.root) == (BEXLEY, ours.size, ours.root)


@pytest.mark.parametrize("slower", [7, 10])
async def test_110_two_concurrent_updates_do_not_roll_back(attack, slower):
    """A worker that looked before another stored: it gives way, whether its tree is smaller or larger, and
    cosigns nothing. With real databases: tests/flows/test_witness.py and the stores' own suite."""
    liar, bexley = Liar(attack.world), attack.world.bexley
    await liar.show(BEXLEY, Tree(LEAVES[:5]))
    node = bexley.node
    stale = await node.store.read(lambda tx: tx.checkpoint(liar.origin))
    await liar.show(BEXLEY, Tree(LEAVES[:9]), since=5)
    tree = Tree(LEAVES[:slower])
    section = {
        "checkpoint": liar.signed(tree).note.decode(),
        "since": 5,
        "proof": [b64(one) for one in tree.since(5)],
    }
    seen = type("Seen", (), {"stream": "", "seq": 0})()
    came = Came(HACKNEY, type("Statement", (), {"stream": "", "seq": 1, "seen": seen})(), 1)
    await node.store.write(lambda tx: witness.hear(Behind(tx, stale), node, came, section))
    assert (await followed(bexley), await cosigned(bexley)) == (9, [5, 9])
    assert await codes(bexley) == []


class Behind:
    """A transaction that looked too early: it still sees the checkpoint that was there before."""

    def __init__(self, tx, stale):
        self._tx, self._stale = tx, stale

    def __getattr__(self, name):
        return getattr(self._tx, name)

    def checkpoint(self, name):
        return self._stale
