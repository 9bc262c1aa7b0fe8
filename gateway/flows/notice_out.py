"""The way out of every notice: one sealed message an area, codes for its node, words for its agencies.

Duty: :func:`send`, inside whatever transaction makes the notice. It leaves out who has to hear it and whether
it may be sent (:mod:`gateway.flows.notices`, :mod:`gateway.flows.effects`).

Rules
-----
- Part 1 tells the receiving node what to do, in codes. Words go sealed to each agency, in its own part.
- Notices leave on the urgent lane: what is wrong must not be read before the notice that says so.
- A reader whose key is not to be had stands on the list of those who have not acknowledged, until a person
  has reached it.

Example::

    send(tx, node, Drawn(ref, 2, NoticeKind.CORRECTION, "DATA_INACCURATE", by), readers, now)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import structlog
from uuid_utils.compat import uuid7

from gateway.core.encoding import Json, JsonObject, encode
from gateway.core.envelope import Kind
from gateway.core.notices import TYPES, Block, NoticeKind, write_block
from gateway.errors import UnknownRecipient
from gateway.flows import outgoing
from gateway.flows.node import PRIORITY, Node, area_of
from gateway.flows.vault import ROUTING, write_sections
from gateway.ports import Lane, NoticeLegRow, NoticeRow, Side, Transaction

NOTICE: Final = "NOTICE"
"""The type of its routing table (protocol 4.4)."""

log = structlog.get_logger("notices")


@dataclass(frozen=True, slots=True)
class Reader:
    """One agency that a notice is for. ``leg``: its leg of the handover; ``words``: the section ``notice``
    that is sealed to it, PLAINTEXT; ``counterpart``: who at our side it answers to."""

    principal: str
    leg: str
    counterpart: str
    words: JsonObject = field(repr=False)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A notice to be sent. ``version``: the newest of the handover; ``versions``: those that it is about,
    none for all. ``parent``: the notice that it passes on or answers. ``facts``: see `core.notices.FACTS`."""

    ref: str
    version: int
    kind: NoticeKind
    code: str
    by: str
    versions: tuple[int, ...] = ()
    facts: JsonObject = field(default_factory=dict)
    parent: str = ""
    answer_by: int = 0


def words_of(node: Node, drawn: Drawn, agency: str) -> JsonObject:
    """What every reader of a notice is told: what it is about, its codes and their source in law."""
    about: JsonObject = {"handover": drawn.ref, "version": drawn.version}
    told: JsonObject = {
        "about": about,
        "kind": drawn.kind.value,
        "reason_code": drawn.code,
        "from": {"area": node.area, "agency": agency},
        "legal": TYPES[drawn.kind].legal,
        "facts": drawn.facts,
    }
    return told | ({"answers": drawn.parent} if drawn.parent else {})


def send_all(
    tx: Transaction, node: Node, drawn: Drawn, readers: Sequence[Reader], now: int
) -> Sequence[NoticeRow]:
    """One notice for each area that has readers."""
    by_area: dict[str, list[Reader]] = {}
    for reader in readers:
        by_area.setdefault(area_of(reader.principal), []).append(reader)
    return [send(tx, node, drawn, group, now) for group in by_area.values()]


def send(
    tx: Transaction, node: Node, drawn: Drawn, readers: Sequence[Reader], now: int, *, urgency: str = ""
) -> NoticeRow:
    """Seal one notice to the readers of one area and queue it, within ``tx``. ``urgency``: of one that is
    about no handover; otherwise the handover's counts.

    Raises UnknownRecipient when the area's node has no valid key, Unavailable when nothing can be sent now.
    """
    notice = uuid7().hex
    peer = area_of(readers[0].principal)
    drawn = _between(tx, drawn, peer)
    reached = [reader for reader in readers if _has_key(node, reader.principal, now)]
    urgency = urgency or _urgency(tx, drawn)
    mid = ""
    if reached:
        contents = [_part_1(drawn, notice, urgency, reached)]
        contents += [_sealed(reader.words | {"id": notice}) for reader in reached]
        sending = outgoing.seal(
            node,
            kind=Kind.MESSAGE,
            to=peer,
            lane=Lane.URGENT,
            priority=PRIORITY["URGENT"],
            readers={reader.principal: (place,) for place, reader in enumerate(reached, start=ROUTING + 1)},
            contents=contents,
            now=now,
            ref=drawn.ref,
            version=drawn.version,
        )
        mid = outgoing.store(tx, node, sending, now).mid
        tx.put_notice_message(mid, notice)
    row = NoticeRow(
        id=notice,
        ref=drawn.ref,
        version=drawn.version,
        kind=drawn.kind.value,
        side=Side.ORIGIN,
        peer=peer,
        by=drawn.by,
        code=drawn.code,
        mid=mid,
        urgency=urgency,
        created=now,
        answer_by=drawn.answer_by,
        parent=drawn.parent,
        facts=encode(drawn.facts).decode(),
    )
    tx.put_notice(row)
    for reader in readers:
        state = "QUEUED" if reader in reached else "UNDELIVERABLE"
        tx.put_notice_leg(NoticeLegRow(notice, reader.principal, reader.leg, reader.counterpart, state, now))
    return row


def _between(tx: Transaction, drawn: Drawn, peer: str) -> Drawn:
    """Of two areas that hear a notice, one alone knows the notice that it answers."""
    about = tx.notice(drawn.parent) if "about" in drawn.facts else None
    if about is None or about.peer == peer:
        return drawn
    return replace(drawn, facts={name: one for name, one in drawn.facts.items() if name != "about"})


def _has_key(node: Node, principal: str, now: int) -> bool:
    try:
        node.network.sealing_key(principal, now)
    except UnknownRecipient as error:
        log.error("a notice cannot be sealed", to=principal, code=error.code)
        return False
    return True


def _urgency(tx: Transaction, drawn: Drawn) -> str:
    handover = tx.handover(drawn.ref, drawn.version) if drawn.ref else None
    return handover.urgency if handover else "STANDARD"


def _part_1(drawn: Drawn, notice: str, urgency: str, readers: Sequence[Reader]) -> bytes:
    """The routing table, and the block of codes that the receiving node acts on (protocol 4.4)."""
    legs: list[Json] = [
        {"slot": slot, "principal": reader.principal, "leg": reader.leg, "reply_to": reader.counterpart}
        for slot, reader in enumerate(readers, start=1)
    ]
    routing: JsonObject = {
        "type": NOTICE,
        "handover": drawn.ref,
        "version": drawn.version,
        "urgency": urgency,
        "legs": legs,
    }
    block = Block(notice, drawn.kind, drawn.code, drawn.versions, drawn.facts)
    return write_sections({"routing": routing, "notice": write_block(block)})


def _sealed(words: Mapping[str, Json]) -> bytes:
    return write_sections({"notice": dict(words)})
