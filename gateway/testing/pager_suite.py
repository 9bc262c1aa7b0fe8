# ruff: noqa: S101 - a suite is made of assertions
"""What every pager must do: a behavioural suite to inherit, one and the same for every channel.

Rules: pytest and pytest-asyncio (mode "auto") run it. A test class gives two fixtures: ``desk``, where calls
arrive, and ``pager``, a started pager that calls it.

Example::

    class TestMine(PagerSuite):
        @pytest.fixture
        async def desk(self): ...
        @pytest.fixture
        async def pager(self, desk): ...
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Protocol

import pytest

from gateway.errors import GatewayError, Rejected, Unavailable
from gateway.ports import Page, Pager

PAGE = Page(
    key="E09000004-acknowledge-0193a1-2",
    role="duty_inspector",
    to="duty.inspector@agency.example",
    code="acknowledge",
    late="nobody has acknowledged a handover",
    handover="HO-E09000012-2026-000001",
    agency="POLICE",
    area="Bexley",
    urgent=True,
    drill=False,
    since="2026-12-06T00:40:00Z",
    link="https://gateway.example/v1/handovers/HO-E09000012-2026-000001",
)


class PagerDesk(Protocol):
    """Where the calls of a channel arrive: (key, all the text that somebody sees there)."""

    async def calls(self) -> list[tuple[str, str]]: ...
    async def refuse(self, *, for_good: bool) -> None:
        """Every call from now on."""
        ...

    async def stall(self) -> None:
        """Answer none from now on."""
        ...

    async def stop(self) -> None:
        """Nobody listens any more."""
        ...


class PagerSuite:
    async def test_a_call_arrives_with_all_that_somebody_needs_and_its_key(
        self, pager: Pager, desk: PagerDesk
    ) -> None:
        await pager.send(PAGE)
        ((key, text),) = await desk.calls()
        assert PAGE.key in key
        for word in (PAGE.role, PAGE.late, PAGE.handover, PAGE.agency, PAGE.area, PAGE.since, PAGE.link):
            assert word in text

    async def test_a_repeat_has_the_same_key(self, pager: Pager, desk: PagerDesk) -> None:
        for _ in range(2):
            await pager.send(PAGE)
        first, second = await desk.calls()
        assert first[0] == second[0]

    async def test_many_at_once_all_arrive(self, pager: Pager, desk: PagerDesk) -> None:
        pages = [replace(PAGE, key=f"key-{number}") for number in range(8)]
        await asyncio.gather(*(pager.send(page) for page in pages))
        assert len({key for key, _ in await desk.calls()}) == len(pages)

    @pytest.mark.parametrize(("for_good", "kind"), [(False, Unavailable), (True, Rejected)])
    async def test_a_refusal_says_whether_it_may_go_better_later(
        self, pager: Pager, desk: PagerDesk, for_good: bool, kind: type[GatewayError]
    ) -> None:
        await desk.refuse(for_good=for_good)
        with pytest.raises(kind) as failed:
            await pager.send(PAGE)
        assert _silent(failed.value)

    async def test_a_channel_that_does_not_answer_is_waited_for_no_longer_than_it_may_take(
        self, pager: Pager, desk: PagerDesk
    ) -> None:
        await desk.stall()
        with pytest.raises(Unavailable) as failed:
            async with asyncio.timeout(5):
                await pager.send(PAGE)
        assert _silent(failed.value)

    async def test_nobody_there_may_go_better_later(self, pager: Pager, desk: PagerDesk) -> None:
        await desk.stop()
        with pytest.raises(Unavailable) as failed:
            await pager.send(PAGE)
        assert _silent(failed.value)

    async def test_it_is_closed_twice_in_vain(self, pager: Pager) -> None:
        await pager.close()
        await pager.close()


def _silent(error: GatewayError) -> bool:
    """What was wrong and what to do, and neither an address nor a secret."""
    words = f"{error.message} {error.remedy}"
    return bool(error.remedy) and not any(word in words for word in (PAGE.to, "127.0.0.1", "secret"))
