"""What every adapter must do, as checks that a new one runs against itself.

Duty: the contract of ``gateway.ports.Adapter``, observed from both sides: what the node sees and what the
agency was given. Leaves out how an adapter works; the agency's side is played by an :class:`AgencySide` that
its author writes. A failed check raises AssertionError saying which part of the contract broke.

Example::

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    async def test_contract(check, tmp_path):
        await check(MyAgency(tmp_path))
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from gateway.errors import Conflict, GatewayError
from gateway.ports import Adapter, Answer, Json, Parcel, View

T = TypeVar("T")

CANARY = "canary-7f3a91-plaintext"
"""Stands in the content of every parcel of the suite. An agency's side should take it as opaque."""

PATIENCE = 10.0
"""Seconds that anything may take; only a broken adapter uses them."""


class AgencySide(Protocol):
    """The agency's end of the channel. ``answers``: whether it can acknowledge through this adapter.
    ``durable``: whether an answer that was not recorded survives a restart of the node. Of no
    meaning for one that answers in its reply: the node records both or neither."""

    answers: bool
    durable: bool

    def adapter(self) -> Adapter:
        """A new adapter, not started, towards the same agency: the node after a restart."""
        ...

    async def received(self) -> Sequence[tuple[str, str]]:
        """(key, text) of every parcel the agency holds now, repeats included if it can see them."""
        ...

    async def answer(self, leg: str, body: Mapping[str, Json]) -> None:
        """Called before the parcel of ``leg`` is delivered: the agency answers it with ``body``, now or on
        delivery. An agency that answers of its own accord ignores it."""
        ...


Check = Callable[[AgencySide], Awaitable[None]]


def view(leg: str = "leg-1", kind: Parcel = Parcel.NOTIFICATION) -> View:
    """A parcel whose content holds the canary."""
    return View(
        kind=kind,
        handover="HO-E09000012-2026-000417",
        version=1,
        leg=leg,
        principal="E09000004/police",
        urgency="STANDARD",
        content={"marking": "OFFICIAL-SENSITIVE", "summary": [CANARY], "leg": leg},
    )


async def shows_nothing_before_it_is_asked(side: AgencySide) -> None:
    """Making an adapter and starting it sends nothing and needs no agency to look at it."""
    async with _running(side) as adapter:
        _require(isinstance(adapter.pulls, bool), "pulls is a bool of the class")
        await adapter.check()
    _require(not await side.received(), "nothing reaches the agency before deliver")


async def delivers_content_with_its_key(side: AgencySide) -> None:
    async with _running(side) as adapter:
        if adapter.pulls:
            return
        for kind in Parcel:
            await adapter.deliver(view(kind=kind), key=f"key-{kind.value}")
    given = dict(await side.received())
    _require(set(given) == {f"key-{kind.value}" for kind in Parcel}, "every kind arrives under its key")
    _require(all(CANARY in text for text in given.values()), "the agency is given the whole content")


async def repeats_are_the_same_parcel(side: AgencySide) -> None:
    """Twice in one run, and once more after a crash between delivery and commit."""
    async with _running(side) as adapter:
        if adapter.pulls:
            return
        await adapter.deliver(view(), key="key-1")
        await adapter.deliver(view(), key="key-1")
    async with _running(side) as adapter:
        await adapter.deliver(view(), key="key-1")
    given = await side.received()
    _require({key for key, _ in given} == {"key-1"}, "a repeat comes under the same key")
    _require(all(CANARY in text for _, text in given), "a repeat is whole")


async def different_keys_are_different_parcels(side: AgencySide) -> None:
    async with _running(side) as adapter:
        if adapter.pulls:
            return
        await adapter.deliver(view("leg-1"), key="key-1")
        await adapter.deliver(view("leg-2"), key="key-2")
    _require({key for key, _ in await side.received()} == {"key-1", "key-2"}, "no parcel hides another")


async def refuses_a_key_that_could_leave_its_place(side: AgencySide) -> None:
    async with _running(side) as adapter:
        if adapter.pulls:
            return
        for key in ("../outside", "a\r\nb: c", "", "k" * 1000):
            error = await _error(adapter.deliver(view(), key=key))
            _require(error is not None and not error.retryable, "a key like a path is refused for good")
    _require(not await side.received(), "and nothing reaches the agency")


async def brings_answers(side: AgencySide) -> None:
    """With the leg and a JSON object; ``done`` may be called again."""
    if not side.answers:
        return
    async with _answered(side, "leg-1") as answer:
        _require(answer.leg == "leg-1", "an answer names its leg")
        body = json.loads(answer.body)
        _require(isinstance(body, dict) and "state" in body, "a body is one JSON object with a state")
        _require("leg" not in body, "a body is the acknowledgement alone")
        await answer.done()
        await answer.done()


async def brings_a_recorded_answer_once(side: AgencySide) -> None:
    if not side.answers:
        return
    async with _answered(side, "leg-1") as answer:
        await answer.done()
    async with _answered(side, "leg-2") as answer:
        _require(answer.leg == "leg-2", "an answer that was recorded is not brought again")


async def brings_a_refused_answer_once(side: AgencySide) -> None:
    if not side.answers:
        return
    async with _answered(side, "leg-1") as answer:
        await answer.refuse(Conflict("that leg is closed", field="/state", remedy="Nothing more to do."))
    async with _answered(side, "leg-2") as answer:
        _require(answer.leg == "leg-2", "an answer that was refused is not brought again")


async def brings_an_unrecorded_answer_again(side: AgencySide) -> None:
    """After a crash between the agency's answer and the commit."""
    if not (side.answers and side.durable):
        return
    async with _answered(side, "leg-1") as answer:
        if isinstance(answer, _AtOnce):
            return  # see the next check
        first = (answer.leg, answer.body)
    async with _running(side) as adapter:
        again = await _next(adapter.acknowledgements())
        _require((again.leg, again.body) == first, "an answer nobody recorded comes again, unchanged")


async def gives_what_was_answered_at_once_in_one_way(side: AgencySide) -> None:
    """With the parcel, also with its repeat after a crash; in no iterator, and never for news."""
    if not side.answers:
        return
    await side.answer("leg-1", {"state": "RECEIVED", "role": "Duty officer"})
    async with _running(side) as adapter:
        for kind in (Parcel.STATUS, Parcel.REPLY):
            news = await adapter.deliver(view(kind=kind), key=f"key-{kind.value}")
            _require(not news.answer, "what is said of news is no answer")
        first = await adapter.deliver(view(), key="key-1")
    async with _running(side) as adapter:
        again = await adapter.deliver(view(), key="key-1")
        _require(again.answer == first.answer, "what was answered at once is given again with a repeat")
        if first.answer:
            await adapter.close()
            left = [answer.leg async for answer in adapter.acknowledgements()]
            _require(not left, "what was answered at once is in no iterator")
            _require("Duty" not in repr(first), "an answer is in no repr")


async def iterators_end_on_close(side: AgencySide) -> None:
    """And at once where an adapter brings nothing; closing twice is closing once."""
    async with _running(side) as adapter:
        if not side.answers:
            await _within(_exhaust(adapter.acknowledgements()))
        waiting = [
            asyncio.create_task(_exhaust(adapter.acknowledgements())),
            asyncio.create_task(_exhaust(adapter.submissions())),
        ]
        await asyncio.sleep(0)  # both have taken their first step
        await adapter.close()
        for task in waiting:
            await _within(task)
        await adapter.close()
        await _within(_exhaust(adapter.acknowledgements()))
        await _within(_exhaust(adapter.submissions()))


async def keeps_plaintext_to_itself(side: AgencySide) -> None:
    """No content in a repr, a log line or an error, not even in what an error was raised from."""
    shown: list[str] = []
    with _log_lines(shown):
        async with _running(side) as adapter:
            if not adapter.pulls:
                await adapter.deliver(view(), key="key-1")
            shown.append(repr(adapter))
        shown += _chain(await _error(adapter.deliver(view(), key="key-2")))
        shown += _chain(await _error(adapter.deliver(view(), key="../" + CANARY)))
    shown.append(repr(adapter))
    _require(not any(CANARY in line for line in shown), "plaintext stays out of logs, errors and reprs")


CHECKS: tuple[Check, ...] = (
    shows_nothing_before_it_is_asked,
    delivers_content_with_its_key,
    repeats_are_the_same_parcel,
    different_keys_are_different_parcels,
    refuses_a_key_that_could_leave_its_place,
    brings_answers,
    brings_a_recorded_answer_once,
    brings_a_refused_answer_once,
    brings_an_unrecorded_answer_again,
    gives_what_was_answered_at_once_in_one_way,
    iterators_end_on_close,
    keeps_plaintext_to_itself,
)


def _require(holds: bool, contract: str) -> None:
    if not holds:
        raise AssertionError(contract)


@asynccontextmanager
async def _running(side: AgencySide) -> AsyncIterator[Adapter]:
    adapter = side.adapter()
    await _within(adapter.start())
    try:
        yield adapter
    finally:
        await _within(adapter.close())


@asynccontextmanager
async def _answered(side: AgencySide, leg: str) -> AsyncIterator[Answer]:
    """The next answer that the adapter brings once a parcel of ``leg`` was delivered and answered."""
    await side.answer(leg, {"state": "RECEIVED", "role": "Duty officer"})
    async with _running(side) as adapter:
        yield await _brought(adapter, leg)


@dataclass(frozen=True, slots=True)
class _AtOnce:
    """An answer that came with its parcel: the node records both or neither."""

    leg: str
    body: bytes = field(repr=False)

    async def done(self) -> None: ...

    async def refuse(self, error: GatewayError) -> None: ...


async def _brought(adapter: Adapter, leg: str) -> Answer:
    """What the agency answers to a parcel of ``leg``, at once or later."""
    given = await adapter.deliver(view(leg), key=f"key-{leg}")
    return _AtOnce(leg, given.answer) if given.answer else await _next(adapter.acknowledgements())


async def _next(items: AsyncIterator[T]) -> T:
    async def step() -> T:
        return await anext(items)

    return await _within(step())


async def _exhaust(items: AsyncIterator[object]) -> None:
    async for _ in items:
        pass


async def _within(work: Awaitable[T]) -> T:
    try:
        return await asyncio.wait_for(work, PATIENCE)
    except TimeoutError:
        raise AssertionError(f"nothing happened within {PATIENCE:g} seconds") from None


async def _error(work: Awaitable[object]) -> GatewayError | None:
    """What ``work`` raises. Anything but a GatewayError passes through: foreign errors end at the adapter."""
    try:
        await work
    except GatewayError as error:
        return error
    return None


def _chain(error: BaseException | None) -> list[str]:
    """Every text a log could print of an error: its own, and of all it came from."""
    lines: list[str] = []
    while error is not None:
        lines += [str(error), repr(error), repr(vars(error))]
        error = error.__cause__ or error.__context__
    return lines


class _Listener(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__(logging.DEBUG)
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))


@contextmanager
def _log_lines(lines: list[str]) -> Iterator[None]:
    root, listener = logging.getLogger(), _Listener(lines)
    level = root.level
    root.addHandler(listener)
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(listener)
