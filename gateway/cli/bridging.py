"""What ``gateway bridge`` does at a borough, beside its running node: contacts, files out, files in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from gateway.bootstrap import compose
from gateway.cli.files import read_input, write_output
from gateway.cli.output import Usage
from gateway.config import Settings, load
from gateway.core.bridge import MARKING
from gateway.errors import NotFound
from gateway.flows import bridge, bridge_in, bridge_out
from gateway.flows.bridge_out import Carried
from gateway.flows.node import Caller, Node
from gateway.flows.show import when
from gateway.ports import BridgeContactRow
from gateway.stores import open_store

T = TypeVar("T")

NEWEST = 500
"""Handovers that are looked through for what waits."""


class _Nothing:
    """In the place of a transport: the running node publishes, not we."""


def with_node(config: Path | None, work: Callable[[Node], Awaitable[T]]) -> T:
    return asyncio.run(_run(load(config), work))


async def _run(settings: Settings, work: Callable[[Node], Awaitable[T]]) -> T:
    store = open_store(settings.database_url)
    await store.start()
    try:
        return await work(await compose(settings, store=store, transport=_Nothing()))  # type: ignore[arg-type] # see above
    finally:
        await store.close()


# --- contacts -----------------------------------------------------------------------------------------


def add_contact(config: Path | None, area: str) -> Mapping[str, Any]:
    async def work(node: Node) -> Mapping[str, Any]:
        now = node.clock.now()
        return _contact(node, await node.store.write(lambda tx: bridge.add_contact(tx, node, area, now)), now)

    return with_node(config, work)


def verify_contact(
    config: Path | None, area: str, *, read_back: str, by: str, number_from: str
) -> Mapping[str, Any]:
    async def work(node: Node) -> Mapping[str, Any]:
        now = node.clock.now()
        row = await node.store.write(
            lambda tx: bridge.verify_contact(
                tx, node, area, read_back=read_back, by=by, number_from=number_from, now=now
            )
        )
        return _contact(node, row, now)

    return with_node(config, work)


def contacts(config: Path | None) -> Sequence[Mapping[str, Any]]:
    async def work(node: Node) -> Sequence[Mapping[str, Any]]:
        now = node.clock.now()
        rows = await node.store.read(lambda tx: tx.bridge_contacts())
        return [_contact(node, row, now) for row in rows]

    return with_node(config, work)


def remove_contact(config: Path | None, area: str) -> Mapping[str, Any]:
    async def work(node: Node) -> Mapping[str, Any]:
        if not await node.store.write(lambda tx: tx.drop_bridge_contact(area)):
            raise NotFound("no contact of this area is put down", code="bridge_contact")
        return {"area": area, "removed": True}

    return with_node(config, work)


def _contact(node: Node, row: BridgeContactRow, now: int) -> Mapping[str, Any]:
    return {
        "area": row.area,
        "name": node.network.areas.get(row.area, row.area),
        "fingerprint": row.fingerprint,
        "added": when(row.added),
        "verified": when(row.verified),
        "until": when(row.until),
        "by": row.by,
        "number_from": row.number_from,
        "counts": not (why := bridge.standing(node, row, now).why),
        "why_not": why,
    }


def contact_line(row: Mapping[str, Any]) -> str:
    told = (
        f"verified by {row['by']} until {row['until']}"
        if row["counts"]
        else f"NOT to be used: {row['why_not']}"
    )
    return f"{row['area']} {row['name']}  {told}\n  {row['fingerprint']}"


# --- files --------------------------------------------------------------------------------------------


def waiting(config: Path | None, ref: str) -> Sequence[Mapping[str, Any]]:
    async def work(node: Node) -> Sequence[Mapping[str, Any]]:
        found = await node.store.read(
            lambda tx: bridge_out.listed(tx, node, ref) if ref else bridge_out.everything(tx, node, NEWEST)
        )
        return [_carried(one) for one in found]

    return with_node(config, work)


def export(config: Path | None, ref: str, *, out: Path, by: str, area: str) -> Sequence[Mapping[str, Any]]:
    """Into a folder under their own names; or into one file that bears the marking."""
    folder = out.is_dir()
    if not folder and not out.name.startswith(MARKING):
        raise Usage(
            f"a sealed handover is named {MARKING}...",
            code="marking",
            field="--out",
            remedy="name a folder: the file gets its name there",
        )

    async def work(node: Node) -> Sequence[Mapping[str, Any]]:
        files = await bridge_out.export(node, _operator(node, by), ref, area=area)
        if not folder and len(files) > 1:
            raise Usage("there are several files", code="several", field="--out", remedy="name a folder")
        return [_written(one, out) for one in files]

    return with_node(config, work)


def _written(one: Carried, out: Path) -> Mapping[str, Any]:
    path = out / one.name if out.is_dir() else out
    write_output(path, one.data, mode=0o600)
    return {**_carried(one), "file": str(path)}


def confirm(config: Path | None, ref: str, *, at: str, by: str, area: str) -> Sequence[Mapping[str, Any]]:
    moment = _moment(at)

    async def work(node: Node) -> Sequence[Mapping[str, Any]]:
        said = moment or node.clock.now()
        files = await bridge_out.confirm(node, _operator(node, by), ref, at=said, area=area)
        return [_carried(one) for one in files]

    return with_node(config, work)


def bring(config: Path | None, file: Path) -> Mapping[str, Any]:
    async def work(node: Node) -> Mapping[str, Any]:
        return asdict(await bridge_in.bring(node, read_input(file)))

    return with_node(config, work)


def _operator(node: Node, by: str) -> Caller:
    return Caller(node.principal, "NODE", actor=by, role="operator")


def _moment(text: str) -> int:
    """Unix seconds; 0 for now. Raises Usage for a time that could be meant in two ways."""
    if not text or text == "now":
        return 0
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Usage(
            "this is no time with its zone",
            code="time",
            field="--delivered-at",
            remedy="e.g. 2026-11-24T10:05+00:00, or now",
        )
    return int(moment.timestamp())


def _carried(one: Carried) -> Mapping[str, Any]:
    return {
        "handover": one.ref,
        "version": one.version,
        "area": one.area,
        "message": one.mid,
        "open_before": when(one.until),
        "exported": when(one.exported),
        "delivered": when(one.delivered),
        "name": one.name,
    }


def carried_line(one: Mapping[str, Any]) -> str:
    stands = (
        f"delivered {one['delivered']}, no answer yet"
        if one["delivered"]
        else f"exported {one['exported']}, delivery not confirmed"
        if one["exported"]
        else "not exported yet"
    )
    file = f"\n  {one['file']}" if "file" in one else ""
    what = f"{one['handover']} v{one['version']} to {one['area']}"
    return f"{what}: {stands}; open before {one['open_before']}{file}"
