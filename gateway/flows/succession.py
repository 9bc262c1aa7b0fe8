"""A version that takes the place of another is announced: what changed, to each reader in what it may read.

The notice leaves on the urgent lane, before the version itself, and goes to every recipient of any version:
one that the new version leaves out learns that the old one counts no more. What changed is computed here, by
comparing what was sealed to each reader with what is being sealed to it now: the origin's node can open what
it sent, until that is shredded. So nobody has to say it, and nobody is told of a field that he may not read.

Rule: joining two versions is a combination under s.62 DPA 2018; :mod:`gateway.flows.operations` has it on
record. PLAINTEXT of the older version is looked at and let go; only paths are left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.core.diff import changes
from gateway.core.encoding import Json, JsonObject
from gateway.core.notices import NoticeKind
from gateway.errors import GatewayError
from gateway.flows import custody
from gateway.flows.node import Caller, Node
from gateway.flows.notice_out import Drawn, Reader, send_all, words_of
from gateway.flows.notices import newest_legs
from gateway.flows.vault import open_for
from gateway.ports import HandoverRow, LegRow, NoticeRow, Transaction
from schemas.notice import REASONS_OF, NoticeName, NoticeReason

NEWS: Final = NoticeReason.NEW_INFORMATION.value
"""Why there is another version, where nothing is said."""

REASONS: Final = (NEWS, *sorted(REASONS_OF[NoticeName.CORRECTION]))
"""What may be said; all but the first make it a correction (s.38(5)(c) DPA 2018)."""

View = Callable[[str], JsonObject]
"""What is being sealed to a reader now; empty for one that the new version leaves out."""


@dataclass(frozen=True, slots=True)
class Change:
    """``before``: the version that is superseded; ``legs``: those of the new one, stored already; ``role``:
    who authorised it; ``reason``: one of :data:`REASONS`."""

    before: HandoverRow
    legs: Sequence[LegRow]
    view: View
    role: str
    reason: str


def announce(tx: Transaction, node: Node, caller: Caller, change: Change, now: int) -> Sequence[NoticeRow]:
    """To every recipient of any version before this one."""
    before = change.before
    kind = NoticeKind.UPDATE if change.reason == NEWS else NoticeKind.CORRECTION
    version = change.legs[0].version
    told: JsonObject = {"new_version": version}
    drawn = Drawn(before.ref, version, kind, change.reason, caller.principal, facts=told)
    common = words_of(node, drawn, caller.agency) | {"role": change.role}
    old = {leg.principal: leg for leg in newest_legs(tx, before.ref, before.version)}
    back = custody.misdirected(tx, old, {leg.principal for leg in change.legs})
    for name in sorted(back):
        custody.say_in_error(tx, node, old[name], caller.agency, now)
    newest = {name: leg for name, leg in old.items() if name not in back}
    newest |= {leg.principal: leg for leg in change.legs if leg.principal in old}
    readers = [
        Reader(name, leg.id, leg.counterpart, common | _told(tx, node, old[name], change.view))
        for name, leg in newest.items()
    ]
    return send_all(tx, node, drawn, readers, now)


def _told(tx: Transaction, node: Node, leg: LegRow, view: View) -> JsonObject:
    """What changed for one reader; that it cannot be told, where the older version is shredded."""
    after = view(leg.principal)
    if not after:
        return {"left_out": True}
    envelope = tx.envelope(leg.mid)
    try:
        sealed = open_for(node, envelope, leg.principal) if envelope else {}
    except GatewayError:
        return {"compared": False}
    found: list[Json] = [*changes(sealed, after)]
    return {"changes": found, "compared": True}
