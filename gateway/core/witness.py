"""The cosignature of a witness: "at this time, the largest tree that I have seen of this log is this one".

Duty: make and verify one borough's cosignature on another's checkpoint (C2SP tlog-cosignature, Ed25519), tell
who has cosigned what and when, and tell two checkpoints that prove a fork. It leaves out when one may cosign
(:mod:`gateway.flows.witness`) and the checkpoint itself (:mod:`gateway.core.log`).

::

    bx/1/log/1f2e3d4c/E09000012                      <- a checkpoint of Hackney's log ...
    20852163
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

    — bx/1/log/1f2e3d4c/E09000012 Az3grlgt...        <- ... by Hackney's log key
    — bx/1/witness/1f2e3d4c/E09000004 jWbPPwAAAA...  <- seen by Bexley: key id, time (u64), signature

Rules:

- The signed text is "cosignature/v1", "time <unix seconds>" and the checkpoint's three lines. Its first line
  is no origin of any log, so it is never taken for a checkpoint of the witness's own; it names the log, so
  it is never taken for one of another log; the time is signed, so nobody can move it.
- The witness's name says whose log key it is; the key id has another type byte (0x04) than a note's own.
- A log is no witness of itself. A line of a witness that the network does not know is ignored and never
  counted; a known one whose signature does not hold refuses the whole.

Example::

    line = make_cosignature(keys.log_signer(area), checkpoint, net=net, area=area, at=now).line
    open_cosigned(attach(checkpoint.note, [line]), checkpoint.origin, network).times  # {"E09000004": 17...}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gateway.core.encoding import AREA, MAX_INTEGER, b64, unb64
from gateway.core.log import Checkpoint, log_keyring, open_checkpoint, origin, peel
from gateway.core.notes import Signer, check_signature, key_id
from gateway.core.trust import Network
from gateway.errors import Malformed, Untrusted

_KIND: Final = b"\x04"  # C2SP signature type: Ed25519 cosignature
_KEY_ID: Final = 4  # bytes
_TIME: Final = 8  # bytes
_SIGNATURE: Final = 64  # bytes


@dataclass(frozen=True, slots=True)
class Cosignature:
    """One witness's word: the area ``by``, at the time ``at`` (unix seconds), and the line that says so."""

    by: str
    at: int
    line: str


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A verified checkpoint with the cosignatures that verify, in the order of their lines."""

    checkpoint: Checkpoint
    cosignatures: tuple[Cosignature, ...]

    @property
    def times(self) -> Mapping[str, int]:
        """Area -> when it saw this tree as the largest of this log."""
        return MappingProxyType({one.by: one.at for one in self.cosignatures})


@dataclass(frozen=True, slots=True)
class Fork:
    """Proof that a log has two histories: one size, two roots, each signed with the log's own key."""

    a: Checkpoint
    b: Checkpoint


def witness_name(net: bytes, area: str) -> str:
    """What stands on the lines of an area's cosignatures. Raises Malformed for what is no area."""
    return origin(net, area).replace("/log/", "/witness/", 1)


def make_cosignature(
    signer: Signer, checkpoint: Checkpoint, *, net: bytes, area: str, at: int
) -> Cosignature:
    """By the log key of ``area``; only for a checkpoint that was verified and continues the one before."""
    name = witness_name(net, area)
    if checkpoint.origin == origin(net, area):
        raise Malformed("a log is no witness of itself", code="witness_self")
    stamp = (
        key_id(name, signer.public, _KIND) + at.to_bytes(_TIME, "big") + signer.sign(_text(checkpoint, at))
    )
    return Cosignature(area, at, f"— {name} {b64(stamp)}")


def read_cosignature(line: str, checkpoint: Checkpoint, network: Network) -> Cosignature | None:
    """What a line says of a verified checkpoint; None where the network knows no such witness.

    Raises Malformed (form), Forged (a known witness's line that it did not make for this checkpoint).
    """
    name, data = _parts(line)
    area = name.rpartition("/")[2]
    at = int.from_bytes(data[_KEY_ID : _KEY_ID + _TIME], "big")
    if at > MAX_INTEGER:
        raise Malformed("a time beyond 2^53-1", code="json_number")
    if not AREA.match(area) or name != witness_name(network.net, area) or checkpoint.origin.endswith(area):
        return None
    for public in log_keyring(network)(origin(network.net, area)):
        if key_id(name, public, _KIND) == data[:_KEY_ID]:
            check_signature(public, _text(checkpoint, at), data[_KEY_ID + _TIME :])
            return Cosignature(area, at, line)
    return None


def open_cosigned(note: bytes, expected: str, network: Network) -> Cosigned:
    """The checkpoint of the log ``expected`` with everybody who has cosigned it.

    Raises what `open_checkpoint` raises; Malformed for two lines of one witness, Forged for a line that does
    not hold.
    """
    checkpoint = open_checkpoint(note, expected, log_keyring(network))
    bare, lines = peel(note)
    if len({_parts(line)[0] for line in lines}) != len(lines):
        raise Malformed("two cosignatures of one witness", code="note_repeated")
    found = (read_cosignature(line, checkpoint, network) for line in lines)
    signed = Checkpoint(checkpoint.origin, checkpoint.size, checkpoint.root, bare)
    return Cosigned(signed, tuple(one for one in found if one is not None))


def attach(note: bytes, lines: Iterable[str]) -> bytes:
    """The note with cosignature lines below its own. None of them is verified."""
    return note + "".join(f"{line}\n" for line in lines).encode()


def prove_fork(a: bytes, b: bytes, name: str, network: Network) -> Fork:
    """That the log ``name`` (its origin) has signed two histories. Raises Refused for what proves nothing.

    Only equal sizes prove it to somebody else: of two sizes both can be true, and that no proof joins them is
    the word of whoever asked for one.
    """
    one, other = (open_checkpoint(peel(note)[0], name, log_keyring(network)) for note in (a, b))
    if one.size != other.size or one.root == other.root:
        raise Untrusted("two checkpoints that can both be true", code="log_no_fork")
    return Fork(one, other)


def _text(checkpoint: Checkpoint, at: int) -> bytes:
    lines = ("cosignature/v1", f"time {at}", checkpoint.origin, str(checkpoint.size), b64(checkpoint.root))
    return "".join(f"{line}\n" for line in lines).encode()


def _parts(line: str) -> tuple[str, bytes]:
    """(name, key id || time || signature). Raises Malformed."""
    name, _, stamp = line.removeprefix("— ").partition(" ")
    try:
        return name, unb64(stamp, _KEY_ID + _TIME + _SIGNATURE)
    except Malformed:
        raise Malformed("a cosignature line without its form", code="note_line") from None
