"""Receipts (5): by themselves, against the message they are about, and in their chain."""

from __future__ import annotations

from typing import Any

from .good_envelopes import four, receipt
from .network import B_HOUSING, B_NODE, B_POLICE, BEXLEY, H_NODE, H_POLICE, NOW, SIGNERS, X_NODE, random
from .plain import b64, sha256, text_of
from .vector import File, Files, case, file

MESSAGE = four("receipted")
ABOUT = {
    "env_b64": b64(sha256(MESSAGE.envelope)),
    "stmt_b64": b64(MESSAGE.stmt),
    "mid": MESSAGE.mid.hex(),
    "from": H_NODE,
    "created": MESSAGE.created,
    "to": BEXLEY,
    "agencies": [B_POLICE, B_HOUSING],
}
"""What the sender knows of its message: a receipt is compared with it."""


def said(by: str, state: str, **more: Any) -> bytes:
    return receipt(by, MESSAGE, state, **more)


def about(**changes: Any) -> dict[str, Any]:
    said_of = {"env": ABOUT["env_b64"], "from": H_NODE, "mid": ABOUT["mid"], "stmt": ABOUT["stmt_b64"]}
    return {**said_of, **changes}


def files() -> Files:
    yield from _good()
    yield from _bad()
    yield from _chains()


def one(
    name: str, expect: str, comment: str, note: bytes, attacks: list[int] | None = None, **more: Any
) -> File:
    """``against``: whether it is compared with the message too."""
    shared: dict[str, Any] = {"note": note.decode(), "now": NOW, **more}
    if shared.pop("against", False):
        shared["message"] = ABOUT
    folder = "good" if expect == "good" else "bad"
    return file(
        f"receipts/{folder}/{name}", "receipt", comment, [_case(expect, note)], attacks or (), **shared
    )


def _case(expect: str, note: bytes) -> dict[str, Any]:
    if expect != "good":
        return case(expect, "")
    import json  # noqa: PLC0415

    body = json.loads(text_of(note).split(b"\n")[1])
    gives = {"by": body["by"], "state": body["state"], "hash_b64": b64(sha256(text_of(note)))}
    return case(expect, "", gives=gives)


def _good() -> Files:
    for state in ("received", "refused"):
        by = said(B_NODE, state, code="slot" if state == "refused" else "", parts=[0, 1])
        yield one(f"node-{state}", "good", f"The node: {state}", by, against=True)
    for state in (
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
    ):
        yield one(f"agency-{state}", "good", f"An agency: {state}", said(B_POLICE, state), against=True)
    full = said(B_HOUSING, "rejected", code="NoCapacity", parts=[2, 5, 63], reply=b64(random("reply")))
    yield one(
        "full",
        "good",
        "With a code, parts, and the words of the answer in a message of their own",
        full,
        against=True,
    )
    yield one(
        "skew",
        "good",
        "120 s before its message",
        said(B_POLICE, "opened", at=MESSAGE.created - 120),
        against=True,
    )
    yield one("skew-late", "good", "120 s ahead", said(B_POLICE, "opened", at=NOW + 120), against=True)


def _bad() -> Files:
    other = b64(random("other"))
    node, police = SIGNERS[B_NODE], SIGNERS[B_POLICE]
    for name, expect, comment, note, attack in (
        (
            "another-message",
            "receipt_about",
            "For another message",
            said(B_NODE, "received", about=about(mid="ab" * 16)),
            80,
        ),
        (
            "other-envelope",
            "receipt_hash",
            "For another envelope",
            said(B_NODE, "received", about=about(env=other)),
            81,
        ),
        (
            "other-statement",
            "receipt_hash",
            "For another statement",
            said(B_NODE, "received", about=about(stmt=other)),
            81,
        ),
        (
            "other-sender",
            "receipt_hash",
            "For another sender",
            said(B_NODE, "received", about=about(**{"from": X_NODE})),
            81,
        ),
        ("another-borough", "receipt_by", "By another borough's node", said(X_NODE, "received"), 82),
        ("another-agency", "receipt_by", "By an agency of the origin", said(H_POLICE, "opened"), 82),
        (
            "not-asked",
            "receipt_by",
            "By an agency that the message was not for",
            said(f"{BEXLEY}/probation", "opened"),
            82,
        ),
        (
            "before-its-message",
            "receipt_date",
            "121 s before its message",
            said(B_POLICE, "opened", at=MESSAGE.created - 121),
            87,
        ),
        ("from-the-future", "receipt_date", "121 s ahead", said(B_POLICE, "opened", at=NOW + 121), 87),
    ):
        yield one(name, expect, comment, note, [attack], against=True)
    for name, expect, comment, note, attack in (
        (
            "node-for-agency",
            "unknown_key",
            "The node's key under the agency's name",
            said(B_POLICE, "accepted", signer=_as(node, B_POLICE)),
            83,
        ),
        (
            "node-says-agency",
            "signer",
            "The node's own line under an agency's word",
            said(B_POLICE, "accepted", signer=node),
            83,
        ),
        ("node-decides", "receipt_role", "The node signs an agency's state", said(B_NODE, "accepted"), 83),
        ("agency-receives", "receipt_role", "An agency signs a node's state", said(B_POLICE, "received"), 83),
        (
            "message-as-receipt",
            "note_context",
            "A statement in the place of a receipt",
            MESSAGE.statement,
            84,
        ),
        (
            "stranger",
            "unknown_key",
            "By nobody of the directory",
            said(f"{BEXLEY}/dwp", "opened", signer=_as(police, f"{BEXLEY}/dwp")),
            82,
        ),
        ("other-network", "net", "Of another network", said(B_POLICE, "opened", net=other), 39),
        ("state-unknown", "field_value", "A state that nobody knows", said(B_POLICE, "misunderstood"), 85),
        (
            "words-in-code",
            "field_value",
            "Words where a code belongs",
            said(B_POLICE, "rejected", code="no room at all"),
            85,
        ),
        (
            "parts-descending",
            "field_value",
            "Parts in another order",
            said(B_POLICE, "opened", parts=[3, 2]),
            86,
        ),
        ("part-twice", "field_value", "A part twice", said(B_POLICE, "opened", parts=[2, 2]), 86),
        ("part-64", "field_value", "A part that no envelope has", said(B_POLICE, "opened", parts=[64]), 86),
        ("part-true", "field_value", "True for a part", said(B_POLICE, "opened", parts=[True]), 86),
        (
            "about-more",
            "field_unknown",
            "A field more in `about`",
            said(B_POLICE, "opened", about=about(x=1)),
            48,
        ),
        ("version-2", "version", "Version 2", said(B_POLICE, "opened", v=2), 48),
        (
            "field-unknown",
            "field_unknown",
            "A field that nobody knows",
            said(B_POLICE, "opened", words="x"),
            48,
        ),
        ("at-text", "field_type", "A time as text", said(B_POLICE, "opened", at="now"), 47),
        (
            "reply-short",
            "base64_size",
            "A reply hash of 31 bytes",
            said(B_POLICE, "opened", reply=b64(bytes(31))),
            47,
        ),
    ):
        yield one(name, expect, comment, note, [attack])


def _as(signer: Any, name: str) -> Any:
    from types import SimpleNamespace  # noqa: PLC0415

    return SimpleNamespace(name=name, public=signer.public, sign=signer.sign)


def _chains() -> Files:
    def linked(*states: str, by: str = B_POLICE) -> list[bytes]:
        notes: list[bytes] = []
        for state in states:
            prev = sha256(text_of(notes[-1])) if notes else bytes(32)
            notes.append(said(by, state, prev=b64(prev)))
        return notes

    def chain(
        name: str, expect: str, comment: str, notes: list[bytes], attacks: list[int], *states: str
    ) -> File:
        told = [case(expect, "", gives={"states": list(states)} if expect == "good" else None)]
        shared = {"notes": [note.decode() for note in notes]}
        return file(f"receipts/chains/{name}", "receipt_chain", comment, told, attacks, **shared)

    whole = ("opened", "acknowledged", "accepted", "in_progress", "completed", "closed")
    notes = linked(*whole)
    yield chain("whole", "good", "The whole way", notes, [], *whole)
    yield chain("shuffled", "good", "Out of order: `prev` orders them", notes[::-1], [], *whole)
    asked = ("acknowledged", "info_requested", "acknowledged", "rejected")
    yield chain("asked-back", "good", "Information was asked for", linked(*asked), [], *asked)
    late = ("acknowledged", "opened", "declined")
    yield chain("opened-late", "good", "`opened` moves nothing, wherever it stands", linked(*late), [], *late)
    yield chain("empty", "good", "No receipt yet", [], [])
    yield chain("gap", "receipt_gap", "One in the middle is missing", notes[:2] + notes[3:], [85])
    yield chain("no-first", "receipt_gap", "The first is missing", notes[1:], [85])
    fork = [*notes[:2], said(B_POLICE, "rejected", prev=b64(sha256(text_of(notes[1])))), notes[2]]
    yield chain("fork", "receipt_fork", "Two after one", fork, [85])
    yield chain(
        "two-firsts",
        "receipt_fork",
        "Two without a predecessor",
        [notes[0], said(B_POLICE, "acknowledged")],
        [85],
    )
    yield chain(
        "backwards",
        "illegal_transition",
        "Accepted, then rejected",
        linked("acknowledged", "accepted", "rejected"),
        [85],
    )
    yield chain(
        "skipped", "illegal_transition", "Accepted without being acknowledged", linked("accepted"), [85]
    )
    yield chain(
        "after-the-end",
        "illegal_transition",
        "Something after it was closed",
        linked(*whole, "accepted"),
        [85],
    )
