"""Seal and open: the one way to encrypt (protocol 4).

Duty: the slots and the parts, sealed and opened. The outer bytes are `layout`'s, the key schedule is
`schedule`'s, the signed statement in part 0 is `statement`'s, limits on readers are `recipients`'; the
public names of all of them are exported here. What it leaves out: what the contents mean, streams and
duplicates, and who is entitled to what (the caller says so with `Recipient.parts`).

Rules:

- Every key encrypts exactly once, which is why the nonce may be zero: part keys are 32 fresh random bytes,
  wrapping keys come out of a fresh encapsulation.
- Limits before cryptography; on receipt the order of protocol 4.5: size, split, slot, part 0, note,
  bindings, time. Garbage costs one decapsulation at most for each of our subkeys.
- The signature is inside the encryption and names every reader by a commitment only that reader can check.

Example::

    police = Recipient("E09000004/police", police_key, {2})
    draft = prepare(net=net, kind=Kind.MESSAGE, priority=0, to="E09000004", expires=now + MAX_LIFE,
                    recipients=[Recipient("E09000004/node", node_key), police],
                    contents=[routing_table, section])
    sealed = draft.finish(signer, created=now, directory=7, position=position, seen=Seen())

    parsed = split(sealed.envelope)
    statement, slot = open_statement(parsed, net=net, opener=node, area="E09000004", keyring=ring, now=now)
    routing_table = open_part(parsed, 1, slot.keys[1], net=net)
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hmac import compare_digest
from typing import Final, Protocol, cast

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

from gateway.core import kem
from gateway.core import statement as statements
from gateway.core.encoding import ZERO
from gateway.core.layout import (
    KEY,
    MAX_BUNDLE,
    MAX_BUNDLE_COUNT,
    MAX_ENVELOPE,
    MAX_PARTS,
    MAX_SLOTS,
    MESSAGE_ID,
    Kind,
    Parsed,
    bundle,
    head_of,
    join,
    pack_header,
    pad,
    split,
    unbundle,
    unpad,
)
from gateway.core.notes import Keyring, Signer, sign_note, text_hash
from gateway.core.recipients import STATEMENT, Recipient, bag_of, check_recipients, check_room, padded_count
from gateway.core.schedule import NET, part_keys, recipient_commitment, scope_of, wrapping_key
from gateway.core.statement import MAX_LIFE, SKEW, Position, Seen, Statement, check_time
from gateway.errors import Forged, Malformed, NotForUs

__all__ = [
    "MAX_BUNDLE",
    "MAX_BUNDLE_COUNT",
    "MAX_ENVELOPE",
    "MAX_LIFE",
    "MAX_PARTS",
    "MAX_SLOTS",
    "NET",
    "SKEW",
    "Draft",
    "Kind",
    "Opener",
    "Parsed",
    "Position",
    "Recipient",
    "Sealed",
    "Seen",
    "Slot",
    "Statement",
    "bundle",
    "check_key",
    "check_slot",
    "check_time",
    "open_part",
    "open_slot",
    "open_statement",
    "prepare",
    "read_statement",
    "split",
    "unbundle",
]

_NONCE: Final = bytes(24)


class Opener(Protocol):
    """Something that holds a principal's X-Wing subkeys: seeds in memory, or a hardware module."""

    @property
    def principal(self) -> str: ...

    def publics(self) -> Sequence[bytes]:
        """The public keys of the subkeys still held, the likeliest first."""
        ...

    def decapsulate(self, public: bytes, ciphertext: bytes) -> bytes:
        """The shared secret under the subkey of ``public``. Raises Malformed (see kem.py)."""
        ...


@dataclass(frozen=True, slots=True)
class Sealed:
    """An envelope ready to be stored and sent. ``statement`` is the statement hash, ``digest`` SHA-256 of
    the envelope, ``part_keys[j]`` opens part j: wrap them before they are stored."""

    envelope: bytes = field(repr=False)
    mid: str
    statement: bytes
    digest: bytes
    expires: int
    part_keys: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Slot:
    """One opened slot: its recipient commitment c_i, and the key of each part or None where the bag holds
    none. Key 0 is always there."""

    index: int
    commitment: bytes
    keys: tuple[bytes | None, ...] = field(repr=False)

    @property
    def statement_key(self) -> bytes:
        """The key of part 0, which `open_slot` has made sure of."""
        return cast("bytes", self.keys[STATEMENT])


@dataclass(frozen=True, slots=True)
class Draft:
    """An envelope that lacks its statement. Everything that costs time is done; see `finish`."""

    mid: str
    kind: Kind
    expires: int
    net: bytes = field(repr=False)
    header: bytes = field(repr=False)
    head: bytes = field(repr=False)
    slots: bytes = field(repr=False)
    to: tuple[bytes, ...] = field(repr=False)
    parts: tuple[bytes, ...] = field(repr=False)
    part_keys: tuple[bytes, ...] = field(repr=False)

    def finish(
        self, signer: Signer, *, created: int, directory: int, position: Position, seen: Seen
    ) -> Sealed:
        """Sign the statement and seal it as part 0. Runs inside the short transaction of the stream.

        A transaction that was rolled back may call it again. What it gave before must then never leave:
        part 0 is encrypted under the same key, once for each call. Raises Malformed, Expired (life).
        """
        body = statements.build(
            sender=signer.name,
            mid=self.mid,
            net=self.net,
            head=self.head,
            slots=hashlib.sha256(self.slots).digest(),
            parts=[hashlib.sha256(part).digest() for part in self.parts],
            to=self.to,
            created=created,
            expires=self.expires,
            directory=directory,
            position=position,
            seen=seen,
        )
        note = sign_note(statements.CONTEXTS[self.kind], body, [signer])
        part = _seal_part(self.part_keys[STATEMENT], scope_of(self.net, self.head), STATEMENT, note)
        envelope = join(self.header, self.slots, (part, *self.parts))
        digest = hashlib.sha256(envelope).digest()
        return Sealed(envelope, self.mid, text_hash(note), digest, self.expires, self.part_keys)


# --- Sealing ------------------------------------------------------------------------------------------


def prepare(
    *,
    net: bytes,
    kind: Kind,
    priority: int,
    to: str,
    expires: int,
    recipients: Sequence[Recipient],
    contents: Sequence[bytes],
) -> Draft:
    """Encapsulate to every recipient and encrypt every part but the statement.

    ``recipients[i]`` gets slot i; the first is the node of area ``to`` and always gets part 1, which
    nobody else may have. ``contents[k]`` is part k+1. ``expires``: unix seconds. Raises TooLarge over a
    limit, Malformed for recipients, parts or keys that cannot be.
    """
    nparts = 1 + len(contents)
    nslots = padded_count(kind, recipients)
    mid, keys = _fresh(nparts)
    header = pack_header(
        kind=kind, priority=priority, slots=nslots, parts=nparts, mid=mid, expires=expires, to=to
    )
    check_recipients(recipients, to, nparts)
    check_room(nslots, contents)
    head = head_of(header)
    scope = scope_of(net, head)
    pairs = [_real_slot(scope, index, one, bag_of(keys, index, one)) for index, one in enumerate(recipients)]
    pairs += [_dummy_slot(scope, index, nparts) for index in range(len(recipients), nslots)]
    slots, commitments = zip(*pairs, strict=True)
    parts = tuple([_seal_part(keys[j], scope, j, content) for j, content in enumerate(contents, start=1)])
    return Draft(mid.hex(), kind, expires, net, header, head, b"".join(slots), commitments, parts, keys)


def _fresh(nparts: int) -> tuple[bytes, tuple[bytes, ...]]:
    """(message id, part keys): one look at the system's randomness for all of them."""
    pool = secrets.token_bytes(MESSAGE_ID + KEY * nparts)
    return pool[:MESSAGE_ID], _cut(pool[MESSAGE_ID:])


def _real_slot(scope: bytes, index: int, recipient: Recipient, bag: bytes) -> tuple[bytes, bytes]:
    """(slot, commitment c_i)."""
    slot, key = _seal_slot(scope, index, recipient.key, bag)
    return slot, recipient_commitment(key, recipient.principal)


def _dummy_slot(scope: bytes, index: int, nparts: int) -> tuple[bytes, bytes]:
    """A slot like any other, for nobody: no bag is worth opening and no key is left that could."""
    slot, _ = _seal_slot(scope, index, _throw_away(), ZERO * nparts)
    return slot, secrets.token_bytes(KEY)


def _seal_slot(scope: bytes, index: int, public: bytes, bag: bytes) -> tuple[bytes, bytes]:
    """(slot, wrapping key wk_i)."""
    secret, ciphertext = kem.encapsulate(public)
    key = wrapping_key(secret, scope, index, public)
    return ciphertext + _encrypt(key, bag), key


@lru_cache(maxsize=1)
def _throw_away() -> bytes:
    """A public key whose seed is forgotten before it is returned. One a process: ciphertexts to one key
    cannot be linked without its secret, and a fresh key costs more than the encapsulation to it."""
    return kem.public_key(secrets.token_bytes(kem.SEED))


def _seal_part(key: bytes, scope: bytes, number: int, content: bytes) -> bytes:
    encryption, commitment = part_keys(key, scope, number)
    return commitment + _encrypt(encryption, pad(content))


# --- Opening ------------------------------------------------------------------------------------------


def open_slot(parsed: Parsed, index: int, *, net: bytes, opener: Opener) -> Slot:
    """The bag in slot ``index``, by whichever of the opener's subkeys opens it.

    Raises NotForUs when none does, Malformed for a slot that is not there or a low-order point in it,
    Forged for a bag without the statement's key.
    """
    if not 0 <= index < len(parsed.slots):
        raise Malformed("no such slot", code="slot_number")
    slot = parsed.slots[index]
    ciphertext, sealed = slot[: kem.CIPHERTEXT], slot[kem.CIPHERTEXT :]
    scope = scope_of(net, parsed.head)
    for public in opener.publics():
        key = wrapping_key(opener.decapsulate(public, ciphertext), scope, index, public)
        try:
            bag = _decrypt(key, sealed)
        except CryptoError:
            continue  # sealed to another of our subkeys, or to somebody else: only trying tells
        return Slot(index, recipient_commitment(key, opener.principal), _keys_in(bag))
    raise NotForUs("no key of ours opens this slot", code="slot")


def open_part(parsed: Parsed, number: int, key: bytes, *, net: bytes) -> bytes:
    """The content of part ``number`` (0..) under its part key.

    Raises Forged when the part does not commit to this key (a sender could otherwise show two readers
    two contents of one ciphertext) or does not open; Malformed for no such part, or bad padding.
    """
    encryption = check_key(parsed, number, key, net=net)
    try:
        padded = _decrypt(encryption, parsed.parts[number][KEY:])
    except CryptoError:
        raise Forged("a part that was changed", code="part") from None
    return unpad(padded)


def check_key(parsed: Parsed, number: int, key: bytes, *, net: bytes) -> bytes:
    """The encryption key of part ``number`` under its part key, which the part commits to. Opens nothing.

    For a node that keeps an agency's keys to open with later. Raises Forged for another key than the
    part's, Malformed for no such part.
    """
    if not 0 <= number < len(parsed.parts):
        raise Malformed("no such part", code="part_number")
    encryption, commitment = part_keys(key, scope_of(net, parsed.head), number)
    if not compare_digest(commitment, parsed.parts[number][:KEY]):
        raise Forged("a part under another key", code="commitment")
    return encryption


def open_statement(
    parsed: Parsed, *, net: bytes, opener: Opener, area: str, keyring: Keyring, now: int, index: int = 0
) -> tuple[Statement, Slot]:
    """Prove who sent this, to us, unchanged, now: protocol 4.3 in the order of 4.5.

    ``area`` is ours, ``now`` unix seconds. ``index`` is our slot: 0 for the destination node, which is
    every caller but an agency that opens an envelope itself. Raises NotForUs, Malformed, Forged,
    Untrusted, Unsupported or Expired; nothing may be answered to the sender before this has returned.
    """
    if parsed.to != area:
        raise NotForUs("for another area", code="area")
    slot = open_slot(parsed, index, net=net, opener=opener)
    statement = read_statement(parsed, slot.statement_key, net=net, keyring=keyring)
    check_slot(statement, slot)
    check_time(statement, now)
    return statement, slot


def read_statement(parsed: Parsed, key: bytes, *, net: bytes, keyring: Keyring) -> Statement:
    """The statement by the key of part 0: verified, and bound to every byte of the envelope.

    For a stored envelope or an auditor, who hold that key and no slot. Says nothing of time or of who the
    readers are. Raises Malformed, Forged, Untrusted or Unsupported.
    """
    return statements.read(open_part(parsed, STATEMENT, key, net=net), parsed, net=net, keyring=keyring)


def check_slot(statement: Statement, slot: Slot) -> None:
    """Raise Forged unless the sender meant this very reader for this slot (protocol 4.3, c_i)."""
    if slot.index >= len(statement.to) or not compare_digest(statement.to[slot.index], slot.commitment):
        raise Forged("the sender did not name this reader", code="recipient", field=f"/to/{slot.index}")


def _keys_in(bag: bytes) -> tuple[bytes | None, ...]:
    keys = tuple([None if compare_digest(key, ZERO) else key for key in _cut(bag)])
    if keys[STATEMENT] is None:
        raise Forged("a bag without the key to the statement", code="bag")
    return keys


def _cut(keys: bytes) -> tuple[bytes, ...]:
    return tuple([keys[at : at + KEY] for at in range(0, len(keys), KEY)])


def _encrypt(key: bytes, content: bytes) -> bytes:
    return crypto_aead_xchacha20poly1305_ietf_encrypt(content, None, _NONCE, key)


def _decrypt(key: bytes, sealed: bytes) -> bytes:
    """Raises CryptoError; the caller knows what a failure means."""
    return crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, None, _NONCE, key)
