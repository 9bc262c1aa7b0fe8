"""Open one envelope, step by step as section 9 numbers them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from nacl.bindings import crypto_aead_xchacha20poly1305_ietf_decrypt as aead
from nacl.exceptions import CryptoError

from .documents import View
from .joining import merge, sections_of
from .notes import Note, open_note
from .receipts import open_receipt
from .shapes import CIPHERTEXT, Envelope, commitment, part_keys, split, unpad, wrapping_key
from .text import (
    HEX_ID,
    HEX_ID_OR_NONE,
    NODE,
    PRINCIPAL,
    ZERO,
    Bad,
    closed,
    hashes,
    need,
    number,
    sha256,
    unb64,
    version,
    word,
)
from .xwing import Key

SKEW = 120
LIFE = 72 * 3600
CONTEXT = {1: "bx/1/message", 2: "bx/1/receipts", 3: "bx/1/control"}
STATEMENT = {
    "created": int, "dir": int, "expires": int, "from": str, "head": str, "mid": str, "net": str,
    "parts": list, "prev": str, "seen": dict, "seq": int, "slots": str, "stream": str, "to": list, "v": int,
}  # fmt: skip
HANDOVER = re.compile(r"HO-[A-Z][0-9]{8}-[0-9]{4}-[0-9]{6}\Z")
TYPE = re.compile(r"[A-Z_]{1,40}\Z")

Seeds = Callable[[str], Sequence[bytes]]
"""Principal -> the seeds of the subkeys that the reader holds for it, newest first."""


@dataclass
class Slot:
    keys: list[bytes]
    commitment: bytes


@dataclass
class Opened:
    """What a reader came to: ``parts`` the contents it opened by number, ``view`` an agency's sections."""

    envelope: Envelope
    note: Note
    parts: dict[int, bytes] = field(default_factory=dict)
    view: dict[str, Any] = field(default_factory=dict)
    routing: dict[str, Any] = field(default_factory=dict)

    @property
    def statement(self) -> dict[str, Any]:
        return self.note.body


def prove(
    data: bytes, *, directory: View, seeds: Seeds, reader: str, slot: int, now: int, via: str | None
) -> tuple[Opened, Slot]:
    """Steps 1 to 9: who sent it, to whom, unchanged, now."""
    envelope = split(data)  # 1
    need(envelope.to == reader.partition("/")[0], "area")  # 2
    opened = open_slot(envelope, slot, directory.net, reader, seeds(reader))  # 3
    need(opened.keys[0] != ZERO, "bag")
    note = read_statement(envelope, opened.keys[0], directory)  # 4 to 7
    need(unb64(note.body["to"][slot]) == opened.commitment, "recipient")  # 8
    need(now >= note.body["created"] - SKEW, "future")
    need(now < note.body["expires"] + SKEW, "expired")
    need(via is None or via == note.body["from"].partition("/")[0], "via")  # 9
    return Opened(envelope, note, {0: note.text}), opened


def open_slot(envelope: Envelope, index: int, net: bytes, principal: str, seeds: Sequence[bytes]) -> Slot:
    need(0 <= index < len(envelope.slots), "slot_number")
    slot = envelope.slots[index]
    for seed in seeds:
        key = Key(seed)
        shared = key.decapsulate(slot[:CIPHERTEXT])
        wrapping = wrapping_key(shared, net, envelope.head, index, key.public)
        try:
            bag = aead(slot[CIPHERTEXT:], None, bytes(24), wrapping)
        except CryptoError:
            continue
        keys = [bag[at : at + 32] for at in range(0, len(bag), 32)]
        return Slot(keys, commitment(wrapping, principal))
    raise Bad("slot")


def check_key(envelope: Envelope, number_: int, key: bytes, net: bytes) -> bytes:
    """The encryption key of a part that commits to ``key``."""
    need(0 <= number_ < len(envelope.parts), "part_number")
    encryption, com = part_keys(key, net, envelope.head, number_)
    need(envelope.parts[number_][:32] == com, "commitment")
    return encryption


def open_part(envelope: Envelope, number_: int, key: bytes, net: bytes) -> bytes:
    encryption = check_key(envelope, number_, key, net)
    try:
        padded = aead(envelope.parts[number_][32:], None, bytes(24), encryption)
    except CryptoError:
        raise Bad("part") from None
    return unpad(padded)


def read_statement(envelope: Envelope, key: bytes, directory: View) -> Note:
    content = open_part(envelope, 0, key, directory.net)  # 4
    note = open_note(content, CONTEXT[envelope.kind], directory.keyring, single=True)  # 5
    version(note.body)  # 6
    closed(note.body, STATEMENT)
    well_formed(note.body, len(envelope.slots), len(envelope.parts) - 1)
    need(note.signer == note.body["from"], "signer")
    _bindings(note.body, envelope, directory.net)  # 7
    need(0 < note.body["expires"] - note.body["created"] <= LIFE, "life")
    return note


def well_formed(body: dict[str, Any], slots: int, parts: int) -> None:
    word(body["from"], NODE)
    word(body["mid"], HEX_ID)
    word(body["stream"], HEX_ID)
    number(body["seq"], 1)
    unb64(body["prev"], 32)
    seen = closed(body["seen"], {"seq": int, "stream": str})
    word(seen["stream"], HEX_ID_OR_NONE)
    number(seen["seq"])
    need(seen["stream"] or not seen["seq"], "field_value")
    for name in ("created", "expires", "dir"):
        number(body[name])
    hashes(body["to"], slots)
    hashes(body["parts"], parts)
    for name in ("net", "head", "slots"):
        unb64(body[name], 32)


def _bindings(body: dict[str, Any], envelope: Envelope, net: bytes) -> None:
    need(unb64(body["net"]) == net, "net")
    need(unb64(body["head"]) == envelope.head, "head")
    need(body["mid"] == envelope.mid, "mid")
    need(body["expires"] == envelope.expires, "expires")
    need(unb64(body["slots"]) == sha256(b"".join(envelope.slots)), "slots")
    for part, said in zip(envelope.parts[1:], body["parts"], strict=True):
        need(sha256(part) == unb64(said), "part_hash")


# --- the destination node, steps 10 and 11 ----------------------------------------------------------


def read_as_node(
    data: bytes, *, directory: View, seeds: Seeds, reader: str, now: int, via: str | None = None
) -> Opened:
    opened, slot = prove(data, directory=directory, seeds=seeds, reader=reader, slot=0, now=now, via=via)
    need(len(slot.keys) > 1 and slot.keys[1] != ZERO, "routing")
    opened.parts[1] = open_part(opened.envelope, 1, slot.keys[1], directory.net)
    sections = sections_of(opened.parts[1])
    if opened.envelope.kind == 2:
        opened.view = {"receipts": _receipts(sections, directory)}
    elif opened.envelope.kind == 1:
        opened.routing = _routing(sections.get("routing"))
        _legs(opened, directory, seeds, reader.partition("/")[0])
    return opened


def _receipts(sections: dict[str, Any], directory: View) -> list[str]:
    """The states of those that verify: each stands by itself."""
    notes, found = sections.get("receipts"), []
    need(isinstance(notes, list) and len(notes) <= 64, "receipts")
    for note in notes if isinstance(notes, list) else ():
        try:
            found.append(open_receipt(str(note).encode(), directory).state)
        except Bad:
            continue
    return found


def _routing(value: Any) -> dict[str, Any]:
    """The routing table of part 1 (4.4)."""
    table = closed(value, {"type": str, "handover": str, "version": int, "urgency": str, "legs": list})
    word(table["type"], TYPE)
    need(table["type"] in ("HANDOVER_NOTIFICATION", "REPLY"), "message_type")
    need(table["urgency"] in ("STANDARD", "PRIORITY", "URGENT"), "urgency")
    for leg in table["legs"]:
        closed(leg, {"slot": int, "principal": str, "leg": str, "reply_to": str})
        number(leg["slot"], 1)
        word(leg["principal"], PRINCIPAL)
        word(leg["leg"], HEX_ID)
        word(leg["reply_to"], PRINCIPAL)
    legs = table["legs"]
    for name in ("slot", "principal", "leg"):
        need(len({leg[name] for leg in legs}) == len(legs), "routing")
    need(legs and (table["type"] != "REPLY" or len(legs) == 1), "routing")
    word(table["handover"], HANDOVER)
    number(table["version"], 1)
    return table


def _legs(opened: Opened, directory: View, seeds: Seeds, area: str) -> None:
    """Step 11. An agency that keeps its own key is not looked into: its slot stays shut."""
    sender = opened.statement["from"].partition("/")[0]
    for leg in opened.routing["legs"]:
        who = leg["principal"]
        need(who.startswith(f"{area}/"), "leg_area")
        need(leg["slot"] < len(opened.envelope.slots), "routing")
        entry = directory.principals.get(who)
        need(entry, "not_hosted")
        need(entry["agency"] != "NODE", "leg_agency")
        if entry["hosted"]:
            _check_leg(opened, leg["slot"], who, directory.net, seeds(who))
    if opened.routing["type"] == "HANDOVER_NOTIFICATION":
        need(opened.routing["handover"].startswith(f"HO-{sender}-"), "handover_area")
        need(all(leg["reply_to"].startswith(f"{sender}/") for leg in opened.routing["legs"]), "reply_to")


def _check_leg(opened: Opened, index: int, who: str, net: bytes, seeds: Sequence[bytes]) -> None:
    try:
        slot = open_slot(opened.envelope, index, net, who, seeds)
    except Bad as refused:
        raise Bad("rekey" if refused.code == "slot" else refused.code) from None
    need(slot.keys[0] != ZERO, "bag")
    need(unb64(opened.statement["to"][index]) == slot.commitment, "recipient")
    for number_, key in enumerate(slot.keys):
        if number_ != 1 and key != ZERO:
            check_key(opened.envelope, number_, key, net)


# --- an agency, with its own slot and its own key ---------------------------------------------------


def read_as_agency(
    data: bytes,
    *,
    directory: View,
    seeds: Seeds,
    reader: str,
    slot: int,
    now: int,
    via: str | None = None,
) -> Opened:
    opened, bag = prove(data, directory=directory, seeds=seeds, reader=reader, slot=slot, now=now, via=via)
    found = []
    for number_, key in enumerate(bag.keys):
        if number_ > 1 and key != ZERO:
            opened.parts[number_] = open_part(opened.envelope, number_, key, directory.net)
            found.append(sections_of(opened.parts[number_]))
    opened.view = merge(found)
    return opened
