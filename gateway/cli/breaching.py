"""What ``gateway breach`` does, on the database and the key store of a node, running or not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.cli.files import read_input, write_output
from gateway.cli.output import Usage
from gateway.cli.shredding import Keeper, with_keeper
from gateway.core.breach import Delay, Exemption, What
from gateway.core.encoding import JsonObject
from gateway.flows import breaches
from gateway.flows.breaches import Step


def moment(text: str, field: str) -> int:
    """Unix seconds; 0 for none. Raises Usage."""
    try:
        return int(datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z").timestamp()) if text else 0
    except ValueError:
        raise Usage(
            "not a time", code="time", field=field, remedy="a time is written 2027-03-03T15:10:00Z"
        ) from None


def listed(config: Path | None, ref: str) -> dict[str, Any]:
    async def work(keeper: Keeper) -> dict[str, Any]:
        rows = await keeper.store.read(lambda tx: [breaches.shown(tx, row) for row in tx.breaches(ref)])
        return {"breaches": rows}

    return with_keeper(config, work)


def one(config: Path | None, record: str) -> JsonObject:
    return with_keeper(config, lambda keeper: _one(keeper, record))


async def _one(keeper: Keeper, record: str) -> JsonObject:
    return await keeper.store.read(lambda tx: breaches.shown(tx, breaches.find(tx, record)))


def open_(
    config: Path | None, ref: str, area: str, code: str, role: str, actor: str, aware: str, people: int
) -> JsonObject:
    since = moment(aware, "--aware")

    async def work(keeper: Keeper) -> JsonObject:
        row = await breaches.open_by_hand(
            keeper, ref, area=area, code=code, role=role, actor=actor, aware=since, people=people
        )
        return await _one(keeper, row.id)

    return with_keeper(config, work)


def decide(
    config: Path | None,
    record: str,
    what: What,
    role: str,
    actor: str,
    rationale: Path | None,
    at: str,
    delay: Delay | None,
    exemption: Exemption | None,
    *,
    high_risk: bool,
) -> JsonObject:
    text = read_input(rationale).decode(errors="replace").strip() if rationale else ""
    step = Step(what, role, actor, moment(at, "--at"), text, delay, exemption, high_risk)

    async def work(keeper: Keeper) -> JsonObject:
        await breaches.decide(keeper, record, step)
        return await _one(keeper, record)

    return with_keeper(config, work)


def report(config: Path | None, record: str, out: Path, contact: str) -> dict[str, Any]:
    async def work(keeper: Keeper) -> JsonObject:
        return await keeper.store.read(
            lambda tx: breaches.report(tx, keeper, breaches.find(tx, record), contact)
        )

    made = with_keeper(config, work)
    write_output(out, json.dumps(made, indent=2).encode() + b"\n")
    return {"file": str(out), "record": record}


def line(found: Mapping[str, Any]) -> str:
    until = f", the Commissioner by {found['notify_ico_by']}" if found["state"] == "OPEN" else ""
    return f"{found['id']}  {found['kind']} {found['state']}  {found['handover']} in {found['area']}{until}"


def told(found: Mapping[str, Any]) -> str:
    lines = [line(found), f"  {found['source']} {found['code'] or ''}".rstrip()]
    lines.append(f"  known since {found['aware_at']}, opened {found['opened_at'] or 'by nobody'}")
    lines += [f"  {one['at']} {one['what']} {one['code'] or '-'} by {one['role']}" for one in found["steps"]]
    if found["subject_owed"]:
        lines.append("  the risk is high: the person has to be told")
    return "\n".join(lines)
