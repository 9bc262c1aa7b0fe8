"""A carried file as the desk of an area without a gateway takes it in: verified, and receipted once (4.8).

Duty: the network as the file brings it, the desk in it, the message, and the desk's keys and cards.
It leaves out the agencies' parts and the answers (:mod:`gateway.client.desk`).

Rule: nothing is signed for a file that does not verify, nothing is shown before the receipt is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from gateway.client.agent import TRUST
from gateway.client.client import read_network
from gateway.client.records import Records
from gateway.core.bridge import keys_fingerprint, open_file
from gateway.core.ceremony import make_card
from gateway.core.directory import MAX_SUBKEYS
from gateway.core.durations import DAY
from gateway.core.encoding import Json, JsonObject, b64, decode_object, encode, integer
from gateway.core.envelope import (
    Kind,
    Opener,
    Parsed,
    Statement,
    open_part,
    open_statement,
    split,
)
from gateway.core.keys import KemKey
from gateway.core.notes import Signer
from gateway.core.notices import Block, read_block
from gateway.core.receipts import About, make_receipt
from gateway.core.recipients import ROUTING
from gateway.core.rotation import Pace, on_card
from gateway.core.trust import Network
from gateway.errors import Forged, Malformed, Misconfigured, NotForUs, Unsupported
from gateway.flows.node import area_of
from gateway.flows.opening import NODE_PARTS, NOTICE, NOTIFICATION, Routing, read_routing
from gateway.flows.vault import read_sections

PACE: Final = Pace(every=30 * DAY, term=120 * DAY)
"""A desk's subkeys: longer than a call-back counts (90 days), for they are renewed when somebody works."""


class KeyFolder(Protocol):
    """The desk's key store (``gateway.keystore.KeyStore`` is one)."""

    def principals(self) -> Collection[str]: ...
    def signer(self, principal: str) -> Signer: ...
    def opener(self, principal: str) -> Opener: ...
    def subkeys(self, principal: str) -> Sequence[KemKey]: ...
    def renew(self, principal: str, now: int, pace: Pace) -> bool: ...


@dataclass(frozen=True, slots=True)
class TakenIn:
    """A carried file, verified: who sent it, what it is, and the desk's own receipt for it."""

    network: Network = field(repr=False)
    documents: JsonObject = field(repr=False)
    parsed: Parsed = field(repr=False)
    statement: Statement = field(repr=False)
    routing: Routing
    at: int
    received: bytes = field(repr=False)
    block: Block | None = None
    """Of a notice about a handover that came before; None: it is a handover."""

    @property
    def sender(self) -> str:
        return area_of(self.statement.sender)

    @property
    def about(self) -> About:
        return About(self.parsed.digest, self.statement.sender, self.statement.mid, self.statement.hash)


@dataclass(slots=True)
class Intake:
    """``fingerprint``: of the network, as it was read aloud. ``secret``, ``now``: see :class:`Reader`."""

    area: str
    keys: KeyFolder
    folder: Path
    secret: bytes = field(repr=False)
    fingerprint: str
    now: Callable[[], int]

    @property
    def node(self) -> str:
        return f"{self.area}/node"

    def take_in(self, data: bytes) -> TakenIn:
        """Verify a carried file and sign once that it came. Raises Refused: for another area, from somebody
        unknown, changed on the way, or too old (then it is exported again)."""
        file = open_file(data)
        if len(file.envelopes) != 1:
            raise Malformed("a carried file holds one message", code="bundle_count")
        network = self._network(file.documents)
        parsed = split(file.envelopes[0])
        kept = self._kept(parsed.mid)
        at = integer(kept, "at") if kept else self.now()
        statement, slot = open_statement(
            parsed,
            net=network.net,
            opener=self.keys.opener(self.node),
            area=self.area,
            keyring=network.keyring_at(self.now()),
            now=at,
        )
        key = slot.keys[ROUTING] if len(slot.keys) > ROUTING else None
        if statement.kind is not Kind.MESSAGE or key is None:
            raise Malformed("no message, or one without a routing part", code="routing")
        sections = read_sections(open_part(parsed, ROUTING, key, net=network.net))
        routing = read_routing(sections.get("routing"))
        self._check(routing, area_of(statement.sender))
        block = read_block(sections.get("notice")) if routing.kind == NOTICE else None
        about = About(parsed.digest, statement.sender, statement.mid, statement.hash)
        received = str(kept["received"]).encode() if kept else self._receive(network, about, at)
        return TakenIn(network, file.documents, parsed, statement, routing, at, received, block)

    def _check(self, routing: Routing, peer: str) -> None:
        """What a node refuses, too."""
        if routing.kind not in (NOTIFICATION, NOTICE) or not routing.handover:
            raise Unsupported("a kind of message that this desk does not open", code="message_type")
        if not routing.handover.startswith(f"HO-{peer}-"):
            raise Forged("a handover under another area's reference", code="handover_area")
        if any(area_of(entry.reply_to) != peer for entry in routing.entries):
            raise Forged("answers would go to an area that did not send this", code="reply_to")
        if any(area_of(entry.principal) != self.area for entry in routing.entries):
            raise NotForUs("a leg for another area's agency", code="leg_area")

    def _receive(self, network: Network, about: About, at: int) -> bytes:
        made = make_receipt(
            self.keys.signer(self.node),
            net=network.net,
            about=about,
            at=at,
            state="received",
            parts=NODE_PARTS,
        )
        told: JsonObject = {"v": 1, "at": at, "received": made.note.decode(), "words": [], "notes": {}}
        self._state().write(name_of(about.mid), encode(told))
        return made.note

    def _network(self, documents: JsonObject) -> Network:
        """The network as the file has it, unless it goes back behind what is known; and this desk in it."""
        state = self._state()
        newer = read_network(documents, self.fingerprint, self.now())
        kept = state.read(TRUST)
        if kept is not None:
            body = decode_object(kept)
            known = body["documents"]
            if isinstance(known, dict):
                read_network(known, self.fingerprint, integer(body, "at")).check_successor(newer)
        self._check_listed(newer)
        state.write(TRUST, encode({"v": 1, "at": self.now(), "documents": documents}))
        return newer

    def _check_listed(self, network: Network) -> None:
        if (
            not network.external(self.area)
            or network.node(self.area).sign != self.keys.signer(self.node).public
        ):
            raise Misconfigured(
                "the directory lists another key for this area, or a gateway that stands in it",
                code="key_unlisted",
                remedy="have the directory's signers add this desk's request",
            )

    def fingerprint_of_keys(self) -> str:
        """What is read aloud on a call-back: over the keys that the directory lists for this area, out of the
        documents known last. Raises Misconfigured before any file or bundle was taken up."""
        kept = self._state().read(TRUST)
        body = decode_object(kept) if kept else {}
        documents = body.get("documents")
        if not isinstance(documents, dict):
            raise Misconfigured(
                "this desk has not seen the network's documents",
                code="not_joined",
                remedy="`gateway bridge fingerprint --network FILE` with the network's published file",
            )
        network = read_network(documents, self.fingerprint, integer(body, "at"))
        self._check_listed(network)
        return keys_fingerprint(network.directory, self.area)

    def take_up(self, documents: JsonObject) -> None:
        """The network's published documents, before the first file. Raises Refused, Misconfigured."""
        self._network(documents)

    # --- keys and state

    def cards(self, network: Network) -> list[Json]:
        """A card of every key that is here, renewed when it is time."""
        now = self.now()
        found: list[Json] = []
        for principal in sorted(self.keys.principals()):
            self.keys.renew(principal, now, PACE)
            found.append(b64(self._card(network, principal, now)))
        return found

    def _card(self, network: Network, principal: str, now: int) -> bytes:
        """The same card as long as it shows the same subkeys: two of one version would be a lie."""
        shown = on_card(self.keys.subkeys(principal), now)[:MAX_SUBKEYS]
        name = f"card.{principal.partition('/')[2]}.json"
        told: list[Json] = [b64(key.public) for key in shown]
        kept = self._state().read(name)
        body = decode_object(kept) if kept else {}
        if body.get("subkeys") == told:
            return str(body["card"]).encode()
        note = make_card(self.keys.signer(principal), shown, net=network.net, version=now)
        self._state().write(name, encode({"v": 1, "subkeys": told, "card": note.decode()}))
        return note

    def _state(self) -> Records:
        records = Records(self.folder)
        records.start()
        return records

    def _kept(self, mid: str) -> JsonObject:
        kept = self._state().read(name_of(mid))
        return decode_object(kept) if kept else {}


def name_of(mid: str) -> str:
    return f"message.{mid}.json"
