"""An evidence bundle, judged by the network's fingerprint alone (8)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from . import tree
from .documents import View, body_of, check_successor, open_network, take_apart
from .envelope import CONTEXT, LIFE, STATEMENT, open_part, read_statement, well_formed
from .joining import sections_of
from .log import cosigned, open_checkpoint
from .notes import Note, open_note
from .receipts import SKEW, Receipt, chain, open_receipt
from .shapes import Envelope, split
from .text import (
    PRINCIPAL,
    ZERO,
    Bad,
    b64,
    closed,
    need,
    number,
    parse_object,
    sha256,
    unb64,
    version,
    word,
)

FIELDS = {
    "v": int, "roots": list, "directory": str, "envelope": str, "keys": dict, "receipts": list, "later": str,
    "log": dict, "silence": dict,
}  # fmt: skip
NUMBER = re.compile(r"(?:0|[1-9][0-9]?)\Z")

NOT_KNOWN = {
    "unknown_key", "suspended", "root_threshold", "root_threshold_old", "root_threshold_new",
    "directory_threshold", "root_version", "root_none", "no_statement_key", "directory_version",
    "receipt_gap", "version", "suite", "kind", "magic", "min_suite", "log_unsigned", "log_leaf",
    "sender_revoked", "silence_start", "silence_end", "root_rollback", "directory_rollback", "directory_jump",
    "other_network",
}  # fmt: skip
"""Classes Untrusted and Unsupported of section 10: somebody with more documents, or a later release, may be
able to tell. No contradiction."""


class Judging:
    """Each check by itself; the verdict is the worst."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def verdict(self) -> str:
        return next((one for one in ("INVALID", "CANNOT_TELL") if one in self.found), "VALID")

    def attempt(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except Bad as refused:
            self.found.append("CANNOT_TELL" if refused.code in NOT_KNOWN else "INVALID")
            return None


def judge(data: bytes, fingerprint: str) -> str:
    judging = Judging()
    judging.attempt(lambda: _judge(judging, data, fingerprint))
    return judging.verdict()


def _judge(judging: Judging, data: bytes, fingerprint: str) -> None:
    """A failure in here, outside of `attempt`, leaves nothing more to be judged."""
    body = closed(parse_object(data), FIELDS, optional=("later", "log", "silence"))
    roots, listed = [unb64(one) for one in body["roots"]], unb64(body["directory"])
    raw, notes = unb64(body["envelope"]), [str(one).encode() for one in body["receipts"]]
    need(all(NUMBER.match(name) for name in body["keys"]), "evidence_form")
    keys = {int(name): unb64(key, 32) for name, key in body["keys"].items()}
    view = _network(roots, listed, fingerprint)
    envelope = split(raw)
    need(0 in keys, "no_statement_key")
    note = read_statement(envelope, keys[0], view)
    judging.attempt(lambda: _of_its_day(note.body, view))
    for part in sorted(set(keys) - {0}):
        judging.attempt(lambda part=part: sections_of(open_part(envelope, part, keys[part], view.net)))
    chains = _answers(judging, notes, envelope, note, view)
    seen = _logged(judging, body.get("log"), envelope, note, chains, view)
    if "later" in body:
        judging.attempt(lambda: _key_was_good(roots, listed, unb64(body["later"]), note, seen))
    if "silence" in body:
        judging.attempt(lambda: _silent(body["silence"], envelope, note, view))


def _network(roots: list[bytes], listed: bytes, fingerprint: str | None) -> View:
    """As of the day its directory was signed."""
    day = body_of(take_apart(listed)[0]).get("created", 0)
    return open_network(roots, listed, [], day, fingerprint).view(day)


def _of_its_day(statement: dict[str, Any], view: View) -> None:
    listed = view.directory
    end = min(listed.expires, view.root.expires)
    need(statement["dir"] == listed.version, "directory_version")
    need(listed.created - SKEW <= statement["created"] < end, "directory_time")


def _answers(
    judging: Judging, notes: list[bytes], envelope: Envelope, note: Note, view: View
) -> dict[str, list[Receipt]]:
    by: dict[str, list[Receipt]] = {}
    for one in notes:
        receipt = judging.attempt(lambda one=one: _receipt(one, envelope, note, view))
        if receipt:
            by.setdefault(receipt.by, []).append(receipt)
    good = {}
    for who, receipts in by.items():
        states = judging.attempt(lambda receipts=receipts: chain(receipts))
        good[who] = receipts if states is not None else []
    return good


def _receipt(note: bytes, envelope: Envelope, statement: Note, view: View) -> Receipt:
    receipt = open_receipt(note, view)
    about = receipt.about
    said = (unb64(about["env"]), unb64(about["stmt"]), about["mid"])
    need(said == (sha256(envelope.raw), statement.hash, envelope.mid), "receipt_about")
    body = statement.body
    need(about["from"] == body["from"] and receipt.by.startswith(f"{envelope.to}/"), "receipt_by")
    need(receipt.at >= body["created"] - SKEW, "receipt_date")
    return receipt


# --- the sender's log -------------------------------------------------------------------------------


def _logged(
    judging: Judging, value: Any, envelope: Envelope, note: Note, chains: dict[str, list[Receipt]], view: View
) -> dict[str, int]:
    """Area -> when it cosigned the sender's log with this message in it."""
    if value is None:
        return {}
    told = judging.attempt(lambda: _leaves(value, note.body["from"].partition("/")[0], view))
    if told is None:
        return {}
    leaves, seen = told
    sent = {"t": "sent", "mid": envelope.mid, "stmt": b64(note.hash), "env": b64(sha256(envelope.raw))}
    judging.attempt(lambda: need(_holds(leaves, sent), "log_leaf"))
    for receipts in chains.values():
        told_of = [{"t": "receipt", "receipt": b64(one.hash)} for one in receipts]
        judging.attempt(lambda told_of=told_of: need(all(_holds(leaves, one) for one in told_of), "log_leaf"))
    return seen if _holds(leaves, {"t": "sent", "stmt": b64(note.hash)}) else {}


def _leaves(value: Any, area: str, view: View) -> tuple[list[dict[str, Any]], dict[str, int]]:
    body = closed(value, {"checkpoint": str, "leaves": list})
    origin, note = f"bx/1/log/{view.net.hex()[:8]}/{area}", body["checkpoint"].encode()
    seen = cosigned(note, origin, view)
    size, root = open_checkpoint(note, origin, view)
    found = []
    for leaf in body["leaves"]:
        closed(leaf, {"index": int, "leaf": str, "proof": list})
        proof = [unb64(one, 32) for one in leaf["proof"]]
        tree.inclusion(tree.leaf_hash(leaf["leaf"].encode()), number(leaf["index"]), size, proof, root)
        found.append(parse_object(leaf["leaf"].encode()))
    return found, seen


def _holds(leaves: list[dict[str, Any]], wanted: dict[str, Any]) -> bool:
    return any(wanted.items() <= leaf.items() for leaf in leaves)


def _key_was_good(roots: list[bytes], listed: bytes, later: bytes, note: Note, seen: dict[str, int]) -> None:
    """A key that a later directory revokes had signed before, where another borough saw it before."""
    days = [body_of(take_apart(one)[0]).get("created", 0) for one in (listed, later)]
    old, new = (open_network(roots, one, [], day) for one, day in zip((listed, later), days, strict=True))
    check_successor(old, new)
    ((_, signer),) = note.keys  # which of a principal's keys it was: the listed one, or a retiring one
    revoked = new.directory.revoked_at.get(signer)
    need(revoked is None or any(at < revoked for at in seen.values()), "sender_revoked")


# --- silence ----------------------------------------------------------------------------------------


def _silent(value: Any, envelope: Envelope, message: Note, view: View) -> None:
    """All that the receiver's node said from before the message until after the time in question: no
    acknowledgement in it."""
    body = closed(value, {"by": str, "until": int, "links": list})
    need(1 <= len(body["links"]) <= 20_000, "silence_links")
    who, until = word(body["by"], PRINCIPAL), number(body["until"])
    need(who.startswith(f"{envelope.to}/"), "silence_by")
    before: Note | None = None
    for link in body["links"]:
        closed(link, {"note": str, "part": str, "key": str}, optional=("part", "key"))
        note, kind = _statement(link["note"].encode(), view)
        need(note.body["from"] == f"{envelope.to}/node", "silence_node")
        _follows(before, note)
        if before is None and note.body["created"] > message.body["created"]:
            need(note.body["seq"] == 1, "silence_start")
            need(kind != 3 or "stream" not in _said(link, note, view), "silence_start")
        if kind == 2:
            for receipt in _verified(_said(link, note, view).get("receipts"), view):
                about = (receipt.by, receipt.about["mid"], receipt.about["from"])
                answer = receipt.state not in ("received", "refused", "opened")
                need(about != (who, envelope.mid, message.body["from"]) or not answer, "silence_broken")
        before = note
    need(before and before.body["created"] >= until, "silence_end")


def _statement(note: bytes, view: View) -> tuple[Note, int]:
    """A statement without its envelope."""
    context = note.partition(b"\n")[0]
    kind = next((kind for kind, name in CONTEXT.items() if name.encode() == context), 0)
    need(kind, "note_context")
    opened = open_note(note, CONTEXT[kind], view.keyring, single=True)
    version(opened.body)
    body = closed(opened.body, STATEMENT)
    well_formed(body, len(body["to"]), len(body["parts"]))
    need(opened.signer == body["from"], "signer")
    need(unb64(body["net"]) == view.net, "net")
    need(0 < body["expires"] - body["created"] <= LIFE, "life")
    return opened, kind


def _follows(before: Note | None, note: Note) -> None:
    if before is not None:
        place = (before.body["stream"], before.body["seq"] + 1, before.hash)
        said = (note.body["stream"], note.body["seq"], unb64(note.body["prev"]))
        need(said == place, "silence_chain")


def _said(link: dict[str, Any], note: Note, view: View) -> dict[str, Any]:
    """The sections of part 1 of a link."""
    part, key = unb64(link.get("part", "")), unb64(link.get("key", ""))
    promised = note.body["parts"]
    need(promised and sha256(part) == unb64(promised[0]), "part_hash")
    head = unb64(note.body["head"])
    envelope = Envelope(0, 0, note.body["mid"], 0, "", head, [], [ZERO, part], b"")
    found: dict[str, Any] = parse_object(open_part(envelope, 1, key, view.net)).get("sections", {})
    return found


def _verified(notes: Any, view: View) -> list[Receipt]:
    found = []
    for note in notes or ():
        try:
            found.append(open_receipt(str(note).encode(), view))
        except Bad:
            continue
    return found
