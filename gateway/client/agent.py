"""An agency's side of its node, running: fetch, verify, deliver to an adapter, sign, bring back.

The same adapters and profiles as at a node. Four loops: parcels, the adapter's answers, its submissions, and
upkeep (documents of trust, subkeys). Whatever crashes, a parcel reaches the adapter at least once under one
key, each receipt is signed once, and every loop goes on from :mod:`gateway.client.records`.

Rules: a parcel that does not verify reaches no adapter; the node is told the code and an operator looks.
Nothing of a handover is logged, and no other agency's parcel waits because of one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

import structlog

from gateway.client.client import Client
from gateway.client.opening import Entry, Opened, Sealed
from gateway.client.records import Pending, Record, Records, Signed
from gateway.client.signing import LIFE, answer_notes, seal_words, sign, state_of
from gateway.core import shred
from gateway.core.ceremony import make_card
from gateway.core.encoding import Json, decode_object, encode
from gateway.core.envelope import Opener
from gateway.core.keys import KemKey
from gateway.core.notes import Signer
from gateway.core.rotation import PACE, Pace, card_version, due, next_term, on_card
from gateway.core.states import RECEIPT_OF
from gateway.errors import Conflict, GatewayError, NotFound, Unavailable, UnknownRecipient, Untrusted
from gateway.flows.acknowledge import NEEDS_OPENING, read
from gateway.ports import Adapter, Answer, Parcel, Profile, Submission, View
from schemas.acknowledgement import Acknowledgement

TRUST = "network.json"
"""The documents of trust as they were taken up last, in the state's folder: nothing older is taken after."""

OUT_OF_STEP = frozenset({"receipt_chain", "receipt_twice"})
"""What the node answers to a chain that does not go on from what it has."""

log = structlog.get_logger("agent")
T = TypeVar("T")


class KeyFolder(Protocol):
    """The agency's own key store (``gateway.keystore.KeyStore`` is one)."""

    def signer(self, principal: str) -> Signer: ...
    def opener(self, principal: str) -> Opener: ...
    def subkeys(self, principal: str) -> Sequence[KemKey]: ...
    def add_kem(self, principal: str, since: int, until: int) -> KemKey: ...


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: of one long poll; after something was away, doubling up to ``cap``; between two looks at the
    documents of trust; for the adapter with one parcel."""

    wait: int = 20
    pause: float = 1.0
    cap: float = 300.0
    upkeep: float = 3600.0
    adapter: float = 30.0
    subkeys: Pace = PACE


@dataclass(slots=True)
class Agent:
    """``secret``: 32 bytes for keyed hashes of answers (a plain hash of what a person wrote is personal
    data). ``now``: unix seconds."""

    client: Client
    adapter: Adapter
    profile: Profile
    records: Records
    keys: KeyFolder
    secret: bytes = field(repr=False)
    now: Callable[[], int]
    timing: Timing = field(default_factory=Timing)
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict, repr=False)
    _tries: dict[str, tuple[int, float]] = field(default_factory=dict, repr=False)

    @property
    def principal(self) -> str:
        return self.client.keys.principal

    # --- running

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        """Up until left. Raises Misconfigured or Refused when it cannot begin; waits for a node that is away.
        The task that is given ends only with a fault."""
        self.records.start()
        self.recall()
        await self._patiently(self.upkeep)
        await self.adapter.start()
        try:
            await self._patiently(self.resume)
            task = asyncio.create_task(self._loops())
            try:
                yield task
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        finally:
            await self.adapter.close()

    async def _loops(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._forever(lambda: self.turn(self.timing.wait)))
                group.create_task(self._listen(self.adapter.acknowledgements, self.take_answer))
                group.create_task(self._listen(self.adapter.submissions, self.take_submission))
                group.create_task(self._keep_up())
        except BaseExceptionGroup as several:  # one fault is what a person can act upon
            raise _first(several) from None

    async def _forever(self, work: Callable[[], Awaitable[object]]) -> None:
        while True:
            await self._patiently(work)

    async def _keep_up(self) -> None:
        while True:
            await asyncio.sleep(self.timing.upkeep)
            try:
                await self._patiently(self.upkeep)
            except GatewayError as error:
                log.error("newer trust documents are not acceptable", code=error.code)

    async def _patiently(self, work: Callable[[], Awaitable[object]]) -> None:
        """Until it was done once: what is away now comes back."""
        pause = self.timing.pause
        while True:
            try:
                await work()
            except Unavailable as error:
                log.warning("paused", code=error.code)
                await asyncio.sleep(pause)
                pause = min(pause * 2, self.timing.cap)
            else:
                return

    async def _listen(
        self, source: Callable[[], AsyncIterator[T]], handle: Callable[[T], Awaitable[None]]
    ) -> None:
        while True:
            try:
                async for thing in source():
                    await self._patiently(lambda thing=thing: handle(thing))  # type: ignore[misc]
                await asyncio.Event().wait()
            except Unavailable as error:
                log.warning("paused", code=error.code)
                await asyncio.sleep(self.timing.pause)

    # --- trust and subkeys

    def recall(self) -> None:
        """The network as it was known before the restart, so that nothing older is taken up after it. It is
        verified again as of the day it was taken up, for it may have expired since."""
        kept = self.records.read(TRUST)
        if kept is not None:
            body = decode_object(kept)
            at, documents = body.get("at"), body.get("documents")
            if isinstance(at, int) and isinstance(documents, dict):
                self.client.take_up(documents, at)

    async def upkeep(self) -> None:
        """Newer documents of trust, a fresh subkey when it is time, and the card that tells of it. Raises
        Refused when the documents do not verify: those known before stay."""
        documents = await self.client.refresh()
        self.records.write(TRUST, encode({"v": 1, "at": self.now(), "documents": documents}))
        now, network = self.now(), self.client.network
        if due(self.keys.subkeys(self.principal), now, self.timing.subkeys):
            self.keys.add_kem(self.principal, *next_term(now, self.timing.subkeys))
            self.client.keys = replace(self.client.keys, opener=self.keys.opener(self.principal))
        shown = on_card(self.keys.subkeys(self.principal), now)
        card = network.cards.get(self.principal)
        if {key.public for key in shown} <= {key.public for key in (card.subkeys if card else ())}:
            return
        version = card_version(card.version if card else 0, now)
        note = make_card(self.keys.signer(self.principal), shown, net=network.net, version=version)
        await self.client.bring_card(note)
        log.info("a key card was signed", version=version)

    # --- parcels

    async def resume(self) -> None:
        """Bring what was signed before a crash. What the node does not take waits for a person, and for the
        next restart."""
        for leg in self.records.unfinished():
            record = self.records.find(leg)
            try:
                if record is not None:
                    await self._bring(record)
            except Unavailable:
                raise
            except GatewayError as error:
                log.error("the node does not take what was signed", leg=leg, code=error.code)

    async def turn(self, wait: int = 0) -> int:
        """One look at what waits. Returns how many parcels were taken up."""
        waiting = [entry for entry in await self.client.parcels(wait) if self._is_due(entry)]
        for entry in waiting:
            await self.handle(entry)
        if wait and not waiting:
            await asyncio.sleep(self.timing.pause)  # what waits is not due yet: the long poll returns at once
        return len(waiting)

    def _is_due(self, entry: Entry) -> bool:
        return self._tries.get(entry.parcel, (0, 0.0))[1] <= asyncio.get_running_loop().time()

    async def handle(self, entry: Entry) -> None:
        """One parcel: delivered and receipted, tried again later, or reported to the node for a person."""
        try:
            async with self._alone(entry.leg):
                await self._deliver(entry)
        except (Unavailable, TimeoutError) as error:
            tries = self._tries.get(entry.parcel, (0, 0.0))[0] + 1
            pause = min(self.timing.pause * 2 ** min(tries, 16), self.timing.cap)
            self._tries[entry.parcel] = (tries, asyncio.get_running_loop().time() + pause)
            log.warning(
                "not delivered", kind=entry.kind.value, code=getattr(error, "code", "adapter_timeout")
            )
        except GatewayError as error:
            await self._give_up(entry, error.code)
        except Exception as error:  # noqa: BLE001 - adapters and profiles are foreign code; the text of what
            # they raise may hold what they were working on.
            log.critical("an adapter or profile failed", error=type(error).__name__)
            await self._give_up(entry, "adapter_fault")
        else:
            self._tries.pop(entry.parcel, None)

    async def _give_up(self, entry: Entry, code: str) -> None:
        log.error("held for a person", kind=entry.kind.value, parcel=entry.parcel, code=code)
        try:
            await self.client.settle(entry.parcel, code)
        except GatewayError as error:
            log.warning("the node could not be told", code=error.code)

    async def _deliver(self, entry: Entry) -> None:
        if entry.kind is not Parcel.NOTIFICATION:
            sealed = await self.client.fetch(entry.parcel)
            content = sealed.content
            if sealed.kind is Parcel.REPLY:
                content = (await self._opened(sealed)).sections
            await self._hand_over(sealed, content)
            await self.client.settle(entry.parcel)
            return
        record = self.records.find(entry.leg)
        if record is None or not record.given:
            opened = await self._opened(await self.client.fetch(entry.parcel))
            record = record or _record(opened)
            await self._hand_over(opened.sealed, self.profile.present(opened.sections, opened.sealed.leg))
            record = self._keep(replace(record, given=True))
        if not record.opened:
            note = self._sign(record, "opened", parts=record.parts)
            record = self._keep(replace(record, signed=(*record.signed, note)))
        await self._bring(record)

    async def _opened(self, sealed: Sealed) -> Opened:
        """PLAINTEXT. A sender whom nobody knows may have joined since the documents were last fetched."""
        try:
            return self.client.opened(sealed)
        except Untrusted:
            await self.upkeep()
            return self.client.opened(sealed)

    async def _hand_over(self, sealed: Sealed, content: Mapping[str, Json]) -> None:
        leg = sealed.leg
        view = View(sealed.kind, leg.ref, leg.version, leg.id, self.principal, leg.urgency, content)
        async with asyncio.timeout(self.timing.adapter):
            await self.adapter.deliver(view, key=sealed.parcel)

    def _sign(self, record: Record, state: str, *, parts: Sequence[int] = ()) -> Signed:
        last = record.signed[-1] if record.signed else None
        net = self.client.network.net
        made = sign(self.client.keys, net, record.about, state, at=self.now(), prev=last, parts=parts)
        return Signed(made.state, made.hash, made.note)

    def _keep(self, record: Record) -> Record:
        self.records.keep(record)
        return record

    async def _bring(self, record: Record) -> Record:
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
            told = _record(await self._opened(await self.client.fetch(record.parcel)))
            self._keep(replace(record, signed=told.signed, sent=told.sent))
            raise Unavailable("the state is older than the node's", code="state_behind") from None
        return self._keep(replace(record, sent=len(record.signed)))

    @asynccontextmanager
    async def _alone(self, leg: str) -> AsyncIterator[None]:
        """One at a time for one leg: two receipts with one predecessor would fork the chain."""
        async with self._locks.setdefault(leg, asyncio.Lock()):
            yield

    # --- answers

    async def take_answer(self, answer: Answer) -> None:
        """Record what the agency answered through its adapter; it is told when that cannot be."""
        try:
            await self.answer(answer.leg, read(answer.body))
        except Unavailable:
            raise
        except GatewayError as error:
            log.warning("an answer was refused", code=error.code)
            await answer.refuse(error)
        else:
            await answer.done()

    async def answer(self, leg: str, words: Acknowledgement) -> None:
        """Sign an answer, with the steps it implies, seal its words, and bring both to the node.

        Raises NotFound for a leg that is not this agency's, Conflict for a step that is not possible, or that
        was taken before with other words.
        """
        async with self._alone(leg):
            record = await self._bring(await self._known(leg))
            target, fingerprint = RECEIPT_OF[words.state], self._fingerprint(leg, words)
            given = [one.state for one in record.signed if one.state != "opened"]
            if given and given[-1] == target:
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
            await self._bring(self._keep(record))

    async def _known(self, leg: str) -> Record:
        """What is on record of a leg; after a loss of the state, as far as the node still knows."""
        try:
            record = self.records.find(leg)
        except GatewayError as error:
            raise NotFound("no such leg for this agency", code="no_leg") from error
        if record is not None:
            return record
        sealed = await self.client.fetch(f"{Parcel.NOTIFICATION.value}-{leg}")
        return self._keep(_record(await self._opened(sealed)))

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
            record = self._keep(replace(record, pending=pending))
        return record, await self.client.bring_words(record.leg.id, pending.words)

    async def take_submission(self, handed: Submission) -> None:
        """Hand a document in at the node, which has to read it: it judges and seals."""
        try:
            ref = await self.client.submit(handed.body, handed.key)
        except Unavailable:
            raise
        except GatewayError as error:
            log.warning("a handover was refused", code=error.code)
            await handed.refuse(error)
        else:
            await handed.done(ref)


def _first(several: BaseExceptionGroup[BaseException]) -> BaseException:
    error = several.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error


def _record(opened: Opened) -> Record:
    """A leg that is new here, or was forgotten: what this agency has signed before is taken up."""
    signed = tuple(Signed(one.state, one.hash, one.note) for one in opened.chain)
    state_of(signed)
    leg = replace(opened.sealed.leg, mid=opened.about.mid)
    return Record(opened.sealed.parcel, leg, opened.about, opened.parts, signed=signed, sent=len(signed))
