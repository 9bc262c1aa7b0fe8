"""What ``gateway log checkpoint``, ``prove`` and ``export`` do, on the database of a node, running or not.

The key store is opened only when something is to be signed: without new leaves nobody is asked for a
passphrase.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gateway.bootstrap import load_trust, open_keys
from gateway.cli.files import replacing, write_output
from gateway.cli.output import Usage
from gateway.clock import SystemClock
from gateway.config import Settings, load
from gateway.core.encoding import HEX_ID, b64, unb64
from gateway.core.log import Checkpoint
from gateway.core.merkle import HASH
from gateway.core.notes import Signer
from gateway.core.trust import Network
from gateway.errors import Malformed
from gateway.flows import logbook
from gateway.flows.logbook import MAX_LEAVES, Proven
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
        return _facts(await logbook.checkpoint(keeper))

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
        return {"file": str(file), "checkpoint_file": str(beside(file)), **_facts(signed)}

    return _with_keeper(config, work)


def beside(file: Path) -> Path:
    """Where the checkpoint of an export is."""
    return file.with_name(f"{file.name}.checkpoint")


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
