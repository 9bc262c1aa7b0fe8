"""A count of people that is withheld cannot be worked out, also by somebody who knows every rule of it."""

from __future__ import annotations

from collections import defaultdict
from itertools import product

import pytest

from gateway.core.suppression import LEAST, enough, part, rate, suppress


@pytest.mark.parametrize(("cells", "top"), [(1, 30), (2, 20), (3, 14), (4, 10)])
def test_every_count_that_is_withheld_could_be_another(cells: int, top: int) -> None:
    """Every table there is, against a reader who tries them all: none that prints alike fixes a value."""
    possible: dict[object, dict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for counts in product(range(top), repeat=cells):
        table = {str(place): count for place, count in enumerate(counts)}
        shown = suppress(table)
        key = (*shown.cells.values(), shown.total)
        for name, count in table.items():
            if shown.cells[name] is None:
                possible[key][name].add(count)
        if shown.total is None:
            possible[key]["total"].add(sum(counts))
    judged = 0
    for key, found in possible.items():
        total = key[-1]  # type: ignore[index]  # a tuple
        if total is None or total < top:  # beyond it, tables that would print alike were not tried
            judged += 1
            assert all(len(values) > 1 for values in found.values()), key
    assert judged


def test_no_small_count_is_shown_and_zero_is() -> None:
    for counts in product(range(9), repeat=3):
        shown = suppress({str(place): count for place, count in enumerate(counts)})
        values = [*shown.cells.values(), shown.total]
        assert all(value is None or value == 0 or value >= LEAST for value in values), counts


def test_what_needs_no_hiding_is_shown() -> None:
    assert suppress({"a": 5, "b": 0, "c": 9}).cells == {"a": 5, "b": 0, "c": 9}
    assert suppress({"a": 5, "b": 0, "c": 9}).total == 14
    assert suppress({}).total == 0


def test_a_single_small_count_takes_the_next_one_with_it() -> None:
    assert suppress({"a": 4, "b": 7, "c": 100}).cells == {"a": None, "b": None, "c": 100}


def test_where_all_is_small_the_whole_table_goes_and_its_zeros() -> None:
    shown = suppress({"a": 1, "b": 1, "c": 0, "d": 4})
    assert set(shown.cells.values()) == {None}
    assert shown.total == 6


def test_a_rate_needs_both_sides_of_it() -> None:
    assert rate(10, 40) == 25
    assert rate(0, 40) == 0
    assert rate(40, 40) == 100
    assert rate(4, 40) is None
    assert rate(37, 40) is None
    assert rate(5, 10) == 50
    assert rate(0, 0) is None
    assert part(36, 40) is None
    assert part(35, 40) == 35
    assert (enough(4), enough(5)) == (False, True)
