"""What a person sees of what is held, and does with it (``gateway held``).

Messages (place ``intake``, ``quarantine``, ``returned``) and, beside them, parcels that an agency's adapter
refused for good (place ``parcel``, :mod:`gateway.flows.deliver`).

=========  ============================================================================================
show       codes, times and sizes; and what our own verification says of a message NOW, tried and undone
retry      a message is verified and taken in as if it came now, by :func:`gateway.flows.receive.accept`;
           a parcel is due again
release    a parcel was handed over by hand: it is given to nobody any more. Nothing is released INTO this
           node: what does not verify is not taken in because somebody wants it
discard    a message is nobody's: its bytes go. A parcel is its agency's, and is not discarded
=========  ============================================================================================

Rules
-----
- Looking changes nothing. What is tried for ``show`` is undone with its transaction.
- Every act happens once (compare and set), in one transaction with its leaf in the log; discarding and
  releasing stand in the s.62 access log, too, with the words of whoever decided, sealed.
- All of it works beside a running node. A message that kills its reader kills the command, and no node.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from gateway.core.encoding import Json, JsonObject
from gateway.core.envelope import unbundle
from gateway.errors import Conflict, GatewayError, NotAllowed, NotFound, Refused, Unavailable
from gateway.flows import accounts, arrival, receipts, receive
from gateway.flows.held import DELIVERY_LIMIT, GOOD, NOT_OURS, UNFORESEEN, UNROUTED, body_of, prove_via
from gateway.flows.node import Node, log_leaf
from gateway.flows.opening import read
from gateway.flows.show import when
from gateway.ports import AccessRow, HeldRow, Holding, Place, Task, TaskRow, Transaction

PARCEL: Final = "parcel"
PLACES: Final = (*(place.value for place in Place), PARCEL)

ANSWERED: Final = "answered"
TAKEN: Final = "taken"
DUE: Final = "due"
NOT_TRIED: Final = "not_tried"
BY_HAND: Final = "by_hand"

MANY: Final = 1_000
"""Rows of one list, and of one ``retry --all``."""

MAX_WORDS: Final = 1_000

LEAF: Final = "held"

REMEDIES: Final = {
    DELIVERY_LIMIT: "it stopped its reader again and again: keep it for whoever mends the fault; after the"
    " update `gateway held retry ID` tries it, in the command's own process",
    UNFORESEEN: "a fault of this program: tell whoever maintains it, then update and retry",
    UNROUTED: "the broker had no queue for it: `gateway broker check`",
    NOT_OURS: "it came back from a peer's queue and is nothing that this node knows to have sent: discard it",
    GOOD: "it is good now: `gateway held retry ID`",
    ANSWERED: "its sender was told of the refusal, signed, and has to send anew: discard it",
    NOT_TRIED: "`gateway held retry ID` tries it, in the command's own process",
    "suspended": "wait for the end of the suspension, or ask the directory's signers; then retry",
    "unknown_key": "is our directory the newest? `gateway directory show`; then retry",
    "expired": "it is too old to be taken in: its sender sends it anew by itself; discard it",
    "area": "it is for another area: tell the area that sent it; discard it",
    "via": "one area's bytes through another area's account: tell both, and the broker's operator",
    "equivocation": "two messages in one place of a stream: the alarm has both; ask that area's operator",
    "adapter_fault": "the adapter or its profile has a fault: mend it, then retry",
    "answer_fault": "the node has a fault over what the agency answered: report it, upgrade, then retry",
    "key_missing": "put the agency's key back (`gateway keys`), then retry",
}
"""What to do about the commonest codes; every other: docs/operations.md, Held."""

OTHER: Final = "docs/operations.md, Held; most garbage is a broken sender's: tell that area, then discard it"


@dataclass(frozen=True, slots=True)
class By:
    """Who acts: a reference, never a name. ``words``: why, kept sealed."""

    actor: str
    words: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """``done``: it is held no more. ``code``: what became of it, or what is wrong with it."""

    id: str
    done: bool
    code: str

    @property
    def facts(self) -> JsonObject:
        remedy = "" if self.done else remedy_of(self.code)
        return {"id": self.id, "done": self.done, "code": self.code, "remedy": remedy}


class _Undone(Exception):
    """Raised in a transaction whose outcome is all that was wanted."""


def remedy_of(code: str) -> str:
    return REMEDIES.get(code, OTHER)


# --- looking ------------------------------------------------------------------------------------------


def listing(
    tx: Transaction, *, place: str = "", code: str = "", settled: bool = False, limit: int = 100
) -> list[Json]:
    """Messages newest first, then parcels oldest first. ``settled``: messages that are held no more."""
    found: list[Json] = []
    if place != PARCEL:
        rows = tx.held_heads(limit, place=place, code=code, settled=settled)
        found += [_message(row) for row in rows]
    if place in {"", PARCEL} and not settled:
        tasks = tx.held_tasks(limit - len(found)) if limit > len(found) else ()
        found += [_parcel(tx, task) for task in tasks if code in {"", task.error}]
    return found


async def show(node: Node, identity: str) -> JsonObject:
    """Raises NotFound."""
    task, row = await node.store.read(lambda tx: (_held_task(tx, identity), tx.held_row(identity)))
    if task is not None:
        facts = await node.store.read(lambda tx: _parcel(tx, task))
        return {**facts, "remedy": remedy_of(task.error)}
    if row is None:
        raise _unknown()
    if row.state is not Holding.HELD:
        return {**_message(row), "now": "", "remedy": ""}
    now = await verdict(node, row)
    return {**_message(row), "now": now, "remedy": remedy_of(now)}


def _held_task(tx: Transaction, identity: str) -> TaskRow | None:
    found = tx.task(identity)
    return found if found is not None and found.state is Task.HELD else None


def _message(row: HeldRow) -> JsonObject:
    return {
        "id": row.id,
        "kind": "message",
        "place": row.place.value,
        "state": row.state.value,
        "code": row.code,
        "at": when(row.at),
        "seen": when(row.seen),
        "count": row.count,
        "size": row.size,
        "lane": row.lane.name.lower(),
        "peer": row.peer,
        "settled": when(row.settled),
        "by": row.by,
    }


def _parcel(tx: Transaction, task: TaskRow) -> JsonObject:
    ref, version = _about(tx, task)
    return {
        "id": task.id,
        "kind": task.kind.value,
        "place": PARCEL,
        "state": task.state.value,
        "code": task.error,
        "at": when(task.created),
        "attempts": task.attempts,
        "agency": task.principal,
        "handover": ref,
        "version": version,
    }


def _about(tx: Transaction, task: TaskRow) -> tuple[str, int]:
    """The handover that a parcel is about."""
    leg = tx.leg(task.leg)
    if leg is not None:
        return leg.ref, leg.version
    notice = tx.notice(task.subject) if task.subject else None
    return (notice.ref, notice.version) if notice is not None else ("", 0)


async def verdict(node: Node, row: HeldRow) -> str:
    """The code with which this node would refuse these bytes now; GOOD for none. Nothing is kept of it."""
    if row.place is Place.RETURNED:
        return NOT_OURS
    if row.code == DELIVERY_LIMIT:
        return NOT_TRIED
    try:
        for envelope in unbundle(body_of(node.keys, row)):
            await _try(node, envelope, row.peer or None)
    except Unavailable:
        raise
    except GatewayError as error:
        return error.code
    return GOOD


async def _try(node: Node, envelope: bytes, via: str | None) -> None:
    now = node.clock.now()
    proven, slot = prove_via(node, envelope, via, now)
    await _check_unanswered(node, proven.statement.mid)
    opened = read(node, proven, slot, now)

    def work(tx: Transaction) -> None:
        arrival.store(tx, node, opened, now)
        raise _Undone

    try:
        await node.store.write(work)
    except _Undone:
        return


async def _check_unanswered(node: Node, mid: str) -> None:
    """A signed refusal is final: stored again it would be a duplicate, and only seem to be taken in."""
    given = await node.store.read(lambda tx: tx.receipts(mid=mid, by=node.principal))
    if any(one.state == "refused" for one in given):
        raise Refused("its sender holds our signed refusal", code=ANSWERED, remedy=REMEDIES[ANSWERED])


# --- acting -------------------------------------------------------------------------------------------


async def retry(node: Node, by: By, identity: str) -> Outcome:
    """Raises NotFound, Conflict when somebody else has settled it meanwhile, Unavailable."""
    task = await node.store.read(lambda tx: _held_task(tx, identity))
    if task is not None:
        await node.store.write(lambda tx: _again(tx, node, by, task))
        return Outcome(identity, done=True, code=DUE)
    row = await _open_row(node, identity)
    code = await _take_in(node, row)
    if code:
        await node.store.write(lambda tx: tx.recode_held(identity, code))
        return Outcome(identity, done=False, code=code)
    await node.store.write(lambda tx: _settle(tx, row, Holding.TAKEN, by, node.clock.now()))
    return Outcome(identity, done=True, code=TAKEN)


async def retry_all(node: Node, by: By, *, code: str = "", place: str = "") -> Sequence[Outcome]:
    """All but what has stopped its reader, and what came back: one after the other, each by itself."""
    rows = await node.store.read(lambda tx: listing(tx, place=place, code=code, limit=MANY))
    done = []
    for row in rows:
        assert isinstance(row, dict)  # noqa: S101 - for the type checker: made by `listing`
        if row["code"] == DELIVERY_LIMIT or row["place"] == Place.RETURNED:
            continue
        try:
            done.append(await retry(node, by, str(row["id"])))
        except Unavailable:
            raise
        except GatewayError as error:  # one that cannot be tried stops none of the others
            done.append(Outcome(str(row["id"]), done=False, code=error.code))
    return done


async def _open_row(node: Node, identity: str) -> HeldRow:
    row = await node.store.read(lambda tx: tx.held_row(identity))
    if row is None:
        raise _unknown()
    if row.state is not Holding.HELD:
        raise _settled(row)
    return row


async def _take_in(node: Node, row: HeldRow) -> str:
    """The first code for which something of it was refused; "" when all of it is stored."""
    if row.place is Place.RETURNED:
        return NOT_OURS
    first = ""
    try:
        envelopes = unbundle(body_of(node.keys, row))
    except Refused as error:
        return error.code
    for envelope in envelopes:
        try:
            proven, _ = prove_via(node, envelope, row.peer or None, node.clock.now())
            await _check_unanswered(node, proven.statement.mid)
            refused = await receive.accept(node, envelope, via=row.peer or None)
        except Refused as error:
            refused = error
        first = first or (refused.code if refused is not None else "")
    return first


def _settle(tx: Transaction, row: HeldRow, after: Holding, by: By, now: int) -> None:
    if not tx.settle_held(row.id, after, now, by.actor):
        raise _settled(tx.held_row(row.id) or row)
    log_leaf(tx, LEAF, now, id=row.id, act=after.value, code=row.code)


def _again(tx: Transaction, node: Node, by: By, task: TaskRow) -> None:
    """Due for its pump, or parked for an agency that fetches it, as when it came."""
    after, now = receipts.parking(node, task.principal), node.clock.now()
    if not tx.advance_task(task.id, Task.HELD, after, due=now):
        raise _moved()
    log_leaf(tx, LEAF, now, id=task.id, act="retried", code=task.error)


async def release(node: Node, by: By, identity: str) -> Outcome:
    """Raises NotFound, NotAllowed for a message or without words, Conflict."""
    check_words(by)
    task, row = await node.store.read(lambda tx: (_held_task(tx, identity), tx.held_row(identity)))
    if task is None and row is not None:
        raise NotAllowed(
            "a message is let into this node by its signature, and by nobody's decision",
            code="held_release",
            remedy="`gateway held show ID` says what is wrong; `retry` takes it in once that is mended",
        )
    if task is None:
        raise _unknown()
    await node.store.write(lambda tx: _by_hand(tx, node, by, task))
    return Outcome(identity, done=True, code=BY_HAND)


def _by_hand(tx: Transaction, node: Node, by: By, task: TaskRow) -> None:
    now = node.clock.now()
    if not tx.advance_task(task.id, Task.HELD, Task.DONE, error=BY_HAND):
        raise _moved()
    ref, version = _about(tx, task)
    row = _access(node, by, "DISCLOSURE", ref or f"held:{task.id}", "BY_HAND", now)
    row = replace(row, version=version, leg=task.leg, recipients=(task.principal,))
    accounts.record(tx, accounts.noted(node.keys, row, by.words))
    log_leaf(tx, LEAF, now, id=task.id, act="released", code=task.error)


async def discard(node: Node, by: By, identity: str) -> Outcome:
    """Raises NotFound, NotAllowed for a parcel or without words, Conflict."""
    check_words(by)
    if await node.store.read(lambda tx: _held_task(tx, identity)) is not None:
        raise NotAllowed(
            "a parcel is its agency's: nobody here may throw it away",
            code="held_discard",
            remedy="`retry` it; or hand it over another way, and `gateway held release ID --reason TEXT`",
        )
    row = await _open_row(node, identity)
    await node.store.write(lambda tx: _discard(tx, node, by, row))
    return Outcome(identity, done=True, code=Holding.DISCARDED.value)


def _discard(tx: Transaction, node: Node, by: By, row: HeldRow) -> None:
    now = node.clock.now()
    _settle(tx, row, Holding.DISCARDED, by, now)
    access = _access(node, by, "ERASURE", f"held:{row.id}", "DISCARDED", now)
    accounts.record(tx, accounts.noted(node.keys, access, by.words))


def check_words(by: By) -> None:
    if not by.words.strip() or len(by.words) > MAX_WORDS:
        raise NotAllowed(
            f"why it is done is kept, in up to {MAX_WORDS} characters",
            code="reason",
            field="--reason",
            remedy='--reason "garbage of a test sender, told their operator on Monday"',
        )


def _access(node: Node, by: By, operation: str, ref: str, why: str, now: int) -> AccessRow:
    return AccessRow(
        at=now,
        operation=operation,
        principal=node.principal,
        actor=by.actor,
        role="operator",
        ref=ref,
        version=0,
        leg="",
        sections=(),
        recipients=(),
        justification=why,
    )


def _unknown() -> NotFound:
    return NotFound("nothing of this id is held", code="not_held", remedy="`gateway held list` shows the ids")


def _settled(row: HeldRow) -> Conflict:
    return Conflict(
        f"it is held no more: {row.state.value}", code="held_settled", remedy="`gateway held list --settled`"
    )


def _moved() -> Conflict:
    return Conflict(
        "this parcel is held no more", code="held_settled", remedy="`gateway held list` shows what is"
    )
