"""A mark must name a row that there is: a duty that is misspelt is proven by nothing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from rows import ROWS  # noqa: E402 - see above


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    for item in items:
        for mark in item.iter_markers("row"):
            if unknown := set(mark.args) - ROWS.keys():
                raise pytest.UsageError(f"{item.nodeid} names rows that are not there: {sorted(unknown)}")
