"""What an agency has signed of each handover, in one chain, written down before it is brought to the node.

A receipt is signed once whatever crashes, two are never sent after one predecessor, and words that were
sealed go under one message id. Where this state is older than what the node has, the chain at the node is
taken up: it is signed with this agency's own key.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from gateway.client.client import Client
from gateway.client.opening import Opened, Sealed
from gateway.client.records import Pending, Record, Records, Signed
from gateway.client.signing import LIFE, answer_notes, seal_words, sign, state_of
from gateway.core import shred
from gateway.core.states import RECEIPT_OF
from gateway.errors import Conflict, GatewayError, NotFound, Unavailable, UnknownRecipient, Untrusted
from gateway.flows.acknowledge import NEEDS_OPENING, final_of
from gateway.ports import Parcel
from schemas.acknowledgement import Acknowledgement

OUT_OF_STEP = frozenset({"receipt_chain", "receipt_twice"})
"""What the node answers to a chain that does not go on from what it has."""

log = structlog.get_logger("agent")


@dataclass(slots=True)
class Ledger:
    """``secret``: 32 bytes for keyed hashes of answers (a plain hash of what a person wrote is personal
    data), and to seal those that are not signed yet. ``now``: unix seconds. ``renew``: fetch the documents of
    trust anew."""

    client: Client
    records: Records
    secret: bytes = field(repr=False)
    now: Callable[[], int]
    renew: Callable[[], Awaitable[None]]
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict, repr=False)

    async def resume(self) -> None:
        """Bring what was signed before a crash. What the node does not take waits for a person, and for the
        next restart."""
        for leg in self.records.unfinished():
            record = self.records.find(leg)
            try:
                if record is not None:
                    await self.bring(record)
            except Unavailable:
                raise
            except GatewayError as error:
                log.error("the node does not take what was signed", leg=leg, code=error.code)

    async def open(self, sealed: Sealed) -> Opened:
        """PLAINTEXT. A sender whom nobody knows may have joined since the documents were last fetched."""
        try:
            return self.client.opened(sealed)
        except Untrusted:
            await self.renew()
            return self.client.opened(sealed)

    def signed(self, record: Record, state: str, *, parts: Sequence[int] = ()) -> Signed:
        last = record.signed[-1] if record.signed else None
        net = self.client.network.net
        made = sign(self.client.keys, net, record.about, state, at=self.now(), prev=last, parts=parts)
        return Signed(made.state, made.hash, made.note)

    def keep(self, record: Record) -> Record:
        self.records.keep(record)
        return record

    async def bring(self, record: Record) -> Record:
        """What is signed and not yet with the node."""
        if not record.unsent:
            return record
        try:
            await self.client.bring_receipts(record.leg.id, record.unsent)
        except Conflict as error:
            if error.code not in OUT_OF_STEP:
                raise
            # This state is older than the node's (it was restored from a copy): what the node has was signed
            # with this very key, and what it refused has gone nowhere. Go on from there.
            told = record_of(await self.open(await self.client.fetch(record.parcel)))
            self.keep(replace(record, signed=told.signed, sent=told.sent))
            raise Unavailable("the state is older than the node's", code="state_behind") from None
        return self.keep(replace(record, sent=len(record.signed)))

    def hold(self, record: Record, body: bytes) -> Record:
        """With an answer that is not signed yet, sealed: what a person wrote is in no file."""
        sealed = shred.wrap(self._seal, body, context=f"bx/1/said/{record.leg.id}") if body else b""
        return replace(record, said=sealed)

    def held(self, record: Record) -> bytes:
        """PLAINTEXT of it. Raises Forged."""
        return shred.unwrap(self._seal, record.said, context=f"bx/1/said/{record.leg.id}")

    @property
    def _seal(self) -> bytes:
        return shred.keyed_hash(self.secret, b"", purpose="said at once")

    @asynccontextmanager
    async def alone(self, leg: str) -> AsyncIterator[None]:
        """One at a time for one leg: two receipts with one predecessor would fork the chain."""
        async with self._locks.setdefault(leg, asyncio.Lock()):
            yield

    async def answer(self, leg: str, words: Acknowledgement) -> None:
        """Sign an answer, with the steps it implies, seal its words, and bring both to the node.

        Raises NotFound for a leg that is not this agency's, Conflict for a step that is not possible, or that
        was taken before with other words.
        """
        async with self.alone(leg):
            record = await self.bring(await self._known(leg))
            target, fingerprint = RECEIPT_OF[words.state], self._fingerprint(leg, words)
            given = [one.state for one in record.signed if one.state != "opened"]
            new = words.actions and record.answer != fingerprint  # results may follow results
            if given and given[-1] == final_of(words) and not new:
                self._check_same(record, fingerprint)
                return
            if target in NEEDS_OPENING and not record.opened:
                raise Conflict(
                    "this handover has not been delivered yet",
                    code="not_opened",
                    remedy="answer when it is there; it can be returned or declined unread",
                )
            record, reply = await self._words(record, words, fingerprint)
            net, about = self.client.network.net, record.about
            made = answer_notes(
                self.client.keys, net, about, record.signed, words, at=self.now(), reply=reply
            )
            signed = tuple(Signed(one.state, one.hash, one.note) for one in made)
            record = replace(record, signed=(*record.signed, *signed), answer=fingerprint, pending=None)
            await self.bring(self.keep(record))

    async def _known(self, leg: str) -> Record:
        """What is on record of a leg; after a loss of the state, as far as the node still knows."""
        try:
            record = self.records.find(leg)
        except GatewayError as error:
            raise NotFound("no such leg for this agency", code="no_leg") from error
        if record is not None:
            return record
        sealed = await self.client.fetch(f"{Parcel.NOTIFICATION.value}-{leg}")
        return self.keep(record_of(await self.open(sealed)))

    def _fingerprint(self, leg: str, words: Acknowledgement) -> str:
        text = leg.encode() + words.model_dump_json().encode()
        return shred.keyed_hash(self.secret, text, purpose="answer").hex()

    def _check_same(self, record: Record, fingerprint: str) -> None:
        if record.answer and record.answer != fingerprint:
            raise Conflict(
                "this leg was answered so before, with other words",
                code="answered_otherwise",
                remedy="the first answer stands; what is new needs a step of its own, or a telephone",
            )

    async def _words(
        self, record: Record, words: Acknowledgement, fingerprint: str
    ) -> tuple[Record, bytes | None]:
        """The sealed words with the node, and their hash; None when the counterpart has no key (the codes
        still go). Kept before they are brought: the same words come again under the same message id."""
        answer_notes(  # whether the step is possible at all, before any words leave
            self.client.keys,
            self.client.network.net,
            record.about,
            record.signed,
            words,
            at=self.now(),
            reply=None,
        )
        pending, now = record.pending, self.now()
        if pending is None or pending.fingerprint != fingerprint or pending.until <= now:
            try:
                sealed = seal_words(self.client.network, record.leg, words, now)
            except UnknownRecipient as error:
                log.error("the words of an answer cannot be sealed", code=error.code)
                return record, None
            pending = Pending(fingerprint, now + LIFE - 3600, sealed)
            record = self.keep(replace(record, pending=pending))
        try:
            return record, await self.client.bring_words(record.leg.id, pending.words)
        except UnknownRecipient:  # nobody makes a message of them yet: they travel beside the receipts
            return record, None


def record_of(opened: Opened) -> Record:
    """A leg that is new here, or was forgotten: what this agency has signed before is taken up."""
    signed = tuple(Signed(one.state, one.hash, one.note) for one in opened.chain)
    leg = replace(opened.sealed.leg, mid=opened.about.mid)
    if opened.sealed.kind is Parcel.NOTICE:  # kept under its own id, with its kind where a leg has its state
        words: Any = opened.sections["notice"]
        leg = replace(leg, id=opened.sealed.notice, state=str(words.get("kind")))
    else:
        state_of(signed)
    return Record(opened.sealed.parcel, leg, opened.about, opened.parts, signed=signed, sent=len(signed))
