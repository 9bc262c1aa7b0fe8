"""Stores: where a node keeps what it was given, sealed. One contract (:class:`gateway.ports.Store`), three
databases: SQLite (the default), PostgreSQL, and memory for trials and tests.

Example::

    store = open_store("sqlite:////var/lib/gateway/store.db")
    await store.start()
"""

from __future__ import annotations

from gateway.ports import Store

MEMORY = "memory:"


def open_store(url: str, *, readers: int = 4) -> Store:
    """A store that is not started yet.

    ``url``: ``sqlite:///PATH``, ``postgresql+psycopg://USER@HOST/DATABASE``, or ``memory:``, which forgets
    everything with the process. ``readers``: how many reads run at once. Raises Misconfigured.
    """
    if url == MEMORY:
        from gateway.stores.memory import MemoryStore  # noqa: PLC0415 - either, not both: SQLAlchemy is slow to load

        return MemoryStore()
    from gateway.stores.sql import SqlStore  # noqa: PLC0415 - see above

    return SqlStore(url, readers=readers)


__all__ = ["MEMORY", "open_store"]
