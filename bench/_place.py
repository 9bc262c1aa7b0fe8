"""Where a benchmark runs: a folder, a private broker, and databases, gone with the benchmark.

Example::

    with ExitStack() as stack:
        place = Place(stack, "sqlite")
        run(place.broker, place.database("origin"))
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

from gateway.stores import migrations
from gateway.testing.broker import PrivateBroker
from gateway.testing.postgres import start_postgres


class Place:
    """``store``: "sqlite", or "postgres" for a durable private server. ``broker``: its URL; "": none."""

    def __init__(self, stack: ExitStack, store: str = "sqlite", *, broker: bool = True) -> None:
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gateway-bench-")))
        self._rabbit = self._start_broker(stack) if broker else None
        self.broker = self._rabbit.url if self._rabbit else ""
        self._server = stack.enter_context(start_postgres(durable=True)) if store == "postgres" else None

    def database(self, name: str) -> str:
        """The URL of a database without any rows."""
        if self._server is None:
            return f"sqlite:///{self.folder}/{name}.db"
        url = self._server.create(name)
        migrations.upgrade(url)  # a PostgreSQL is its operator's: no node makes its tables
        return url

    def fresh(self) -> str:
        """The URL of an empty virtual host of the broker."""
        if self._rabbit is None:
            raise ValueError("this place has no broker")
        return self._rabbit.fresh_vhost()

    def _start_broker(self, stack: ExitStack) -> PrivateBroker:
        folder = self.folder / "broker"
        folder.mkdir()
        broker = PrivateBroker()
        broker.start(folder)
        stack.callback(broker.close)
        return broker
