"""The node's own database, for commands that work beside a running node: tokens, joining, key cards.

Both stores take writers of several processes at once, so nothing has to be stopped for these commands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gateway.config import Settings
from gateway.core.trust import Network
from gateway.errors import Misconfigured
from gateway.flows.trust import trust_of
from gateway.ports import Store, Transaction
from gateway.stores import open_store

T = TypeVar("T")


def write(settings: Settings, work: Callable[[Transaction], T]) -> T:
    """Run one transaction, committed when this returns. Raises what ``work`` raises, Unavailable,
    Misconfigured."""
    return asyncio.run(_with_store(settings, lambda store: store.write(work)))


def read(settings: Settings, work: Callable[[Transaction], T]) -> T:
    return asyncio.run(_with_store(settings, lambda store: store.read(work)))


async def _with_store(settings: Settings, use: Callable[[Store], Awaitable[T]]) -> T:
    store = open_store(settings.database_url)
    await store.start()
    try:
        return await use(store)
    finally:
        await store.close()


def network_of(tx: Transaction, now: int) -> Network:
    """The network this node has joined. Raises Misconfigured before that."""
    trust = trust_of(tx, now)
    if trust is None:
        raise Misconfigured(
            "this node has joined no network",
            code="not_joined",
            remedy="run `gateway join BUNDLE --expect FINGERPRINT`",
        )
    return trust.network
