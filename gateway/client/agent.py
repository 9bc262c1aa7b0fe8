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

from gateway.client import notices
from gateway.client.client import Client
from gateway.client.ledger import Ledger, record_of
from gateway.client.opening import Entry, Sealed
from gateway.client.records import Record, Records
from gateway.core.ceremony import make_card
from gateway.core.directory import MAX_SUBKEYS
from gateway.core.encoding import Json, decode_object, encode
from gateway.core.envelope import Opener
from gateway.core.keys import KemKey
from gateway.core.notes import Signer
from gateway.core.rotation import PACE, Pace, card_version, on_card
from gateway.errors import GatewayError, Unavailable
from gateway.flows import notice_answer
from gateway.flows.acknowledge import read
from gateway.ports import Adapter, Answer, Attachment, Parcel, Profile, Submission, View

TRUST = "network.json"
"""The documents of trust as they were taken up last, in the state's folder: nothing older is taken after."""

log = structlog.get_logger("agent")
T = TypeVar("T")


class KeyFolder(Protocol):
    """The agency's own key store (``gateway.keystore.KeyStore`` is one)."""

    def signer(self, principal: str) -> Signer: ...
    def opener(self, principal: str) -> Opener: ...
    def subkeys(self, principal: str) -> Sequence[KemKey]: ...
    def renew(self, principal: str, now: int, pace: Pace) -> bool: ...
    def destroy_subkeys(self, principal: str, now: int, pace: Pace) -> int: ...


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
    """``secret``, ``now``: those of its :class:`Ledger`."""

    client: Client
    adapter: Adapter
    profile: Profile
    records: Records
    keys: KeyFolder
    secret: bytes = field(repr=False)
    now: Callable[[], int]
    timing: Timing = field(default_factory=Timing)
    ledger: Ledger = field(init=False, repr=False)
    _to_clean: bool = field(default=False, repr=False)
    _tries: dict[str, tuple[int, float]] = field(default_factory=dict, repr=False)
    _said: set[str] = field(default_factory=set, repr=False)
    """Legs and notices that were answered at once, and the answer is not signed yet."""

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.client, self.records, self.secret, self.now, self.upkeep)

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

    async def resume(self) -> None:
        """Take up what a crash left signed and not brought, or said and not signed."""
        await self.ledger.resume()
        self._said = set(self.records.unanswered())

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
        if self.keys.renew(self.principal, now, self.timing.subkeys):
            log.info("a subkey was made")
        self.client.keys = replace(self.client.keys, opener=self.keys.opener(self.principal))
        self._to_clean = True
        shown = on_card(self.keys.subkeys(self.principal), now)[:MAX_SUBKEYS]
        card = network.cards.get(self.principal)
        told = {key.public for key in card.subkeys if now < key.until} if card else set()
        if told == {key.public for key in shown}:
            return
        version = card_version(card.version if card else 0, now)
        note = make_card(self.keys.signer(self.principal), shown, net=network.net, version=version)
        await self.client.bring_card(note)
        log.info("a key card was signed", version=version)

    def _clean(self) -> None:
        """Seeds go on time, but never before what was sealed to them: an agent that was off for weeks first
        opens what waits for it at the node, however old."""
        if self._to_clean:
            gone = self.keys.destroy_subkeys(self.principal, self.now(), self.timing.subkeys)
            self.client.keys = replace(self.client.keys, opener=self.keys.opener(self.principal))
            self._to_clean = False
            if gone:
                log.info("subkeys were destroyed", count=gone)

    # --- parcels

    async def turn(self, wait: int = 0) -> int:
        """One look at what waits. Returns how many parcels were taken up."""
        listed = await self.client.parcels(wait)
        if not listed:
            self._clean()
        waiting = [entry for entry in listed if self._is_due(entry)]
        for entry in waiting:
            await self.handle(entry)
        for name in sorted(self._said):
            await self._sign_said(name)
        if wait and listed and not waiting:
            await asyncio.sleep(self.timing.pause)  # what waits is not due yet: the long poll returns at once
        return len(waiting)

    def _is_due(self, entry: Entry) -> bool:
        return self._tries.get(entry.parcel, (0, 0.0))[1] <= asyncio.get_running_loop().time()

    async def handle(self, entry: Entry) -> None:
        """One parcel: delivered and receipted, tried again later, or reported to the node for a person."""
        try:
            async with self.ledger.alone(entry.leg):
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
        if entry.kind is Parcel.NOTICE:
            await self._notice(entry)
            return
        if entry.kind is not Parcel.NOTIFICATION:
            sealed = await self.client.fetch(entry.parcel)
            content = sealed.content
            if sealed.kind is Parcel.REPLY:
                content = (await self.ledger.open(sealed)).sections
            await self._hand_over(sealed, content)
            await self.client.settle(entry.parcel)
            return
        record = self.records.find(entry.leg)
        if record is None or not record.given:
            opened = await self.ledger.open(await self.client.fetch(entry.parcel))
            record = record or record_of(opened)
            shown = self.profile.present(opened.sections, opened.sealed.leg)
            said = await self._hand_over(opened.sealed, shown, self.client.files(opened))
            record = self._given(record, said)
        if not record.opened:
            note = self.ledger.signed(record, "opened", parts=record.parts)
            record = self.ledger.keep(replace(record, signed=(*record.signed, note)))
        await self.ledger.bring(record)

    async def _notice(self, entry: Entry) -> None:
        sealed = await self.client.fetch(entry.parcel)
        if not sealed.envelope:  # its node's own news
            await self._hand_over(sealed, sealed.content)
            await self.client.settle(entry.parcel)
            return
        opened = await self.ledger.open(sealed)
        record = self.records.find(sealed.notice)
        if record is None or not record.given:
            said = await self._hand_over(sealed, notices.view_of(opened))
            record = self._given(record or record_of(opened), said)
        await notices.opened(self.ledger, record)

    async def _hand_over(
        self, sealed: Sealed, content: Mapping[str, Json], files: Sequence[Attachment] = ()
    ) -> bytes:
        """What the agency's system answers at once, or b""."""
        leg = sealed.leg
        view = View(sealed.kind, leg.ref, leg.version, leg.id, self.principal, leg.urgency, content, files)
        async with asyncio.timeout(self.timing.adapter):
            given = await self.adapter.deliver(view, key=sealed.parcel)
        answer: bytes = getattr(given, "answer", b"")  # of an adapter older than answers, there is none
        return answer

    def _given(self, record: Record, said: bytes) -> Record:
        """Its system has the parcel. What it said of it at once is kept with that: nobody asks it again."""
        if said:
            self._said.add(record.leg.id)
        return self.ledger.keep(replace(self.ledger.hold(record, said), given=True))

    async def _sign_said(self, name: str) -> None:
        """Sign an answer that was given at once, once its parcel is opened; what is away now comes back."""
        record = self.records.find(name)
        if record is None or not record.opened:
            return
        try:
            await self._record(name, self.ledger.held(record))
        except Unavailable as error:
            log.warning("an answer waits", code=error.code)
            return
        except GatewayError as error:
            log.warning("an answer was refused", code=error.code)
        except Exception as error:  # noqa: BLE001 - a fault of ours over one answer would end the agent at every
            # start; it stays on record, and is tried again after a restart.
            log.critical("an answer could not be signed", error=type(error).__name__)
            self._said.discard(name)
            return
        async with self.ledger.alone(name):
            now = self.records.find(name)
            self.ledger.keep(replace(now or record, said=b""))
        self._said.discard(name)

    # --- what the adapter brings

    async def take_answer(self, answer: Answer) -> None:
        """Record what the agency answered through its adapter; it is told when that cannot be."""
        try:
            await self._record(answer.leg, answer.body)
        except Unavailable:
            raise
        except GatewayError as error:
            log.warning("an answer was refused", code=error.code)
            await answer.refuse(error)
        else:
            await answer.done()

    async def _record(self, name: str, body: bytes) -> None:
        if notices.known(self.ledger, name):
            await notices.answer(self.ledger, name, notice_answer.read(body))
        else:
            await self.ledger.answer(name, read(body))

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
