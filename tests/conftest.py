"""Fixtures shared by every layer: the one private RabbitMQ of a run, and a place of one's own on it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

pytest.register_assert_rewrite("gateway.testing.store_cases")

# No example has to be quick: on a loaded machine any of them takes seconds, and tests judge no times.
settings.register_profile("gateway", deadline=None)
settings.load_profile("gateway")

from gateway.errors import GatewayError  # noqa: E402 - the rewriting must be asked for before any import of it
from gateway.testing.broker import PrivateBroker  # noqa: E402 - the same


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateBroker]:
    """A private RabbitMQ for the whole run. Missing, it is an error and never a skip: what was not tried is
    not known to work. A test that kills or freezes it brings it back before it ends."""
    private = PrivateBroker()
    try:
        private.start(tmp_path_factory.mktemp("broker"))
    except GatewayError as error:
        pytest.fail(f"{error.message}. {error.remedy}", pytrace=False)
    yield private
    private.close()


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """A command run in this process sets up logging for the whole of it; the next test must not notice."""
    root, settings = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.configure(**settings)
    root.handlers[:], root.level = handlers, level


@pytest.fixture
def broker_url(broker: PrivateBroker) -> Iterator[str]:
    """A fresh virtual host, so that tests do not meet."""
    url = broker.fresh_vhost()
    yield url
    broker.discard_vhost(url)
