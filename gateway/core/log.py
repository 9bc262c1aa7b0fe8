"""The checkpoint of a node's log: its size and root at one moment, signed with the log key (protocol 8).

Duty: make and verify one checkpoint (C2SP tlog-checkpoint), and say which key a network knows for which log.
It leaves out the tree (:mod:`gateway.core.merkle`) and whether a log may sign at all (flows).

::

    bx/1/log/1f2e3d4c/E09000012                      <- origin: network and area
    20852163                                         <- leaves
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=     <- root
                                                     <- an empty line ends the signed text
    — bx/1/log/1f2e3d4c/E09000012 Az3grlgt...        <- the log key, under the origin as its name

Rules:

- The log key signs under the ORIGIN as its name, as C2SP recommends, never under the node's: a signature of
  the one kind cannot be taken for the other, not even where somebody mixed the two keys up.
- Three lines, no extension lines. A size has one spelling; the root of no leaves is the hash of nothing.
- Other lines may stand below the log's own signature. Cosignatures of peers (:mod:`gateway.core.witness`)
  are passed over here; they are no substitute for the log's own.

Example::

    checkpoint = make_checkpoint(keys.log_signer(area), net=net, area=area, size=head.size, root=head.root)
    open_checkpoint(checkpoint.note, origin(net, area), log_keyring(network)).root
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from gateway.core.encoding import AREA, b64, unb64
from gateway.core.merkle import EMPTY, HASH
from gateway.core.notes import Keyring, Signer, open_lines, sign_lines
from gateway.core.trust import Network
from gateway.errors import Forged, Malformed, Untrusted

MAX_COSIGNATURES: Final = 64  # lines below one checkpoint; bounds the verifications it can cost

_COSIGNATURE: Final = re.compile(  # 76 bytes: key id, time, signature
    rb"\xe2\x80\x94 [!-*,-~]{1,128} [A-Za-z0-9+/]{102}==\Z"
)
_SIZE: Final = re.compile(r"(?:0|[1-9][0-9]{0,15})\Z")  # 16 digits: under 2^53, which every JSON reader holds
_LINES: Final = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A verified checkpoint: ``size`` in leaves, ``root`` of 32 bytes."""

    origin: str
    size: int
    root: bytes
    note: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Renamed:
    """The log key under its origin."""

    name: str
    signer: Signer

    @property
    def public(self) -> bytes:
        return self.signer.public

    def sign(self, text: bytes) -> bytes:
        return self.signer.sign(text)


def origin(net: bytes, area: str) -> str:
    """The first line of a log's checkpoints (protocol 8). Raises Malformed for what is no area."""
    if not AREA.match(area):
        raise Malformed("an area is an ONS code", code="log_origin")
    return f"bx/1/log/{net.hex()[:8]}/{area}"


def log_keyring(network: Network, now: int | None = None) -> Keyring:
    """Origin -> the log key that the directory has for that area's node; a revoked one is nobody's. ``now``:
    for a checkpoint that comes from a peer, so that a suspended log is refused."""
    known = {
        origin(network.net, principal.area): (principal.log,)
        for principal in network.directory.principals.values()
        if principal.log is not None and principal.log not in network.directory.revoked
    }

    def keyring(name: str) -> Collection[bytes]:
        keys = known.get(name, ())
        return keys if now is None else network.marked(keys, now)

    return keyring


def make_checkpoint(signer: Signer, *, net: bytes, area: str, size: int, root: bytes) -> Checkpoint:
    """The checkpoint of an area's log, signed by its log key. Raises Malformed: a peer would refuse it."""
    name = origin(net, area)
    lines = (name, str(size), b64(root))
    checked_size, checked_root = _read(lines)
    return Checkpoint(name, checked_size, checked_root, sign_lines(lines, [_Renamed(name, signer)]))


def open_checkpoint(note: bytes, expected: str, keyring: Keyring) -> Checkpoint:
    """The checkpoint of the log ``expected`` (its origin), signed by that log's own key.

    Raises Malformed (form), Forged (another log, a bad signature), Untrusted (not signed by the log's key).
    """
    opened = open_lines(peel(note)[0], keyring)
    size, root = _read(opened.lines)
    if opened.lines[0] != expected:
        raise Forged("a checkpoint of another log", code="log_origin")
    if expected not in {key.name for key in opened.keys}:
        raise Untrusted("the log itself has not signed this checkpoint", code="log_unsigned")
    return Checkpoint(expected, size, root, note)


def peel(note: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The note without its cosignature lines, and these lines, none of them verified.

    A cosignature is told by its length: it holds a time beside key id and signature (C2SP tlog-cosignature).
    Raises Malformed when there are more than MAX_COSIGNATURES.
    """
    text, separator, tail = note.rpartition(b"\n\n")
    lines = tail.split(b"\n")
    cosignatures = tuple(line.decode() for line in lines if _COSIGNATURE.match(line))
    if len(cosignatures) > MAX_COSIGNATURES:
        raise Malformed(f"more than {MAX_COSIGNATURES} cosignatures", code="note_lines")
    rest = b"\n".join(line for line in lines if not _COSIGNATURE.match(line))
    return text + separator + rest, cosignatures


def own_line(checkpoint: Checkpoint) -> str:
    """The log's own signature line on a verified checkpoint."""
    lines = peel(checkpoint.note)[0].decode().split("\n")
    return next(line for line in lines if line.startswith(f"— {checkpoint.origin} "))


def compose(name: str, size: int, root: bytes, lines: Iterable[str]) -> bytes:
    """The note of a checkpoint out of what was stored of it. Nothing is verified."""
    text = "".join(f"{line}\n" for line in (name, str(size), b64(root), "", *lines))
    return text.encode()


def peek_origin(note: bytes) -> str:
    """The first line of a note that was NOT verified: only to tell whose checkpoint somebody shows."""
    return note.partition(b"\n")[0].decode("ascii", errors="replace")


def _read(lines: tuple[str, ...]) -> tuple[int, bytes]:
    if len(lines) != _LINES:
        raise Malformed("a checkpoint is three lines", code="checkpoint_form")
    if not _SIZE.match(lines[1]):
        raise Malformed("the size is no number of leaves", code="checkpoint_size")
    size, root = int(lines[1]), unb64(lines[2], HASH)
    if size == 0 and root != EMPTY:
        raise Malformed("a tree without leaves has another root", code="checkpoint_root")
    return size, root
