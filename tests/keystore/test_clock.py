"""The clock: never backwards, never standing still (ports.Clock)."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import clock as module
from gateway.clock import SystemClock


class Hands:
    """A wall clock and a monotonic one, moved by hand."""

    def __init__(self) -> None:
        self.wall = 1_800_000_000.0
        self.monotonic = 50.0

    def clock(self) -> SystemClock:
        return SystemClock(wall=lambda: self.wall, monotonic=lambda: self.monotonic)

    def pass_time(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds


@pytest.fixture
def hands():
    return Hands()


def test_it_is_the_time_of_this_machine():
    before = int(time.time())  # noqa: TID251 - what the clock is compared with
    assert before <= SystemClock().now() <= before + 5


def test_it_follows_the_wall_clock(hands):
    clock = hands.clock()
    start = clock.now()
    hands.pass_time(10)
    assert clock.now() == start + 10
    hands.wall += 3600
    assert clock.now() == start + 3610


def test_a_step_back_is_worked_off_at_half_speed(hands):
    clock = hands.clock()
    start = clock.now()
    hands.wall -= 100
    assert clock.now() == start
    hands.pass_time(50)
    assert clock.now() == start + 25
    hands.pass_time(150)
    assert clock.now() == start + 100 == int(hands.wall)
    hands.pass_time(10)
    assert clock.now() == start + 110 == int(hands.wall)


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(0, 1e5)), max_size=30))
def test_never_backwards(moves):
    hands = Hands()
    clock = hands.clock()
    seen = [clock.now()]
    for step, seconds in moves:
        hands.wall += step
        hands.pass_time(seconds)
        seen.append(clock.now())
    assert seen == sorted(seen)


async def test_it_sleeps_no_less_than_asked():
    clock = SystemClock()
    when = time.time() + 0.05  # noqa: TID251 - what the clock is compared with
    await clock.sleep_until(when)
    assert time.time() >= when  # noqa: TID251 - as above


async def test_what_has_passed_is_not_waited_for(hands, monkeypatch):
    naps = []
    monkeypatch.setattr(module.asyncio, "sleep", naps.append)
    clock = hands.clock()
    await clock.sleep_until(hands.wall)
    await clock.sleep_until(hands.wall - 1)
    assert naps == []


async def test_a_step_back_does_not_lengthen_a_nap_by_the_step(hands, monkeypatch):
    """An hour back, and every pump that naps a second would nap an hour."""
    naps = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)
        hands.pass_time(seconds)

    clock = hands.clock()
    when = clock.now() + 1
    hands.wall -= 3600
    monkeypatch.setattr(module, "asyncio", type("Naps", (), {"sleep": staticmethod(nap)}))
    await clock.sleep_until(when)
    assert 1.9 <= sum(naps) <= 2.1


async def test_a_long_sleep_looks_up_now_and_then(hands, monkeypatch):
    naps = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)
        hands.pass_time(seconds)
        hands.wall += 3600  # set forwards while we slept

    clock = hands.clock()
    monkeypatch.setattr(module, "asyncio", type("Naps", (), {"sleep": staticmethod(nap)}))
    await clock.sleep_until(hands.wall + 3000)
    assert naps == [30.0]


async def test_it_can_be_cancelled():
    clock = SystemClock()
    sleeping = asyncio.create_task(clock.sleep_until(clock.now() + 3600))
    await asyncio.sleep(0)
    sleeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sleeping
