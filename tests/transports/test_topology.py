"""Names and bindings as a pure function of area codes."""

from __future__ import annotations

import re

import pytest

from gateway.ports import Lane
from gateway.transports import topology as t

A, B, C = "E09000012", "E09000004", "E09000099"


def test_names() -> None:
    assert t.outgoing(A) == "gw.out.E09000012"
    assert [t.intake(A, lane) for lane in Lane] == [
        "gw.in.E09000012",
        "gw.in.E09000012.urgent",
        "gw.in.E09000012.receipts",
    ]
    assert [t.routing_key(A, lane) for lane in Lane] == ["E09000012.n", "E09000012.u", "E09000012.r"]
    assert t.quarantine(A) == "gw.quarantine.E09000012"
    assert t.returned(A) == "gw.returned.E09000012"


@pytest.mark.parametrize(
    ("exchange", "area"),
    [
        ("gw.out.E09000012", A),
        ("gw.out.", None),
        ("", None),
        (None, None),
        ("gw.dlx", None),
        ("x.gw.out.a", None),
    ],
)
def test_the_sender_is_read_from_its_exchange_only(exchange: str | None, area: str | None) -> None:
    assert t.sender(exchange) == area


def test_every_area_reaches_every_other_and_never_itself() -> None:
    plan = t.topology([A, B, C])
    ways = {(binding.source, binding.key, binding.queue) for binding in plan.bindings if binding.key}
    assert ways == {
        (t.outgoing(one), t.routing_key(other, lane), t.intake(other, lane))
        for one in (A, B, C)
        for other in (A, B, C)
        for lane in Lane
        if one != other
    }


def test_everything_bound_is_declared_and_everything_declared_is_bound() -> None:
    plan = t.topology([A, B])
    assert {binding.source for binding in plan.bindings} == {exchange.name for exchange in plan.exchanges}
    assert {binding.queue for binding in plan.bindings} == {queue.name for queue in plan.queues}
    names = [thing.name for thing in (*plan.exchanges, *plan.queues)]
    assert len(names) == len(set(names))


def test_dead_letters_go_to_the_right_side() -> None:
    plan = t.topology([A, B])
    dead = [binding for binding in plan.bindings if binding.source == t.DEAD_LETTERS]
    # "all" would ignore every header that begins with "x-" and so match everything.
    assert {binding.arguments["x-match"] for binding in dead} == {"all-with-x"}
    rules = {
        (
            binding.arguments["x-first-death-reason"],
            binding.arguments.get("x-first-death-queue") or binding.arguments.get("x-first-death-exchange"),
            binding.queue,
        )
        for binding in dead
    }
    assert rules == {("expired", t.outgoing(area), t.returned(area)) for area in (A, B)} | {
        (reason, t.intake(area, lane), t.quarantine(area))
        for area in (A, B)
        for lane in Lane
        for reason in ("rejected", "delivery_limit")
    }


def test_nobody_can_publish_dead_letters() -> None:
    internal = [exchange for exchange in t.topology([A, B]).exchanges if exchange.internal]
    assert [(exchange.name, exchange.kind) for exchange in internal] == [("gw.dlx", "headers")]


def test_the_policy_meets_every_intake_and_nothing_else() -> None:
    plan = t.topology([A, B])
    for policy in plan.policies:
        for queue in plan.queues:
            assert bool(re.search(policy.pattern, queue.name)) is queue.intake
    (policy,) = plan.policies
    # At-least-once dead-lettering works with reject-publish only; the envelope's own 72 h must end first.
    assert policy.definition["dead-letter-strategy"] == "at-least-once"
    assert policy.definition["overflow"] == "reject-publish"
    assert policy.definition["dead-letter-exchange"] == t.DEAD_LETTERS
    assert int(policy.definition["message-ttl"]) > 72 * 3600 * 1000


def test_order_and_repetition_of_the_areas_do_not_matter() -> None:
    assert t.topology([A, B, A]) == t.topology([B, A])


def test_thirty_three_boroughs() -> None:
    plan = t.topology(f"E09{number:06d}" for number in range(1, 34))
    assert (len(plan.queues), len(plan.exchanges), len(plan.bindings)) == (165, 34, 33 * 32 * 3 + 33 * 7)
