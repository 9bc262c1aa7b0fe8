"""What ``gateway log checkpoint``, ``prove`` and ``export`` do, on the database of a node, running or not.

The key store is opened only when something is to be signed: without new leaves nobody is asked for a
passphrase.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gateway.cli.files import replacing, write_output
from gateway.cli.output import Usage
from gateway.clock import SystemClock
from gateway.config import Settings, load
from gateway.core.encoding import HEX_ID, b64, unb64
from gateway.core.judgement import Verdict
from gateway.core.log import Checkpoint
from gateway.core.merkle import HASH
from gateway.core.notes import Signer
from gateway.core.trust import Network
from gateway.errors import Malformed
from gateway.flows import accounts, logbook, standing
from gateway.flows.logbook import MAX_LEAVES, Proven
from gateway.flows.show import when
from gateway.flows.standing import Standing
from gateway.identity import load_trust, open_keys
from gateway.ports import Clock, Store
from gateway.stores import open_store

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Keys:
    settings: Settings

    def log_signer(self, area: str) -> Signer:
        return open_keys(self.settings).log_signer(area)


@dataclass(frozen=True, slots=True)
class _Keeper:
    """See ``flows.logbook.Keeper``."""

    area: str
    network: Network
    store: Store
    clock: Clock
    keys: _Keys


def checkpoint(config: Path | None) -> dict[str, Any]:
    async def work(keeper: _Keeper) -> dict[str, Any]:
        signed = await logbook.checkpoint(keeper)
        note = await keeper.store.read(lambda tx: standing.note_at(tx, keeper, signed.size))
        return {**_facts(signed), "note": (note or signed.note).decode()}

    return _with_keeper(config, work)


def proofs(config: Path | None, message: str, receipt: str, index: int) -> dict[str, Any]:
    """``checkpoint``: the note; ``leaves``: index, leaf and proof of each. Raises Usage, NotFound."""
    if [bool(message), bool(receipt), index >= 0].count(True) != 1:
        raise Usage(
            "one thing to prove is to be named",
            code="missing",
            remedy="give --message ID, --receipt HASH or --index N",
        )
    mid, digest = _message(message), _digest(receipt)

    async def work(keeper: _Keeper) -> dict[str, Any]:
        signed = await logbook.checkpoint(keeper)
        places = [index] if index >= 0 else await logbook.places_of(keeper, mid=mid, receipt=digest)
        found = await logbook.prove(keeper, signed, places)
        return {"checkpoint": signed.note.decode(), "leaves": [_proof(one) for one in found]}

    return _with_keeper(config, work)


def export(config: Path | None, file: Path) -> dict[str, Any]:
    """The leaves are written as they stand, whatever was done to them: judging is another's work."""

    async def work(keeper: _Keeper) -> dict[str, Any]:
        signed = await logbook.checkpoint(keeper)
        with replacing(file) as target:
            for start in range(0, signed.size, MAX_LEAVES):
                some = await logbook.leaves(keeper, start, min(MAX_LEAVES, signed.size - start))
                target.writelines(leaf + b"\n" for _, leaf in some)
        write_output(beside(file), signed.note)
        notes = await standing.cosigned(keeper)
        for note in notes[:1]:
            write_output(cosigned_beside(file), note)
        kept = str(cosigned_beside(file)) if notes else None
        files = {"file": str(file), "checkpoint_file": str(beside(file)), "cosigned_file": kept}
        return {**files, **_facts(signed)}

    return _with_keeper(config, work)


def witnesses(config: Path | None) -> dict[str, Any]:
    """Every other area: how far it follows our log, and we its."""

    async def work(keeper: _Keeper) -> dict[str, Any]:
        found = await standing.standings(keeper)
        return {"witnesses": [_standing(keeper.network, one) for one in found]}

    return _with_keeper(config, work)


def _standing(network: Network, one: Standing) -> dict[str, Any]:
    return {
        "area": one.area,
        "name": network.areas[one.area],
        "cosigned": one.cosigned,
        "cosigned_at": when(one.cosigned_at),
        "followed": one.followed,
        "followed_at": when(one.followed_at),
        "loose": one.loose,
        "forked": one.forked,
    }


def witnesses_told(found: Mapping[str, Any]) -> str:
    return "\n".join(_line(one) for one in found["witnesses"]) or "no other area is in this network"


def _line(one: Mapping[str, Any]) -> str:
    ours = f"cosigned {one['cosigned']} leaves of ours" if one["cosigned"] else "has cosigned nothing of ours"
    since = f" at {one['cosigned_at']}" if one["cosigned_at"] else ""
    theirs = f"we follow {one['followed']} of its" if one["followed"] else "we follow nothing of its"
    odd = ["FORKED"] if one["forked"] else []
    odd += [f"{one['loose']} shown to others not joined yet"] if one["loose"] else []
    return "; ".join([f"{one['area']} {one['name']}: {ours}{since}", theirs, *odd])


def access_check(config: Path | None) -> dict[str, Any]:
    async def work(keeper: _Keeper) -> dict[str, Any]:
        found = await accounts.check(keeper)
        return {
            "verdict": (Verdict.VALID if found.good else Verdict.INVALID).value,
            "rows": found.rows,
            "older": found.older,
            "altered": list(found.altered),
            "removed": list(found.removed),
            "added": list(found.added),
            "reordered": list(found.reordered),
        }

    return _with_keeper(config, work)


def access_told(found: Mapping[str, Any]) -> str:
    counted = f"{found['rows']} entries of the access log, {found['older']} from before the tree"
    lines = [f"{found['verdict']}: {counted}"]
    for what in ("altered", "removed", "added", "reordered"):
        lines += [f"  {what}: {one}" for one in found[what]]
    return "\n".join(lines)


def beside(file: Path) -> Path:
    """Where the checkpoint of an export is."""
    return file.with_name(f"{file.name}.checkpoint")


def cosigned_beside(file: Path) -> Path:
    """Where the largest checkpoint that peers have cosigned is, if there is one."""
    return file.with_name(f"{file.name}.cosigned")


def _with_keeper(config: Path | None, work: Callable[[_Keeper], Awaitable[T]]) -> T:
    return asyncio.run(_run(load(config), work))


async def _run(settings: Settings, work: Callable[[_Keeper], Awaitable[T]]) -> T:
    clock, store = SystemClock(), open_store(settings.database_url)
    await store.start()
    try:
        trust = await load_trust(settings, store, clock.now())
        return await work(_Keeper(settings.area, trust.network, store, clock, _Keys(settings)))
    finally:
        await store.close()


def _message(text: str) -> str:
    if text and not HEX_ID.match(text):
        raise Usage("a message id is 32 hex digits", code="message", field="--message")
    return text


def _digest(text: str) -> bytes:
    try:
        return unb64(text, HASH) if text else b""
    except Malformed:
        raise Usage("a receipt's hash is 32 bytes in base64", code="receipt", field="--receipt") from None


def _facts(signed: Checkpoint) -> dict[str, Any]:
    return {
        "origin": signed.origin,
        "size": signed.size,
        "root": b64(signed.root),
        "note": signed.note.decode(),
    }


def _proof(one: Proven) -> dict[str, Any]:
    proof: Sequence[str] = [b64(sibling) for sibling in one.proof]
    return {"index": one.index, "leaf": one.leaf.decode(), "proof": proof}
