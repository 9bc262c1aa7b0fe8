"""What is stored of notices: what was said about a handover after it was sent, and who has taken it in."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.ports.rows import Side


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """One notice between two areas (``gateway.core.notices``); ``id`` is minted by whoever sends it and the
    same on both sides. Codes, references and times: its words are sealed in the message ``mid``.

    ``side`` ORIGIN: we sent it to ``peer``; DESTINATION: it came from there. ``ref`` and ``version``: the
    handover, in the newest version that the sender knew; "" and 0 for a notice about none. ``by``: the
    principal that issued it. ``parent``: the notice that this one passes on or answers. ``facts``: canonical
    JSON of codes, what the receiving node must do. ``state``: OPEN, DONE (all have taken it in) or LIFTED.
    """

    id: str
    ref: str
    version: int
    kind: str
    side: Side
    peer: str
    by: str
    code: str
    mid: str
    urgency: str
    created: int
    answer_by: int = 0
    state: str = "OPEN"
    parent: str = ""
    facts: str = "{}"


@dataclass(frozen=True, slots=True)
class NoticeLegRow:
    """One reader of a notice, and how far it is. Identity: (notice, principal).

    ``leg`` is the leg of the handover by which it has to do with it, or an id of its own where there is no
    such leg. ``counterpart``: who at the sender's it answers to. ``onward``: no reader of ours but an area to
    which the notice was passed on. ``code``: the reason, or the result, that its last receipt gave.
    """

    notice: str
    principal: str
    leg: str
    counterpart: str
    state: str
    updated: int
    code: str = ""
    onward: bool = False
