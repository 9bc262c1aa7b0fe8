"""For agencies that keep their own key: sealed parcels out, signed receipts and sealed words in.

Thin: every decision is made in :mod:`gateway.flows.relay` and :mod:`gateway.flows.relay_in`. No person is
named here (``Gateway-Actor``): who reads is known on the agency's side alone, and is on record there.

The documents of the network are anybody's: they are signed, and whoever asks verifies them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from gateway.api.attachments import blob_id
from gateway.api.reading import (
    MAX_PAGE,
    MAX_WAIT,
    body,
    known_query,
    leg,
    number,
    parcel,
    required_number,
)
from gateway.api.routes import Call
from gateway.api.routes import reply as answer
from gateway.core.blob import MAX_SEALED, segment_count
from gateway.core.encoding import Json, JsonObject, b64
from gateway.errors import InvalidDocument, Problem
from gateway.flows import relay, relay_in, relay_notices, spoc
from gateway.ports import LegRow, TaskRow

PAGE: Final = 50
MAX_SEGMENTS: Final = segment_count(MAX_SEALED) - 1
"""The number of the last segment of the largest file."""

MAX_RECEIPTS: Final = 8
"""Receipts in one call: an answer signs three at most."""

_Note = Annotated[str, Field(min_length=1, max_length=64 * 1024)]
_Bytes = Annotated[str, Field(max_length=512 * 1024)]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class RelaySettling(_Document):
    """``code`` "": the agency's side has it. Any other: why it cannot be taken; a person must look."""

    code: Annotated[str, Field(pattern=r"^([a-z][a-z0-9_]{0,63})?$")]


class RelayReceipts(_Document):
    """Signed notes, in the order of their chain."""

    receipts: Annotated[list[_Note], Field(min_length=1, max_length=MAX_RECEIPTS)]


class RelayWords(_Document):
    """A message without its statement (protocol 5): base64 of its pieces, and K_0 and K_1."""

    v: int
    header: _Bytes
    slots: _Bytes
    to: Annotated[list[str], Field(max_length=16)]
    parts: Annotated[list[_Bytes], Field(max_length=64)]
    keys: Annotated[list[str], Field(max_length=2)]


class RelayKeyCard(_Document):
    """A signed note ``bx/1/keycard``."""

    card: _Note


DOCUMENTS: Final[Mapping[str, type[BaseModel]]] = {
    "relay_settling": RelaySettling,
    "relay_receipts": RelayReceipts,
    "relay_reply": RelayWords,
    "relay_card": RelayKeyCard,
}
"""Name in a route's body -> the model of the document."""


async def network(call: Call) -> web.Response:
    known_query(call.request)
    found = await relay.documents(call.node)
    return answer(
        {
            "roots": _texts(found.roots),
            "directory": b64(found.directory),
            "cards": _texts(found.cards),
            "suspensions": _texts(found.suspensions),
        }
    )


def _texts(notes: Sequence[bytes]) -> list[Json]:
    return [b64(note) for note in notes]


async def listed(call: Call) -> web.Response:
    """What waits, oldest first. ``wait``: seconds to hold the call until something does."""
    known_query(call.request, "wait", "limit")
    wait = number(call.request, "wait", 0, low=0, high=MAX_WAIT)
    limit = number(call.request, "limit", PAGE, low=1, high=MAX_PAGE)
    relay.check_own_key(call.node, call.caller)
    found = await _until_any(call, limit, wait)
    lines: list[Json] = [_line(row, task) for row, task in found]
    return answer({"parcels": lines})


async def _until_any(call: Call, limit: int, wait: int) -> Sequence[tuple[LegRow, TaskRow]]:
    """Looks as often as a pump does, and at once when the node rings: another process rings another bell."""
    loop, principal = asyncio.get_running_loop(), call.caller.principal
    end, bell = loop.time() + wait, call.node.wake.tasks.get(principal)
    while True:
        if bell is not None:
            bell.clear()
        found = await call.node.store.read(lambda tx: relay.waiting(tx, principal, limit))
        left = end - loop.time()
        if found or left <= 0:
            return found
        pause = min(left, call.node.pace.poll)
        try:
            async with asyncio.timeout(pause):
                await (bell.wait() if bell is not None else asyncio.sleep(pause))
        except TimeoutError:
            continue


def _line(row: LegRow, task: TaskRow) -> JsonObject:
    return {
        "parcel": task.id,
        "kind": task.kind.value,
        "handover": row.ref,
        "version": row.version,
        "leg": row.id,
        "state": row.state,
        "urgency": row.urgency,
    }


async def fetch(call: Call) -> web.Response:
    known_query(call.request)
    name = parcel(call.request)
    caller = await spoc.acting(call.node, call.caller, spoc.leg_of(name))
    found = await relay.fetch(call.node, caller, name)
    row = found.leg
    chain: list[Json] = list(found.chain)
    return answer(
        {
            **_line(row, found.task),
            "agency": row.agency,
            "principal": row.principal,
            "counterpart": row.counterpart,
            "acknowledge_by": row.acknowledge_by,
            "decide_by": row.decide_by,
            "envelope": b64(found.envelope),
            "slot": found.slot,
            "received": found.received,
            "chain": chain,
            "content": found.content,
        }
    )


async def segment(call: Call) -> web.Response:
    """Sealed bytes of a file, in its segments from 0 on."""
    known_query(call.request, "segment")
    name, blob = parcel(call.request), blob_id(call.request)
    no = required_number(call.request, "segment", low=0, high=MAX_SEGMENTS)
    return answer({"data": b64(await relay.segment(call.node, call.caller, name, blob, no))})


async def settle(call: Call) -> web.Response:
    known_query(call.request)
    name = parcel(call.request)
    told = RelaySettling(**await _read(call, RelaySettling))
    await relay.settle(call.node, call.caller, name, told.code)
    return answer({"parcel": name})


async def receipts(call: Call) -> web.Response:
    """Verified, stored and on their way to the origin when this returns."""
    known_query(call.request)
    name = leg(call.request)
    brought = RelayReceipts(**await _read(call, RelayReceipts))
    caller = await spoc.acting(call.node, call.caller, name)
    taken = await relay_notices.take(call.node, caller, name, brought.receipts)
    return answer({"leg": taken.leg, "state": taken.state, "repeated": taken.repeated})


async def reply(call: Call) -> web.Response:
    known_query(call.request)
    name = leg(call.request)
    words = await _read(call, RelayWords)
    caller = await spoc.acting(call.node, call.caller, name)
    mid, statement = await relay_in.reply(call.node, caller, name, words)
    return answer({"message": mid, "statement": b64(statement)})


async def card(call: Call) -> web.Response:
    known_query(call.request)
    brought = RelayKeyCard(**await _read(call, RelayKeyCard))
    return answer({"version": await relay_in.card(call.node, call.caller, brought.card.encode())})


async def _read(call: Call, model: type[BaseModel]) -> dict[str, Any]:
    """The document as its model has it. Raises InvalidDocument naming the fields, never their values."""
    content = await body(call.request)
    try:
        return model.model_validate(json.loads(content)).model_dump()
    except ValidationError as error:
        problems = [
            Problem(_pointer(one), one["msg"], "correct this field")
            for one in error.errors(include_input=False, include_context=False)
        ]
    except (ValueError, RecursionError):
        problems = [Problem("", "this is not JSON", "send one JSON object")]
    raise InvalidDocument(
        "this is not what this address takes", problems=problems, remedy="see /openapi.json"
    )


def _pointer(error: ErrorDetails) -> str:
    """Where it is; nowhere for a field that is not known: its name is the caller's own word."""
    return "" if error["type"] == "extra_forbidden" else "/" + "/".join(map(str, error["loc"]))
