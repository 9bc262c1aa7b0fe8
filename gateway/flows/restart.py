"""A new stream to a peer, begun because this database may be older than what was sent (protocol 4.5).

A sequence number is used once. After a backup was put back the numbers used since are not known here any
more, so nothing is sent in the old stream again: the next one is random, and its first message names its
predecessor and the reason. It leaves out the finding out: a person (``gateway db restored``), the anchor
(:mod:`gateway.flows.anchor`) or a peer who has seen more than we remember (:mod:`gateway.flows.seen`).

Rules: the row with ``seq`` 0 IS the new stream, so it is begun in one transaction whatever crashes after it;
the announcement is made by :mod:`gateway.flows.outgoing` with the first number. What a stream followed, and
that it has ended, stands in the table of settings, where nothing is ever changed.
"""

from __future__ import annotations

import secrets as entropy
from dataclasses import replace
from typing import Final

from gateway.core.encoding import ZERO, JsonObject, decode_object, encode
from gateway.ports import StreamRow, Transaction

RESTORED: Final = "restored"
"""The reason that peers are told: our database was put back from a backup."""


def begin(tx: Transaction, peer: str, now: int, *, seen: str = "") -> None:
    """The next message to ``peer`` is the first of a new stream. ``seen``: the stream that the peer says it
    has of ours, should we not know it. One that was begun and not used yet is not gone on with either: in
    the days that this database has lost it may have been used."""
    mine = tx.stream(peer, outgoing=True) or StreamRow(peer, True, seen, 0, ZERO)
    fresh = entropy.token_hex(16)
    tx.put_setting(_followed(fresh), encode({"stream": mine.stream, "seq": mine.seq}))
    for ended in {mine.stream, seen} - {""}:
        tx.put_setting(_ended(peer, ended), b"")
    tx.put_stream(replace(mine, stream=fresh, seq=0, head=ZERO, top=0, at=0, busy=now))  # due at once


def begin_all(tx: Transaction, now: int) -> list[str]:
    """:func:`begin` for every peer that was ever written to. Returns their areas."""
    peers = [row.peer for row in tx.streams(outgoing=True)]
    for peer in peers:
        begin(tx, peer, now)
    return peers


def announcement(tx: Transaction, row: StreamRow) -> JsonObject | None:
    """The sections of the message that must come first in this outgoing stream; None when nothing must."""
    if row.seq:
        return None
    before = _before(tx, row.stream)
    return {"stream": {"previous": before, "reason": RESTORED}} if before is not None else None


def has_ended(tx: Transaction, peer: str, stream: str) -> bool:
    """Whether this was a stream of ours to ``peer`` before the one that we use."""
    return tx.setting(_ended(peer, stream)) is not None


def _before(tx: Transaction, stream: str) -> JsonObject | None:
    found = tx.setting(_followed(stream))
    return decode_object(found) if found is not None else None


def _followed(stream: str) -> str:
    return f"stream {stream} follows"


def _ended(peer: str, stream: str) -> str:
    return f"stream {stream} to {peer} has ended"
