"""An agency that keeps its own key says what became of its actions; its node holds it to what it is asked."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from gateway.client.signing import seal_words
from gateway.errors import GatewayError
from gateway.flows.acknowledge import read
from gateway.flows.relay_in import reply as bring
from gateway.ports import ActionState

DONE = {"action_id": "AC3", "result": "COMPLETED"}
CLEAR = {"action_id": "AC4", "result": "COMPLETED", "answer": "CLEAR"}


async def actions(side: Any, ref: str, borough: Any) -> dict[str, tuple[ActionState, str]]:
    leg = await side.leg(ref, borough)
    rows = await borough.node.store.read(lambda tx: tx.actions(leg.id))
    return {row.action: (row.state, row.reason) for row in rows}


async def taken_on(side: Any) -> tuple[Any, str, str]:
    agent = await side.ready()
    ref = await side.send()
    await agent.turn()
    leg = (await side.leg(ref)).id
    await agent.take_answer(side.reply(leg))
    return agent, ref, leg


async def test_its_results_reach_the_origin_in_its_own_chain(side: Any) -> None:
    agent, ref, leg = await taken_on(side)
    first = side.reply(leg, "IN_PROGRESS", actions=[CLEAR], reason_text="CanaryZebulonQuux")
    await agent.take_answer(first)
    second = side.reply(leg, "IN_PROGRESS", actions=[DONE])
    await agent.take_answer(second)
    again = side.reply(leg, "IN_PROGRESS", actions=[DONE])
    await agent.take_answer(again)
    assert [one.refused for one in (first, second, again)] == [[], [], []]
    await side.world.settle()
    wanted = {"AC3": (ActionState.COMPLETED, ""), "AC4": (ActionState.COMPLETED, "CLEAR")}
    for borough in side.world.boroughs:
        assert await actions(side, ref, borough) == wanted
    states = [row.state for row in await side.receipts(ref)]
    assert states == ["opened", "acknowledged", "accepted", "in_progress", "in_progress"]
    tables = side.node.store.memory.tables
    assert "CanaryZebulonQuux" not in repr((tables.actions, tables.action_results, tables.events))


async def test_r15_holds_for_it_too(side: Any) -> None:
    agent, ref, leg = await taken_on(side)
    early = side.reply(leg, "COMPLETED", actions=[DONE])
    await agent.take_answer(early)
    assert early.refused == ["undecided_action"]
    assert (await side.leg(ref)).state == "ACCEPTED"


async def test_all_in_one_answer_completes_it(side: Any) -> None:
    agent, ref, leg = await taken_on(side)
    whole = side.reply(leg, "COMPLETED", actions=[DONE, CLEAR])
    await agent.take_answer(whole)
    assert whole.refused == []
    await side.world.settle()
    assert (await side.leg(ref, side.world.hackney)).state == "COMPLETED"
    assert {state for state, _ in (await actions(side, ref, side.world.hackney)).values()} == {
        ActionState.COMPLETED
    }


@pytest.mark.parametrize(
    "result",
    [
        {"action_id": "AC10", "result": "COMPLETED"},
        {"action_id": "AC4", "result": "COMPLETED"},
        {"action_id": "AC3", "result": "COMPLETED", "answer": "CLEAR"},
        {"action_id": "AC3", "result": "NOT_DONE", "reason_code": "SUBJECT_DECLINED"},
    ],
)
async def test_what_does_not_fit_is_not_sent_under_the_nodes_signature(side: Any, result: Any) -> None:
    """The agency's client seals what it likes; its node reads the codes and holds them to what is asked."""
    _, ref, leg_id = await taken_on(side)
    leg = replace(await side.leg(ref), mid="")
    text = json.dumps({"state": "IN_PROGRESS", "role": "x", "actions": [result]})
    words = seal_words(side.node.network, leg, read(text.encode()), side.world.clock.now())
    caller = side.world.bexley.caller("police")
    with pytest.raises(GatewayError) as refused:
        await bring(side.node, caller, leg_id, words)
    assert refused.value.code == "action_answer"
    assert await side.node.store.read(lambda tx: tx.results(leg_id)) == []
