"""Checkpoints and cosignatures (8); the tree itself is in `tree`."""

from __future__ import annotations

import re

from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

from .documents import View
from .notes import open_lines
from .text import AREA, Bad, need, sha256, unb64

SIZE = re.compile(r"(?:0|[1-9][0-9]{0,15})\Z")
COSIGNATURE = re.compile("\u2014 [!-*,-~]{1,128} [A-Za-z0-9+/]{102}==\\Z".encode())
"""Told by its length: a time stands beside key id and signature."""


def open_checkpoint(note: bytes, origin: str, view: View) -> tuple[int, bytes]:
    """(size, root) of the log ``origin``, signed by that log's own key."""
    bare, _ = peel(note)
    lines, keys = open_lines(bare, view.log_keyring)
    need(len(lines) == 3, "checkpoint_form")
    need(SIZE.match(lines[1]), "checkpoint_size")
    size, root = int(lines[1]), unb64(lines[2], 32)
    need(size or root == sha256(b""), "checkpoint_root")
    need(lines[0] == origin, "log_origin")
    need(origin in {name for name, _ in keys}, "log_unsigned")
    return size, root


def peel(note: bytes) -> tuple[bytes, list[str]]:
    """The note without its cosignature lines, and these."""
    cut = note.rfind(b"\n\n")
    need(cut >= 0, "note_form")
    lines = note[cut + 2 :].split(b"\n")
    found = [line.decode() for line in lines if COSIGNATURE.match(line)]
    need(len(found) <= 64, "note_lines")
    return note[: cut + 2] + b"\n".join(line for line in lines if not COSIGNATURE.match(line)), found


def cosigned(note: bytes, origin: str, view: View) -> dict[str, int]:
    """Area -> when it saw this tree as the largest of this log."""
    open_checkpoint(note, origin, view)
    bare, lines = peel(note)
    text = bare[: bare.rfind(b"\n\n") + 1]
    names = [line.split(" ")[1] for line in lines]
    need(len(set(names)) == len(names), "note_repeated")
    found = {}
    for name, line in zip(names, lines, strict=True):
        area, data = name.rpartition("/")[2], unb64(line.split(" ")[2], 76)
        at = int.from_bytes(data[4:12], "big")
        need(at < 2**53, "json_number")
        if (
            name != f"bx/1/witness/{view.net.hex()[:8]}/{area}"
            or not AREA.match(area)
            or origin.endswith(area)
        ):
            continue
        for public in view.directory.log_keys(area):
            if sha256(name.encode() + b"\n\x04" + public)[:4] == data[:4]:
                _check(public, f"cosignature/v1\ntime {at}\n".encode() + text, data[12:])
                found[area] = at
    return found


def _check(public: bytes, text: bytes, signature: bytes) -> None:
    try:
        VerifyKey(public).verify(text, signature)
    except CryptoError:
        raise Bad("signature") from None
