"""People are told before a certificate of the line to the broker ends, and once of each of the four days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from gateway.flows.certificates import ALARM, told, warn
from gateway.flows.metrics import Metrics
from gateway.testing.boroughs import START, World

DAY = 86_400


async def test_each_of_the_four_days_is_told_once_and_a_renewal_ends_it(world: World) -> None:
    ends = {"node": START + 40 * DAY, "broker": START + 400 * DAY}
    node = replace(world.hackney.node, certificates=lambda: ends)

    async def alarms() -> list[str]:
        rows = await node.store.read(lambda tx: tx.standing_alarms(ALARM))
        return [row.subject for row in rows]

    said = []
    for _ in range(42):
        await warn(node)
        node.told.clear()  # a restart
        await warn(node)
        said.append(await alarms())
        world.clock.advance(DAY)
    assert said[:9] == [[]] * 9
    assert [one for number, one in enumerate(said) if number == 0 or one != said[number - 1]] == [
        [],
        ["node 30"],
        ["node 14"],
        ["node 7"],
        ["node 1"],
    ]
    rows = await node.store.read(lambda tx: tx.alarms(cleared=True))
    assert len([row for row in rows if row.code == ALARM]) == 3
    ends["node"] = world.clock.now() + 90 * DAY
    await warn(node)
    assert await alarms() == []


def test_the_words() -> None:
    def line(**ends: int) -> str:
        days: Mapping[str, int] = {whose: START + end * DAY for whose, end in ends.items()}
        return told(days, START)

    assert line(node=31, broker=31) == ""
    assert line(node=30) == "this node's certificate for the broker ends in 30 days"
    assert line(node=-1, broker=2) == (
        "the broker's own certificate ends in 2 days; this node's certificate for the broker has ended"
    )


async def test_monitoring_sees_both(world: World) -> None:
    ends: Any = {"node": START + DAY, "broker": START + 2 * DAY}
    page = (await Metrics().page(replace(world.hackney.node, certificates=lambda: ends))).decode()
    for whose, end in ends.items():
        (line,) = [
            one
            for one in page.splitlines()
            if one.startswith(f'gateway_broker_certificate_expires_seconds{{whose="{whose}"}}')
        ]
        assert float(line.split()[-1]) == pytest.approx(end)
