"""Cosignatures: one borough's word about another's log, and what proves a fork to a third."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from typing import Any

import pytest
from nacl.signing import VerifyKey

from gateway.core.encoding import b64
from gateway.core.entitlements import ENTITLEMENTS
from gateway.core.log import Checkpoint, log_keyring, make_checkpoint, open_checkpoint, origin, peel
from gateway.core.notes import key_id
from gateway.core.trust import Network
from gateway.core.witness import (
    Cosignature,
    attach,
    make_cosignature,
    open_cosigned,
    prove_fork,
    read_cosignature,
    witness_name,
)
from gateway.errors import Forged, Malformed, Refused, Untrusted
from keys_example import demo_network, unlocked

HACKNEY, BEXLEY = "E09000012", "E09000004"
AT = 1_795_514_700
ROOT, OTHER = hashlib.sha256(b"root").digest(), hashlib.sha256(b"other").digest()


@pytest.fixture(scope="module")
def network() -> Network:
    made = demo_network(AT, ENTITLEMENTS)
    return Network.build(made.roots, made.directory, made.cards.values(), now=AT)


@pytest.fixture
def checkpoint(network: Network) -> Checkpoint:
    return checkpoint_of(network, HACKNEY)


def checkpoint_of(network: Network, area: str, size: int = 5, root: bytes = ROOT) -> Checkpoint:
    return make_checkpoint(unlocked(area).log_signer(area), net=network.net, area=area, size=size, root=root)


def cosigned(network: Network, one: Checkpoint, *, by: str = BEXLEY, at: int = AT) -> Cosignature:
    return make_cosignature(unlocked(by).log_signer(by), one, net=network.net, area=by, at=at)


def refused(note: bytes, network: Network, code: str, kind: type[Refused] = Malformed) -> None:
    with pytest.raises(kind) as error:
        open_cosigned(note, origin(network.net, HACKNEY), network)
    assert (type(error.value), error.value.code) == (kind, code)


def stamp_of(line: str) -> bytes:
    return base64.b64decode(line.split(" ")[2])


def with_stamp(line: str, stamp: bytes, name: str = "") -> str:
    dash, old, _ = line.split(" ")
    return f"{dash} {name or old} {b64(stamp)}"


def test_who_cosigned_and_when(network: Network, checkpoint: Checkpoint) -> None:
    line = cosigned(network, checkpoint).line
    opened = open_cosigned(attach(checkpoint.note, [line]), checkpoint.origin, network)
    assert dict(opened.times) == {BEXLEY: AT}
    assert opened.checkpoint == checkpoint
    assert opened.cosignatures == (Cosignature(BEXLEY, AT, line),)
    assert open_cosigned(checkpoint.note, checkpoint.origin, network).cosignatures == ()


def test_the_line_is_that_of_c2sp_checked_by_hand(network: Network, checkpoint: Checkpoint) -> None:
    """tlog-cosignature, Ed25519: key id of type 4, time as u64, signature over header, time and body."""
    line = cosigned(network, checkpoint).line
    dash, name, _ = line.split(" ")
    public = network.node(BEXLEY).log
    assert public is not None
    stamp = stamp_of(line)
    assert (dash, name) == ("—", f"bx/1/witness/{network.net.hex()[:8]}/{BEXLEY}")
    assert stamp[:4] == hashlib.sha256(name.encode() + b"\n\x04" + public).digest()[:4]
    assert int.from_bytes(stamp[4:12], "big") == AT
    body = f"cosignature/v1\ntime {AT}\n{checkpoint.origin}\n5\n{b64(ROOT)}\n"
    VerifyKey(public).verify(body.encode(), stamp[12:])


def test_every_byte_of_a_cosignature_counts(network: Network, checkpoint: Checkpoint) -> None:
    """Key id: of an unknown key, so passed over. Everything behind it: refused."""
    line = cosigned(network, checkpoint).line
    stamp = stamp_of(line)
    for place in range(len(stamp)):
        changed = bytearray(stamp)
        changed[place] ^= 1
        note = attach(checkpoint.note, [with_stamp(line, bytes(changed))])
        if place < 4:
            assert open_cosigned(note, checkpoint.origin, network).cosignatures == ()
        elif place == 4:
            refused(note, network, "json_number")
        else:
            refused(note, network, "signature", Forged)


def test_attack_109_a_cosignature_of_another_checkpoint_log_or_network(
    network: Network, checkpoint: Checkpoint
) -> None:
    for other in (
        checkpoint_of(network, HACKNEY, size=6),
        checkpoint_of(network, HACKNEY, root=OTHER),
        replace(checkpoint, origin=f"bx/1/log/00000000/{HACKNEY}"),
        replace(checkpoint, origin=origin(network.net, "E09000033")),
    ):
        refused(attach(checkpoint.note, [cosigned(network, other).line]), network, "signature", Forged)
    foreign = make_cosignature(
        unlocked(BEXLEY).log_signer(BEXLEY), checkpoint, net=bytes(32), area=BEXLEY, at=AT
    )
    note = attach(checkpoint.note, [foreign.line])
    assert open_cosigned(note, checkpoint.origin, network).cosignatures == ()


def test_attack_109_a_signature_of_ones_own_checkpoint_is_no_cosignature(
    network: Network, checkpoint: Checkpoint
) -> None:
    """Bexley's log key has signed other things: none of them becomes its word about Hackney's log."""
    key = unlocked(BEXLEY).log_signer(BEXLEY)
    name = witness_name(network.net, BEXLEY)
    for text in (
        checkpoint_of(network, BEXLEY).note.partition(b"\n\n")[0] + b"\n",
        checkpoint.note.partition(b"\n\n")[0] + b"\n",
    ):
        stamp = key_id(name, key.public, b"\x04") + AT.to_bytes(8, "big") + key.sign(text)
        refused(attach(checkpoint.note, [f"— {name} {b64(stamp)}"]), network, "signature", Forged)


def test_attack_109_a_cosignature_is_no_signature_of_the_log(
    network: Network, checkpoint: Checkpoint
) -> None:
    """Neither of the witness's own log nor, in place of the log's signature, of the one it is about."""
    line = cosigned(network, checkpoint).line
    text = checkpoint.note.partition(b"\n\n")[0] + b"\n"
    refused(text + b"\n" + f"{line}\n".encode(), network, "note_unsigned")
    stamp = stamp_of(line)
    short = f"— {origin(network.net, BEXLEY)} {b64(stamp[:4] + stamp[12:])}\n".encode()
    with pytest.raises(Untrusted):
        open_checkpoint(text + b"\n" + short, checkpoint.origin, log_keyring(network))


def test_attack_111_only_the_log_key_cosigns(network: Network, checkpoint: Checkpoint) -> None:
    node = unlocked(BEXLEY).signer(f"{BEXLEY}/node")
    line = make_cosignature(node, checkpoint, net=network.net, area=BEXLEY, at=AT).line
    assert read_cosignature(line, checkpoint, network) is None


def test_a_log_is_no_witness_of_itself(network: Network, checkpoint: Checkpoint) -> None:
    with pytest.raises(Malformed) as error:
        cosigned(network, checkpoint, by=HACKNEY)
    assert error.value.code == "witness_self"
    moved = replace(checkpoint, origin=origin(network.net, BEXLEY))
    line = cosigned(network, moved, by=HACKNEY).line
    assert open_cosigned(attach(checkpoint.note, [line]), checkpoint.origin, network).cosignatures == ()


def test_unknown_and_revoked_witnesses_are_passed_over(network: Network, checkpoint: Checkpoint) -> None:
    line = cosigned(network, checkpoint).line
    key = network.node(BEXLEY).log
    assert key is not None
    revoked = replace(network, directory=replace(network.directory, revoked={key: 1}))
    note = attach(checkpoint.note, [line])
    assert open_cosigned(note, checkpoint.origin, revoked).cosignatures == ()
    for name in ("example.com/witness", "bx/1/witness/x", witness_name(network.net, "E09000033"), BEXLEY):
        assert read_cosignature(with_stamp(line, stamp_of(line), name), checkpoint, network) is None


def test_one_line_a_witness_and_not_without_end(network: Network, checkpoint: Checkpoint) -> None:
    twice = [cosigned(network, checkpoint, at=at).line for at in (AT, AT + 1)]
    refused(attach(checkpoint.note, twice), network, "note_repeated")
    line = cosigned(network, checkpoint).line
    many = [with_stamp(line, stamp_of(line), f"example.com/{number}") for number in range(64)]
    assert open_cosigned(attach(checkpoint.note, many), checkpoint.origin, network).cosignatures == ()
    refused(attach(checkpoint.note, [*many, line]), network, "note_lines")


@pytest.mark.parametrize("line", ["", "—", "— a", "— a b c", "- a AAAA", "— a AAAA"])
def test_a_line_without_its_form(network: Network, checkpoint: Checkpoint, line: str) -> None:
    with pytest.raises(Malformed) as error:
        read_cosignature(line, checkpoint, network)
    assert error.value.code == "note_line"


def test_peeling_takes_cosignatures_off_and_nothing_else(network: Network, checkpoint: Checkpoint) -> None:
    line = cosigned(network, checkpoint).line
    assert peel(attach(checkpoint.note, [line])) == (checkpoint.note, (line,))
    assert peel(checkpoint.note) == (checkpoint.note, ())
    head, _, own = checkpoint.note.partition(b"\n\n")
    above = head + b"\n\n" + f"{line}\n".encode() + own
    assert peel(above) == (checkpoint.note, (line,))
    for odd in (b"", b"\n\n", b"\xff\xfe", b"a\n\n\xff\n", attach(checkpoint.note, [line + "="])):
        assert peel(odd) == (odd, ())


def test_the_log_itself_must_have_signed(network: Network, checkpoint: Checkpoint) -> None:
    line = cosigned(network, checkpoint).line
    changed = attach(checkpoint.note.replace(b"\n5\n", b"\n6\n"), [line])
    refused(changed, network, "signature", Forged)


# --- forks ------------------------------------------------------------------------------------------


def test_two_roots_of_one_size_prove_a_fork_to_anybody(network: Network, checkpoint: Checkpoint) -> None:
    other = checkpoint_of(network, HACKNEY, root=OTHER)
    found = prove_fork(attach(checkpoint.note, ["x"][:0]), other.note, checkpoint.origin, network)
    assert {found.a.root, found.b.root} == {ROOT, OTHER}
    line = cosigned(network, checkpoint).line
    assert prove_fork(attach(checkpoint.note, [line]), other.note, checkpoint.origin, network) == found


@pytest.mark.parametrize("what", ["same", "size", "log", "forged"])
def test_what_can_both_be_true_proves_no_fork(network: Network, checkpoint: Checkpoint, what: str) -> None:
    others: dict[str, Any] = {
        "same": (checkpoint.note, Untrusted, "log_no_fork"),
        "size": (checkpoint_of(network, HACKNEY, size=6, root=OTHER).note, Untrusted, "log_no_fork"),
        "log": (checkpoint_of(network, BEXLEY, root=OTHER).note, Forged, "log_origin"),
        "forged": (checkpoint.note.replace(b64(ROOT).encode(), b64(OTHER).encode()), Forged, "signature"),
    }
    note, kind, code = others[what]
    for pair in ((checkpoint.note, note), (note, checkpoint.note)):
        with pytest.raises(kind) as error:
            prove_fork(*pair, checkpoint.origin, network)
        assert error.value.code == code
