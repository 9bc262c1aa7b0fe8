"""``echo``: an agency that answers by itself, for demonstrations, drills and sandboxes.

It takes every parcel and answers each notification with the states of ``answers`` in turn, ``delay`` seconds
later, each of them twice when ``duplicate`` is set. It can accept, decline, delay and duplicate; it can judge
nothing, so it must never stand for an agency in service. A notice it acknowledges; it attests nothing.

With ``folder`` it is a robot working a ``file_drop`` folder: what it was given lies in ``<folder>/in/``, its
answers pass through ``<folder>/out/``, and both survive a crash. Without, its answers wait in memory and a
crash loses them.

Options: ``answers`` (["RECEIVED", "ACCEPTED"]), ``delay`` (0), ``role``, ``reason_code``, ``duplicate``
(false), ``folder``. Example::

    [agencies.housing]
    adapter = "echo"
    options = { answers = ["RECEIVED", "RETURNED"], reason_code = "WRONG_AREA", delay = 5 }
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field, ValidationInfo, field_validator

from adapters._echo_desks import Desk, FolderDesk, MemoryDesk
from adapters._options import AdapterOptions, parse_options
from adapters._parcels import Nothing, encode_json, safe_key
from gateway.errors import Unavailable
from gateway.ports import Answer, Delivered, Json, Parcel, Submission, View
from schemas.acknowledgement import REASONS_FOR, AcknowledgementState


class Options(AdapterOptions):
    """``answers``: states of an acknowledgement, in order. ``delay``: seconds from the parcel to the first.
    ``reason_code``: for those of the answers that need a reason (domain 6.7)."""

    answers: tuple[AcknowledgementState, ...] = (
        AcknowledgementState.RECEIVED,
        AcknowledgementState.ACCEPTED,
    )
    delay: Annotated[float, Field(ge=0, le=86400)] = 0.0
    role: Annotated[str, Field(min_length=1, max_length=100)] = "Duty officer (echo)"
    reason_code: Annotated[str | None, Field(validate_default=True)] = None
    duplicate: bool = False
    folder: Path | None = None

    @field_validator("reason_code")
    @classmethod
    def _reason_fits(cls, code: str | None, info: ValidationInfo) -> str | None:
        needing = [state for state in info.data.get("answers", ()) if state in REASONS_FOR]
        for state in needing:
            if code not in REASONS_FOR[state]:
                raise ValueError(f"for {state} it must be one of {', '.join(sorted(REASONS_FOR[state]))}")
        if code and not needing:
            raise ValueError("none of the answers takes a reason")
        return code


class Adapter:
    """See the module."""

    pulls: ClassVar[bool] = False
    drills: ClassVar[bool] = True

    def __init__(self, principal: str, options: Mapping[str, object]) -> None:
        self._options = parse_options(Options, "echo", options)
        self._principal = principal
        folder = self._options.folder
        self._desk: Desk = FolderDesk(principal, folder) if folder else MemoryDesk()
        self._bodies = answers_of(self._options)
        self._later: set[asyncio.Task[None]] = set()
        self._running = False

    def __repr__(self) -> str:
        return f"<adapters.echo.Adapter {self._principal}>"

    async def start(self) -> None:
        """Also takes up what a crash left unanswered in the folder."""
        waiting = await self._desk.start()
        self._running = True
        for key, leg in waiting:
            await self._answer(key, leg)

    async def deliver(self, view: View, *, key: str) -> Delivered:
        """Raises Unavailable when not running or when the folder cannot be written."""
        safe_key(key)
        await self.check()
        await self._desk.take(view, key)
        if view.kind is Parcel.NOTIFICATION:
            await self._answer(key, view.leg)
        elif view.kind is Parcel.NOTICE and view.content.get("may_answer"):
            said = encode_json({"state": "ACKNOWLEDGED", "role": self._options.role})
            await self._desk.answer(key, str(view.content["notice"]), [said])
        return Delivered(reference=f"echo-{key}")

    def acknowledgements(self) -> AsyncIterator[Answer]:
        return self._desk.answers()

    def submissions(self) -> AsyncIterator[Submission]:
        return Nothing()

    async def check(self) -> None:
        if not self._running:
            raise Unavailable("the adapter is not running", code="closed", remedy="Start the node.")
        await self._desk.check()

    async def close(self) -> None:
        self._running = False
        for task in self._later:
            task.cancel()
        await asyncio.gather(*self._later, return_exceptions=True)
        await self._desk.close()

    async def _answer(self, key: str, leg: str) -> None:
        """At once, so that the answers are on disk before the parcel counts as delivered; or later."""
        if not self._options.delay:
            await self._desk.answer(key, leg, self._bodies)
            return
        task = asyncio.create_task(self._answer_later(key, leg))
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _answer_later(self, key: str, leg: str) -> None:
        await asyncio.sleep(self._options.delay)
        with suppress(Unavailable):  # the parcel lies in the folder and is answered at the next start
            await self._desk.answer(key, leg, self._bodies)


def answers_of(options: Options) -> Sequence[bytes]:
    """The acknowledgements to one notification, in order, each as JSON."""
    bodies = []
    for state in options.answers:
        answer: dict[str, Json] = {"state": state.value, "role": options.role}
        if state in REASONS_FOR and options.reason_code:
            answer["reason_code"] = options.reason_code
        bodies += [encode_json(answer)] * (2 if options.duplicate else 1)
    return bodies
