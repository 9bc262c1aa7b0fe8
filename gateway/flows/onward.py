"""Those to whom a notice was passed on: an area on the sender's list, until it reports that nobody is left.

The reports come from the node that passed it on (:mod:`gateway.flows.cascade`), one for each area, again
whenever the number of readers that are outstanding there has changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.core.encoding import JsonObject
from gateway.flows.node import Node
from gateway.flows.notice_legs import SETTLED, settle
from gateway.flows.timers import set_again
from gateway.ports import NoticeLegRow, NoticeRow, TaskRow, Transaction


def heard(tx: Transaction, node: Node, row: NoticeRow, told: JsonObject, now: int) -> Sequence[TaskRow]:
    """Effect of a CASCADE_REPORT: one line in the list of the notice that it is about."""
    about = tx.notice(row.parent)
    area, left = told.get("area"), told.get("unresolved")
    if about is None or not isinstance(area, str) or not isinstance(left, int):
        return ()
    state = "DELIVERED" if left else "COMPLETED"
    name = f"{area}/node"
    held = next((leg for leg in tx.notice_legs(about.id) if leg.principal == name), None)
    if held is None:
        tx.put_notice_leg(NoticeLegRow(about.id, name, row.id, row.by, state, now, str(left), True))
    elif held.onward:
        tx.advance_notice_leg(about.id, name, held.state, state, now, code=str(left))
    if left and about.state == "DONE":
        tx.change_notice(about, replace(about, state="OPEN"))
    settle(tx, about.id)
    if about.parent:  # we have it from somebody, too
        set_again(tx, SETTLED, about.id, now)
    return ()
