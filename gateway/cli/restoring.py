"""What ``gateway db restore`` and ``gateway db restored`` do: the store says of itself that it is old."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from gateway.anchor import NAME, AnchorFile
from gateway.cli import database
from gateway.clock import SystemClock
from gateway.config import Settings
from gateway.flows import restart
from gateway.flows.alarms import sound
from gateway.flows.anchor import content_of
from gateway.ports import Transaction
from gateway.stores import backup, open_store


def restore(settings: Settings, file: Path, *, force: bool) -> backup.Restored:
    """Raises what :func:`gateway.stores.backup.put_back` raises."""
    now = SystemClock().now()

    def mark(url: str) -> None:
        asyncio.run(_mark(url, settings.area, now))

    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
    done = backup.put_back(
        settings.database_url, file, area=settings.area, stamp=stamp, mark=mark, force=force
    )
    # The one there knows of more than the backup does, and the start would begin every stream once again.
    anchored = database.read(settings, content_of)
    AnchorFile(settings.key_folder / NAME).write(anchored)
    return done


def mark(settings: Settings) -> list[str]:
    """New streams begun in the database as it stands; the areas that will be told."""
    now = SystemClock().now()
    return database.write(settings, lambda tx: restart.begin_all(tx, now))


async def _mark(url: str, area: str, now: int) -> None:
    store = open_store(url)
    await store.start()
    try:
        await store.write(lambda tx: _begin(tx, area, now))
    finally:
        await store.close()


def _begin(tx: Transaction, area: str, now: int) -> None:
    restart.begin_all(tx, now)
    sound(tx, "restored", peer=area, at=now, subject=f"leaves {tx.log_size()}")
