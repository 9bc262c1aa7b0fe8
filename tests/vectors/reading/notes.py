"""The signed note (3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from nacl.bindings import crypto_core_ed25519_is_valid_point
from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

from .text import Bad, need, parse_object, sha256, unb64


class Stopped(bytes):
    """A public key that is suspended now (6): it verifies, and counts for nobody."""


Keyring = Callable[[str], Collection[bytes]]

NAME = re.compile(r"[!-*,-~]{1,128}\Z")
LINES = re.compile(rb"(?:[!-~]{1,128}\n){1,16}\Z")


@dataclass
class Note:
    text: bytes
    body: dict[str, Any]
    keys: set[tuple[str, bytes]]  # (name, public key): whose signatures were verified

    @property
    def hash(self) -> bytes:
        return sha256(self.text)

    @property
    def signer(self) -> str:
        ((name, _),) = self.keys
        return name


def key_id(name: str, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n\x01" + public)[:4]


def weak(public: bytes) -> bool:
    return len(public) != 32 or not crypto_core_ed25519_is_valid_point(public)


def open_note(note: bytes, context: str, keyring: Keyring, *, single: bool = False) -> Note:
    text, lines = take_apart(note)
    need(not single or len(lines) == 1, "note_single")
    need(text.startswith(context.encode() + b"\n"), "note_context")
    keys = verified(text, lines, keyring)
    return Note(text, body_of(text), keys)


def open_lines(note: bytes, keyring: Keyring) -> tuple[list[str], set[tuple[str, bytes]]]:
    """A checkpoint: plain lines instead of context and JSON (8)."""
    text, lines = take_apart(note, plain=True)
    return text.decode().splitlines(), verified(text, lines, keyring)


def take_apart(note: bytes, *, plain: bool = False) -> tuple[bytes, list[tuple[str, bytes, bytes]]]:
    """Step 1: the text, and (name, key id, signature) of each line."""
    cut = note.rfind(b"\n\n")
    need(cut >= 0, "note_form")
    text, tail = note[: cut + 1], note[cut + 2 :]
    if not plain:
        return text, _signatures(tail)
    need(_is_utf8(tail), "note_line")
    need(LINES.match(text), "note_text")
    return text, _signatures(tail)


def _signatures(tail: bytes) -> list[tuple[str, bytes, bytes]]:
    need(_is_utf8(tail), "note_line")
    need(tail.endswith(b"\n"), "note_unsigned")
    need(tail.count(b"\n") <= 16, "note_lines")
    lines = [_signature(line) for line in tail.decode()[:-1].split("\n")]
    need(len({(name, hint) for name, hint, _ in lines}) == len(lines), "note_repeated")
    return lines


def _signature(line: str) -> tuple[str, bytes, bytes]:
    dash, _, rest = line.partition(" ")
    name, _, stamp = rest.partition(" ")
    need(dash == "\u2014" and NAME.match(name), "note_line")
    try:
        data = unb64(stamp, 4 + 64)
    except Bad:
        raise Bad("note_line") from None
    return name, data[:4], data[4:]


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def verified(text: bytes, lines: list[tuple[str, bytes, bytes]], keyring: Keyring) -> set[tuple[str, bytes]]:
    """Steps 4 and 5."""
    found: set[tuple[str, bytes]] = set()
    for name, hint, signature in lines:
        known = [public for public in keyring(name) if key_id(name, public) == hint]
        good = [public for public in known if _holds(text, signature, public)]
        need(good or not known, "signature")
        found |= {(name, public) for public in good[:1]}
    need(found, "unknown_key")
    counting = {(name, public) for name, public in found if not isinstance(public, Stopped)}
    need(counting, "suspended")
    return counting


def _holds(text: bytes, signature: bytes, public: bytes) -> bool:
    need(not weak(public), "weak_key")
    try:
        VerifyKey(public).verify(text, signature)
    except CryptoError:
        return False
    return True


def body_of(text: bytes) -> dict[str, Any]:
    return parse_object(text.partition(b"\n")[2][:-1])
