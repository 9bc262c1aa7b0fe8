"""The network as this node believes it: one verified, immutable view (protocol 6).

Duty: put the newest root, one directory and the key cards together, and answer who somebody is, what they
sign with and what to seal to them with. What it leaves out: the checks of each document (root.py,
directory.py), storage and exchange of the documents (flows), and how they are written (ceremony.py).

Rules:

- A view is built whole or not at all; a newer one replaces it (`Network.check_successor`).
- A missing or expired card matters only when something is sealed to it, and so does one that the directory
  has left behind: its principal has gone, or has another key by now. A card that is broken or forged is
  refused, for no honest store holds one.
- An expired directory still says who signed what; only sending stops (`Network.check_sendable`).

Example::

    network = Network.build(roots, directory, cards, now=now, expect="abcd-efgh-...")
    police = network.find("E09000004", "POLICE")
    key = network.sealing_key(police.name, now)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from gateway.core.directory import (
    NODE_ROLE,
    Card,
    Directory,
    Principal,
    Subkey,
    open_card,
    open_directory,
)
from gateway.core.keys import fingerprint
from gateway.core.notes import Keyring
from gateway.core.root import DAY, Root, verify_roots
from gateway.errors import Expired, Forged, Misconfigured, UnknownRecipient, Unsupported, Untrusted

__all__ = ["Network", "Principal", "Subkey"]

JUMP: Final = 10_000  # directory versions; a stolen threshold cannot use the numbers up (protocol 6)
WARN: Final = 14 * DAY  # seconds before the end at which an operator is warned (protocol 6)


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A verified view. Times are unix seconds. Build it with `Network.build`, nothing else checks."""

    root: Root = field(repr=False)
    directory: Directory = field(repr=False)
    cards: Mapping[str, Card] = field(repr=False)

    @classmethod
    def build(
        cls,
        roots: Sequence[bytes],
        directory: bytes,
        cards: Iterable[bytes],
        *,
        now: int,
        expect: str | None = None,
    ) -> Network:
        """Verify everything. ``roots`` from version 1 on; ``expect``: the fingerprint of the network.

        Raises Malformed, Forged, Untrusted, Expired, Unsupported, each with a stable code.
        """
        root = verify_roots(roots, now=now, expect=expect)
        listed = open_directory(directory, root, now=now)
        return cls(root, listed, _newest(cards, listed))

    @property
    def net(self) -> bytes:
        """The 32-byte network id."""
        return self.root.net

    @property
    def fingerprint(self) -> str:
        """What people read aloud to each other to know the network by (protocol 1)."""
        return fingerprint(self.net)

    @property
    def env(self) -> str:
        """ "prod" or "demo"."""
        return self.root.env

    @property
    def version(self) -> int:
        """Of the directory."""
        return self.directory.version

    @property
    def created(self) -> int:
        return self.directory.created

    @property
    def expires(self) -> int:
        """When sending stops: the end of the directory, or of the root if that is sooner."""
        return min(self.directory.expires, self.root.expires)

    @property
    def min_suite(self) -> int:
        return self.directory.min_suite

    @property
    def entitlements(self) -> Mapping[str, frozenset[str]]:
        """Field group -> the agency types that may ever read it."""
        return self.directory.entitlements

    @property
    def areas(self) -> Mapping[str, str]:
        """Code -> display name."""
        return self.directory.areas

    def principal(self, name: str) -> Principal:
        """Raises UnknownRecipient for a name that the directory does not hold."""
        found = self.directory.principals.get(name)
        if found is None:
            raise UnknownRecipient(
                "the directory holds no such principal",
                code="unknown_principal",
                remedy="`gateway directory show` lists everybody; `gateway directory add` takes in a new one",
            )
        return found

    def node(self, area: str) -> Principal:
        """The node of an area. Raises UnknownRecipient for an area that the directory does not hold."""
        self._check_area(area)
        return self.directory.principals[f"{area}/{NODE_ROLE}"]

    def agencies(self, area: str) -> tuple[Principal, ...]:
        """Everybody of an area but its node, by name. Raises UnknownRecipient for an unknown area."""
        self._check_area(area)
        found = (p for p in self.directory.principals.values() if p.area == area and p.role != NODE_ROLE)
        return tuple(sorted(found, key=lambda principal: principal.name))

    def find(self, area: str, agency: str, organisation: str | None = None) -> Principal:
        """The one agency of that type in that area; ``organisation`` where there are several of a type.

        Capitals of an organisation do not matter. Raises UnknownRecipient: no such area or agency, or more
        than one. A handover never goes to a guess.
        """
        found = [p for p in self.agencies(area) if p.agency == agency]
        if organisation is not None:
            found = [p for p in found if p.organisation.casefold() == organisation.casefold()]
        if not found:
            raise UnknownRecipient(
                "the directory holds no such agency for this area",
                code="unknown_agency",
                field="/agency",
                remedy="`gateway directory show` lists the agencies of each area and their organisations",
            )
        if len(found) > 1:
            raise UnknownRecipient(
                "this area has several agencies of this type",
                code="ambiguous_agency",
                field="/organisation",
                remedy="name the organisation as `gateway directory show` spells it",
            )
        return found[0]

    def sealing_key(self, principal: str, now: int) -> bytes:
        """The newest X-Wing public key (1216 bytes) that is valid now. Raises UnknownRecipient."""
        self.principal(principal)
        card = self.cards.get(principal)
        valid = [key for key in card.subkeys if key.start <= now < key.until] if card else []
        if not valid:
            raise UnknownRecipient(
                "this agency has no valid key",
                code="no_valid_key",
                remedy="its node must publish a fresh key card; until then reach the agency by telephone",
            )
        return max(valid, key=lambda subkey: subkey.start).public

    def keyring(self, name: str) -> Collection[bytes]:
        """`notes.Keyring` of every principal's identity key. Log keys are not in it; revoked keys neither."""
        return self.directory.keyring(name)

    def check_sendable(self, now: int) -> None:
        """Raise Expired when nothing may be sent under this view any more (protocol 6, freshness)."""
        if now >= self.directory.expires:
            raise Expired(
                "the directory has expired",
                code="directory_expired",
                remedy="fetch the current one with `gateway join`; its signers renew it every 30 days",
            )
        self.root.check_current(now)

    def expires_soon(self, now: int) -> bool:
        """Whether an operator should be warned: 14 days or less are left."""
        return now >= self.expires - WARN

    def require_env(self, env: str) -> None:
        """Raise Misconfigured unless the network is of this environment ("prod", "demo") (protocol 7)."""
        if self.env != env:
            raise Misconfigured(
                f"this network is of environment {self.env!r}, the configuration of {env!r}",
                code="network_env",
                field="/environment",
                remedy="join the network of this environment; demo keys are public and protect nobody",
            )

    def check_successor(self, newer: Network) -> None:
        """Raise unless ``newer`` may replace this view: same network, nothing rolled back (protocol 6).

        Untrusted: ``other_network``, ``root_rollback``, ``directory_rollback``, ``directory_jump``. Forged:
        ``root_equivocation``, ``directory_equivocation``: two documents of one version, both evidence.
        """
        if newer.net != self.net:
            raise Untrusted("another network", code="other_network")
        _check_forward("root", self.root, newer.root)
        _check_forward("directory", self.directory, newer.directory)
        if newer.version > self.version + JUMP:
            raise Untrusted("the directory's version jumps too far", code="directory_jump")

    def _check_area(self, area: str) -> None:
        if area not in self.directory.areas:
            raise UnknownRecipient(
                "the directory holds no such area",
                code="unknown_area",
                remedy="check the ONS code; `gateway directory show` lists the areas of this network",
            )


def _newest(notes: Iterable[bytes], directory: Directory) -> Mapping[str, Card]:
    """Principal -> its newest card. Raises Malformed, Forged; Forged also for two cards of one version."""
    found: dict[str, Card] = {}
    for note in notes:
        card = _current(note, directory.net, directory.min_suite, directory.keyring)
        known = found.get(card.principal) if card else None
        if card is None or (known and known.version > card.version):
            continue
        if known and known.version == card.version and known.hash != card.hash:
            raise Forged("two different cards of one version", code="card_equivocation")
        found[card.principal] = card
    return MappingProxyType(found)


def _current(note: bytes, net: bytes, min_suite: int, keyring: Keyring) -> Card | None:
    """The card, or None for one that a newer directory has left behind: another key, or a raised suite."""
    try:
        return open_card(note, net=net, min_suite=min_suite, keyring=keyring)
    except (Untrusted, Unsupported):
        return None


def _check_forward(kind: str, old: Root | Directory, new: Root | Directory) -> None:
    if new.version < old.version:
        raise Untrusted(f"an older {kind} than the one already accepted", code=f"{kind}_rollback")
    if new.version == old.version and new.hash != old.hash:
        raise Forged(f"two different documents of one {kind} version", code=f"{kind}_equivocation")
