"""Both transports against the one contract."""

from __future__ import annotations

import pytest

from gateway.testing.faults import FaultPlan, FaultyTransport
from gateway.testing.transport_suite import CASES, Case, World

by_name = pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)


@by_name
async def test_memory(case: Case, memory_world: World) -> None:
    await case(memory_world)


@by_name
async def test_rabbit(case: Case, rabbit_world: World) -> None:
    await case(rabbit_world)


@by_name
async def test_a_wrapper_without_faults_changes_nothing(case: Case, memory_world: World) -> None:
    inner = memory_world.transport
    memory_world.transport = lambda area: FaultyTransport(inner(area), FaultPlan())
    await case(memory_world)
