"""What an agency with its own key signed about a notice: the same as at a node, judged and kept.

Brought to the address for receipts under the notice's id in place of a leg's. Rules: those of
:mod:`gateway.flows.relay_in`; and what is said to be destroyed is gone from this node first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.core.notices import TYPES, NoticeKind, advance_reader
from gateway.core.receipts import Receipt
from gateway.errors import NotAllowed
from gateway.flows import accounts, effects, notice_legs, receipts, relay_in
from gateway.flows.accounts import access
from gateway.flows.node import Caller, Node
from gateway.flows.notice_answer import ATTESTED, find
from gateway.flows.parcels import leg_of, let_on, task_id
from gateway.flows.relay import agent, check_own_key
from gateway.flows.relay_in import Taken
from gateway.ports import EnvelopeRow, NoticeLegRow, NoticeRow, Task, Transaction
from schemas.notice import NoticeRefusal

STATES: Final = frozenset({"opened", "acknowledged", "completed", "rejected"})


async def take(node: Node, caller: Caller, name: str, notes: Sequence[str]) -> Taken:
    """Receipts about the leg or the notice ``name``. Raises what `relay_in.take` raises."""
    if await node.store.read(lambda tx: tx.notice(name)) is None:
        return await relay_in.take(node, caller, name, notes)
    check_own_key(node, caller)
    now = node.clock.now()
    given = [relay_in.verified(node, caller, note, now) for note in notes]
    taken = await node.store.write(lambda tx: _take(tx, node, caller, name, given, now))
    node.wake.signed()
    return taken


def _take(
    tx: Transaction, node: Node, caller: Caller, name: str, given: Sequence[Receipt], now: int
) -> Taken:
    receipts.chain_lock(tx, find(tx, caller, name)[0].peer)
    row, reader, envelope = find(tx, caller, name)  # as it stands under the lock
    fresh = [receipt for receipt in given if tx.receipt(receipt.hash) is None]
    for receipt in fresh:
        _check(tx, node, row, reader, envelope, receipt, now)
        reader = notice_legs.move(tx, reader, receipt.state, receipt.at, receipt.code)
        receipts.keep(tx, receipt, envelope, None, now)
        _follow(tx, caller, row, reader, receipt, now)
    notice_legs.settle(tx, name)
    return Taken(name, reader.state, not fresh)


def _check(
    tx: Transaction,
    node: Node,
    row: NoticeRow,
    reader: NoticeLegRow,
    envelope: EnvelopeRow,
    receipt: Receipt,
    now: int,
) -> None:
    """What the sender would refuse is not sent to it. Raises NotAllowed, Conflict."""
    if receipt.state not in STATES:
        raise NotAllowed("no answer to a notice", code="receipt_state", field="/state")
    relay_in.check_chain(tx, envelope, receipt, now)
    advance_reader(reader.state, receipt.state)
    destroys = TYPES[NoticeKind(row.kind)].destroys
    codes = {
        "completed": ATTESTED if destroys else frozenset({""}),
        "rejected": frozenset(code.value for code in NoticeRefusal),
    }.get(receipt.state, frozenset({""}))
    if receipt.code not in codes:
        raise NotAllowed("a reason that does not fit this answer", code="reason_code", field="/code")
    if receipt.code in ATTESTED:
        effects.check_destroyed(tx, node, row)


def _follow(
    tx: Transaction, caller: Caller, row: NoticeRow, reader: NoticeLegRow, receipt: Receipt, now: int
) -> None:
    """On record; and what waited for the notice goes on."""
    task = tx.task(task_id(row.id, reader.leg))
    if task is None:
        return
    if (leg := leg_of(tx, task)) is not None:
        said = f"NOTICE_{receipt.state.upper()}"
        accounts.record(tx, access(agent(caller), leg, "ALTERATION", said, now))
    if receipt.state == "opened":
        tx.advance_task(task.id, task.state, Task.DONE)
        let_on(tx, row.ref, caller.principal, now)
