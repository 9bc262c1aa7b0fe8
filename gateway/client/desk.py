"""The desk of an area without a gateway: opens carried files, and makes the files that answer them (4.8).

It holds the key of its area's `node` entry in the directory (``hosted: false``), and of those of its agencies
that have no machine of their own, in one folder. It needs no broker, no database and no line to anybody.

Duty: have each agency's client open its part, and seal what was signed to the borough that sent it. It leaves
out verifying the file (:mod:`gateway.client.intake`), an agency's own reading (:mod:`gateway.client.carried`)
and the commands (:mod:`gateway.cli.bridge`).

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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.client.carried import Package, PackedAnswer, Reader, pack_package
from gateway.client.intake import Intake, TakenIn, name_of
from gateway.client.opening import AgencyKeys, Opened
from gateway.client.signing import LIFE
from gateway.core.bridge import file_name, pack_file
from gateway.core.deadlines import deadlines
from gateway.core.encoding import Json, JsonObject, b64, encode, unb64
from gateway.core.envelope import (
    Draft,
    Kind,
    Position,
    Recipient,
    Seen,
    open_part,
    prepare,
    split,
)
from gateway.core.notes import text_hash
from gateway.core.presealed import open_presealed
from gateway.core.receipts import ZERO, open_receipt
from gateway.core.recipients import ROUTING
from gateway.core.states import LegState
from gateway.errors import Forged, NotFound
from gateway.flows.opening import Entry
from gateway.flows.parcels import task_id
from gateway.flows.vault import write_sections
from gateway.ports import Parcel
from schemas.acknowledgement import Acknowledgement
from schemas.notice import NoticeAnswer


@dataclass(frozen=True, slots=True)
class View:
    """A file as its desk sees it: what each agency whose key is here may read (PLAINTEXT, by principal), and
    whose part waits for a key that is elsewhere."""

    taken: TakenIn
    opened: Mapping[str, Opened] = field(repr=False)
    elsewhere: Sequence[str]


class Desk(Intake):
    """See :class:`gateway.client.intake.Intake` for what it is made of."""

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

    async def answer_notice(self, data: bytes, principal: str, answer: NoticeAnswer) -> bytes:
        """One agency answers a notice; the file for the borough that sent it."""
        taken = self.take_in(data)
        package = self._package(taken, self._entry(taken, principal))
        await self._reader(principal).answer_notice(package, answer)
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
        self._state().write(name_of(taken.statement.mid), encode({**body, "notes": notes}))
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
            self._state().write(name_of(taken.statement.mid), encode({**body, "words": listed}))
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
        kind = Parcel.NOTICE if taken.block else Parcel.NOTIFICATION
        name = task_id(taken.block.id, entry.leg) if taken.block else f"{kind.value}-{entry.leg}"
        parcel: JsonObject = {
            "parcel": name,
            "kind": kind.value,
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

    def _record(self, taken: TakenIn) -> JsonObject:
        return self._kept(taken.statement.mid)


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
