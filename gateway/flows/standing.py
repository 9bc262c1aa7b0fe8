"""Who follows whose log, and how far: for operators, and for whoever wants our checkpoint cosigned.

It reads only; what is exchanged is :mod:`gateway.flows.witness`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.core.log import MAX_COSIGNATURES, compose, origin
from gateway.core.witness import attach
from gateway.flows.forks import is_forked
from gateway.flows.logbook import Keeper
from gateway.ports import Transaction


@dataclass(frozen=True, slots=True)
class Standing:
    """One peer. ``cosigned``: leaves of ours that it says it follows, at ``cosigned_at`` by its own clock.
    ``followed``: leaves of its log that we cosigned, since ``followed_at``. ``loose``: checkpoints of its log
    that others were shown and that it has not joined to this. ``forked``: its key signed two histories."""

    area: str
    cosigned: int
    cosigned_at: int
    followed: int
    followed_at: int
    loose: int
    forked: bool


async def standings(keeper: Keeper) -> Sequence[Standing]:
    """Every other area of the network."""
    areas = sorted(keeper.network.areas.keys() - {keeper.area})
    return await keeper.store.read(lambda tx: [_standing(tx, keeper, area) for area in areas])


def _standing(tx: Transaction, keeper: Keeper, area: str) -> Standing:
    ours, theirs = (origin(keeper.network.net, one) for one in (keeper.area, area))
    state, row = tx.witness(area), tx.checkpoint(theirs)
    size = state.size if state else 0
    said = [one.at for one in tx.cosignatures(ours, size=size) if one.by == area] if size else []
    return Standing(
        area=area,
        cosigned=size,
        cosigned_at=max(said, default=0),
        followed=row.size if row else 0,
        followed_at=row.at if row else 0,
        loose=len(tx.loose(theirs)),
        forked=is_forked(tx, keeper.network, theirs),
    )


async def cosigned(keeper: Keeper) -> Sequence[bytes]:
    """Our checkpoints that peers cosigned last, each with everybody's lines on it, the largest first."""
    return await keeper.store.read(lambda tx: _cosigned(tx, keeper))


def _cosigned(tx: Transaction, keeper: Keeper) -> Sequence[bytes]:
    sizes = {row.size for row in tx.witnesses() if row.size}
    found = (note_at(tx, keeper, size) for size in sorted(sizes, reverse=True))
    return [note for note in found if note]


def note_at(tx: Transaction, keeper: Keeper, size: int) -> bytes:
    """Our checkpoint of one size as peers were shown it, with their cosignatures; b"" without any."""
    name = origin(keeper.network.net, keeper.area)
    rows = tx.cosignatures(name, size=size)
    own = [row for row in rows if row.by == keeper.area]
    lines = [row.line.decode() for row in rows if row.by != keeper.area][:MAX_COSIGNATURES]
    if not own or not lines:
        return b""
    return attach(compose(name, size, own[0].root, [own[0].line.decode()]), lines)
