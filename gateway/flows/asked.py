"""What the routing table says of actions: what a leg asks, whose duty it stays, what an answer says of them.

Duty: the forms in part 1 (protocol 4.4), written at one node and read at the other. Codes, ids and times:
titles and words are in the sealed parts. It leaves out what follows (:mod:`gateway.flows.actions`).

- ``actions`` of a leg's entry: ``[[action_id, code, blocks_closure, planned], ...]``
- ``duty`` of a leg's entry: when responsibility moves, where it is not on acceptance (:mod:`core.duty`)
- ``results`` of a reply's entry: ``[[action_id, result, code], ...]``
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.core.duty import SENT, duty_of
from gateway.core.encoding import MAX_TIME, Json, JsonObject
from gateway.errors import Malformed
from schemas.acknowledgement import Acknowledgement, ActionOutcome, ActionResult
from schemas.base import ITEM_ID, MAX_MANY
from schemas.handover import HandoverNotification
from schemas.message import ACTION_CODE

SPEC: Final = {"actions": list, "duty": str, "results": list}
"""The optional members of a leg's entry, with their types."""

_ID: Final = re.compile(ITEM_ID.removesuffix("$") + r"\Z")
_CODE: Final = re.compile(ACTION_CODE.removesuffix("$") + r"\Z")
_RESULTS: Final = frozenset(ActionOutcome.__members__)
_SAID: Final = re.compile(r"([A-Z][A-Z0-9_]{0,63})?\Z")


@dataclass(frozen=True, slots=True)
class Ask:
    """One action asked of a leg. ``planned``: the origin's ``due_at``, in unix seconds."""

    action: str
    code: str
    blocks: bool
    planned: int


@dataclass(frozen=True, slots=True)
class Said:
    """What became of one action. ``code``: the reason of NOT_DONE, or the answer of COMPLETED, or ""."""

    action: str
    result: str
    code: str


def asks_of(document: HandoverNotification, agency: str) -> tuple[Ask, ...]:
    """What the document asks of one agency type, in its order."""
    return tuple(
        Ask(one.action_id, one.code, one.blocks_closure, int(one.due_at.timestamp()))
        for one in document.actions
        if one.agency == agency
    )


def members(document: HandoverNotification, agency: str) -> JsonObject:
    """For the entry of a leg to ``agency``: those that say something."""
    asks: list[Json] = [[one.action, one.code, one.blocks, one.planned] for one in asks_of(document, agency)]
    duty = duty_of(document, agency)
    said: JsonObject = {"actions": asks, "duty": duty.value if duty in SENT else ""}
    return {name: value for name, value in said.items() if value}


def said_of(answer: Acknowledgement) -> tuple[Said, ...]:
    """What an answer says of single actions."""
    return tuple(Said(one.action_id, one.result.value, code_of(one)) for one in answer.actions)


def code_of(result: ActionResult) -> str:
    return result.reason_code.value if result.reason_code else result.answer or ""


def result_members(said: Sequence[Said]) -> JsonObject:
    """For the entry of a reply."""
    return {"results": [[one.action, one.result, one.code] for one in said]} if said else {}


# --- reading what a peer wrote --------------------------------------------------------------------------


def read_duty(entry: JsonObject) -> str:
    duty = entry.get("duty", "")
    if "duty" in entry and duty not in SENT:
        raise Malformed("a duty that this version does not know", code="routing")
    return str(duty)


def read_asks(entry: JsonObject) -> tuple[Ask, ...]:
    return _distinct([_ask(one) for one in _list(entry, "actions")])


def read_said(entry: JsonObject) -> tuple[Said, ...]:
    return _distinct([_said(one) for one in _list(entry, "results")])


def _list(entry: JsonObject, name: str) -> list[Json]:
    value = entry.get(name, [])
    if not isinstance(value, list) or len(value) > MAX_MANY or (name in entry and not value):
        raise Malformed("a list of actions is absent, or holds some", code="routing")
    return value


def _ask(value: Json) -> Ask:
    match value:
        case [str(action), str(code), bool(blocks), int(planned)] if (
            _ID.match(action) and _CODE.match(code) and type(planned) is int and 0 <= planned <= MAX_TIME
        ):
            return Ask(action, code, blocks, planned)
    raise Malformed("an action that is none", code="routing")


def _said(value: Json) -> Said:
    match value:
        case [str(action), str(result), str(code)] if (
            _ID.match(action) and result in _RESULTS and _SAID.match(code)
        ):
            return Said(action, result, code)
    raise Malformed("a result that is none", code="routing")


def _distinct(found: list[Ask] | list[Said]) -> tuple:  # type: ignore[type-arg] # one kind in, the same out
    if len({one.action for one in found}) != len(found):
        raise Malformed("one action twice", code="routing")
    return tuple(found)
