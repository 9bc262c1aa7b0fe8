"""The forms of actions in the routing table: written and read alike, and closed to anything else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.errors import Malformed
from gateway.flows import asked
from gateway.flows.asked import Ask, Said
from gateway.flows.opening import read_routing
from schemas.handover import parse_notification
from schemas.samples import minimal_example

ENTRY: dict[str, Any] = {
    "slot": 1,
    "principal": "E09000004/police",
    "leg": "0" * 32,
    "reply_to": "E09000012/police",
}
ASK, SAID = ["AC3", "PO-01", True, 1_795_712_400], ["AC4", "COMPLETED", "CLEAR"]


def table(**more: Any) -> Any:
    return {
        "type": "HANDOVER_NOTIFICATION",
        "handover": "HO-E09000012-2026-000417",
        "version": 1,
        "urgency": "STANDARD",
        "legs": [ENTRY | more],
    }


def test_what_the_document_asks_is_read_as_it_was_written():
    document = parse_notification(minimal_example().encode())
    for agency in ("POLICE", "LEAVING_CARE", "HEALTH"):
        members = json.loads(json.dumps(asked.members(document, agency)))
        [entry] = read_routing(table(**members)).entries
        assert entry.asks == asked.asks_of(document, agency)
        assert entry.duty == ("STAYS" if agency == "LEAVING_CARE" else "")
    assert asked.members(document, "HEALTH") == {}, "nothing asked, nothing said"


def test_what_is_said_is_read_as_it_was_written():
    said = (
        Said("AC4", "COMPLETED", "CLEAR"),
        Said("AC3", "NOT_DONE", "NOT_MOVED"),
        Said("A", "COMPLETED", ""),
    )
    [entry] = read_routing(table(**asked.result_members(said))).entries
    assert entry.said == said
    assert asked.result_members(()) == {}


def test_nothing_is_asked_where_nothing_stands():
    [entry] = read_routing(table()).entries
    assert (entry.asks, entry.duty, entry.said) == ((), "", ())


def test_a_hundred_actions_and_no_more():
    many = [[f"A{number}", "PO-01", False, 0] for number in range(101)]
    assert len(read_routing(table(actions=many[:100])).entries[0].asks) == 100
    with pytest.raises(Malformed):
        read_routing(table(actions=many))


@pytest.mark.parametrize(
    "more",
    [
        {"actions": []},
        {"actions": [ASK, ASK]},
        {"actions": [ASK[:3]]},
        {"actions": [[*ASK, 1]]},
        {"actions": [["3AC", *ASK[1:]]]},
        {"actions": [["A" * 33, *ASK[1:]]]},
        {"actions": [["AC3\n", *ASK[1:]]]},
        {"actions": [["AC3", "po-01", True, 0]]},
        {"actions": [["AC3", "PO-01\n", True, 0]]},
        {"actions": [["AC3", "PO-01", 1, 0]]},
        {"actions": [["AC3", "PO-01", True, True]]},
        {"actions": [["AC3", "PO-01", True, -1]]},
        {"actions": [["AC3", "PO-01", True, 2**53]]},
        {"actions": {"AC3": "PO-01"}},
        {"duty": ""},
        {"duty": "TRANSFERRED"},
        {"duty": "CARE"},
        {"results": []},
        {"results": [SAID, SAID]},
        {"results": [SAID[:2]]},
        {"results": [["AC4", "OPEN", ""]]},
        {"results": [["AC4", "COMPLETED", "clear"]]},
        {"results": [["AC4", "COMPLETED", "a sentence of somebody"]]},
        {"results": [["AC4", "COMPLETED", "C" * 65]]},
        {"results": [["AC4", "COMPLETED", None]]},
        {"wishes": []},
    ],
)
def test_another_form_is_refused(more):
    with pytest.raises(Malformed):
        read_routing(table(**more))


def test_an_ask_and_a_said_are_codes_and_ids():
    assert read_routing(table(actions=[ASK])).entries[0].asks == (Ask("AC3", "PO-01", True, 1_795_712_400),)
    assert read_routing(table(results=[SAID])).entries[0].said == (Said("AC4", "COMPLETED", "CLEAR"),)
