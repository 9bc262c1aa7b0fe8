"""A key that is missing at a node: its agency waits, nobody else does; and nothing is lost."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import Conflict, Misconfigured
from gateway.flows import deliver
from gateway.flows.slots import KEY_MISSING
from gateway.ports import Task
from gateway.testing.boroughs import BEXLEY, World, sections, two_boroughs


def lose(world: World, role: str) -> Any:
    """Take one agency's key away from Bexley's node; what is returned gives it back."""
    keys = world.bexley.node.keys
    opener = keys.opener

    def lost(principal: str) -> Any:
        if principal == f"{BEXLEY}/{role}":
            raise Misconfigured("the key is not here", code="key_missing")
        return opener(principal)

    keys.opener = lost  # type: ignore[method-assign]  # the test's own keys

    def restore() -> None:
        keys.opener = opener  # type: ignore[method-assign]

    return restore


async def sent(world: World, document: Any) -> tuple[str, Any]:
    ref = (await world.hackney.submit(document)).ref
    await world.settle()
    return ref, (await world.bexley.legs(ref))["dwp"]


async def task(world: World, leg: Any) -> Any:
    (found,) = await world.bexley.node.store.read(lambda tx: tx.tasks_of(leg.id))
    return found


async def test_one_missing_key_holds_up_its_agency_alone(world: World, document: Any) -> None:
    """The node's receipt says that the bytes are stored and verified, which they are."""
    lose(world, "dwp")
    ref, leg = await sent(world, document)
    legs = await world.hackney.legs(ref)
    assert {role for role, one in legs.items() if not one.opened} == {"dwp"}
    assert {one.state for one in legs.values()} == {"DELIVERED"}
    assert (await task(world, leg)).state is Task.HELD
    assert (await task(world, leg)).error == KEY_MISSING
    (alarm,) = await world.bexley.node.store.read(lambda tx: tx.alarms())
    assert (alarm.code, alarm.subject) == (KEY_MISSING, f"{BEXLEY}/dwp")


async def test_a_restart_without_the_key_holds_it_again_and_with_the_key_hands_it_over(
    world: World, document: Any
) -> None:
    restore = lose(world, "dwp")
    ref, leg = await sent(world, document)
    node = world.bexley.node
    await node.store.write(lambda tx: tx.release_tasks(world.clock.now()))
    await world.settle()
    assert (await task(world, leg)).state is Task.HELD
    assert not world.bexley.desks["dwp"].given
    restore()
    await node.store.write(lambda tx: tx.release_tasks(world.clock.now()))
    await world.settle()
    ((_, view),) = world.bexley.desks["dwp"].given
    assert sections(view)["core"]["family_name"] == "EXAMPLE"
    assert (await world.hackney.legs(ref))["dwp"].opened
    (opened,) = await node.store.read(lambda tx: tx.receipts(ref=ref, by=f"{BEXLEY}/dwp"))
    assert b'"parts":[2' in opened.note


async def test_a_reply_to_an_agency_whose_key_is_missing_is_held_too(world: World, document: Any) -> None:
    ref, leg = await sent(world, document)
    keys = world.hackney.node.keys
    opener = keys.opener

    def lost(principal: str) -> Any:
        if principal.endswith("/dwp"):
            raise Misconfigured("the key is not here", code="key_missing")
        return opener(principal)

    keys.opener = lost  # type: ignore[method-assign]  # the test's own keys
    await world.bexley.answer("dwp", leg.id, reason_text="words")
    await world.settle()
    assert (await world.hackney.legs(ref))["dwp"].state == "ACCEPTED"
    tasks = await world.hackney.node.store.read(lambda tx: tx.tasks_of(leg.id))
    assert [(one.state, one.error) for one in tasks if one.id.startswith("reply-")] == [
        (Task.HELD, KEY_MISSING)
    ]


async def test_an_agency_that_fetches_is_told_what_is_missing(document: Any) -> None:
    async with two_boroughs(pulling=("dwp",)) as world:
        lose(world, "dwp")
        _, leg = await sent(world, document)
        caller, name = world.bexley.caller("dwp"), (await task(world, leg)).id
        with pytest.raises(Conflict) as refused:
            await deliver.open_parked(world.bexley.node, caller, name, justification="DUTY_OFFICER")
        assert refused.value.code == KEY_MISSING
        assert not (await world.bexley.legs(leg.ref))["dwp"].opened
