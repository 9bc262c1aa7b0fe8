"""Two fictional boroughs on disk, ready to run: Hackney hands over, Bexley answers.

Each gets what ``gateway init`` and ``gateway join`` would make: a folder with a configuration, key files,
a database that has joined the demo network. The keys are those of ``keys_example``, which everybody has:
they prove nothing, and a production configuration refuses them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from gateway.config import Settings, load
from gateway.core.ceremony import Bundle
from gateway.core.entitlements import ENTITLEMENTS
from gateway.flows.tokens import issue
from gateway.flows.trust import join
from gateway.stores import open_store
from gateway.stores.migrations import upgrade
from keys_example import PASSPHRASE, demo_network, install

HACKNEY, BEXLEY = "E09000012", "E09000004"

AGENCIES = ("community_safety", "police", "probation", "leaving_care", "housing", "dwp", "st_giles")
"""The seven of the case study, in both boroughs."""

WORDS: Mapping[str, str] = {
    "community_safety": "Partnership co-ordinator",
    "police": "Neighbourhood sergeant",
    "probation": "Senior probation officer",
    "leaving_care": "Personal adviser",
    "housing": "Housing options officer",
    "dwp": "Work coach",
    "st_giles": "Caseworker",
}
"""Who answers for each agency of Bexley: a role, never a name."""


@dataclass(frozen=True, slots=True)
class Borough:
    area: str
    name: str
    folder: Path
    token: str

    @property
    def config(self) -> Path:
        return self.folder / "gateway.toml"

    @property
    def settings(self) -> Settings:
        return load(self.config)


async def prepare(
    folder: Path,
    now: int,
    *,
    broker_urls: Sequence[str] = (),
    pace: float = 0.0,
    database: Mapping[str, str] | None = None,
) -> tuple[Borough, Borough]:
    """Both boroughs under ``folder``. ``pace``: seconds between the answers of one agency, for the eye.

    ``database``: the URL for each area; a SQLite file in the borough's folder where it names none.
    """
    urls = database or {}
    hackney = await _borough(folder / "hackney", HACKNEY, now, broker_urls, _senders(folder), urls)
    bexley = await _borough(folder / "bexley", BEXLEY, now, broker_urls, _answerers(folder, pace), urls)
    return hackney, bexley


def _senders(folder: Path) -> Mapping[str, Any]:
    """Hackney's agencies are told through a folder each."""
    return {
        role: {"adapter": "file_drop", "options": {"folder": str(folder / "hackney" / "agencies" / role)}}
        for role in AGENCIES
    }


def _answerers(folder: Path, pace: float) -> Mapping[str, Any]:
    """Bexley's agencies answer by themselves, one after the other, and keep what they were given."""
    return {
        role: {
            "adapter": "echo",
            "options": {
                "role": WORDS[role],
                "delay": pace * (1 + number / 4),
                "folder": str(folder / "bexley" / "agencies" / role),
            },
        }
        for number, role in enumerate(AGENCIES)
    }


async def _borough(
    folder: Path,
    area: str,
    now: int,
    broker_urls: Sequence[str],
    agencies: Mapping[str, Any],
    databases: Mapping[str, str],
) -> Borough:
    folder.mkdir(parents=True, mode=0o700)
    install(area, folder / "keys")
    passphrase = folder / "passphrase"
    _private(passphrase, PASSPHRASE)
    table: dict[str, Any] = {
        "environment": "demo",
        "area": area,
        "data": str(folder),
        "broker": {"urls": list(broker_urls), "create": bool(broker_urls)},
        "api": {"host": "127.0.0.1", "port": 0},
        "metrics": {"port": 0},
        "keys": {"passphrase_file": str(passphrase)},
        "timing": {"poll": 0.25, "sweep": 1.0},
        "agencies": dict(agencies),
    }
    if area in databases:
        table["database"] = {"url": databases[area]}
    _private(folder / "gateway.toml", tomli_w.dumps(table).encode())
    token = await _join(load(folder / "gateway.toml"), now)
    return Borough(area, folder.name.title(), folder, token)


async def _join(settings: Settings, now: int) -> str:
    """Put the network's documents into the database, and a token for the agency that sends."""
    network = demo_network(now, ENTITLEMENTS)
    await asyncio.to_thread(upgrade, settings.database_url)
    store = open_store(settings.database_url)
    await store.start()
    try:
        await store.write(
            lambda tx: join(tx, Bundle(network.roots, network.directory, tuple(network.cards.values())), now)
        )
        sender = f"{settings.area}/community_safety"
        return await store.write(lambda tx: issue(tx, sender, "demo", now, expires=0))
    finally:
        await store.close()


def _private(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
