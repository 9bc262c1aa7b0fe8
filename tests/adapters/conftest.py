"""Helpers of the adapter tests: a parcel, and a wait that ends when something happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from gateway.ports import Parcel, View

T = TypeVar("T")

CANARY = "canary-plaintext-51d0"


def make_view(**changes: Any) -> View:
    fields: dict[str, Any] = {
        "kind": Parcel.NOTIFICATION,
        "handover": "HO-E09000012-2026-000417",
        "version": 1,
        "leg": "leg-1",
        "principal": "E09000004/police",
        "urgency": "STANDARD",
        "content": {"summary": [CANARY]},
    }
    return View(**(fields | changes))


async def next_of(items: AsyncIterator[T]) -> T:
    return await asyncio.wait_for(anext(items), 10)


@pytest.fixture
def view() -> Callable[..., View]:
    return make_view


@pytest.fixture
def first() -> Callable[[AsyncIterator[T]], Any]:
    return next_of


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text("whsec_" + "A" * 32 + "\n")
    path.chmod(0o600)
    return path
