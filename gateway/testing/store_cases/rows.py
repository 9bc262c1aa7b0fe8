"""Rows to put: every field has a plausible value, and a case names the ones it is about."""

from __future__ import annotations

import hashlib
from itertools import count
from typing import Any

from gateway.ports import (
    AccessRow,
    EnvelopeRow,
    HandoverRow,
    HeldRow,
    Lane,
    LegEvent,
    LegRow,
    Outbound,
    OutboxRow,
    Parcel,
    ReceiptRow,
    Side,
    Task,
    TaskRow,
    TokenRow,
)

NOW = 1_795_000_000
PEER = "E09000004"
POLICE = "E09000004/police"
STREAM = "5" * 32

_numbers = count(1)


def fresh(prefix: str = "") -> str:
    """A text that no other row of this process has."""
    return f"{prefix}{next(_numbers):08d}"


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def handover(ref: str = "HO-1", version: int = 1, **more: Any) -> HandoverRow:
    values: dict[str, Any] = {
        "side": Side.ORIGIN,
        "origin": "E09000012",
        "destination": PEER,
        "urgency": "STANDARD",
        "state": "ISSUED",
        "submitted_by": "E09000012/police",
        "created": NOW,
        "updated": NOW,
    }
    return HandoverRow(ref=ref, version=version, **values | more)


def leg(ref: str = "HO-1", version: int = 1, principal: str = POLICE, **more: Any) -> LegRow:
    values: dict[str, Any] = {
        "id": fresh("leg"),
        "side": Side.DESTINATION,
        "agency": "POLICE",
        "counterpart": "E09000012/police",
        "state": "DELIVERED",
        "urgency": "STANDARD",
        "mid": "a" * 32,
    }
    return LegRow(ref=ref, version=version, principal=principal, **values | more)


def event(leg: str, name: str = "acknowledged", at: int = NOW, **more: Any) -> LegEvent:
    values: dict[str, Any] = {"before": "DELIVERED", "after": "RECEIVED", "by": POLICE}
    return LegEvent(leg=leg, at=at, event=name, **values | more)


def envelope(mid: str = "", side: Side = Side.DESTINATION, seq: int = 1, **more: Any) -> EnvelopeRow:
    mid = mid or fresh("mid")
    values: dict[str, Any] = {
        "kind": 1,
        "peer": PEER,
        "stream": STREAM,
        "statement": digest(f"statement {mid}"),
        "digest": digest(mid),
        "expires": NOW + 3600,
        "body": b"BXE1" + mid.encode(),
    }
    return EnvelopeRow(mid=mid, side=side, seq=seq, **values | more)


def outbox(mid: str = "", due: int = NOW, lane: Lane = Lane.STANDARD, **more: Any) -> OutboxRow:
    values: dict[str, Any] = {
        "id": "",
        "peer": PEER,
        "state": Outbound.WAITING,
        "created": NOW,
        "expires": NOW + 3600,
    }
    return OutboxRow(mid=mid or fresh("mid"), due=due, lane=lane, **values | more)


def receipt(name: str, **more: Any) -> ReceiptRow:
    values: dict[str, Any] = {
        "mid": "a" * 32,
        "by": POLICE,
        "state": "received",
        "code": "",
        "at": NOW,
        "prev": bytes(32),
        "note": name.encode(),
        "peer": "E09000012",
        "ours": True,
    }
    return ReceiptRow(hash=digest(name), **values | more)


def task(name: str = "", due: int = NOW, state: Task = Task.WAITING, **more: Any) -> TaskRow:
    values: dict[str, Any] = {
        "kind": Parcel.NOTIFICATION,
        "principal": POLICE,
        "leg": "leg-1",
        "mid": "a" * 32,
        "created": NOW,
    }
    return TaskRow(id=name, due=due, state=state, **values | more)


def access(ref: str = "HO-1", **more: Any) -> AccessRow:
    values: dict[str, Any] = {
        "at": NOW,
        "operation": "CONSULTATION",
        "principal": POLICE,
        "actor": "person-17",
        "role": "OFFICER",
        "version": 1,
        "leg": "leg-1",
        "sections": ("core", "orders"),
        "recipients": (),
        "justification": "DUTY",
    }
    return AccessRow(ref=ref, **values | more)


def token(label: str = "first", **more: Any) -> TokenRow:
    values: dict[str, Any] = {"id": "", "principal": POLICE, "created": NOW}
    return TokenRow(digest=digest(label), label=label, **values | more)


def held(body: bytes = b"garbage", **more: Any) -> HeldRow:
    values: dict[str, Any] = {"id": "", "at": NOW, "code": "malformed", "lane": Lane.STANDARD, "peer": PEER}
    return HeldRow(digest=hashlib.sha256(body).digest(), body=body, **values | more)
