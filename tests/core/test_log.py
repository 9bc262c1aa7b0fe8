"""The Merkle tree against RFC 6962's own vectors and a slow oracle; the checkpoint against forgers."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nacl.signing import VerifyKey

from gateway.core import merkle
from gateway.core.encoding import b64
from gateway.core.entitlements import ENTITLEMENTS
from gateway.core.keys import IdentityKey
from gateway.core.log import Checkpoint, log_keyring, make_checkpoint, open_checkpoint, origin, peek_origin
from gateway.core.merkle import (
    EMPTY,
    Head,
    Place,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    peaks,
    root_at,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from gateway.core.notes import cosign, open_lines, open_note, sign_lines, sign_note
from gateway.core.trust import Network
from gateway.errors import Forged, Malformed, Refused, Untrusted
from keys_example import demo_network, unlocked

# The reference data of Certificate Transparency (transparency-dev/merkle, testonly): leaves and roots.
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
PATHS = {
    0: (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    7: (
        "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
}
MOST = 200
ENTRIES = [b"%d" % number for number in range(MOST)]
HASHES = [leaf_hash(entry) for entry in ENTRIES]
OTHER = leaf_hash(b"another")

Fetch = Callable[[Sequence[Place]], Sequence[bytes]]


# --- a slow oracle: the recursions of RFC 6962 2.1, as they are written there ------------------------


def mth(entries: Sequence[bytes]) -> bytes:
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    k = split(len(entries))
    return hashlib.sha256(b"\x01" + mth(entries[:k]) + mth(entries[k:])).digest()


def path(m: int, entries: Sequence[bytes]) -> list[bytes]:
    if len(entries) == 1:
        return []
    k = split(len(entries))
    return (
        [*path(m, entries[:k]), mth(entries[k:])] if m < k else [*path(m - k, entries[k:]), mth(entries[:k])]
    )


def subproof(m: int, entries: Sequence[bytes], whole: bool) -> list[bytes]:
    if m == len(entries):
        return [] if whole else [mth(entries)]
    k = split(len(entries))
    if m <= k:
        return [*subproof(m, entries[:k], whole), mth(entries[k:])]
    return [*subproof(m - k, entries[k:], False), mth(entries[:k])]


def split(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def fetching(hashes: Sequence[bytes]) -> Fetch:
    """Complete subtrees, made anew each time; a subtree that is not complete must never be asked for."""

    def one(place: Place) -> bytes:
        level, index = place
        assert (index + 1) << level <= len(hashes), "asked for a subtree that is not complete"
        return root_of(hashes[index << level : (index + 1) << level])

    return lambda places: [one(place) for place in places]


FETCH = fetching(HASHES)
sizes = st.integers(1, MOST)


# --- the tree ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", range(9))
def test_reference_roots(size: int) -> None:
    assert root_of(map(leaf_hash, LEAVES[:size])).hex() == ROOTS[size]


@pytest.mark.parametrize("index", PATHS)
def test_reference_paths(index: int) -> None:
    hashes = [leaf_hash(leaf) for leaf in LEAVES]
    proof = inclusion_proof(index, 8, fetching(hashes))
    assert tuple(one.hex() for one in proof) == PATHS[index]
    verify_inclusion(hashes[index], index, 8, proof, bytes.fromhex(ROOTS[8]))


def test_the_worked_example_of_the_rfc() -> None:
    """RFC 6962 2.1.3: a tree of seven leaves, its nodes by the letters they have there."""
    seven = [leaf_hash(leaf) for leaf in LEAVES[:7]]
    a, b, c, d, e, f, j = seven
    g, h, i = node_hash(a, b), node_hash(c, d), node_hash(e, f)
    k, l = node_hash(g, h), node_hash(i, j)  # noqa: E741 - the letter of the RFC
    fetch = fetching(seven)
    assert root_at(7, fetch) == node_hash(k, l)
    assert inclusion_proof(0, 7, fetch) == (b, h, l)
    assert inclusion_proof(3, 7, fetch) == (c, g, l)
    assert inclusion_proof(4, 7, fetch) == (f, j, k)
    assert inclusion_proof(6, 7, fetch) == (i, k)
    assert consistency_proof(3, 7, fetch) == (c, d, g, l)
    assert consistency_proof(4, 7, fetch) == (l,)
    assert consistency_proof(6, 7, fetch) == (i, j, k)


def test_every_root_and_every_completed_subtree_up_to_two_hundred() -> None:
    head = Head()
    assert head.root == EMPTY == mth([])
    for size, one in enumerate(HASHES, start=1):
        completed = head.append(one)
        assert (head.size, head.root) == (size, mth(ENTRIES[:size]))
        assert head.roots == tuple(FETCH(peaks(size)))
        assert completed == tuple(
            mth(ENTRIES[size - (1 << level) : size]) for level in range(1, 9) if size % (1 << level) == 0
        )
        again = Head(size, head.roots)
        assert again.root == head.root
        assert len(head.roots) <= size.bit_length()


def test_a_head_refuses_roots_that_are_not_its_sizes() -> None:
    with pytest.raises(ValueError, match="one root for each"):
        Head(3, [OTHER])
    head = Head(1, [OTHER])
    assert head.roots == (OTHER,)


@given(size=sizes, data=st.data())
@settings(deadline=None)
def test_inclusion_is_proven_for_every_leaf_and_no_other(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    root = mth(ENTRIES[:size])
    proof = inclusion_proof(index, size, FETCH)
    assert list(proof) == path(index, ENTRIES[:size])
    verify_inclusion(HASHES[index], index, size, proof, root)
    for leaf, place, one_root in (
        (OTHER, index, root),
        (HASHES[index], index, OTHER),
        *((HASHES[index], other, root) for other in range(size) if other != index),
    ):
        with pytest.raises((Forged, Malformed)):
            verify_inclusion(leaf, place, size, proof, one_root)
    for number in range(len(proof)):
        with pytest.raises(Forged):
            verify_inclusion(HASHES[index], index, size, [*proof[:number], OTHER, *proof[number + 1 :]], root)


@given(first=sizes, second=sizes)
@settings(deadline=None)
def test_consistency_is_proven_for_every_pair_and_no_other_history(first: int, second: int) -> None:
    first, second = sorted((first, second))
    old, new = mth(ENTRIES[:first]), mth(ENTRIES[:second])
    proof = consistency_proof(first, second, FETCH)
    assert list(proof) == subproof(first, ENTRIES[:second], True)
    verify_consistency(first, old, second, new, proof)
    for one_old, one_new in ((OTHER, new), (old, OTHER), (OTHER, OTHER)):
        if first == second and one_old == one_new:
            continue  # two equal roots of one size are one tree
        with pytest.raises(Forged):
            verify_consistency(first, one_old, second, one_new, proof)
    for number in range(len(proof)):
        with pytest.raises(Forged):
            verify_consistency(first, old, second, new, [*proof[:number], OTHER, *proof[number + 1 :]])
    if first < second:
        with pytest.raises(Malformed):
            verify_consistency(second, new, first, old, proof)


def test_attack_105_a_proof_of_another_length_is_refused_before_anything_is_hashed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root, old = mth(ENTRIES[:11]), mth(ENTRIES[:6])
    path_, chain = inclusion_proof(3, 11, FETCH), consistency_proof(6, 11, FETCH)
    monkeypatch.setattr(merkle, "node_hash", None)
    for wrong in ((), path_[:-1], (*path_, OTHER), (OTHER, *path_), path_ * 100):
        with pytest.raises(Malformed) as refused:
            verify_inclusion(HASHES[3], 3, 11, wrong, root)
        assert refused.value.code == "log_proof"
    for wrong in ((), chain[:-1], (*chain, OTHER), chain * 100):
        with pytest.raises(Malformed) as refused:
            verify_consistency(6, old, 11, root, wrong)
        assert refused.value.code == "log_proof"


@pytest.mark.parametrize("short", [b"", bytes(31), bytes(33)])
def test_attack_105_a_hash_of_another_length_is_refused(short: bytes) -> None:
    """Two hashes of 31 and 33 bytes make one string with two of 32: the same node, another tree."""
    root, proof = mth(ENTRIES[:4]), inclusion_proof(1, 4, FETCH)
    for leaf, hashes, one_root in (
        (short, proof, root),
        (HASHES[1], (short, proof[1]), root),
        (HASHES[1], proof, short),
    ):
        with pytest.raises(Malformed) as refused:
            verify_inclusion(leaf, 1, 4, hashes, one_root)
        assert refused.value.code == "log_hash"
    for old, new, chain in (
        (short, root, proof[1:]),
        (mth(ENTRIES[:2]), short, proof[1:]),
        (OTHER, root, [short]),
    ):
        with pytest.raises(Malformed) as refused:
            verify_consistency(2, old, 4, new, chain)
        assert refused.value.code == "log_hash"


@pytest.mark.parametrize(("index", "size"), [(0, 0), (1, 1), (5, 5), (-1, 5), (0, -1)])
def test_attack_105_a_leaf_outside_the_tree_is_refused(index: int, size: int) -> None:
    for attempt in (
        lambda: inclusion_proof(index, size, FETCH),
        lambda: verify_inclusion(OTHER, index, size, [], OTHER),
    ):
        with pytest.raises(Malformed) as refused:
            attempt()
        assert refused.value.code == "log_index"


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [(0, 0, "log_size"), (0, 5, "log_size"), (-1, 5, "log_size"), (6, 5, "log_shrunk"), (1, 0, "log_shrunk")],
)
def test_attack_106_a_tree_that_shrinks_and_one_without_leaves_prove_nothing(
    first: int, second: int, code: str
) -> None:
    for attempt in (
        lambda: consistency_proof(first, second, FETCH),
        lambda: verify_consistency(first, EMPTY, second, EMPTY, []),
    ):
        with pytest.raises(Malformed) as refused:
            attempt()
        assert refused.value.code == code
        assert refused.value.field == ("/first" if code == "log_size" else "/second")


def test_one_size_with_two_roots_is_a_fork() -> None:
    for size in (1, 4, 5):
        with pytest.raises(Forged):
            verify_consistency(size, HASHES[0], size, HASHES[1], [])


def test_a_node_cannot_pose_as_a_leaf_nor_a_leaf_as_a_node() -> None:
    two = HASHES[0] + HASHES[1]
    assert leaf_hash(two) != node_hash(HASHES[0], HASHES[1])
    assert root_of([leaf_hash(two)]) != root_of(HASHES[:2])


# --- the checkpoint ---------------------------------------------------------------------------------

NET, AREA = hashlib.sha256(b"net").digest(), "E09000012"
ORIGIN = f"bx/1/log/{NET.hex()[:8]}/{AREA}"
LOG = IdentityKey("E09000012/node", b"l" * 32)
ROOT = root_of(HASHES[:5])


def ring(name: str) -> Sequence[bytes]:
    return {ORIGIN: [LOG.public]}.get(name, [])


@pytest.fixture
def checkpoint() -> Checkpoint:
    return make_checkpoint(LOG, net=NET, area=AREA, size=5, root=ROOT)


class Named:
    """A key under any name that somebody likes."""

    def __init__(self, name: str, seed: bytes) -> None:
        self._key = IdentityKey("E09000012/node", seed)
        self.name, self.public = name, self._key.public

    def sign(self, text: bytes) -> bytes:
        return self._key.sign(text)


def refused(note: bytes, *, expected: str = ORIGIN) -> str:
    with pytest.raises(Refused) as error:
        open_checkpoint(note, expected, ring)
    return error.value.code


def signed(*lines: str) -> bytes:
    return sign_lines(lines, [Named(ORIGIN, b"l" * 32)])


def test_a_checkpoint_is_the_three_lines_of_c2sp_and_opens(checkpoint: Checkpoint) -> None:
    text, _, signature = checkpoint.note.decode().partition("\n\n")
    assert text.split("\n") == [ORIGIN, "5", b64(ROOT)]
    assert signature.startswith(f"— {ORIGIN} ")
    assert open_checkpoint(checkpoint.note, ORIGIN, ring) == checkpoint
    assert (checkpoint.origin, checkpoint.size, checkpoint.root) == (ORIGIN, 5, ROOT)
    assert origin(NET, AREA) == ORIGIN == peek_origin(checkpoint.note)
    assert peek_origin(b"\xff\n") == "�"


def test_an_example_of_the_signature_scheme_verifies_by_hand(checkpoint: Checkpoint) -> None:
    """As C2SP has it: key id of the name, then Ed25519 over the text with its last newline."""
    text, _, line = checkpoint.note.partition(b"\n\n")
    stamp = base64.b64decode(line.split()[-1])
    assert stamp[:4] == hashlib.sha256(ORIGIN.encode() + b"\n\x01" + LOG.public).digest()[:4]
    VerifyKey(LOG.public).verify(text + b"\n", stamp[4:])


def test_every_byte_of_a_checkpoint_counts(checkpoint: Checkpoint) -> None:
    note = checkpoint.note
    for place in range(len(note)):
        for mask in (0x01, 0x20, 0x80):
            assert refused(note[:place] + bytes([note[place] ^ mask]) + note[place + 1 :])
        assert refused(note[:place])


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ((ORIGIN, "5"), "checkpoint_form"),
        ((ORIGIN, "5", b64(ROOT), "extension"), "checkpoint_form"),
        ((ORIGIN, "05", b64(ROOT)), "checkpoint_size"),
        ((ORIGIN, "-5", b64(ROOT)), "checkpoint_size"),
        ((ORIGIN, "+5", b64(ROOT)), "checkpoint_size"),
        ((ORIGIN, "5.0", b64(ROOT)), "checkpoint_size"),
        ((ORIGIN, "1" * 17, b64(ROOT)), "checkpoint_size"),
        ((ORIGIN, "5", b64(ROOT[:-1])), "base64_size"),
        ((ORIGIN, "5", ROOT.hex()), "base64_size"),
        ((ORIGIN, "0", b64(ROOT)), "checkpoint_root"),
        (("bx/1/log/00000000/E09000012", "5", b64(ROOT)), "log_origin"),
    ],
)
def test_a_checkpoint_has_one_spelling_even_when_the_log_signed_another(
    lines: Sequence[str], code: str
) -> None:
    assert refused(signed(*lines)) == code


def test_attack_105_size_0_has_one_root_alone() -> None:
    empty = make_checkpoint(LOG, net=NET, area=AREA, size=0, root=EMPTY)
    assert open_checkpoint(empty.note, ORIGIN, ring).size == 0
    with pytest.raises(Malformed):
        make_checkpoint(LOG, net=NET, area=AREA, size=0, root=ROOT)


@pytest.mark.parametrize(("size", "root"), [(-1, ROOT), (10**16, ROOT), (5, ROOT[:-1])])
def test_what_a_peer_would_refuse_is_not_signed(size: int, root: bytes) -> None:
    with pytest.raises(Malformed):
        make_checkpoint(LOG, net=NET, area=AREA, size=size, root=root)
    with pytest.raises(Malformed):
        origin(NET, "E09000012/node")


@pytest.mark.parametrize("line", ["", "a b", "a\r", "ü", "a" * 129, "a\nb"])
def test_lines_that_could_be_read_in_two_ways_are_not_signed(line: str) -> None:
    if "\n" in line:  # one line would become two
        assert open_lines(signed(ORIGIN, line), ring).lines == (ORIGIN, "a", "b")
        return
    with pytest.raises(Malformed) as error:
        signed(ORIGIN, line)
    assert error.value.code == "note_text"
    with pytest.raises(Malformed):
        sign_lines([], [LOG])
    with pytest.raises(Malformed):
        signed(*["x"] * 17)


def test_a_checkpoint_of_another_network_or_area_is_refused(checkpoint: Checkpoint) -> None:
    assert refused(checkpoint.note, expected=origin(NET, "E09000004")) == "log_origin"
    assert refused(checkpoint.note, expected=origin(bytes(32), AREA)) == "log_origin"


def test_a_cosigned_checkpoint_needs_the_logs_own_signature_all_the_same(checkpoint: Checkpoint) -> None:
    peer = Named("bx/1/log/peer", b"p" * 32)

    def both(name: str) -> Sequence[bytes]:
        return [*ring(name), *([peer.public] if name == peer.name else [])]

    assert open_checkpoint(cosign(checkpoint.note, peer), ORIGIN, both).root == ROOT
    assert open_checkpoint(cosign(checkpoint.note, peer), ORIGIN, ring).root == ROOT
    alone = sign_lines((ORIGIN, "5", b64(ROOT)), [peer])
    with pytest.raises(Untrusted) as error:
        open_checkpoint(alone, ORIGIN, both)
    assert error.value.code == "log_unsigned"


def test_attack_111_an_identity_key_signs_no_checkpoint_and_a_log_key_nothing_else(demo) -> None:
    """Neither key is known under the other's name, and the context differs besides."""
    network, keys = demo
    node = keys.signer(f"{AREA}/node")
    log = keys.log_signer(AREA)
    logs = log_keyring(network)
    name = origin(network.net, AREA)
    real = make_checkpoint(log, net=network.net, area=AREA, size=5, root=ROOT)
    assert open_checkpoint(real.note, name, logs).size == 5

    forged = make_checkpoint(node, net=network.net, area=AREA, size=5, root=ROOT)
    with pytest.raises(Untrusted):
        open_checkpoint(forged.note, name, logs)
    assert list(logs(f"{AREA}/node")) == []
    assert list(network.keyring(name)) == []
    assert log.public not in network.keyring(f"{AREA}/node")
    receipt = sign_note("bx/1/receipt", {"v": 1}, [log])  # the log key under the node's name
    with pytest.raises(Untrusted):
        open_note(receipt, "bx/1/receipt", network.keyring)
    with pytest.raises(Refused):
        open_note(real.note, "bx/1/receipt", network.keyring)
    with pytest.raises(Refused):
        open_checkpoint(sign_note(name, {"v": 1}, [log]), name, logs)


def test_a_revoked_log_key_is_nobodys(demo) -> None:
    network, keys = demo
    name, public = origin(network.net, AREA), keys.log_signer(AREA).public
    assert list(log_keyring(network)(name)) == [public]
    revoked = replace(network, directory=replace(network.directory, revoked={public: 1}))
    assert list(log_keyring(revoked)(name)) == []


@pytest.fixture(scope="module")
def demo():
    """The demo network and Hackney's keys."""
    made = demo_network(1_795_514_700, ENTITLEMENTS)
    network = Network.build(made.roots, made.directory, made.cards.values(), now=1_795_514_700)
    return network, unlocked(AREA)
