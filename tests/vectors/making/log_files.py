"""The log (8): trees, inclusion and consistency proofs, checkpoints, cosignatures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .network import BARKING, BEXLEY, H_NODE, HACKNEY, NET, NOW, SIGNERS, log_signer, origin
from .plain import Signer, b64, canonical, sha256, signed, text_of
from .sealing import unb64
from .vector import File, Files, case, file, octets

LEAVES = [canonical({"at": NOW + n, "mid": f"{n:032x}", "t": "sent"}).decode() for n in range(13)]


def leaf_hash(leaf: str) -> bytes:
    return sha256(b"\0" + leaf.encode())


def root(leaves: Sequence[str]) -> bytes:
    """MTH of RFC 6962 2.1, word for word."""
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    k = middle(len(leaves))
    return sha256(b"\1" + root(leaves[:k]) + root(leaves[k:]))


def path(index: int, leaves: Sequence[str]) -> list[bytes]:
    """PATH of RFC 6962 2.1.1, word for word."""
    if len(leaves) == 1:
        return []
    k = middle(len(leaves))
    if index < k:
        return [*path(index, leaves[:k]), root(leaves[k:])]
    return [*path(index - k, leaves[k:]), root(leaves[:k])]


def proof(first: int, leaves: Sequence[str], *, whole: bool = True) -> list[bytes]:
    """PROOF and SUBPROOF of RFC 6962 2.1.2, word for word."""
    if first == len(leaves):
        return [] if whole else [root(leaves)]
    k = middle(len(leaves))
    if first <= k:
        return [*proof(first, leaves[:k], whole=whole), root(leaves[k:])]
    return [*proof(first - k, leaves[k:], whole=False), root(leaves[:k])]


def middle(size: int) -> int:
    return 1 << (size - 1).bit_length() - 1


def spelled(hashes: Sequence[bytes]) -> list[str]:
    return [b64(one) for one in hashes]


def files() -> Files:
    cases = [
        case("good", f"{n} leaves", gives={"root_b64": b64(root(LEAVES[:n]))}, leaves=LEAVES[:n])
        for n in range(10)
    ]
    yield file("log/roots", "tree_root", "Roots of trees of 0 to 9 leaves (RFC 6962)", cases)
    yield _inclusion()
    yield _inclusion_bad()
    yield _consistency()
    yield _consistency_bad()
    yield from _checkpoints()
    yield from _cosigned()


def _included(index: int, size: int) -> dict[str, Any]:
    leaves = LEAVES[:size]
    return {
        "leaf": LEAVES[index],
        "index": index,
        "size": size,
        "root_b64": b64(root(leaves)),
        "proof": spelled(path(index, leaves)),
    }


def _inclusion() -> File:
    cases = [
        case("good", f"leaf {index} of {size}", gives={}, **_included(index, size))
        for size in (1, 2, 3, 7, 8, 13)
        for index in sorted({0, 1, size // 2, size - 1})
        if index < size
    ]
    return file("log/inclusion-good", "inclusion", "A leaf is in a tree at a place", cases)


def _inclusion_bad() -> File:
    base = _included(5, 13)
    proof_ = base["proof"]
    wrong = b64(bytes(32))
    cases = [
        case("log_inclusion", "another leaf", **{**base, "leaf": LEAVES[6]}),
        case("log_inclusion", "another root", **{**base, "root_b64": b64(root(LEAVES[:12]))}),
        case("log_inclusion", "its sibling's place", **{**base, "index": 4}),
        case("log_inclusion", "a hash of the proof changed", **{**base, "proof": [wrong, *proof_[1:]]}),
        case("log_inclusion", "the proof in another order", **{**base, "proof": proof_[::-1]}),
        case("log_proof", "a hash too few", **{**base, "proof": proof_[1:]}),
        case("log_proof", "a hash too many", **{**base, "proof": [*proof_, wrong]}),
        case("log_proof", "no proof", **{**base, "proof": []}),
        case("log_hash", "a hash of 31 bytes", **{**base, "proof": [b64(bytes(31)), *proof_[1:]]}),
        case("log_index", "beyond the tree", **{**base, "index": 13}),
        case("log_index", "before the tree", **{**base, "index": -1}),
        case("log_index", "a tree of nothing", **{**base, "index": 0, "size": 0, "proof": []}),
    ]
    node = root(LEAVES[:2])
    posing = {
        "leaf_b64": b64(leaf_hash(LEAVES[0]) + leaf_hash(LEAVES[1])),
        "index": 0,
        "size": 1,
        "proof": [],
    }
    cases.append(case("log_inclusion", "a node that poses as a leaf", root_b64=b64(node), **posing))
    return file("log/inclusion-bad", "inclusion", "It is not, or the proof is none", cases, [105])


def _grown(first: int, second: int) -> dict[str, Any]:
    return {
        "first": first,
        "second": second,
        "first_root_b64": b64(root(LEAVES[:first])),
        "second_root_b64": b64(root(LEAVES[:second])),
        "proof": spelled(proof(first, LEAVES[:second])),
    }


def _consistency() -> File:
    sizes = [
        (1, 1),
        (1, 2),
        (1, 13),
        (2, 3),
        (3, 7),
        (4, 7),
        (6, 7),
        (7, 7),
        (7, 8),
        (4, 8),
        (8, 13),
        (12, 13),
        (13, 13),
    ]
    cases = [
        case("good", f"{first} to {second}", gives={}, **_grown(first, second)) for first, second in sizes
    ]
    return file("log/consistency-good", "consistency", "A tree began as another", cases)


def _consistency_bad() -> File:
    base = _grown(6, 13)
    proof_ = base["proof"]
    other = ["{}", *LEAVES[1:]]
    cases = [
        case("log_consistency", "a leaf was changed", **{**base, "second_root_b64": b64(root(other))}),
        case("log_consistency", "another old root", **{**base, "first_root_b64": b64(root(LEAVES[:5]))}),
        case("log_consistency", "a hash changed", **{**base, "proof": [b64(bytes(32)), *proof_[1:]]}),
        case(
            "log_consistency",
            "one size, two roots",
            **{**_grown(7, 7), "second_root_b64": b64(root(other[:7]))},
        ),
        case("log_proof", "a hash too few", **{**base, "proof": proof_[:-1]}),
        case("log_proof", "a hash too many", **{**base, "proof": [*proof_, proof_[0]]}),
        case("log_proof", "no proof", **{**base, "proof": []}),
        case("log_proof", "a proof where none belongs", **{**_grown(7, 7), "proof": [proof_[0]]}),
        case("log_hash", "a hash of 31 bytes", **{**base, "proof": [*proof_[:-1], b64(bytes(31))]}),
        case("log_shrunk", "it shrinks", **{**base, "first": 13, "second": 6}),
        case("log_size", "from nothing", **{**base, "first": 0}),
        case("log_consistency", "a history of its own from the same end on", **_forked()),
    ]
    return file("log/consistency-bad", "consistency", "It did not", cases, [105, 106])


def _forked() -> dict[str, Any]:
    """Six leaves, of which the newer tree has changed the last; with the proof for the changed one."""
    changed = [*LEAVES[:5], "{}", *LEAVES[6:]]
    return {
        **_grown(6, 13),
        "second_root_b64": b64(root(changed)),
        "proof": spelled(proof(6, changed)),
    }


# --- checkpoints ------------------------------------------------------------------------------------


def checkpoint(*signers: Signer, lines: Sequence[str] | None = None, size: int = 13) -> bytes:
    said = lines or [origin(HACKNEY), str(size), b64(root(LEAVES[:size]))]
    return signed("".join(f"{one}\n" for one in said).encode(), *(signers or (log_signer(HACKNEY),)))


def _checkpoints() -> Files:
    def one(
        name: str, expect: str, comment: str, note: bytes, attacks: Sequence[int] = (), **more: Any
    ) -> File:
        gives = more.pop("gives", None)
        folder = "good" if expect == "good" else "bad"
        cases = [case(expect, "", gives=gives, **octets("note", note))]
        shared = {"origin": origin(HACKNEY), "now": NOW, **more}
        return file(f"log/checkpoints/{folder}/{name}", "checkpoint", comment, cases, attacks, **shared)

    def lines(*said: str) -> bytes:
        return checkpoint(lines=said)

    name, top = origin(HACKNEY), b64(root(LEAVES))
    gives = {"size": 13, "root_b64": top}
    yield one("thirteen", "good", "13 leaves", checkpoint(), gives=gives)
    yield one(
        "empty", "good", "No leaf yet", checkpoint(size=0), gives={"size": 0, "root_b64": b64(sha256(b""))}
    )
    more = checkpoint(log_signer(HACKNEY), log_signer(BEXLEY))
    yield one("another-line", "good", "A line of another log below: it counts for nothing", more, gives=gives)
    cosigned = checkpoint() + cosignature(BEXLEY, checkpoint(), NOW)
    yield one("cosigned", "good", "With a cosignature, which is passed over here", cosigned, gives=gives)
    yield one(
        "another-log",
        "log_origin",
        "Another log's checkpoint, signed by it",
        checkpoint(log_signer(BEXLEY), lines=[origin(BEXLEY), "13", top]),
        [109],
    )
    yield one(
        "only-another", "log_unsigned", "Signed by another log alone", checkpoint(log_signer(BEXLEY)), [109]
    )
    yield one(
        "identity-key",
        "unknown_key",
        "Signed with the node's identity key",
        checkpoint(SIGNERS[H_NODE]),
        [111],
    )
    renamed = Signer(name, f"identity {H_NODE}")
    yield one("identity-key-as-log", "unknown_key", "And under the origin", checkpoint(renamed), [111])
    yield one("stranger", "unknown_key", "Signed by nobody known", checkpoint(Signer(name)), [109])
    yield one(
        "other-network",
        "unknown_key",
        "A log of another network",
        checkpoint(
            Signer(f"bx/1/log/00000000/{HACKNEY}", f"identity log {HACKNEY}"),
            lines=[f"bx/1/log/00000000/{HACKNEY}", "13", top],
        ),
        [39],
    )
    yield one(
        "changed", "signature", "The size was changed", checkpoint().replace(b"\n13\n", b"\n14\n"), [106]
    )
    yield one("two-lines", "checkpoint_form", "Two lines", lines(name, "13"), [105])
    yield one("four-lines", "checkpoint_form", "Four lines", lines(name, "13", top, "more"), [105])
    yield one("size-padded", "checkpoint_size", "A size in another spelling", lines(name, "013", top), [105])
    yield one("size-negative", "checkpoint_size", "A size below 0", lines(name, "-1", top), [105])
    yield one("size-large", "checkpoint_size", "17 digits", lines(name, "1" * 17, top), [105])
    yield one("root-short", "base64_size", "A root of 31 bytes", lines(name, "13", b64(bytes(31))), [105])
    yield one("root-url-safe", "base64", "A root without padding", lines(name, "13", top.rstrip("=")), [70])
    yield one("empty-root", "checkpoint_root", "No leaf, and another root", lines(name, "0", top), [105])
    yield one("blank", "note_text", "A blank in a line", lines(name, "13 ", top), [105])
    yield one("suspended", "suspended", "The log's key is suspended", checkpoint(), [38], suspended=["log"])


def cosignature(area: str, note: bytes, at: int, *, text: bytes | None = None, label: str = "") -> bytes:
    """One line (C2SP tlog-cosignature): the witness's log key, with a time."""
    name = f"bx/1/witness/{NET.hex()[:8]}/{area}"
    key = Signer(name, label or f"identity log {area}")
    said = f"cosignature/v1\ntime {at}\n".encode() + (text or text_of(note))
    hint = sha256(name.encode() + b"\n\x04" + key.public)[:4]
    return f"\u2014 {name} {b64(hint + at.to_bytes(8, 'big') + key.sign(said))}\n".encode()


def _cosigned() -> Files:
    def one(
        name: str, expect: str, comment: str, note: bytes, attacks: Sequence[int] = (), **gives: int
    ) -> File:
        told = {"times": gives} if expect == "good" else None
        folder = "good" if expect == "good" else "bad"
        cases = [case(expect, "", gives=told, **octets("note", note))]
        shared = {"origin": origin(HACKNEY), "now": NOW}
        return file(f"log/cosigned/{folder}/{name}", "cosigned", comment, cases, attacks, **shared)

    note = checkpoint()
    bexley, barking = cosignature(BEXLEY, note, NOW), cosignature(BARKING, note, NOW + 5)
    yield one("nobody", "good", "Nobody has cosigned", note)
    yield one(
        "two",
        "good",
        "Two witnesses, each at its time",
        note + bexley + barking,
        **{BEXLEY: NOW, BARKING: NOW + 5},
    )
    stranger = cosignature("E09000033", note, NOW)
    yield one(
        "stranger",
        "good",
        "A witness that nobody knows is passed over",
        note + stranger + bexley,
        **{BEXLEY: NOW},
    )
    itself = cosignature(HACKNEY, note, NOW)
    yield one("itself", "good", "A log is no witness of itself: passed over", note + itself)
    other_key = cosignature(BEXLEY, note, NOW, label="a key of before")
    yield one("other-key", "good", "A key that is not the witness's: passed over", note + other_key)
    smaller = cosignature(BEXLEY, checkpoint(size=12), NOW)
    yield one("another-checkpoint", "signature", "For another checkpoint of this log", note + smaller, [109])
    other_log = checkpoint(log_signer(BARKING), lines=[origin(BARKING), "13", b64(root(LEAVES))])
    yield one(
        "another-log", "signature", "For another log", note + cosignature(BEXLEY, other_log, NOW), [109]
    )
    data = bexley.split(b" ")[2]
    moved = unb64(data.decode().strip())
    later = moved[:4] + (NOW + 1).to_bytes(8, "big") + moved[12:]
    line_ = bexley.replace(data, b64(later).encode() + b"\n")
    yield one("time-moved", "signature", "The time was moved", note + line_, [109])
    yield one(
        "twice",
        "note_repeated",
        "One witness twice",
        note + bexley + cosignature(BEXLEY, note, NOW + 9),
        [109],
    )
    yield one(
        "changed",
        "signature",
        "The checkpoint was changed",
        note.replace(b"\n13\n", b"\n14\n") + bexley,
        [106],
    )
