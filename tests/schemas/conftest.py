"""What the tests of the schemas share: fresh examples, and reading one that must be refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from schemas.base import ShapeError, ShapeProblem
from schemas.handover import parse_notification
from schemas.samples import example_text


@pytest.fixture
def adult() -> dict[str, Any]:
    return json.loads(example_text("adult"))


@pytest.fixture
def urgent() -> dict[str, Any]:
    return json.loads(example_text("urgent"))


@pytest.fixture(scope="session")
def refused() -> Callable[[Any], tuple[ShapeProblem, ...]]:
    """Reads a document (bytes, or JSON-able values) and returns why it is refused; fails if it is not."""

    def read(document: Any) -> tuple[ShapeProblem, ...]:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        with pytest.raises(ShapeError) as caught:
            parse_notification(body)
        return caught.value.problems

    return read
