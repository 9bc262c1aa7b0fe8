"""Receipts, by themselves, against their message, and in their chain (5)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from .documents import View
from .notes import open_note
from .text import HEX_ID, NODE, PRINCIPAL, ZERO, closed, need, number, unb64, version, word

SKEW = 120
OF_NODE = {"received", "refused"}
MOVES = {
    ("DELIVERED", "acknowledged"): "RECEIVED",
    ("DELIVERED", "refused"): "UNDELIVERABLE",
    ("RECEIVED", "accepted"): "ACCEPTED",
    ("RECEIVED", "rejected"): "REJECTED",
    ("RECEIVED", "returned"): "RETURNED",
    ("RECEIVED", "declined"): "DECLINED_NOT_RELEVANT",
    ("RECEIVED", "info_requested"): "INFO_REQUESTED",
    ("INFO_REQUESTED", "acknowledged"): "RECEIVED",
    ("ACCEPTED", "in_progress"): "IN_PROGRESS",
    ("IN_PROGRESS", "in_progress"): "IN_PROGRESS",
    ("COMPLETED", "in_progress"): "COMPLETED",
    ("IN_PROGRESS", "completed"): "COMPLETED",
    ("IN_PROGRESS", "not_done"): "COMPLETED",
    ("COMPLETED", "closed"): "CLOSED",
}
"""docs/states.md from DELIVERED on; `received` and `opened` leave every later state as it is."""
STATES = OF_NODE | {"opened"} | {event for _, event in MOVES}
CODE = re.compile(r"(?:[A-Za-z][A-Za-z0-9_]{0,63})?\Z")
FIELDS = {
    "about": dict, "at": int, "by": str, "code": str, "net": str, "parts": list, "prev": str, "reply": str,
    "state": str, "v": int,
}  # fmt: skip


@dataclass
class Receipt:
    by: str
    state: str
    at: int
    about: dict[str, Any]
    prev: bytes
    hash: bytes


@dataclass
class Message:
    """What a receipt can be about: our own message, as the sender has it."""

    env: bytes
    stmt: bytes
    mid: str
    sender: str
    created: int
    to: str
    agencies: frozenset[str]  # of its legs


def open_receipt(note: bytes, directory: View) -> Receipt:
    opened = open_note(note, "bx/1/receipt", directory.keyring, single=True)
    body = opened.body
    version(body)
    closed(body, FIELDS, optional=("reply",))
    word(body["by"], PRINCIPAL)
    need(body["state"] in STATES, "field_value")
    need((body["state"] in OF_NODE) == bool(NODE.match(body["by"])), "receipt_role")
    about = closed(body["about"], {"env": str, "from": str, "mid": str, "stmt": str})
    unb64(about["env"], 32)
    word(about["from"], NODE)
    word(about["mid"], HEX_ID)
    unb64(about["stmt"], 32)
    number(body["at"])
    word(body["code"], CODE)
    parts = body["parts"]
    need(all(type(one) is int and 0 <= one < 64 for one in parts), "field_value")
    need(parts == sorted(set(parts)), "field_value")
    unb64(body["prev"], 32)
    if "reply" in body:
        unb64(body["reply"], 32)
    need(opened.signer == body["by"], "signer")
    need(unb64(body["net"], 32) == directory.net, "net")
    return Receipt(body["by"], body["state"], body["at"], about, unb64(body["prev"]), opened.hash)


def check_about(receipt: Receipt, message: Message, now: int) -> None:
    """The comparisons of section 5, at the sender of the message."""
    about = receipt.about
    need(about["mid"] == message.mid, "receipt_about")
    said = (unb64(about["env"]), unb64(about["stmt"]), about["from"])
    need(said == (message.env, message.stmt, message.sender), "receipt_hash")
    need(receipt.by.startswith(f"{message.to}/"), "receipt_by")
    need(receipt.at >= message.created - SKEW, "receipt_date")
    need(receipt.at <= now + SKEW, "receipt_date")
    need(receipt.state in OF_NODE or receipt.by in message.agencies, "receipt_by")


def chain(receipts: list[Receipt]) -> list[str]:
    """One principal's receipts for one message, in the order of ``prev``: their states."""
    after = {receipt.prev: receipt for receipt in receipts}
    need(len(after) == len(receipts), "receipt_fork")
    states, head = [], ZERO
    while head in after:
        receipt = after.pop(head)
        states.append(receipt.state)
        head = receipt.hash
    need(not after, "receipt_gap")
    leg = "DELIVERED"
    for state in states:
        if state not in ("received", "opened"):
            need((leg, state) in MOVES, "illegal_transition")
            leg = MOVES[leg, state]
    return states
