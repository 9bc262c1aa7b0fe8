"""Something is said about a handover after it was sent: who has to hear it, and one sealed message an area.

Duty: :func:`issue`, for an agency that hands a notice in; flows make theirs with :func:`send`. It leaves out
sealing (:mod:`gateway.flows.notice_out`), what a notice does here (:mod:`gateway.flows.effects`),
receiving (:mod:`gateway.flows.notice_in`) and answers (:mod:`gateway.flows.notice_answer`).

Rules
-----
- Every recipient of any version hears what is for all, and of the changes only those that it may read.
- What an agency hands in is on record (s.62 DPA 2018) before anything leaves: the alteration, and a
  disclosure for each recipient.

Example::

    issued = await issue(node, caller, "HO-E09000012-2026-000123", notice, key="4711")
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from gateway.core import shred
from gateway.core.encoding import Json, JsonObject
from gateway.core.notices import TYPES, Audience, NoticeKind, Sender
from gateway.errors import Conflict, InvalidDocument, NotAllowed, NotFound, Problem
from gateway.flows import accounts, effects, parcels, show
from gateway.flows.accounts import access
from gateway.flows.node import Caller, Node
from gateway.flows.notice_out import Drawn, Reader, send, send_all, words_of
from gateway.ports import HandoverRow, IdempotencyRow, Lane, LegRow, NoticeRow, Side, Transaction
from schemas.base import ShapeError
from schemas.notice import Notice, parse_notice

__all__ = ["Drawn", "Issued", "Reader", "issue", "read", "send", "send_all"]


@dataclass(frozen=True, slots=True)
class Issued:
    """``ids``: one notice for each area that has to hear it. ``repeated``: it was handed in before."""

    ids: tuple[str, ...]
    repeated: bool = False

    @property
    def id(self) -> str:
        return self.ids[0]


def read(body: bytes) -> Notice:
    """Raises InvalidDocument naming the fields, never their values."""
    try:
        return parse_notice(body)
    except ShapeError as error:
        raise InvalidDocument(
            "this is not a notice",
            problems=[Problem(p.pointer, p.message, p.remedy) for p in error.problems],
            remedy="`gateway schema show notice` prints the shape",
        ) from None


# --- from an agency ---------------------------------------------------------------------------------


async def issue(node: Node, caller: Caller, ref: str, notice: Notice, *, key: str) -> Issued:
    """Accept a notice for sending. ``key`` is the caller's Idempotency-Key.

    Raises NotFound (not the caller's handover), NotAllowed (not this side's to send), Conflict (the same key
    with another notice, or what the handover's state does not allow), UnknownRecipient, Unavailable.
    """
    now = node.clock.now()
    repeat = _fingerprints(node, caller, key, ref, notice)

    def work(tx: Transaction) -> Issued:
        if done := _earlier(tx, repeat):
            return done
        ids = tuple(row.id for row in _issue(tx, node, caller, ref, notice, now))
        for place, made in enumerate(ids):
            tx.put_setting(f"{_SAID}/{repeat[0].hex()}/{place}", made.encode())
        tx.put_idempotency(IdempotencyRow(*repeat, ref, 0, now))
        return Issued(ids)

    issued = await node.store.write(work)
    ring(node)
    return issued


_SAID: Final = "notice"
"""Settings that remember which notices an Idempotency-Key brought."""


def ring(node: Node) -> None:
    """Wake whoever has something to do after a notice."""
    node.wake.outbox[Lane.URGENT].set()
    node.wake.signed()
    node.wake.agencies()


def _fingerprints(node: Node, caller: Caller, key: str, ref: str, notice: Notice) -> tuple[bytes, bytes]:
    """Keyed, as those of submit: a plain hash of what a person wrote would be personal data (protocol 7)."""
    secret = node.keys.secret("idempotency")
    named = f"notice\n{caller.principal}\n{key}".encode()
    said = f"{ref}\n{notice.model_dump_json()}".encode()
    return shred.keyed_hash(secret, named, purpose="key"), shred.keyed_hash(secret, said, purpose="body")


def _earlier(tx: Transaction, repeat: tuple[bytes, bytes]) -> Issued | None:
    row = tx.idempotency(repeat[0])
    if row is None:
        return None
    if row.request != repeat[1]:
        raise Conflict(
            "this Idempotency-Key was used with another notice",
            code="idempotency_key_reused",
            remedy="use a fresh key for a new notice, or send the same one again",
        )
    ids: list[str] = []
    while made := tx.setting(f"{_SAID}/{repeat[0].hex()}/{len(ids)}"):
        ids.append(made.decode())
    return Issued(tuple(ids), repeated=True)


def _issue(
    tx: Transaction, node: Node, caller: Caller, ref: str, notice: Notice, now: int
) -> Sequence[NoticeRow]:
    handover = show.find(tx, ref, caller.principal).handover
    kind = NoticeKind(notice.kind.value)
    _check_side(kind, handover)
    _check_submitter(kind, handover, caller)
    drawn = Drawn(
        ref=ref,
        version=handover.version,
        kind=kind,
        code=notice.reason_code.value,
        by=caller.principal,
        facts=effects.facts_of(tx, handover, notice),
        parent=notice.about or "",
    )
    drawn = effects.before(tx, node, drawn, handover, now)
    legs = _audience(tx, handover, caller, drawn, notice)
    _account(tx, caller, legs, drawn, now)
    readers = [_reader(tx, node, caller, leg, handover, drawn, notice) for leg in legs]
    rows = send_all(tx, node, drawn, readers, now)
    for row in rows:
        effects.on_issue(tx, node, row, now)
    return rows


def _check_side(kind: NoticeKind, handover: HandoverRow) -> None:
    allowed = TYPES[kind].sender
    if allowed is not Sender.EITHER and allowed.value != handover.side.value:
        raise NotAllowed(
            "this notice is for the other side of the handover to send",
            code="notice_side",
            field="/kind",
            remedy=f"{kind} is sent by the {allowed.value} of a handover; ask {_other(handover)}",
        )


def _check_submitter(kind: NoticeKind, handover: HandoverRow, caller: Caller) -> None:
    """What ends the handover for every recipient is for the agency that handed it in: the counterpart of one
    leg answers for that leg alone."""
    ends = TYPES[kind].destroys or kind is NoticeKind.CLOSURE
    if ends and handover.side is Side.ORIGIN and handover.submitted_by != caller.principal:
        raise NotAllowed(
            "this notice is for the agency that handed the handover in",
            code="notice_submitter",
            field="/kind",
            remedy=f"ask {handover.submitted_by} to send it",
        )


def _other(handover: HandoverRow) -> str:
    return handover.destination if handover.side is Side.ORIGIN else handover.origin


def newest_legs(tx: Transaction, ref: str, newest: int) -> Sequence[LegRow]:
    """Every recipient of any version, with the leg of the newest that it got."""
    found: dict[str, LegRow] = {}
    for version in range(1, newest + 1):
        found |= {leg.principal: leg for leg in tx.legs(ref, version)}
    return list(found.values())


def _audience(
    tx: Transaction, handover: HandoverRow, caller: Caller, drawn: Drawn, notice: Notice
) -> Sequence[LegRow]:
    """The legs whose agencies at the other side hear it. Raises NotAllowed, NotFound."""
    legs = newest_legs(tx, handover.ref, handover.version)
    what = TYPES[drawn.kind]
    if handover.side is Side.DESTINATION:
        return _senders(legs, caller)
    if named := drawn.facts.get("legs"):
        legs = [leg for leg in legs if isinstance(named, list) and leg.id in named]
    if notice.to and what.audience is not Audience.CHOSEN:
        raise NotAllowed(
            "this notice goes to every recipient",
            code="notice_audience",
            field="/to",
            remedy="leave `to` out",
        )
    if what.about and not notice.to and (about := tx.notice(drawn.parent)) is not None:
        legs = [leg for leg in legs if parcels.concerns(tx, about, leg.principal) or _asked(about, leg)]
    chosen = [leg for leg in legs if not notice.to or leg.agency in notice.to]
    if not chosen:
        raise NotFound("no recipient of this handover is meant", code="no_leg", field="/to")
    return chosen


def _asked(about: NoticeRow, leg: LegRow) -> bool:
    """Whether this leg's agency sent the notice that is answered."""
    return about.side is Side.DESTINATION and about.by == leg.principal


def _senders(legs: Sequence[LegRow], caller: Caller) -> Sequence[LegRow]:
    """From the receiving side: the counterpart of the caller's own leg. The other agencies at the origin hear
    what concerns all of them through the origin's own notices."""
    mine = [leg for leg in legs if leg.principal == caller.principal]
    return mine[:1]


def _reader(
    tx: Transaction,
    node: Node,
    caller: Caller,
    leg: LegRow,
    handover: HandoverRow,
    drawn: Drawn,
    notice: Notice,
) -> Reader:
    ours = handover.side is Side.ORIGIN
    words = words_of(node, drawn, caller.agency) | _said(notice, _readable(tx, leg))
    if ours:
        return Reader(leg.principal, leg.id, leg.counterpart, words)
    return Reader(leg.counterpart, leg.id, leg.principal, words)


def _readable(tx: Transaction, leg: LegRow) -> frozenset[str]:
    """The sections that were disclosed to this leg's agency, in any version."""
    return frozenset(
        section
        for row in tx.accesses(ref=leg.ref, limit=MANY)
        if row.operation == "DISCLOSURE" and leg.principal in row.recipients
        for section in row.sections
    )


MANY: Final = 10_000
"""Entries of one handover's access log that are looked through."""


def _said(notice: Notice, readable: frozenset[str]) -> JsonObject:
    """What the person wrote, and of the changes those that this reader may read: a path alone can tell that
    there is an order."""
    said: JsonObject = {"role": notice.role}
    if notice.text is not None:
        said["text"] = notice.text
    if notice.statement is not None:
        said["statement"] = notice.statement
    if notice.asks:
        said["asks"] = list[Json](notice.asks)
    if notice.permission is not None:
        said["permission"] = notice.permission.model_dump(mode="json", exclude_none=True)
    changes: list[Json] = [path for path in notice.changes if path.split("/")[1] in readable]
    return said | ({"changes": changes} if changes else {})


def _account(tx: Transaction, caller: Caller, legs: Sequence[LegRow], drawn: Drawn, now: int) -> None:
    """s.62 DPA 2018: that something was changed, and who was told."""
    for leg in legs[:1]:
        accounts.record(tx, access(caller, leg, "ALTERATION", f"NOTICE_{drawn.kind}", now))
    for leg in legs:
        told = access(caller, leg, "DISCLOSURE", f"NOTICE_{drawn.kind}", now)
        accounts.record(tx, replace(told, recipients=(leg.principal,)))
