"""The token bucket: what it lets through, when it says to come back, what it forgets."""

from __future__ import annotations

import pytest

from gateway.api import limits
from gateway.api.limits import Buckets


def test_a_burst_passes_and_the_next_call_is_told_when() -> None:
    bucket = Buckets(rate=0.5, burst=3)
    assert [bucket.take("a", now=10.0) for _ in range(5)] == [0, 0, 0, 2, 2]


def test_it_refills_with_time_and_never_above_the_burst() -> None:
    bucket = Buckets(rate=2, burst=2)
    assert [bucket.take("a", now=0.0) for _ in range(3)] == [0, 0, 1]
    assert bucket.take("a", now=0.5) == 0
    assert [bucket.take("a", now=1000.0) for _ in range(3)] == [0, 0, 1]


def test_a_refused_call_costs_nothing() -> None:
    bucket = Buckets(rate=1, burst=1)
    assert bucket.take("a", now=0.0) == 0
    for _ in range(100):
        assert bucket.take("a", now=0.5) == 1
    assert bucket.take("a", now=1.0) == 0


def test_callers_do_not_share() -> None:
    bucket = Buckets(rate=1, burst=1)
    assert bucket.take("a", now=0.0) == 0
    assert bucket.take("b", now=0.0) == 0
    assert bucket.take("a", now=0.0) == 1


def test_memory_is_bounded_and_the_oldest_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_CALLERS", 2)
    bucket = Buckets(rate=0.001, burst=1)
    for caller in ("a", "b", "a", "c"):
        bucket.take(caller, now=0.0)
    assert bucket.take("a", now=0.0) > 0
    assert bucket.take("b", now=0.0) == 0
