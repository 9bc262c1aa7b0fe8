"""Keys out of the phrase, canonical JSON, notes and padding, as a sender makes them (1, 2, 3, 4.2)."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from nacl.signing import SigningKey

PHRASE = "bx/1 published test vectors: fictional principals, never a network"
NOW = 1_800_000_000
DAY = 86_400


def derive(label: str, size: int = 32) -> bytes:
    """Every seed, key and id of the vectors: SHAKE-256 of the phrase and a label."""
    return hashlib.shake_256(f"{PHRASE}\n{label}".encode()).digest(size)


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class Signer:
    """An Ed25519 key and the name it signs under."""

    def __init__(self, name: str, label: str = "") -> None:
        self.name = name
        self.seed = derive(label or f"identity {name}")
        self._key = SigningKey(self.seed)
        self.public = bytes(self._key.verify_key)

    def sign(self, text: bytes) -> bytes:
        return self._key.sign(text).signature


def line(name: str, public: bytes, signature: bytes) -> bytes:
    hint = sha256(name.encode() + b"\n\x01" + public)[:4]
    return f"\u2014 {name} {b64(hint + signature)}\n".encode()


def signed(text: bytes, *signers: Signer) -> bytes:
    """A note over any text at all, honest or not."""
    lines = (line(one.name, one.public, one.sign(text)) for one in signers)
    return text + b"\n" + b"".join(lines)


def note(context: str, body: Any, *signers: Signer) -> bytes:
    """``body``: a value, or the very bytes to stand in the place of the JSON."""
    inner = body if isinstance(body, bytes) else canonical(body)
    return signed(context.encode() + b"\n" + inner + b"\n", *signers)


def text_of(signed_note: bytes) -> bytes:
    return signed_note[: signed_note.rfind(b"\n\n") + 1]


def padme(size: int) -> int:
    power = size.bit_length() - 1
    step = 1 << power - power.bit_length()
    return -(-size // step) * step


def pad(content: bytes) -> bytes:
    return (len(content).to_bytes(4, "big") + content).ljust(padme(max(4 + len(content), 512)), b"\0")


def fingerprint(digest: bytes) -> str:
    letters = base64.b32encode(digest[:20]).decode().lower()
    return "-".join(letters[at : at + 4] for at in range(0, 32, 4))
