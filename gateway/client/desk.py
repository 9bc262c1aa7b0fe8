"""The desk of an area without a gateway: opens carried files, and makes the files that answer them (4.8).

It holds the key of its area's `node` entry in the directory (``hosted: false``), and of those of its agencies
that have no machine of their own, in one folder. It needs no broker, no database and no line to anybody.

Duty: verify a file as a node verifies a message, sign that it came, have each agency's client open its part,
and seal what was signed to the borough that sent it. It leaves out the commands (:mod:`gateway.cli.bridge`)
and an agency's own reading (:mod:`gateway.client.carried`).

Rules

- The desk opens slot 0 alone: the statement and the routing table. An agency's part opens with its key.
- The receipt ``received`` is signed once, for the moment at which the file was first opened: the clocks of
  the legs start there. It is written down before anything is shown.
- Every answer file holds everything that was signed about that message so far. It is a fresh message each
  time, in a stream of its own: two officers with copies of one folder cannot take each other's place.
- Its own subkeys live longer than a node's, for nobody renews them every week; cards travel with answers.
"""

from __future__ import annotations

import secrets as entropy
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from gateway.client.agent import TRUST
from gateway.client.carried import Package, PackedAnswer, Reader, pack_package
from gateway.client.client import read_network
from gateway.client.opening import AgencyKeys, Opened
from gateway.client.records import Records
from gateway.client.signing import LIFE
from gateway.core.bridge import file_name, keys_fingerprint, open_file, pack_file
from gateway.core.ceremony import make_card
from gateway.core.deadlines import deadlines
from gateway.core.directory import MAX_SUBKEYS
from gateway.core.encoding import Json, JsonObject, b64, decode_object, encode, integer, unb64
from gateway.core.envelope import (
    Draft,
    Kind,
    Opener,
    Parsed,
    Position,
    Recipient,
    Seen,
    Statement,
    open_part,
    open_statement,
    prepare,
    split,
)
from gateway.core.keys import KemKey
from gateway.core.notes import Signer, text_hash
from gateway.core.presealed import open_presealed
from gateway.core.receipts import ZERO, About, make_receipt, open_receipt
from gateway.core.recipients import ROUTING
from gateway.core.rotation import Pace, on_card
from gateway.core.states import LegState
from gateway.core.trust import Network
from gateway.errors import Forged, Malformed, Misconfigured, NotForUs, NotFound, Unsupported
from gateway.flows.node import area_of
from gateway.flows.opening import NODE_PARTS, NOTIFICATION, Entry, Routing, read_routing
from gateway.flows.vault import read_sections, write_sections
from gateway.ports import Parcel
from schemas.acknowledgement import Acknowledgement

DAY: Final = 86_400
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

    @property
    def sender(self) -> str:
        return area_of(self.statement.sender)

    @property
    def about(self) -> About:
        return About(self.parsed.digest, self.statement.sender, self.statement.mid, self.statement.hash)


@dataclass(frozen=True, slots=True)
class View:
    """A file as its desk sees it: what each agency whose key is here may read (PLAINTEXT, by principal), and
    whose part waits for a key that is elsewhere."""

    taken: TakenIn
    opened: Mapping[str, Opened] = field(repr=False)
    elsewhere: Sequence[str]


@dataclass(slots=True)
class Desk:
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

    # --- taking a file in

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
        about = About(parsed.digest, statement.sender, statement.mid, statement.hash)
        received = str(kept["received"]).encode() if kept else self._receive(network, about, at)
        return TakenIn(network, file.documents, parsed, statement, routing, at, received)

    def _check(self, routing: Routing, peer: str) -> None:
        """What a node refuses, too."""
        if routing.kind != NOTIFICATION:
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
        self._state().write(_name(about.mid), encode(told))
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

    # --- reading and answering

    async def open(self, data: bytes) -> View:
        """PLAINTEXT for every agency whose key is here; each signs that it opened its part."""
        taken = self.take_in(data)
        here = self._here(taken)
        opened = {
            one.principal: await self._reader(one.principal).open(self._package(taken, one)) for one in here
        }
        missing = [one.principal for one in taken.routing.entries if one not in here]
        return View(taken, opened, missing)

    def package(self, data: bytes, principal: str) -> bytes:
        """The sealed part of one agency as a file of its own, for a key that is elsewhere."""
        taken = self.take_in(data)
        package = self._package(taken, self._entry(taken, principal))
        return pack_package(package.documents, package.parcel)

    async def answer(self, data: bytes, principal: str, answer: Acknowledgement) -> bytes:
        """One agency answers; the file for the borough that asked."""
        taken = self.take_in(data)
        package = self._package(taken, self._entry(taken, principal))
        reader = self._reader(principal)
        await reader.answer(package, answer, lambda words: self._carry_words(taken, words))
        return self.answers(taken)

    def take_answer(self, data: bytes, packed: PackedAnswer) -> bytes:
        """The same for what an agency with a key elsewhere has signed. Raises Refused, Forged."""
        taken = self.take_in(data)
        entry = next((one for one in taken.routing.entries if one.leg == packed.leg), None)
        if entry is None:
            raise NotFound("this answer is about no leg of this file", code="no_leg")
        keyring = taken.network.keyring_at(self.now())
        found = [open_receipt(note, net=taken.network.net, keyring=keyring) for note in packed.receipts]
        if any(one.by != entry.principal or one.about != taken.about for one in found):
            raise Forged("a receipt about something else, or by somebody else", code="receipt_by")
        body = self._record(taken)
        notes: JsonObject = dict(body["notes"]) if isinstance(body["notes"], dict) else {}
        notes[entry.leg] = [one.note.decode() for one in found]
        self._state().write(_name(taken.statement.mid), encode({**body, "notes": notes}))
        if packed.words is not None:
            self._carry_words(taken, packed.words)
        return self.answers(taken)

    def answers(self, taken: TakenIn) -> bytes:
        """The answer file: every receipt signed about this message so far, every answer's words, cards."""
        body, network, now = self._record(taken), taken.network, self.now()
        network.check_sendable(now)
        notes: list[Json] = [taken.received.decode()]
        for entry in self._here(taken):
            signed = self._reader(entry.principal).signed(self._package(taken, entry))
            notes += [note.decode() for note in signed.receipts]
        elsewhere = body["notes"]
        for told in elsewhere.values() if isinstance(elsewhere, dict) else ():
            notes += told if isinstance(told, list) else []
        to = network.node(taken.sender).name
        draft = prepare(
            net=network.net,
            kind=Kind.RECEIPTS,
            priority=0,
            to=taken.sender,
            expires=now + LIFE,
            recipients=[Recipient(to, network.sealing_key(to, now), {ROUTING})],
            contents=[write_sections({"receipts": notes})],
        )
        words = [unb64(str(one)) for one in _list(body["words"])]
        alive = [one for one in words if split(one).expires > now]
        return pack_file({"cards": self.cards(network)}, [self._finish(taken, draft), *alive])

    def answer_name(self, taken: TakenIn) -> str:
        return file_name(self.area, taken.sender, taken.statement.mid)

    def _carry_words(self, taken: TakenIn, words: JsonObject) -> bytes:
        """A message out of words that an agency sealed; the hash that its receipt names."""
        handed = open_presealed(words, net=taken.network.net)
        body = self._record(taken)
        made = [unb64(str(one)) for one in _list(body["words"])]
        known = next((one for one in made if split(one).mid == handed.draft.mid), None)
        if known is None:
            known = self._finish(taken, handed.draft)
            listed: list[Json] = [b64(one) for one in (*made, known)]
            self._state().write(_name(taken.statement.mid), encode({**body, "words": listed}))
        parsed = split(known)
        note = open_part(parsed, 0, handed.draft.part_keys[0], net=taken.network.net)
        return text_hash(note)

    def _finish(self, taken: TakenIn, draft: Draft) -> bytes:
        sealed = draft.finish(
            self.keys.signer(self.node),
            created=self.now(),
            directory=taken.network.version,
            position=Position(entropy.token_hex(16), 1, ZERO),
            seen=Seen(),
        )
        return sealed.envelope

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

    def _here(self, taken: TakenIn) -> Sequence[Entry]:
        held = set(self.keys.principals())
        return [entry for entry in taken.routing.entries if entry.principal in held]

    def _entry(self, taken: TakenIn, principal: str) -> Entry:
        found = next((one for one in taken.routing.entries if one.principal == principal), None)
        if found is None:
            raise NotFound(
                "nothing in this file is for this agency",
                code="no_leg",
                remedy="`gateway bridge open` shows for whom there is something",
            )
        return found

    def _package(self, taken: TakenIn, entry: Entry) -> Package:
        routing, due = taken.routing, deadlines(taken.routing.urgency, taken.at)
        parcel: JsonObject = {
            "parcel": f"{Parcel.NOTIFICATION.value}-{entry.leg}",
            "kind": Parcel.NOTIFICATION.value,
            "handover": routing.handover,
            "version": routing.version,
            "leg": entry.leg,
            "state": LegState.DELIVERED.value,
            "urgency": routing.urgency,
            "agency": taken.network.principal(entry.principal).agency,
            "principal": entry.principal,
            "counterpart": entry.reply_to,
            "acknowledge_by": due.acknowledge_by,
            "decide_by": due.decide_by,
            "envelope": b64(taken.parsed.raw),
            "slot": entry.slot,
            "received": taken.received.decode(),
            "chain": [],
            "content": {},
        }
        return Package(taken.documents, parcel)

    def _reader(self, principal: str) -> Reader:
        role = principal.partition("/")[2]
        keys = AgencyKeys(self.keys.signer(principal), self.keys.opener(principal))
        return Reader(keys, self.folder / role, self.secret, self.fingerprint, self.now)

    def _state(self) -> Records:
        records = Records(self.folder)
        records.start()
        return records

    def _kept(self, mid: str) -> JsonObject:
        kept = self._state().read(_name(mid))
        return decode_object(kept) if kept else {}

    def _record(self, taken: TakenIn) -> JsonObject:
        return self._kept(taken.statement.mid)


def _name(mid: str) -> str:
    return f"message.{mid}.json"


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
