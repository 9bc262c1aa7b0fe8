"""One private PostgreSQL for the whole session, with a fresh database for each test that asks."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from gateway.stores import migrations
from gateway.testing.postgres import Postgres, start_postgres

_numbers = count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Where PostgreSQL is missing this FAILS and names the line to run: nothing is skipped."""
    with start_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def template(postgres: Postgres) -> str:
    """A migrated, empty database to copy."""
    migrations.upgrade(postgres.create("template_gateway"))
    return "template_gateway"


@pytest.fixture
def postgres_url(postgres: Postgres, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    yield postgres.create(name, template=template)
    postgres.drop(name)
