"""The one suite over every store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gateway.ports import Store
from gateway.stores import open_store
from gateway.stores.memory import MemoryStore
from gateway.testing.store_suite import StoreSuite


class TestMemory(StoreSuite):
    @pytest.fixture
    async def store(self) -> AsyncIterator[Store]:
        store = open_store("memory:")
        await store.start()
        yield store
        await store.close()

    @pytest.fixture
    def peer(self, store: Store) -> Callable[[], Store]:
        assert isinstance(store, MemoryStore)
        return lambda: MemoryStore(store.memory)


class Opened(StoreSuite):
    """A store that is known by its url."""

    @pytest.fixture
    async def store(self, url: str) -> AsyncIterator[Store]:
        store = open_store(url)
        await store.start()
        yield store
        await store.close()

    @pytest.fixture
    def peer(self, url: str) -> Callable[[], Store]:
        return lambda: open_store(url)


class TestSqlite(Opened):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/store.db"


class TestPostgres(Opened):
    @pytest.fixture
    def url(self, postgres_url: str) -> str:
        return postgres_url
