"""Keys that are made to be destroyed: record keys, what they wrap, and keyed hashes (protocol 7).

Duty: authenticated wrapping under a 32-byte key, and hashes that tell nobody anything without their key. It
leaves out where keys live (:mod:`gateway.keystore`) and when they are destroyed.

>>> key = new_key()
>>> unwrap(key, wrap(key, b"part keys", context="bx/1/parts/mid"), context="bx/1/parts/mid")
b'part keys'
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

from gateway.errors import Forged

KEY: Final = 32  # bytes
_NONCE: Final = 24  # bytes; random, for one key may wrap many things


def new_key() -> bytes:
    """32 random bytes."""
    return secrets.token_bytes(KEY)


def wrap(key: bytes, content: bytes, *, context: str) -> bytes:
    """``nonce || ciphertext || tag``. ``context`` is authenticated: what was wrapped for one place opens in
    no other."""
    nonce = secrets.token_bytes(_NONCE)
    return nonce + crypto_aead_xchacha20poly1305_ietf_encrypt(content, context.encode(), nonce, key)


def unwrap(key: bytes, sealed: bytes, *, context: str) -> bytes:
    """Raises Forged for another key, another context or a changed byte."""
    nonce, body = sealed[:_NONCE], sealed[_NONCE:]
    try:
        return crypto_aead_xchacha20poly1305_ietf_decrypt(body, context.encode(), nonce, key)
    except (CryptoError, ValueError):
        raise Forged("stored key material does not open", code="unwrap") from None


def keyed_hash(key: bytes, content: bytes, *, purpose: str) -> bytes:
    """BLAKE2b-256 under ``key``: a plain hash of personal data is personal data (protocol 7).

    ``purpose``: at most 16 bytes, keeps hashes of different kinds apart.
    """
    return hashlib.blake2b(content, key=key, person=purpose.encode(), digest_size=KEY).digest()
