"""The reference store: the contract of :class:`gateway.ports.Store` in the plainest words there are.

Duty: what the other stores are measured against, and a store for trials. Nothing outlives the process.

Rules: a work runs on a copy of the tables; only when it returns does the copy take their place. So a work
that raises leaves no trace, and whoever reads keeps what he began with. Copying makes a write cost as much as
the store is big; that is the price of being obviously right.

Example::

    store = MemoryStore()
    await store.start()
    other = MemoryStore(store.memory)      # a second process on the same data, as the suite needs it
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from gateway.ports import Transaction
from gateway.stores.memory_actions import MemoryActions
from gateway.stores.memory_agencies import MemoryAgencies
from gateway.stores.memory_audit import MemoryAudit
from gateway.stores.memory_blobs import MemoryBlobs
from gateway.stores.memory_breaches import MemoryBreaches
from gateway.stores.memory_bridge import MemoryBridge
from gateway.stores.memory_handovers import MemoryHandovers
from gateway.stores.memory_held import MemoryHeld
from gateway.stores.memory_messages import MemoryMessages
from gateway.stores.memory_notices import MemoryNotices
from gateway.stores.memory_paging import MemoryPaging
from gateway.stores.memory_prune import MemoryPrune
from gateway.stores.memory_records import MemoryRecords
from gateway.stores.memory_retention import MemoryRetention
from gateway.stores.memory_shred import MemoryShred
from gateway.stores.memory_tables import Tables
from gateway.stores.memory_timers import MemoryTimers
from gateway.stores.memory_urgent import MemoryUrgent
from gateway.stores.memory_watch import MemoryWatch
from gateway.stores.memory_workers import MemoryWorkers
from gateway.stores.writer import closed

T = TypeVar("T")


@dataclass
class Memory:
    """What several stores may share. ``tables`` is replaced as a whole, never changed in place."""

    tables: Tables = field(default_factory=Tables)


class MemoryTransaction(
    MemoryNotices,
    MemoryHandovers,
    MemoryMessages,
    MemoryShred,
    MemoryRetention,
    MemoryPrune,
    MemoryAgencies,
    MemoryWatch,
    MemoryTimers,
    MemoryPaging,
    MemoryUrgent,
    MemoryActions,
    MemoryBlobs,
    MemoryBreaches,
    MemoryBridge,
    MemoryAudit,
    MemoryWorkers,
    MemoryHeld,
    MemoryRecords,
):
    """Every table's part on one set of tables."""


class MemoryStore:
    """See :class:`gateway.ports.Store`."""

    def __init__(self, memory: Memory | None = None) -> None:
        self.memory = memory or Memory()
        self._open = False

    async def start(self) -> None:
        self._open = True

    async def write(self, work: Callable[[Transaction], T], *, first: bool = False) -> T:
        await self._turn()
        tables = self.memory.tables.copy()
        result = work(MemoryTransaction(tables, writable=True))
        self.memory.tables = tables
        return result

    async def read(self, work: Callable[[Transaction], T]) -> T:
        await self._turn()
        return work(MemoryTransaction(self.memory.tables, writable=False))

    async def check(self) -> None:
        await self._turn()

    async def close(self) -> None:
        self._open = False

    async def _turn(self) -> None:
        """Let others run, as every real store does: nobody may rely on not being interrupted here."""
        if not self._open:
            raise closed()
        await asyncio.sleep(0)
