"""Receipts: who took what on, signed with their own key (protocol 5).

Duty: make and verify one receipt. What it leaves out: which receipt may follow which (states.py), chaining
(flows), and whether ``by`` was a recipient at all.

Rules: a receipt names hashes of ciphertext, codes and times, never free text or a person's data, for it
lives in the permanent log. The verified signer is ``by``. ``received`` and ``refused`` are the node's word
about bytes, every other state is an agency's about content: a node cannot answer for an agency.

Example::

    receipt = make_receipt(police, net=net, about=about, at=now, state="accepted", prev=last.hash)
    open_receipt(receipt.note, net=net, keyring=network.keyring).state     # 'accepted'
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from hmac import compare_digest
from itertools import pairwise
from typing import Final

from gateway.core.encoding import (
    HEX_ID,
    PRINCIPAL,
    ZERO,
    Json,
    JsonObject,
    b64,
    check_version,
    fields,
    integer,
    octets,
    text,
    within,
)
from gateway.core.layout import MAX_PARTS
from gateway.core.notes import Keyring, Signer, open_note, sign_note, text_hash
from gateway.core.statement import NODE
from gateway.errors import Forged, Malformed

__all__ = ["STATES", "ZERO", "About", "Receipt", "make_receipt", "open_receipt"]

_NODE_STATES: Final = frozenset({"received", "refused"})
_AGENCY_STATES: Final = frozenset(
    {
        "opened",
        "acknowledged",
        "accepted",
        "rejected",
        "declined",
        "returned",
        "info_requested",
        "in_progress",
        "completed",
        "not_done",
        "closed",
    }
)
STATES: Final = _NODE_STATES | _AGENCY_STATES

_CONTEXT: Final = "bx/1/receipt"
_STATE: Final = re.compile("(?:" + "|".join(sorted(STATES)) + r")\Z")
_CODE: Final = re.compile(r"(?:[A-Za-z][A-Za-z0-9_]{0,63})?\Z")  # a reason code: no room for a sentence
_SPEC: Final = {
    "about": dict,
    "at": int,
    "by": str,
    "code": str,
    "net": str,
    "parts": list,
    "prev": str,
    "reply": str,
    "state": str,
    "v": int,
}
_ABOUT: Final = {"env": str, "from": str, "mid": str, "stmt": str}


@dataclass(frozen=True, slots=True)
class About:
    """The message a receipt speaks of: SHA-256 of the envelope, the sending node, the message id (32 hex
    digits) and the statement hash."""

    env: bytes
    sender: str
    mid: str
    stmt: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """A verified receipt. ``at`` in unix seconds; ``parts``: what this key really opened, ascending;
    ``prev``: hash of the same principal's receipt before, ZERO in the first; ``reply``: statement hash of
    the message that carries a person's words, if any; ``hash``: SHA-256 of the signed text."""

    by: str
    about: About
    at: int
    state: str
    code: str
    parts: tuple[int, ...]
    prev: bytes
    reply: bytes | None
    hash: bytes
    note: bytes = field(repr=False)


def make_receipt(
    signer: Signer,
    *,
    net: bytes,
    about: About,
    at: int,
    state: str,
    code: str = "",
    parts: Sequence[int] = (),
    prev: bytes = ZERO,
    reply: bytes | None = None,
) -> Receipt:
    """A receipt signed by ``signer``, whose name is ``by``. Raises Malformed for what a peer would refuse."""
    about_body: JsonObject = {
        "env": b64(about.env),
        "from": about.sender,
        "mid": about.mid,
        "stmt": b64(about.stmt),
    }
    body: JsonObject = {
        "about": about_body,
        "at": at,
        "by": signer.name,
        "code": code,
        "net": b64(net),
        "parts": list(parts),
        "prev": b64(prev),
        "state": state,
        "v": 1,
    }
    if reply is not None:
        body["reply"] = b64(reply)
    octets(body, "net")
    note = sign_note(_CONTEXT, body, [signer])
    return _read(body, text_hash(note), note)


def open_receipt(note: bytes, *, net: bytes, keyring: Keyring) -> Receipt:
    """The receipt in ``note``, verified. Which message and leg it may move is for the caller to compare.

    Raises Malformed (form), Forged (signature, signer, or network), Untrusted (no known key), Unsupported.
    """
    opened = open_note(note, _CONTEXT, keyring, single=True)
    check_version(opened.body)
    receipt = _read(opened.body, opened.hash, note)
    if opened.signer != receipt.by:
        raise Forged("signed by another than it says", code="signer", field="/by")
    if not compare_digest(octets(opened.body, "net"), net):
        raise Forged("a receipt of another network", code="net", field="/net")
    return receipt


def _read(value: JsonObject, digest: bytes, note: bytes) -> Receipt:
    body = fields(value, _SPEC, optional=("reply",))
    by, state = text(body, "by", PRINCIPAL), text(body, "state", _STATE)
    if (state in _NODE_STATES) != bool(NODE.match(by)):
        raise Malformed("a state that this principal cannot sign", code="receipt_role", field="/state")
    return Receipt(
        by=by,
        about=_about(body["about"]),
        at=integer(body, "at"),
        state=state,
        code=text(body, "code", _CODE),
        parts=_parts(body["parts"]),
        prev=octets(body, "prev"),
        reply=octets(body, "reply") if "reply" in body else None,
        hash=digest,
        note=note,
    )


def _about(value: Json) -> About:
    with within("about"):
        body = fields(value, _ABOUT)
        return About(
            env=octets(body, "env"),
            sender=text(body, "from", NODE),
            mid=text(body, "mid", HEX_ID),
            stmt=octets(body, "stmt"),
        )


def _parts(value: Json) -> tuple[int, ...]:
    """Part numbers, ascending, none twice: one spelling of one set."""
    numbers = [item for item in value if type(item) is int] if isinstance(value, list) else []
    if numbers != value or any(low >= high for low, high in pairwise([-1, *numbers, MAX_PARTS])):
        raise Malformed("parts are not ascending part numbers", code="field_value", field="/parts")
    return tuple(numbers)
