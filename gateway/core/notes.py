"""The signed note: the one way to sign (protocol 3, C2SP signed-note).

Duty: sign a canonical JSON body under a context, and give back only what a known key has signed. What it
leaves out: who is known (the caller's keyring), thresholds, and the meaning of a body. A checkpoint of a log
is the one note whose text is plain lines (C2SP tlog-checkpoint): `sign_lines` and `open_lines`.

::

    bx/1/receipt                              <- context
    {"about":{...},"state":"opened","v":1}    <- canonical JSON
                                              <- an empty line ends the signed text
    — E09000004/police kFQ3...                <- one line a signature: name, base64(key id || signature)

Rules:

- Verify, then parse: the body is read from verified bytes only, and the bytes that were signed are the
  bytes that travel.
- Identity is the set of VERIFIED signers, never a name found in the text or on a line of an unknown key.
- A line of an unknown key is ignored and never counted; a known key with a bad signature refuses the
  whole note, so nobody can hang a broken line of somebody's name on a good note unnoticed.
- Verification is libsodium's alone: OpenSSL gives other verdicts on the edge cases of Ed25519.

Example::

    note = sign_note("bx/1/receipt", {"v": 1}, [police])
    open_note(note, "bx/1/receipt", directory.keyring, single=True).signer    # 'E09000004/police'
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

from nacl.bindings import crypto_core_ed25519_is_valid_point
from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

from gateway.core.encoding import JsonObject, b64, decode_object, encode, unb64
from gateway.errors import Forged, Malformed, Untrusted

MAX_SIGNATURES: Final = 16  # lines; bounds the verifications one note can cost
PUBLIC: Final = 32  # bytes of an Ed25519 public key
SIGNATURE: Final = 64  # bytes of an Ed25519 signature

_KEY_ID: Final = 4  # bytes
_ED25519: Final = b"\x01"  # C2SP signature type
_DASH: Final = "— "  # U+2014 and a space open every signature line
_CONTEXT: Final = re.compile(r"[!-~]{1,128}\Z")
_LINES: Final = re.compile(rb"(?:[!-~]{1,128}\n){1,16}\Z")  # no blanks: none can hide at the end of a line
# C2SP forbids space and "+" in a name; ASCII leaves no look-alikes. The stamp is for `unb64` to judge.
_LINE: Final = re.compile(_DASH + r"([!-*,-~]{1,128}) (.+)\Z")
_ONE_LINE: Final = re.compile(_DASH + r"[!-*,-~]{1,128} [A-Za-z0-9+/]{91}=\n\Z")

_SUSPENDED: Final = "ask its owner by telephone; nothing by this key counts until the suspension is over"

Keyring = Callable[[str], Collection[bytes]]
"""Signature-line name -> the public keys known for it now; empty for a name nobody vouches for."""


class Signer(Protocol):
    """Something that holds an Ed25519 key and signs with it: a key in memory, or a hardware module."""

    @property
    def name(self) -> str:
        """The name on the signature line: a principal, or the name of a root or log key."""
        ...

    @property
    def public(self) -> bytes:
        """32 bytes."""
        ...

    def sign(self, text: bytes) -> bytes:
        """The 64-byte Ed25519 signature over ``text``."""
        ...


class Stopped(bytes):
    """A public key that is known and suspended. A keyring gives it out so marked, and a note that nobody else
    has signed is refused as ``suspended`` AFTER its signature held: a person looks at what such a key really
    signed, and nobody without it can fill that person's table."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class VerifiedKey:
    """A key that has signed, under the name it was known by."""

    name: str
    public: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A verified note. The content is kept out of the repr: a note may carry a person's data.

    ``hash``: SHA-256 of the signed text, 32 bytes: the same whoever has cosigned since.
    """

    context: str
    text: bytes = field(repr=False)
    body: JsonObject = field(repr=False)
    keys: frozenset[VerifiedKey]
    raw: bytes = field(repr=False)
    hash: bytes

    @property
    def signer(self) -> str:
        """The name of the one verified signer. Raises Malformed when there are several."""
        if len(self.keys) != 1:
            raise Malformed("exactly one signer is expected", code="note_single")
        return next(iter(self.keys)).name


@dataclass(frozen=True, slots=True)
class SignedLines:
    """A verified note of plain lines: the lines without their newlines, and the known keys that signed."""

    lines: tuple[str, ...]
    keys: frozenset[VerifiedKey]
    raw: bytes = field(repr=False)


class _Line(NamedTuple):
    name: str
    key_id: bytes
    signature: bytes


def sign_note(context: str, body: JsonObject, signers: Sequence[Signer]) -> bytes:
    """The note of ``body`` under ``context``, with one line for each of 1..16 signers, in order.

    Raises Malformed when the body is not encodable, the context or a name has no legal form, or a key
    would sign twice.
    """
    if not _CONTEXT.match(context):
        raise Malformed("a context is printable ASCII without spaces", code="note_context_form")
    return _sign(context.encode() + b"\n" + encode(body) + b"\n", signers)


def sign_lines(lines: Sequence[str], signers: Sequence[Signer]) -> bytes:
    """The note of 1..16 plain lines of visible ASCII. Raises Malformed, as `sign_note` does."""
    text = "".join(f"{line}\n" for line in lines).encode()
    _check_text(text)
    return _sign(text, signers)


def _sign(text: bytes, signers: Sequence[Signer]) -> bytes:
    lines = "".join([_signature_line(text, signer) for signer in signers])
    if not _ONE_LINE.match(lines):  # several, or one with something wrong, which parsing tells
        _parse_lines(lines)
    return text + b"\n" + lines.encode()


def cosign(note: bytes, signer: Signer) -> bytes:
    """``note`` with one more signature line. The lines already there are kept, NOT verified.

    Raises Malformed when the note has no legal form, is full, or carries a line of this key already.
    """
    text, lines = _split(note)
    lines += _signature_line(text, signer)
    _parse_lines(lines)
    return text + b"\n" + lines.encode()


def open_note(note: bytes, context: str, keyring: Keyring, *, single: bool = False) -> Note:
    """The note, verified: at least one known key signed it and no known key's signature is bad.

    ``single``: exactly one signature line, known or not. Raises Malformed (form), Forged (another
    context, or a bad signature), Untrusted (no line of a known key, or a weak key).
    """
    text, tail = _split(note)
    lines = _parse_lines(tail)
    if single and len(lines) != 1:
        raise Malformed("exactly one signature line is expected", code="note_single")
    start = context.encode() + b"\n"
    if not text.startswith(start):
        raise Forged("a note of another context", code="note_context")
    keys = _verified(text, lines, keyring)
    body = decode_object(text[len(start) : -1])
    return Note(context, text, body, keys, note, hashlib.sha256(text).digest())


def open_lines(note: bytes, keyring: Keyring) -> SignedLines:
    """A note of plain lines, verified as `open_note` does. Raises Malformed, Forged, Untrusted.

    What the lines say is for the caller to judge, the first line above all: it stands where other notes have
    their context, and a caller that does not compare it takes one kind of note for another.
    """
    text, tail = _split(note)
    _check_text(text)
    keys = _verified(text, _parse_lines(tail), keyring)
    return SignedLines(tuple(text.decode("ascii").splitlines()), keys, note)


def _check_text(text: bytes) -> None:
    if not _LINES.match(text):
        raise Malformed("a note's plain lines are visible ASCII, 1 to 16 of them", code="note_text")


def _verified(text: bytes, lines: Sequence[_Line], keyring: Keyring) -> frozenset[VerifiedKey]:
    found = [key for line in lines if (key := _verify(text, line, keyring))]
    keys = frozenset([key for key in found if not isinstance(key.public, Stopped)])
    if found and not keys:
        raise Untrusted("signed by a key that is suspended", code="suspended", remedy=_SUSPENDED)
    if not keys:
        raise Untrusted("no signature by a known key", code="unknown_key")
    return keys


def peek_body(note: bytes) -> JsonObject:
    """DANGEROUS: the body of a note whose signatures were NOT checked; anybody may have written it.

    Only for choosing what to verify with, such as the root that introduces its own keys. Raises Malformed.
    """
    text, tail = _split(note)
    _parse_lines(tail)
    return decode_object(text.partition(b"\n")[2][:-1])


def text_hash(note: bytes) -> bytes:
    """SHA-256 of the signed text of a note, 32 bytes (protocol 3, *statement hash*). Verifies nothing."""
    return hashlib.sha256(_split(note)[0]).digest()


def key_id(name: str, public: bytes, kind: bytes = _ED25519) -> bytes:
    """The 4-byte hint on a signature line: which of a name's keys to verify with. It proves nothing.

    ``kind``: the C2SP signature type; a cosignature has another than a note's own signature.
    """
    return hashlib.sha256(name.encode() + b"\n" + kind + public).digest()[:_KEY_ID]


def check_signature(public: bytes, text: bytes, signature: bytes) -> None:
    """Raise Forged unless this key signed ``text`` with these 64 bytes, Untrusted for a weak key."""
    try:
        _verify_key(public).verify(text, signature)
    except CryptoError:
        raise Forged("a known key with a bad signature", code="signature") from None


def check_verification_key(public: bytes) -> None:
    """Raise Untrusted unless ``public`` is a canonical Ed25519 point of the main subgroup.

    A key of low or mixed order lets its owner make one signature fit several messages.
    """
    _verify_key(public)


@lru_cache(maxsize=4096)  # public keys only, a few for each principal; the check costs as much as a verify
def _verify_key(public: bytes) -> VerifyKey:
    if len(public) != PUBLIC or not crypto_core_ed25519_is_valid_point(public):
        raise Untrusted("a weak Ed25519 public key", code="weak_key")
    return VerifyKey(public)


def _signature_line(text: bytes, signer: Signer) -> str:
    stamp = b64(key_id(signer.name, signer.public) + signer.sign(text))
    return f"{_DASH}{signer.name} {stamp}\n"


def _split(note: bytes) -> tuple[bytes, str]:
    """(signed text with its last newline, signature lines); the text ends at the LAST empty line."""
    text, separator, tail = note.rpartition(b"\n\n")
    if not separator:
        raise Malformed("no empty line before the signatures", code="note_form")
    try:
        return text + b"\n", tail.decode()
    except UnicodeDecodeError:
        raise Malformed("a signature line that is not UTF-8", code="note_line") from None


def _parse_lines(tail: str) -> list[_Line]:
    """1..16 distinct signature lines, each complete. Counted before any is looked at."""
    if not tail.endswith("\n"):
        raise Malformed("no complete signature line", code="note_unsigned")
    if tail.count("\n") > MAX_SIGNATURES:
        raise Malformed(f"more than {MAX_SIGNATURES} signature lines", code="note_lines")
    lines = [_parse_line(line) for line in tail[:-1].split("\n")]
    if len(lines) > 1 and len({(line.name, line.key_id) for line in lines}) != len(lines):
        raise Malformed("two signature lines of one key", code="note_repeated")
    return lines


def _parse_line(line: str) -> _Line:
    found = _LINE.match(line)
    if not found:
        raise Malformed("a signature line without its form", code="note_line")
    try:
        data = unb64(found[2], _KEY_ID + SIGNATURE)
    except Malformed:
        raise Malformed("a signature line without its form", code="note_line") from None
    return _Line(found[1], data[:_KEY_ID], data[_KEY_ID:])


def _verify(text: bytes, line: _Line, keyring: Keyring) -> VerifiedKey | None:
    """The known key behind a line; None when the key is unknown. Raises Forged, Untrusted."""
    known = [public for public in keyring(line.name) if key_id(line.name, public) == line.key_id]
    for public in known:
        try:
            _verify_key(public).verify(text, line.signature)
        except CryptoError:
            continue  # two keys of one name may share the 4-byte hint; the other may be the signer
        return VerifiedKey(line.name, public)
    if known:
        raise Forged("a known key with a bad signature", code="signature")
    return None
