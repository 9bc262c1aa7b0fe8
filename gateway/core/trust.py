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
- Who may sign is a question of the moment: `Network.keyring_at` leaves out a retiring key after its time and
  marks a suspended one, so neither needs a restart. `Network.keyring` answers for the day that the directory
  was signed on, which is what evidence is judged by.
- A suspension that today's root and directory do not admit is left out, as a card is.

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

from gateway.core.breakglass import BreakGlass
from gateway.core.directory import (
    NODE_ROLE,
    Card,
    Directory,
    Principal,
    Subkey,
    open_card,
    open_directory,
)
from gateway.core.durations import DAY
from gateway.core.keys import fingerprint
from gateway.core.notes import Keyring, Stopped
from gateway.core.root import Root, verify_roots
from gateway.core.suspension import Suspension, open_suspension, read_suspension
from gateway.errors import Expired, Forged, Misconfigured, UnknownRecipient, Unsupported, Untrusted
from schemas.vocabulary import agency_type

__all__ = ["Network", "Principal", "Subkey"]

JUMP: Final = 10_000  # directory versions; a stolen threshold cannot use the numbers up (protocol 6)
WARN: Final = 14 * DAY  # seconds before the end at which an operator is warned (protocol 6)


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A verified view. Times are unix seconds. Build it with `Network.build`, nothing else checks."""

    root: Root = field(repr=False)
    directory: Directory = field(repr=False)
    cards: Mapping[str, Card] = field(repr=False)
    suspensions: Mapping[bytes, Suspension] = field(repr=False, default_factory=dict)
    glass: BreakGlass | None = field(repr=False, default=None)

    @classmethod
    def build(
        cls,
        roots: Sequence[bytes],
        directory: bytes,
        cards: Iterable[bytes],
        *,
        now: int,
        expect: str | None = None,
        suspensions: Iterable[bytes] = (),
    ) -> Network:
        """Verify everything. ``roots`` from version 1 on; ``expect``: the fingerprint of the network;
        ``suspensions``: all that this node holds, over or not.

        Raises Malformed, Forged, Untrusted, Expired, Unsupported, each with a stable code.
        """
        root = verify_roots(roots, now=now, expect=expect)
        listed = open_directory(directory, root, now=now)
        return cls(root, listed, _newest(cards, listed, now), _longest(suspensions, root, listed))

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

    def external(self, area: str) -> bool:
        """Whether the area has no gateway (``hosted: false`` in its node's entry): no queue stands for it,
        and files are carried to a person there. False for an area that the directory does not hold."""
        node = self.directory.principals.get(f"{area}/{NODE_ROLE}")
        return node is not None and not node.hosted

    def agencies(self, area: str) -> tuple[Principal, ...]:
        """Everybody of an area but its node, by name. Raises UnknownRecipient for an unknown area."""
        self._check_area(area)
        found = (p for p in self.directory.principals.values() if p.area == area and p.role != NODE_ROLE)
        return tuple(sorted(found, key=lambda principal: principal.name))

    def find(self, area: str, agency: str, organisation: str | None = None) -> Principal:
        """The one agency of that type, an older name of it too, in that area.

        ``organisation``: which of several of a type, whatever its capitals. Raises UnknownRecipient: no such
        area or agency, or more than one. A handover never goes to a guess.
        """
        agency = agency_type(agency)
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
        """The newest X-Wing public key (1216 bytes) that is valid now. Raises UnknownRecipient: there is
        none, or the principal is suspended."""
        self.principal(principal)
        if self.suspended(principal, now):
            raise UnknownRecipient(
                "its key is suspended",
                code="suspended",
                remedy="reach it by telephone; a suspension is over after three days at most",
            )
        card = self.cards.get(principal)
        if card is not None and not self._vouches(card, now):
            card = None  # the key that signed it has retired since, or is stopped
        valid = [key for key in card.subkeys if key.start <= now < key.until] if card else []
        if not valid:
            raise UnknownRecipient(
                "it has no valid key",
                code="no_valid_key",
                remedy="its node must publish a fresh key card; until then reach the agency by telephone",
            )
        return max(valid, key=lambda subkey: subkey.start).public

    def keyring(self, name: str) -> Collection[bytes]:
        """`notes.Keyring` of every principal's identity keys on the day the directory was signed: for judging
        what is old. Log keys are not in it; revoked keys neither. Live traffic takes `keyring_at`."""
        return self.directory.signing(name, self.directory.created)

    def keyring_at(self, now: int) -> Keyring:
        """`notes.Keyring` of the identity keys that count now; what a suspended key alone has signed is
        refused as ``suspended``."""

        def keyring(name: str) -> Collection[bytes]:
            return self.marked(self.directory.signing(name, now), now)

        return keyring

    def marked(self, keys: Iterable[bytes], now: int) -> Collection[bytes]:
        """The same keys, those that are suspended now marked so (`notes.Stopped`)."""
        return tuple(Stopped(key) if self.suspension(key, now) else key for key in keys)

    def suspension(self, key: bytes, now: int) -> Suspension | None:
        """What stops this key now, if anything does."""
        found = self.suspensions.get(key)
        return found if found and found.in_force(now) else None

    def suspended(self, principal: str, now: int) -> bool:
        """Whether the key of a principal is stopped now; False for one that the directory does not hold."""
        entry = self.directory.principals.get(principal)
        return entry is not None and self.suspension(entry.sign, now) is not None

    def owner(self, key: bytes) -> Principal:
        """Whose entry a public key stands in. Raises UnknownRecipient."""
        for principal in self.directory.principals.values():
            if key in principal.listed:
                return principal
        raise UnknownRecipient("the directory holds no such key", code="unknown_principal")

    def open_suspension(self, note: bytes, now: int) -> Suspension:
        """A suspension that has just come, verified under this view. Raises Refused of any kind."""
        return open_suspension(note, root=self.root, directory=self.directory, now=now)

    def check_sendable(self, now: int, *, sender: str = "", break_glass: BreakGlass | None = None) -> None:
        """Raise Expired when nothing may be sent under this view any more (protocol 6, freshness), Untrusted
        when the key of ``sender`` (a principal) is suspended: its peers would hold what it signs.

        ``break_glass``: a node's own note that carries it over the end of the directory, not of the root; in
        place of ``glass``, the one that the node has stored.
        """
        if self.suspended(sender, now):
            raise Untrusted(
                "this node's own key is suspended",
                code="suspended",
                remedy="ask the directory's signers why; nothing is sent until the suspension is over",
            )
        carried = break_glass or self.glass
        if now >= self.directory.expires and not (carried and carried.covers(self.version, now)):
            raise Expired(
                "the directory has expired",
                code="directory_expired",
                remedy="fetch the current one with `gateway join`; its signers renew it every 30 days; "
                "in need `gateway break-glass`",
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
        if not newer.root.follows(self.root):
            raise Forged("a chain of roots that leaves out the one accepted", code="root_equivocation")
        _check_forward("directory", self.directory, newer.directory)
        if newer.version > self.version + JUMP:
            raise Untrusted("the directory's version jumps too far", code="directory_jump")

    def _vouches(self, card: Card, now: int) -> bool:
        counts = card.by in self.directory.signing(card.principal, now)
        return counts and self.suspension(card.by, now) is None

    def _check_area(self, area: str) -> None:
        if area not in self.directory.areas:
            raise UnknownRecipient(
                "the directory holds no such area",
                code="unknown_area",
                remedy="check the ONS code; `gateway directory show` lists the areas of this network",
            )


def _newest(notes: Iterable[bytes], directory: Directory, now: int) -> Mapping[str, Card]:
    """Principal -> its newest card. Raises Malformed, Forged; Forged also for two cards of one version.

    A card by the listed key goes before any by a retiring one: who holds the old key may be a thief, and
    could outbid every version.
    """

    def keyring(name: str) -> Collection[bytes]:
        return directory.signing(name, now)

    def rank(card: Card) -> tuple[bool, int]:
        return card.by == directory.principals[card.principal].sign, card.version

    found: dict[str, Card] = {}
    for note in notes:
        card = _current(note, directory.net, directory.min_suite, keyring)
        known = found.get(card.principal) if card else None
        if card is None or (known and rank(known) > rank(card)):
            continue
        if known and rank(known) == rank(card) and known.hash != card.hash:
            raise Forged("two different cards of one version", code="card_equivocation")
        found[card.principal] = card
    return MappingProxyType(found)


def _longest(notes: Iterable[bytes], root: Root, directory: Directory) -> Mapping[bytes, Suspension]:
    """Key -> the suspension that stops it longest. Raises Malformed, Forged: no honest store holds one."""
    found: dict[bytes, Suspension] = {}
    for note in notes:
        try:
            told = read_suspension(note, root=root, directory=directory)
        except Untrusted:
            continue  # the key has gone since, or who stopped it has been replaced
        known = found.get(told.key)
        if known is None or told.until > known.until:
            found[told.key] = told
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
