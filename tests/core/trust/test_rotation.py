"""The calendar of subkeys: renewed weekly, valid for two weeks, destroyed when nothing can arrive."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.rotation import EVERY, GRACE, TERM, Pace, card_version, due, next_term, on_card, to_destroy
from gateway.errors import Misconfigured

DAY = 86_400
NOW = 1_800_000_000


@dataclass(frozen=True)
class Key:
    since: int
    until: int


times = st.integers(0, 2**40)
spans = st.integers(1, 400 * DAY)
keys = st.lists(st.builds(lambda since, span: Key(since, since + span), times, spans), max_size=8)
paces = st.builds(
    lambda every, more, grace: Pace(every, every + more, grace), spans, st.integers(0, 90 * DAY), spans
)


def test_the_numbers_of_protocol_7():
    assert (EVERY, TERM, GRACE) == (7 * DAY, 14 * DAY, 72 * 3600 + 120)
    assert Pace() == Pace(EVERY, TERM, GRACE)
    assert next_term(NOW) == (NOW, NOW + 14 * DAY)


def test_a_new_one_is_due_every_seven_days():
    key = Key(NOW, NOW + TERM)
    assert due([], NOW)
    assert not due([key], NOW)
    assert not due([key], NOW + 7 * DAY - 1)
    assert due([key], NOW + 7 * DAY)
    assert not due([key, Key(NOW + 7 * DAY, NOW + 21 * DAY)], NOW + 14 * DAY - 1)


def test_one_that_ended_early_is_replaced_at_once():
    assert due([Key(NOW, NOW + DAY)], NOW + DAY)
    assert not due([Key(NOW, NOW + DAY)], NOW + DAY - 1)


def test_a_clock_that_went_back_makes_no_key_a_minute():
    assert not due([Key(NOW, NOW + TERM)], NOW - 5 * DAY)


def test_a_card_shows_all_that_have_not_ended_newest_first():
    old, new, over = Key(NOW - 8 * DAY, NOW + 1), Key(NOW - DAY, NOW + 13 * DAY), Key(NOW - 15 * DAY, NOW)
    assert on_card([old, over, new], NOW) == [new, old]
    assert on_card([old, new], NOW + 1) == [new]


def test_a_seed_goes_when_nothing_can_arrive_any_more():
    old, older, new = Key(0, NOW), Key(0, NOW - 1), Key(1, NOW + 1)
    assert to_destroy([new, old, older], NOW + GRACE - 1) == [older]
    assert to_destroy([new, old, older], NOW + GRACE) == [older, old]


def test_a_card_has_the_second_it_was_signed_in_for_its_version_and_never_less_than_before():
    assert card_version(0, NOW) == NOW
    assert card_version(NOW - 9, NOW) == NOW
    assert card_version(NOW, NOW) == NOW + 1
    assert card_version(NOW + 500, NOW) == NOW + 501


@pytest.mark.parametrize("pace", [(0, 5, 0), (6, 5, 0), (5, 5, -1)])
def test_a_pace_that_leaves_gaps_is_the_operators_to_mend(pace):
    with pytest.raises(Misconfigured) as caught:
        Pace(*pace)
    assert (caught.value.code, bool(caught.value.remedy)) == ("rotation_pace", True)


@given(keys, times, paces)
def test_nothing_that_opens_is_destroyed(found, now, pace):
    gone = to_destroy(found, now, pace)
    assert not set(gone) & set(on_card(found, now))
    assert all(key.until + pace.grace <= now for key in gone)
    assert set(found) - set(gone) == {key for key in found if now < key.until + pace.grace}


@given(keys, times, paces)
def test_after_a_renewal_nothing_is_due_until_the_next(found, now, pace):
    if due(found, now, pace):
        renewed = [*found, Key(*next_term(now, pace))]
        latest = max(renewed, key=lambda key: (key.since, key.until))
        assert due(renewed, now, pace) == (latest.until <= now)
        assert Key(*next_term(now, pace)) in on_card(renewed, now)


@given(st.integers(1, 60), st.lists(st.integers(1, 6 * DAY), min_size=5, max_size=60), paces)
def test_who_looks_often_enough_is_never_without_a_key(start, steps, pace):
    """Driven for weeks by looks at odd intervals shorter than a term minus a period, at least two seconds."""
    now, found = start, []
    for step in steps:
        if due(found, now, pace):
            found.append(Key(*next_term(now, pace)))
        assert on_card(found, now)
        assert len([key for key in found if key.since + pace.every > now]) == 1
        found = [key for key in found if key not in to_destroy(found, now, pace)]
        now += step
    assert len(found) <= 2 + (pace.term + pace.grace) // pace.every
