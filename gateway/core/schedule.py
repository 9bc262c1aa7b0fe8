"""The key schedule of an envelope (protocol 4.2, 4.3): which key comes out of which.

Duty: the three derivations, all keyed BLAKE2b with a person string of its own. What it leaves out: where
the secrets come from and what is encrypted with them (envelope.py).

Rules: every derivation takes in the network id and H, so that a key of another network, or under another
header, is another key. ``scope`` is ``net || H``, 64 bytes, made once an envelope.
"""

from __future__ import annotations

import hashlib
from typing import Final

from gateway.core.layout import KEY
from gateway.errors import Malformed

NET: Final = 32  # bytes of a network id


def scope_of(net: bytes, head: bytes) -> bytes:
    """``net || H``. Raises Malformed for a network id of another length, which would shift what follows."""
    if len(net) != NET:
        raise Malformed(f"a network id is {NET} bytes", code="net")
    return net + head


def wrapping_key(secret: bytes, scope: bytes, index: int, public: bytes) -> bytes:
    """wk of slot ``index``: from the shared secret, for the bag sealed to ``public``. 32 bytes."""
    data = scope + bytes((index,)) + hashlib.sha256(public).digest()
    return hashlib.blake2b(data, digest_size=KEY, key=secret, person=b"bx/1/slot").digest()


def part_keys(key: bytes, scope: bytes, number: int) -> tuple[bytes, bytes]:
    """(ek, com) of part ``number``, 32 bytes each. One hash gives both: com commits to this very key."""
    data = scope + bytes((number,))
    both = hashlib.blake2b(data, digest_size=2 * KEY, key=key, person=b"bx/1/part").digest()
    return both[:KEY], both[KEY:]


def recipient_commitment(key: bytes, principal: str) -> bytes:
    """c_i, 32 bytes: names a reader to whoever holds the wrapping key, and to nobody else."""
    return hashlib.blake2b(principal.encode(), digest_size=KEY, key=key, person=b"bx/1/to").digest()
