"""What ``gateway held`` does: on the database and the key store of a node, running or not.

A running node is not told: its pumps look by themselves, and what is taken in here is committed here.
"""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from gateway.bootstrap import compose
from gateway.cli import database
from gateway.cli.output import Usage
from gateway.config import Settings, load
from gateway.flows import held_acts
from gateway.flows.held_acts import By, Outcome
from gateway.flows.node import Node
from gateway.stores import open_store

T = TypeVar("T")


def listed(config: Path | None, place: str, code: str, limit: int, *, settled: bool) -> list[Any]:
    if place and place not in held_acts.PLACES:
        raise Usage(
            "no such place", code="place", field="--place", remedy=f"one of {', '.join(held_acts.PLACES)}"
        )
    return database.read(
        load(config),
        lambda tx: held_acts.listing(tx, place=place, code=code, settled=settled, limit=limit),
    )


def shown(config: Path | None, identity: str) -> dict[str, Any]:
    return _with_node(config, lambda node: held_acts.show(node, identity))


def retried(config: Path | None, identity: str, code: str, place: str, *, every: bool) -> dict[str, Any]:
    if bool(identity) == every:
        raise Usage(
            "which?", code="which", field="ID", remedy="name one ID, or --all, with --code or --place"
        )

    async def work(node: Node) -> dict[str, Any]:
        by = By(getpass.getuser())
        if identity:
            done = [await held_acts.retry(node, by, identity)]
        else:
            done = [*await held_acts.retry_all(node, by, code=code, place=place)]
        return {"held": [one.facts for one in done]}

    return _with_node(config, work)


def settled(config: Path | None, identity: str, reason: str, act: str) -> dict[str, Any]:
    """``act``: "release" or "discard"."""

    async def work(node: Node) -> dict[str, Any]:
        how: Callable[[Node, By, str], Awaitable[Outcome]] = getattr(held_acts, act)
        return {"held": [(await how(node, By(getpass.getuser(), reason), identity)).facts]}

    return _with_node(config, work)


def _with_node(config: Path | None, work: Callable[[Node], Awaitable[T]]) -> T:
    return asyncio.run(_run(load(config), work))


async def _run(settings: Settings, work: Callable[[Node], Awaitable[T]]) -> T:
    """With the node's own settings, for a message that is taken in here is taken in by the same rules."""
    store = open_store(settings.database_url)
    await store.start()
    try:
        transport: Any = _Nothing()
        return await work(await compose(settings, store=store, transport=transport))
    finally:
        await store.close()


class _Nothing:
    """In the place of a transport: nothing here speaks with the broker."""


def line(row: Mapping[str, Any]) -> str:
    if row["place"] == held_acts.PARCEL:
        about = f"{row['kind']} for {row['agency']}, {row['handover'] or 'no handover'}"
    else:
        often = f", {row['count']} times" if row["count"] > 1 else ""
        about = f"{row['size']} bytes from {row['peer'] or 'nobody known'}, lane {row['lane']}{often}"
    return f"{row['id']}  {row['at']}  {row['place']:<10} {row['code']:<16} {about}"


def told(found: Mapping[str, Any]) -> str:
    lines = [line(found)]
    if found.get("now"):
        lines.append(f"  now: {found['now']}")
    if found.get("settled"):
        lines.append(f"  {found['state']} {found['settled']} by {found['by']}")
    if found["remedy"]:
        lines.append(f"  what to do: {found['remedy']}")
    return "\n".join(lines)


def outcome(one: Mapping[str, Any]) -> str:
    said = f"{one['id']}: {one['code']}" if one["done"] else f"{one['id']}: still held, {one['code']}"
    return f"{said}\n  what to do: {one['remedy']}" if one["remedy"] else said
