"""What an agency said in the reply to its parcel goes on record in the transaction that marks it delivered.

Duty: read such an answer (``Delivered.answer``), check it and seal its words, so that what is left fits into
that transaction. It leaves out the transaction and what becomes of the parcel (:mod:`gateway.flows.deliver`),
and answers that come later, by an adapter's iterator (:mod:`gateway.flows.runtime`) or over the API.

Rules
-----
- There is no moment at which the parcel is delivered and the answer is not on record: its agency believes
  that it has answered, and nobody would ask it again. After a crash before the commit the parcel comes again
  under its key, and the agency says the same again.
- A notification is answered, and a notice; nothing else is.

Example::

    said = prepare(node, binding, task, leg, rows, given.answer, now)
    await node.store.write(both)        # delivered(tx, ...), then said.record(tx)
    said.ring()
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from gateway.errors import InvalidDocument
from gateway.flows import acknowledge, notice_answer, notices
from gateway.flows.node import Caller, Node
from gateway.flows.slots import check_hosted
from gateway.ports import ActionRow, AgencyBinding, LegRow, Parcel, TaskRow, Transaction


@dataclass(frozen=True, slots=True)
class Said:
    """An answer that is ready. ``record``: within the transaction, after its parcel is marked delivered, for
    nobody takes on what is unread; it raises GatewayError. ``ring``: once that is committed."""

    record: Callable[[Transaction], object]
    ring: Callable[[], None]


def prepare(
    node: Node,
    binding: AgencyBinding,
    task: TaskRow,
    leg: LegRow,
    rows: Sequence[ActionRow],
    body: bytes,
    now: int,
) -> Said:
    """``leg``, ``rows``: as the agency was shown them. Raises GatewayError for what is no answer or does not
    fit, Unavailable for what cannot be sealed now."""
    if task.kind is Parcel.NOTIFICATION:
        words = acknowledge.read(body)
        caller = standing(node, binding, words.role)
        prepared = acknowledge.prepare(node, caller, leg, rows, words, now)
        return Said(
            lambda tx: acknowledge.record(tx, node, prepared, now), partial(acknowledge.ring, node, leg)
        )
    if task.kind is Parcel.NOTICE:
        said = notice_answer.read(body)
        caller = standing(node, binding, said.role)
        check_hosted(node, caller.principal)
        return Said(
            lambda tx: notice_answer.record(tx, node, caller, task.subject, said, now),
            partial(notices.ring, node),
        )
    raise InvalidDocument(
        "this parcel asks for no answer", code="no_answer", remedy="answer notifications and notices"
    )


def standing(node: Node, binding: AgencyBinding, role: str) -> Caller:
    """Who speaks when an agency's system does."""
    agency = node.network.principal(binding.principal).agency
    return Caller(binding.principal, agency, actor="adapter", role=role)
