"""A suspension: ONE person stops a key at once, for three days at most (protocol 6).

Duty: make and verify the note. What it leaves out: who looks whether a key is stopped (trust.py), and how the
note travels from node to node (flows).

Rules:

- It takes the threshold to START a key and one to STOP it: any one directory signer of the root, or the key
  itself under its principal's name. Nobody else, and no member another member.
- It works from the moment a node holds it and is over at ``until``; nothing lifts it before. Of several for
  one key the one that lasts longest counts, or a thief would shorten what stops him.
- It stops an identity key or a log key that the directory lists. Root and directory signers are replaced by
  the next root: a signer who could stop the others would be the network's only one.

Example::

    note = make_suspension(alice, net=net, key=police.public, created=now, until=now + DAY, reason="lost")
    open_suspension(note, root=root, directory=directory, now=now).until
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from gateway.core.directory import REASON, Directory
from gateway.core.encoding import JsonObject, b64, check_version, fields, integer, octets, text
from gateway.core.keys import PUBLIC
from gateway.core.notes import Keyring, Signer, open_note, sign_note
from gateway.core.root import SKEW, Root
from gateway.errors import Expired, Forged, Malformed, Untrusted

SUSPEND: Final = "bx/1/suspend"
MAX_SUSPENSION: Final = 72 * 3600  # seconds: long enough for a weekend, too short to take a borough out with

_FIELDS: Final = {"v": int, "net": str, "key": str, "created": int, "until": int, "reason": str}


@dataclass(frozen=True, slots=True)
class Suspension:
    """``key`` (32 bytes) is stopped until just before ``until`` (unix seconds). ``by``: the name of the
    directory signer, or of the principal whose key it is. ``hash``: of the signed text."""

    key: bytes
    created: int
    until: int
    reason: str
    by: str
    hash: bytes

    def in_force(self, now: int) -> bool:
        """Whatever ``created`` says: a suspension that is here works, or a clock that is behind undoes it."""
        return now < self.until


def make_suspension(
    signer: Signer, *, net: bytes, key: bytes, created: int, until: int, reason: str
) -> bytes:
    """The note that stops ``key``. Raises Malformed, Expired for one that every node would refuse."""
    body: JsonObject = {
        "v": 1,
        "net": b64(net),
        "key": b64(key),
        "created": created,
        "until": until,
        "reason": reason,
    }
    _parse(body, net, "", b"")
    return sign_note(SUSPEND, body, [signer])


def open_suspension(note: bytes, *, root: Root, directory: Directory, now: int) -> Suspension:
    """A suspension that has just come. Raises what `read_suspension` raises, and Expired for one from the
    future (``suspension_future``) or that is over (``suspension_over``)."""
    found = read_suspension(note, root=root, directory=directory)
    if found.created > now + SKEW:
        raise Expired("the suspension is from the future", code="suspension_future")
    if not found.in_force(now):
        raise Expired("the suspension is over", code="suspension_over")
    return found


def read_suspension(note: bytes, *, root: Root, directory: Directory) -> Suspension:
    """One that this node has taken up before, whatever the time is now.

    Raises Malformed, Forged (another network), Expired (``suspension_life``), Untrusted: an outsider
    (``unknown_key``), a member who means another's key (``suspension_signer``), a key that the directory
    does not list (``suspension_key``).
    """
    opened = open_note(note, SUSPEND, _may_stop(root, directory), single=True)
    (signed,) = opened.keys
    found = _parse(opened.body, root.net, signed.name, opened.hash)
    if signed.name not in root.directory.keys and signed.public != found.key:
        raise Untrusted("a member stops no key but its own", code="suspension_signer")
    if found.key not in directory.listed:
        raise Untrusted("the directory lists no such key", code="suspension_key")
    return found


def _may_stop(root: Root, directory: Directory) -> Keyring:
    """Names of signers hold no "/", those of principals always: neither can pass for the other. A directory
    signer that the threshold has revoked stops nobody, before the next root is even written."""

    def keyring(name: str) -> Collection[bytes]:
        entry = directory.principals.get(name)
        known = entry.listed if entry else root.directory.keyring(name)
        return [key for key in known if key not in directory.revoked]

    return keyring


def _parse(body: JsonObject, net: bytes, by: str, digest: bytes) -> Suspension:
    check_version(body)
    fields(body, _FIELDS)
    if octets(body, "net") != net:
        raise Forged("a suspension of another network", code="suspension_net")
    created, until = integer(body, "created"), integer(body, "until")
    if until <= created:
        raise Malformed("it ends before it begins", code="suspension_time", field="/until")
    if until - created > MAX_SUSPENSION:
        raise Expired("the suspension would last too long", code="suspension_life", field="/until")
    return Suspension(octets(body, "key", PUBLIC), created, until, text(body, "reason", REASON), by, digest)
