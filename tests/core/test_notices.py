"""Kinds, facts and the states of a reader; what changed between two views; the month of R29."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.core.diff import MAX_CHANGES, changes
from gateway.core.encoding import decode_object, encode
from gateway.core.notice_words import SAYS
from gateway.core.notices import (
    READER,
    TYPES,
    Audience,
    Block,
    NoticeKind,
    Sender,
    advance_reader,
    one_month,
    read_block,
    resolved,
    write_block,
)
from gateway.errors import Conflict, Malformed, Unsupported
from schemas.notice import NOTICE_REASONS, REASONS_OF, NoticeName


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def test_every_kind_has_its_type_and_its_words() -> None:
    assert set(TYPES) == set(SAYS) == set(NoticeKind)
    assert {name.value for name in NoticeName} <= {kind.value for kind in NoticeKind}
    assert set(REASONS_OF) == set(NoticeName)
    assert {reason for reasons in REASONS_OF.values() for reason in reasons} <= set(NOTICE_REASONS)


def test_what_has_content_destroyed_asks_for_work_and_goes_on() -> None:
    destroying = {kind for kind, what in TYPES.items() if what.destroys}
    assert destroying == {
        NoticeKind.ERASURE,
        NoticeKind.WITHDRAWAL,
        NoticeKind.UNLAWFUL_DISCLOSURE,
        NoticeKind.PURGE_ORDER,
    }
    for kind in destroying:
        what = TYPES[kind]
        assert (what.work, what.cascades, what.sender) == (True, True, Sender.ORIGIN)
        assert what.audience is Audience.RECIPIENTS


def test_r23_what_corrects_goes_on() -> None:
    for kind in ("CORRECTION", "RECTIFICATION", "ERASURE", "RESTRICTION", "RESTRICTION_LIFTED", "WITHDRAWAL"):
        assert TYPES[NoticeKind(kind)].cascades, kind


def test_a_block_comes_back_as_it_was() -> None:
    block = Block("7e" * 16, NoticeKind.ERASURE, "LEGAL_DUTY", (1, 3), {"section": "history", "due": 5})
    assert read_block(decode_object(encode(write_block(block)))) == block


@pytest.mark.parametrize("facts", [{"legs": ["ab" * 16] * 65}, {"area": "Hackney"}, {"about": "x"}, []])
def test_facts_have_their_forms(facts: Any) -> None:
    body = write_block(Block("7e" * 16, NoticeKind.ERASURE, "LEGAL_DUTY"))
    with pytest.raises(Malformed):
        read_block({**body, "facts": facts})


def test_a_kind_of_a_later_release_is_unsupported() -> None:
    body = write_block(Block("7e" * 16, NoticeKind.ERASURE, "LEGAL_DUTY"))
    with pytest.raises(Unsupported):
        read_block({**body, "kind": "RESURRECTION"})


def test_a_reader_never_goes_back_and_nothing_leaves_the_end() -> None:
    order = ["QUEUED", "DELIVERED", "OPENED", "ACKNOWLEDGED", "REJECTED", "COMPLETED"]
    for (before, _), after in READER.items():
        if after != "UNDELIVERABLE":
            assert order.index(after) >= order.index(before)
    assert {after for (before, _), after in READER.items() if before == "COMPLETED"} == {"COMPLETED"}


def test_what_is_not_possible_names_what_is() -> None:
    with pytest.raises(Conflict) as caught:
        advance_reader("DELIVERED", "completed")
    assert "acknowledged" in caught.value.remedy


@pytest.mark.parametrize(
    ("kind", "state", "settled"),
    [
        ("CORRECTION", "OPENED", False),
        ("CORRECTION", "ACKNOWLEDGED", True),
        ("ERASURE", "ACKNOWLEDGED", False),
        ("ERASURE", "REJECTED", False),
        ("ERASURE", "COMPLETED", True),
        ("CASCADE_REPORT", "DELIVERED", True),
        ("CASCADE_REPORT", "UNDELIVERABLE", False),
    ],
)
def test_when_nothing_more_is_awaited(kind: str, state: str, settled: bool) -> None:
    assert resolved(NoticeKind(kind), state) is settled


@pytest.mark.parametrize(
    ("asked", "due"),
    [
        ("2026-11-24T10:05:00", "2026-12-24T10:05:00"),
        ("2027-01-31T10:00:00", "2027-02-28T10:00:00"),
        ("2026-12-31T10:00:00", "2027-01-31T10:00:00"),
        ("2027-03-10T09:00:00", "2027-04-10T08:00:00"),  # the same hour in London, an hour earlier in UTC
    ],
)
def test_r29_one_month_by_the_calendar_of_london(asked: str, due: str) -> None:
    assert one_month(at(asked)) == at(due)


# --- what changed -------------------------------------------------------------------------------------


def test_items_are_compared_by_their_ids_whatever_their_place() -> None:
    before = {"actions": [{"action_id": "A1", "title": "x"}, {"action_id": "A2", "title": "y"}]}
    after = {"actions": [{"action_id": "A2", "title": "z"}, {"action_id": "A3", "title": "n"}]}
    assert changes(before, after) == ["/actions/0", "/actions/0/title", "/actions/1"]


def test_conditions_of_an_order_are_found_below_it() -> None:
    def order(text: str) -> dict[str, Any]:
        return {
            "orders": [{"order_id": "O1", "conditions": [{"no": 1, "text": "a"}, {"no": 2, "text": text}]}]
        }

    assert changes(order("b"), order("c")) == ["/orders/0/conditions/1/text"]


def test_lists_without_ids_are_one_value_and_the_header_is_none() -> None:
    before = {"core": {"known_as": ["J"]}, "message": {"version": 1}, "routing": {}}
    after = {"core": {"known_as": ["J", "JJ"]}, "message": {"version": 2}, "routing": {"x": 1}}
    assert changes(before, after) == ["/core/known_as"]
    assert changes(before, before) == []


def test_so_many_changes_are_told_by_section() -> None:
    before = {"core": {f"f{number}": 1 for number in range(MAX_CHANGES + 1)}, "move": {"a": 1}}
    after = {"core": {f"f{number}": 2 for number in range(MAX_CHANGES + 1)}, "move": {"a": 1}}
    assert changes(before, after) == ["/core"]
    del before["core"]["f0"], after["core"]["f0"]
    assert len(changes(before, after)) == MAX_CHANGES


def test_a_section_that_comes_or_goes_is_named_whole() -> None:
    assert changes({"core": {}}, {"core": {}, "support": {"x": 1}}) == ["/support"]
    assert changes({"core": {}, "support": {"x": 1}}, {"core": {}}) == ["/support"]
