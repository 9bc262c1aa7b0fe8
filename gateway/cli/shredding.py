"""What ``gateway shred`` does, on the database and the key store of a node, running or not.

A node that runs sees at its next look that its epoch has lost keys; nothing has to be stopped or told.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from gateway.cli.output import Usage
from gateway.clock import SystemClock
from gateway.config import Settings, load
from gateway.core.trust import Network
from gateway.flows import shred
from gateway.flows.shred import Month, Person
from gateway.flows.shred_plan import REMEDIES, Piece, Plan
from gateway.identity import load_trust, open_keys
from gateway.keystore import KeyStore
from gateway.ports import Clock, Store
from gateway.stores import open_store

T = TypeVar("T")

_CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{1,39}\Z")
_MONTH: Final = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])\Z")


@dataclass(frozen=True, slots=True)
class Keeper:
    """See ``flows.shred_plan.Shredder``."""

    area: str
    network: Network
    store: Store
    clock: Clock
    keys: KeyStore


@dataclass(frozen=True, slots=True)
class Wish:
    """How it is to be done. ``preview``: only looked at."""

    justification: str
    actor: str
    preview: bool
    force: bool

    def check(self) -> None:
        if not self.preview and not _CODE.match(self.justification):
            raise Usage(
                "why it is destroyed is put on record, as a code",
                code="justification",
                field="--justification",
                remedy="for example --justification ERASURE_REQUEST, or RETENTION_END; --preview only looks",
            )


def handover(
    config: Path | None, ref: str, version: int | None, section: str | None, wish: Wish, *, others: bool
) -> dict[str, Any]:
    wish.check()

    async def work(keeper: Keeper) -> dict[str, Any]:
        if wish.preview:
            plan = await shred.preview(keeper, ref, version, section=section, others=others)
        else:
            plan = await shred.shred(
                keeper,
                Person(wish.actor),
                ref,
                version,
                section=section,
                others=others,
                force=wish.force,
                justification=wish.justification,
            )
        return {"handover": ref, "done": not wish.preview, **_plan(plan)}

    return with_keeper(config, work)


def epoch(config: Path | None, month: str, wish: Wish) -> dict[str, Any]:
    if not _MONTH.match(month):
        raise Usage("a month is written 2026-08", code="month", field="MONTH", remedy="year, hyphen, month")
    wish.check()

    async def work(keeper: Keeper) -> dict[str, Any]:
        if wish.preview:
            found = await shred.preview_epoch(keeper, month)
        else:
            found = await shred.shred_epoch(
                keeper, Person(wish.actor), month, force=wish.force, justification=wish.justification
            )
        return {"done": not wish.preview, **_month(found)}

    return with_keeper(config, work)


def with_keeper(config: Path | None, work: Callable[[Keeper], Awaitable[T]]) -> T:
    return asyncio.run(_run(load(config), work))


async def _run(settings: Settings, work: Callable[[Keeper], Awaitable[T]]) -> T:
    clock, store = SystemClock(), open_store(settings.database_url)
    await store.start()
    try:
        trust = await load_trust(settings, store, clock.now())
        return await work(Keeper(settings.area, trust.network, store, clock, open_keys(settings)))
    finally:
        await store.close()


def _plan(plan: Plan) -> dict[str, Any]:
    return {
        "section": plan.section,
        "sections": list(plan.sections),
        "messages": [_piece(piece) for piece in plan.pieces],
        "against": sorted(plan.against),
        "slot_keys": any(piece.slots for piece in plan.pieces),
    }


def _piece(piece: Piece) -> dict[str, Any]:
    return {
        "mid": piece.row.mid,
        "version": piece.row.version,
        "side": piece.row.side.value,
        "peer": piece.row.peer,
        "parts": list(piece.parts),
        "sections": list(piece.sections),
        "shared": [{"part": number, "sections": list(names)} for number, names in piece.shared.items()],
        "already": list(piece.already),
        "against": list(piece.against),
        "slot_keys": piece.slots,
    }


def _month(found: Month) -> dict[str, Any]:
    return {
        "epoch": found.month,
        "messages": found.messages,
        "against": dict(sorted(found.against.items())),
        "destroyed": found.destroyed,
    }


def handover_told(found: Mapping[str, Any]) -> str:
    parts = sum(len(one["parts"]) for one in found["messages"])
    verb = "destroyed" if found["done"] else "would be destroyed"
    lines = [
        f"{parts} parts of {len(found['messages'])} messages {verb}: {', '.join(found['sections']) or '-'}"
    ]
    lines += [
        f"  stays: part {shared['part']} of {one['mid']} holds {', '.join(shared['sections'])}"
        for one in found["messages"]
        for shared in one["shared"]
    ]
    if found["slot_keys"]:
        lines.append(
            "  subkeys of agencies that open what was received are still in the key store: until their term"
            " is over and they are destroyed, a copy of the database TOGETHER with these key files opens it"
        )
    return "\n".join(lines + _reasons(found))


def epoch_told(found: Mapping[str, Any]) -> str:
    if found["destroyed"]:
        return f"{found['epoch']} was destroyed before"
    verb = "destroyed" if found["done"] else "would be destroyed"
    return "\n".join(
        [f"the content of {found['messages']} messages of {found['epoch']} {verb}", *_reasons(found)]
    )


def _reasons(found: Mapping[str, Any]) -> list[str]:
    if found["done"]:
        return [f"  lost, for it was {why}" for why in found["against"]]
    return [f"  against it: {why}: {REMEDIES[why]}" for why in found["against"]]
