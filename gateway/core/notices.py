"""What may be said about a handover after it was sent, by whom, to whom, and how far a reader of it is.

Duty: the kinds of domain 6.8 with what follows from each (:data:`TYPES`), the codes that both nodes must act
on (:func:`read_block`, the section ``notice`` of part 1), and the table of a reader's states.

It leaves out what a node then does (``flows/effects.py``), words (sealed, never here) and signatures.

Rules
-----
- Every notice is signed, receipted by the node, and acknowledged by each agency that it is for.
- What cascades is passed on by itself: whoever got the person onward from a recipient hears it, too (s.48(7),
  (9) DPA 2018; R23).
- ``facts`` are codes, references, times and flags. A field's path is no fact: it stands in the sealed words.
- A reader that has acknowledged has read it. What asks for something more (``work``) ends with ``completed``
  or ``rejected``.

>>> advance_reader("DELIVERED", "acknowledged")
'ACKNOWLEDGED'
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from gateway.core.deadlines import LONDON
from gateway.core.encoding import HEX_ID, MAX_TIME, Json, JsonObject, fields, integer, text, within
from gateway.errors import Conflict, Malformed, Unsupported


class NoticeKind(StrEnum):
    """Domain 6.8, and those that the others need: RESTRICTION_LIFTED ends a restriction, REFUSAL says why a
    subject's request is not followed, INFORMATION answers a question, CASCADE_REPORT says how far those are
    to whom a notice was passed on."""

    UPDATE = "UPDATE"
    CORRECTION = "CORRECTION"
    RECTIFICATION = "RECTIFICATION"
    ERASURE = "ERASURE"
    RESTRICTION = "RESTRICTION"
    RESTRICTION_LIFTED = "RESTRICTION_LIFTED"
    REFUSAL = "REFUSAL"
    WITHDRAWAL = "WITHDRAWAL"
    UNLAWFUL_DISCLOSURE = "UNLAWFUL_DISCLOSURE"
    ONWARD_MOVE = "ONWARD_MOVE"
    RETURN_MOVE = "RETURN_MOVE"
    CLOSURE = "CLOSURE"
    HANDOVER_REQUEST = "HANDOVER_REQUEST"
    INFORMATION_REQUEST = "INFORMATION_REQUEST"
    INFORMATION = "INFORMATION"
    PERMISSION_REQUEST = "PERMISSION_REQUEST"
    PERMISSION_GRANT = "PERMISSION_GRANT"
    PURGE_ORDER = "PURGE_ORDER"
    PURGE_ATTESTATION = "PURGE_ATTESTATION"
    BREACH_RECORD = "BREACH_RECORD"
    CASCADE_REPORT = "CASCADE_REPORT"


_K = NoticeKind


class Sender(StrEnum):
    """Which side of the handover may send it."""

    ORIGIN = "origin"
    DESTINATION = "destination"
    EITHER = "either"


class Audience(StrEnum):
    """RECIPIENTS: every agency that got any version. CHOSEN: those that the sender names, or all. SENDERS:
    the agencies at the origin that answer for the legs. ISSUER: whoever sent the notice that it answers."""

    RECIPIENTS = "recipients"
    CHOSEN = "chosen"
    SENDERS = "senders"
    ISSUER = "issuer"


@dataclass(frozen=True, slots=True)
class NoticeType:
    """``legal``: where it comes from. ``cascades``: passed on to those who got the person from a recipient.
    ``work``: acknowledging is not enough, the reader has something to do. ``destroys``: the content is to go.
    ``purge``: days that an agency has for that, where the notice names no date. ``node``: only a node makes
    it. ``about``: it answers another notice."""

    sender: Sender
    audience: Audience
    legal: str
    cascades: bool = False
    work: bool = False
    destroys: bool = False
    node: bool = False
    about: bool = False


PURGE_DAYS: Final = 2
"""Working days until an agency has destroyed its copies, where the notice names no date [D]."""

_O, _D, _E = Sender.ORIGIN, Sender.DESTINATION, Sender.EITHER
_ALL, _SOME, _BACK, _ISSUER = Audience.RECIPIENTS, Audience.CHOSEN, Audience.SENDERS, Audience.ISSUER
_T = NoticeType

TYPES: Final[Mapping[NoticeKind, NoticeType]] = MappingProxyType(
    {
        _K.UPDATE: _T(_O, _ALL, "s.38(1) DPA 2018: up to date"),
        _K.CORRECTION: _T(_O, _ALL, "s.38(5)(c) DPA 2018", cascades=True),
        _K.RECTIFICATION: _T(_E, _ALL, "s.46, s.48(7)(9) DPA 2018; Art 16, 19 UK GDPR", cascades=True),
        _K.ERASURE: _T(
            _O, _ALL, "s.47 DPA 2018; Art 17, 19 UK GDPR", cascades=True, work=True, destroys=True
        ),
        _K.RESTRICTION: _T(_O, _ALL, "s.46(4), s.47(2)(3) DPA 2018; Art 18 UK GDPR", cascades=True),
        _K.RESTRICTION_LIFTED: _T(_O, _ALL, "s.48(8) DPA 2018", cascades=True, about=True),
        _K.REFUSAL: _T(_O, _SOME, "s.48(1)(b) DPA 2018", about=True),
        _K.WITHDRAWAL: _T(
            _O, _ALL, "s.38(5)(c), s.35(2)(a) DPA 2018; Art 7(3) UK GDPR",
            cascades=True, work=True, destroys=True,
        ),
        _K.UNLAWFUL_DISCLOSURE: _T(
            _O, _ALL, "s.38(5)(c) DPA 2018; finding F14", cascades=True, work=True, destroys=True
        ),
        _K.ONWARD_MOVE: _T(_D, _BACK, "s.36(4) DPA 2018; finding F14"),
        _K.RETURN_MOVE: _T(_D, _BACK, "domain 6.8"),
        _K.CLOSURE: _T(_E, _SOME, "domain 6.5 CS-04, R15"),
        _K.HANDOVER_REQUEST: _T(_D, _SOME, "the guide's inbound checklist", work=True),
        _K.INFORMATION_REQUEST: _T(_E, _SOME, "domain 6.5 CS-02", work=True),
        _K.INFORMATION: _T(_E, _SOME, "domain 6.5 CS-02", about=True),
        _K.PERMISSION_REQUEST: _T(_E, _SOME, "domain 6.5 OR-02", work=True),
        _K.PERMISSION_GRANT: _T(_E, _SOME, "domain 6.5 OR-02", about=True),
        _K.PURGE_ORDER: _T(_O, _ALL, "s.39 DPA 2018; finding F3", cascades=True, work=True, destroys=True),
        _K.PURGE_ATTESTATION: _T(_D, _ISSUER, "s.48(9) DPA 2018; finding F3", about=True),
        _K.BREACH_RECORD: _T(_E, _SOME, "s.67 DPA 2018; Art 33 UK GDPR"),
        _K.CASCADE_REPORT: _T(_D, _ISSUER, "s.48(9) DPA 2018; R23", node=True, about=True),
    }
)  # fmt: skip
"""Kind -> what follows from it."""

_ABOUT: Final[Mapping[NoticeKind, frozenset[NoticeKind]]] = MappingProxyType(
    {
        _K.RESTRICTION_LIFTED: frozenset({_K.RESTRICTION}),
        _K.PURGE_ATTESTATION: frozenset(kind for kind, what in TYPES.items() if what.destroys),
        _K.CASCADE_REPORT: frozenset(kind for kind, what in TYPES.items() if what.cascades),
        _K.PERMISSION_GRANT: frozenset({_K.PERMISSION_REQUEST}),
        _K.INFORMATION: frozenset({_K.INFORMATION_REQUEST}),
    }
)


def answerable(kind: NoticeKind) -> frozenset[NoticeKind]:
    """What a notice of ``kind`` can be about. An attestation of what nobody asked to be destroyed would end
    legs that still wait for their answer.

    >>> sorted(answerable(NoticeKind.INFORMATION))
    [<NoticeKind.INFORMATION_REQUEST: 'INFORMATION_REQUEST'>]
    """
    return _ABOUT.get(kind, frozenset({_K.RECTIFICATION}))


CORRECTING: Final = frozenset({_K.CORRECTION, _K.UPDATE})
"""Kinds that a new version comes with."""

HELD_BACK: Final = frozenset(kind for kind, what in TYPES.items() if what.cascades or kind is _K.UPDATE)
"""Kinds that an agency must see before what they are about, where it has not seen that yet."""


def one_month(at: int) -> int:
    """The same time of day in London a calendar month later; its last day where there is no such day (R29).

    >>> one_month(1_769_860_800) - 1_769_860_800 == 28 * 86_400      # 31 January 2026, 12:00
    True
    """
    moment = datetime.fromtimestamp(at, LONDON)
    year, month = moment.year + moment.month // 12, moment.month % 12 + 1
    day = min(moment.day, monthrange(year, month)[1])
    return int(moment.replace(year=year, month=month, day=day).timestamp())


# --- a reader's states ------------------------------------------------------------------------------

READER: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {
        ("QUEUED", "received"): "DELIVERED",
        ("QUEUED", "refused"): "UNDELIVERABLE",
        ("QUEUED", "opened"): "OPENED",
        ("QUEUED", "acknowledged"): "ACKNOWLEDGED",
        ("DELIVERED", "opened"): "OPENED",
        ("DELIVERED", "acknowledged"): "ACKNOWLEDGED",
        ("DELIVERED", "refused"): "UNDELIVERABLE",
        ("OPENED", "received"): "OPENED",
        ("OPENED", "acknowledged"): "ACKNOWLEDGED",
        ("ACKNOWLEDGED", "received"): "ACKNOWLEDGED",
        ("ACKNOWLEDGED", "opened"): "ACKNOWLEDGED",
        ("ACKNOWLEDGED", "completed"): "COMPLETED",
        ("ACKNOWLEDGED", "rejected"): "REJECTED",
        ("COMPLETED", "received"): "COMPLETED",
        ("REJECTED", "received"): "REJECTED",
        ("REJECTED", "completed"): "COMPLETED",
    }
)
"""``(state, receipt) -> state`` of one reader. Receipts of two keys overtake each other."""

ENDED: Final = frozenset({"COMPLETED"})


def advance_reader(state: str, event: str) -> str:
    """The reader's next state. Raises Conflict that names what is possible instead."""
    if (state, event) in READER:
        return READER[state, event]
    possible = sorted({done for (at, done), after in READER.items() if at == state and after != state})
    raise Conflict(
        f"not possible for a notice in state {state}",
        code="illegal_transition",
        remedy=f"possible now: {', '.join(possible)}" if possible else "nothing more can happen to it",
    )


INFORMS: Final = frozenset({_K.CASCADE_REPORT, _K.PURGE_ATTESTATION})
"""Kinds that tell the sender of a notice how far it is: that they came is enough."""


def resolved(kind: NoticeKind, state: str) -> bool:
    """Whether nothing more is awaited from a reader: it has acknowledged, and done what it was asked. One
    that refused to is not: a person has to settle it."""
    if kind in INFORMS:
        return state not in {"QUEUED", "UNDELIVERABLE"}
    if kind is NoticeKind.HANDOVER_REQUEST and state == "REJECTED":
        return True  # "we do not know this person" is an answer
    return state in ENDED or (state == "ACKNOWLEDGED" and not TYPES[kind].work)


# --- the block for the receiving node ----------------------------------------------------------------

CODE: Final = re.compile(r"[A-Z][A-Z0-9_]{0,63}\Z")
_SECTION: Final = re.compile(r"[a-z][a-z_]{0,31}\Z")
_AREA: Final = re.compile(r"[A-Z][0-9]{8}\Z")
_HANDOVER: Final = re.compile(r"HO-[A-Z][0-9]{8}-[0-9]{4}-[0-9]{6}\Z")

MAX_LISTED: Final = 64
"""Legs, versions or areas that one notice names."""


@dataclass(frozen=True, slots=True)
class Block:
    """What a notice tells the receiving node. ``versions``: of the handover, empty for all of them."""

    id: str
    kind: NoticeKind
    code: str
    versions: tuple[int, ...] = ()
    facts: JsonObject = field(default_factory=dict)


def _flag(table: JsonObject, name: str) -> None:
    if type(table[name]) is not bool:
        raise _value(name)


def _number(table: JsonObject, name: str) -> None:
    integer(table, name)


def _moment(table: JsonObject, name: str) -> None:
    integer(table, name, high=MAX_TIME)


def _matching(pattern: re.Pattern[str]) -> Callable[[JsonObject, str], None]:
    def check(table: JsonObject, name: str) -> None:
        text(table, name, pattern)

    return check


def _every(pattern: re.Pattern[str]) -> Callable[[JsonObject, str], None]:
    def check(table: JsonObject, name: str) -> None:
        found = table[name]
        if not isinstance(found, list) or not 0 < len(found) <= MAX_LISTED:
            raise _value(name)
        if any(not isinstance(item, str) or not pattern.match(item) for item in found):
            raise _value(name)

    return check


FACTS: Final[Mapping[str, Callable[[JsonObject, str], None]]] = MappingProxyType(
    {
        "about": _matching(HEX_ID),
        "agencies": _every(CODE),
        "area": _matching(_AREA),
        "contested": _flag,
        "copies_destroyed": _flag,
        "due": _moment,
        "evidence": _flag,
        "handover": _matching(_HANDOVER),
        "legs": _every(HEX_ID),
        "log_contains_payload": _flag,
        "new_version": _number,
        "onward": _number,
        "onward_disclosure": _flag,
        "section": _matching(_SECTION),
        "since": _moment,
        "unresolved": _number,
        "until": _moment,
    }
)
"""Name of a fact -> what checks its form. A name that is not here is refused: a node acts on these."""


def write_block(block: Block) -> JsonObject:
    """The section ``notice`` of part 1."""
    versions: list[Json] = [*block.versions]
    return {
        "id": block.id,
        "kind": block.kind.value,
        "code": block.code,
        "versions": versions,
        "facts": block.facts,
    }


def read_block(value: Json) -> Block:
    """The section ``notice`` of part 1. Raises Malformed; Unsupported for a kind of a later release."""
    with within("notice"):
        body = fields(value, {"id": str, "kind": str, "code": str, "versions": list, "facts": dict})
        kind = text(body, "kind", CODE)
        if kind not in set(NoticeKind):
            raise Unsupported("a kind of notice that this release does not know", code="notice_kind")
        return Block(
            text(body, "id", HEX_ID),
            NoticeKind(kind),
            text(body, "code", CODE),
            _versions(body["versions"]),
            check_facts(body["facts"]),
        )


def check_facts(value: Json) -> JsonObject:
    """Raises Malformed for a fact that is not known or has not its form."""
    if not isinstance(value, dict):
        raise _value("facts")
    with within("facts"):
        for name in value:
            if name not in FACTS:
                raise Malformed("a fact that this version does not know", code="field_unknown")
            FACTS[name](value, name)
    return value


def _versions(value: Json) -> tuple[int, ...]:
    found = value if isinstance(value, list) else []
    numbers = tuple(item for item in found if type(item) is int and item > 0)
    if list(numbers) != found or len(numbers) > MAX_LISTED or sorted(set(numbers)) != found:
        raise _value("versions")
    return numbers


def _value(name: str) -> Malformed:
    return Malformed(f"{name} does not have its form", code="field_value", field=f"/{name}")
