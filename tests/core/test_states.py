"""The tables of legs and handovers, over the whole product of states and events."""

from __future__ import annotations

from itertools import combinations_with_replacement, product
from pathlib import Path

import pytest

from gateway.core import diagrams
from gateway.core.states import (
    ACKNOWLEDGED,
    ANSWERED,
    HANDOVER,
    HANDOVER_EVENTS,
    LEG,
    LEG_EVENTS,
    RECEIPT_OF,
    SETTLED,
    TAKEN_ON,
    TERMINAL,
    HandoverState,
    LegState,
    advance_handover,
    advance_leg,
    follow,
    path,
    responsible,
    standing,
)
from gateway.errors import Conflict

EVENTS = [
    *("transmitted", "undeliverable", "expired", "purged", "received", "opened", "acknowledged"),
    *("accepted", "rejected", "declined", "returned", "info_requested", "in_progress", "completed"),
    *("not_done", "closed", "refused"),
]

# One line per state: event>state, and the events that change nothing. Written from domain 6.7 and protocol 5.
BY_HAND = """
QUEUED       transmitted>TRANSMITTED received>DELIVERED opened>DELIVERED acknowledged>RECEIVED
QUEUED       refused>UNDELIVERABLE undeliverable>UNDELIVERABLE expired>EXPIRED purged>PURGED
TRANSMITTED  transmitted>TRANSMITTED received>DELIVERED opened>DELIVERED acknowledged>RECEIVED
TRANSMITTED  refused>UNDELIVERABLE undeliverable>UNDELIVERABLE expired>EXPIRED purged>PURGED
DELIVERED    transmitted>DELIVERED received>DELIVERED opened>DELIVERED acknowledged>RECEIVED
DELIVERED    refused>UNDELIVERABLE purged>PURGED
RECEIVED     transmitted>RECEIVED received>RECEIVED opened>RECEIVED accepted>ACCEPTED rejected>REJECTED
RECEIVED     returned>RETURNED declined>DECLINED_NOT_RELEVANT info_requested>INFO_REQUESTED purged>PURGED
INFO_REQUESTED transmitted>INFO_REQUESTED received>INFO_REQUESTED opened>INFO_REQUESTED
INFO_REQUESTED acknowledged>RECEIVED purged>PURGED
ACCEPTED     transmitted>ACCEPTED received>ACCEPTED opened>ACCEPTED in_progress>IN_PROGRESS
IN_PROGRESS  transmitted>IN_PROGRESS received>IN_PROGRESS opened>IN_PROGRESS in_progress>IN_PROGRESS
IN_PROGRESS  completed>COMPLETED not_done>COMPLETED
COMPLETED    transmitted>COMPLETED received>COMPLETED opened>COMPLETED in_progress>COMPLETED closed>CLOSED
CLOSED       transmitted>CLOSED received>CLOSED opened>CLOSED
REJECTED     transmitted>REJECTED received>REJECTED opened>REJECTED purged>PURGED
RETURNED     transmitted>RETURNED received>RETURNED opened>RETURNED purged>PURGED
DECLINED_NOT_RELEVANT transmitted>DECLINED_NOT_RELEVANT received>DECLINED_NOT_RELEVANT
DECLINED_NOT_RELEVANT opened>DECLINED_NOT_RELEVANT purged>PURGED
UNDELIVERABLE transmitted>UNDELIVERABLE received>UNDELIVERABLE opened>UNDELIVERABLE
EXPIRED      transmitted>EXPIRED received>EXPIRED opened>EXPIRED
PURGED       transmitted>PURGED received>PURGED opened>PURGED
"""
EXPECTED = {
    (line.split()[0], move.split(">")[0]): move.split(">")[1]
    for line in BY_HAND.strip().splitlines()
    for move in line.split()[1:]
}


@pytest.mark.parametrize(("state", "event"), list(product(LegState, EVENTS)))
def test_every_leg_state_with_every_event(state: LegState, event: str) -> None:
    if (state.value, event) in EXPECTED:
        assert advance_leg(state, event).value == EXPECTED[state.value, event]
    else:
        with pytest.raises(Conflict):
            advance_leg(state, event)


def test_there_are_no_other_states_or_events() -> None:
    assert {state.value for state in LegState} == {state for state, _ in EXPECTED}
    assert set(EVENTS) == LEG_EVENTS
    with pytest.raises(Conflict):
        advance_leg(LegState.QUEUED, "overdue")


def test_a_receipt_that_overtakes_our_own_row() -> None:
    state = advance_leg(LegState.QUEUED, "received")
    assert state is LegState.DELIVERED
    assert advance_leg(state, "transmitted") is LegState.DELIVERED


def test_receipts_of_two_keys_in_any_order_end_alike() -> None:
    for first, then in (("received", "opened"), ("opened", "received")):
        state = advance_leg(advance_leg(LegState.TRANSMITTED, first), then)
        assert state is LegState.DELIVERED
    late = advance_leg(LegState.TRANSMITTED, "acknowledged")
    assert advance_leg(advance_leg(late, "received"), "opened") is LegState.RECEIVED


def test_no_terminal_state_has_an_exit() -> None:
    for state in TERMINAL:
        assert {after for (before, _), after in LEG.items() if before is state} == {state}
    assert {"UNDELIVERABLE", "EXPIRED", "PURGED"} == {state.value for state in TERMINAL}
    assert {before for before, _ in HANDOVER} == set(HandoverState) - {HandoverState.PURGED}


def test_every_state_is_reached() -> None:
    assert {after for (before, _), after in LEG.items() if after != before} == set(LegState) - {
        LegState.QUEUED
    }
    assert set(HANDOVER.values()) == set(HandoverState) - {HandoverState.DRAFT}


def test_a_refusal_names_what_is_possible() -> None:
    with pytest.raises(Conflict) as caught:
        advance_leg(LegState.COMPLETED, "accepted")
    assert caught.value.remedy == "possible now: closed"
    assert "COMPLETED" in caught.value.message
    with pytest.raises(Conflict) as caught:
        advance_leg(LegState.PURGED, "accepted")
    assert caught.value.remedy == "nothing more can happen to it"
    assert caught.value.code == "illegal_transition"


# --- Answers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "event", "steps"),
    [
        ("DELIVERED", "accepted", "acknowledged accepted"),
        ("DELIVERED", "returned", "acknowledged returned"),
        ("DELIVERED", "acknowledged", "acknowledged"),
        ("RECEIVED", "declined", "declined"),
        ("RECEIVED", "opened", "opened"),
        ("INFO_REQUESTED", "accepted", "acknowledged accepted"),
        ("ACCEPTED", "completed", "in_progress completed"),
        ("ACCEPTED", "not_done", "in_progress not_done"),
        ("ACCEPTED", "in_progress", "in_progress"),
        ("COMPLETED", "closed", "closed"),
        ("QUEUED", "rejected", "acknowledged rejected"),
    ],
)
def test_what_an_answer_implies(state: str, event: str, steps: str) -> None:
    assert path(LegState(state), event) == tuple(steps.split())


@pytest.mark.parametrize(
    ("state", "event"),
    [
        ("DELIVERED", "completed"),
        ("RECEIVED", "closed"),
        ("RECEIVED", "in_progress"),
        ("ACCEPTED", "closed"),
        ("CLOSED", "accepted"),
        ("REJECTED", "accepted"),
        ("PURGED", "acknowledged"),
        ("EXPIRED", "accepted"),
    ],
)
def test_nobody_else_decides(state: str, event: str) -> None:
    with pytest.raises(Conflict) as caught:
        path(LegState(state), event)
    assert state in caught.value.message


def test_every_path_is_legal_step_by_step() -> None:
    found = 0
    for state, event in product(LegState, EVENTS):
        try:
            steps = path(state, event)
        except Conflict:
            continue
        at = state
        for step in steps:
            at = advance_leg(at, step)
        found += 1
        assert steps[-1] == event
    assert found > len(LEG)


def test_every_answer_has_its_receipt_and_leads_to_its_state() -> None:
    for answer, event in RECEIPT_OF.items():
        after = {after.value for (before, e), after in LEG.items() if e == event and after != before}
        assert after == {"COMPLETED" if answer == "NOT_DONE" else answer}
    assert len(RECEIPT_OF) == 10


# --- Responsibility ---------------------------------------------------------------------------------


@pytest.mark.parametrize("state", LegState)
def test_responsibility_moves_on_acceptance_and_never_is_nobodys(state: LegState) -> None:
    taken = state.value in {"ACCEPTED", "IN_PROGRESS", "COMPLETED", "CLOSED"}
    assert responsible(state, "X/origin", "Y/destination") == ("Y/destination" if taken else "X/origin")


def test_responsibility_never_goes_back() -> None:
    for (before, _), after in LEG.items():
        assert before not in TAKEN_ON or after in TAKEN_ON


def test_the_sets() -> None:
    assert TAKEN_ON < ANSWERED < ACKNOWLEDGED
    assert {state.value for state in ANSWERED - TAKEN_ON} == {"REJECTED", "RETURNED", "DECLINED_NOT_RELEVANT"}
    assert {state.value for state in ACKNOWLEDGED - ANSWERED} == {"RECEIVED", "INFO_REQUESTED"}
    assert {state.value for state in SETTLED - TERMINAL} == {
        "CLOSED",
        "REJECTED",
        "RETURNED",
        "DECLINED_NOT_RELEVANT",
    }


# --- Handovers --------------------------------------------------------------------------------------

CHAIN = ["DRAFT", "AUTHORISED", "ISSUED", "PARTLY_ACKNOWLEDGED", "FULLY_ACKNOWLEDGED", "ACTIVE", "CLOSED"]
STEPS = ["authorised", "issued", "partly_acknowledged", "fully_acknowledged", "activated", "closed"]
SIDE_EXITS = {
    "withdrawn": ("WITHDRAWN", CHAIN[:6]),
    "no_longer_relevant": ("DIED_OR_NO_LONGER_RELEVANT", CHAIN[:6]),
    "superseded": ("SUPERSEDED", CHAIN[2:6]),
    "onward_moved": ("ONWARD_MOVED", CHAIN[2:6]),
    "purged": (  # content goes 90 days after issue, whatever the handover has come to
        "PURGED",
        [*CHAIN, "WITHDRAWN", "SUPERSEDED", "ONWARD_MOVED", "DIED_OR_NO_LONGER_RELEVANT"],
    ),
}
HANDOVERS = {
    (before, event): after for before, event, after in zip(CHAIN, STEPS, CHAIN[1:], strict=False)
} | {(before, event): after for event, (after, befores) in SIDE_EXITS.items() for before in befores}


@pytest.mark.parametrize(("state", "event"), list(product(HandoverState, [*STEPS, *SIDE_EXITS])))
def test_every_handover_state_with_every_event(state: HandoverState, event: str) -> None:
    legs = [LegState.CLOSED]
    if (state.value, event) in HANDOVERS:
        assert advance_handover(state, event, legs).value == HANDOVERS[state.value, event]
    else:
        with pytest.raises(Conflict):
            advance_handover(state, event, legs)
    assert {*STEPS, *SIDE_EXITS} == HANDOVER_EVENTS


@pytest.mark.parametrize("leg", LegState)
def test_nothing_closes_with_an_unanswered_leg(leg: LegState) -> None:
    legs = [LegState.ACCEPTED, leg, LegState.CLOSED]
    answered = leg.value in {
        *("ACCEPTED", "REJECTED", "RETURNED", "DECLINED_NOT_RELEVANT"),
        *("IN_PROGRESS", "COMPLETED", "CLOSED", "PURGED"),
    }
    if answered:
        assert advance_handover(HandoverState.ACTIVE, "closed", legs) is HandoverState.CLOSED
    else:
        with pytest.raises(Conflict) as caught:
            advance_handover(HandoverState.ACTIVE, "closed", legs)
        assert (caught.value.code, caught.value.rule) == ("unanswered_leg", "R15")
        assert advance_handover(HandoverState.ACTIVE, "withdrawn", legs) is HandoverState.WITHDRAWN


def test_nothing_closes_without_legs() -> None:
    with pytest.raises(Conflict):
        advance_handover(HandoverState.ACTIVE, "closed", [])


@pytest.mark.parametrize(
    ("legs", "expected"),
    [
        ("", "ISSUED"),
        ("QUEUED DELIVERED", "ISSUED"),
        ("QUEUED RECEIVED", "PARTLY_ACKNOWLEDGED"),
        ("UNDELIVERABLE ACCEPTED", "PARTLY_ACKNOWLEDGED"),
        ("EXPIRED RECEIVED", "PARTLY_ACKNOWLEDGED"),
        ("RECEIVED INFO_REQUESTED", "FULLY_ACKNOWLEDGED"),
        ("ACCEPTED RECEIVED", "FULLY_ACKNOWLEDGED"),
        ("REJECTED DECLINED_NOT_RELEVANT", "FULLY_ACKNOWLEDGED"),
        ("RETURNED", "FULLY_ACKNOWLEDGED"),
        ("ACCEPTED REJECTED", "ACTIVE"),
        ("IN_PROGRESS COMPLETED CLOSED", "ACTIVE"),
        ("PURGED ACCEPTED", "ACTIVE"),
        ("PURGED", "ISSUED"),
    ],
)
def test_where_a_handover_stands_by_its_legs(legs: str, expected: str) -> None:
    assert standing(LegState(leg) for leg in legs.split()).value == expected


def test_a_handover_follows_its_legs_forward_only() -> None:
    order = [HandoverState(name) for name in CHAIN[2:6]]
    for state, legs in product(order, combinations_with_replacement(LegState, 2)):
        after = follow(state, legs)
        assert after == order[max(order.index(state), order.index(standing(legs)))]
        assert follow(after, legs) == after


@pytest.mark.parametrize("state", ["DRAFT", "AUTHORISED", "CLOSED", "WITHDRAWN", "SUPERSEDED", "PURGED"])
def test_a_handover_that_is_not_live_follows_nothing(state: str) -> None:
    assert follow(HandoverState(state), [LegState.ACCEPTED]).value == state


# --- The drawing ------------------------------------------------------------------------------------


def test_the_drawing_is_that_of_the_tables() -> None:
    assert (Path(__file__).parents[2] / "docs" / "states.md").read_text() == diagrams.document()


def test_the_drawing_shows_every_move() -> None:
    drawn = diagrams.document()
    for (before, event), after in LEG.items():
        if before != after:
            [line] = [ln for ln in drawn.splitlines() if ln.startswith(f"    {before} --> {after}: ")]
            assert event in line.split(": ")[1].split(", ")
