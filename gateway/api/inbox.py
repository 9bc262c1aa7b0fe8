"""The inbox of an agency: what waits, opening it with a justification, answering.

For a single point of contact that fetches, and for whoever wants to look at what an adapter brought. What
waits is listed without a word of its content. Opening is a consultation under s.62 DPA 2018: the flow
commits who, when and why before any plaintext exists, and only then is it unsealed.

A long poll needs no state here: the client says what it has seen (``If-None-Match``), or waits for anything.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Sequence
from hashlib import sha256

from aiohttp import web

from gateway.api.reading import MAX_PAGE, MAX_WAIT, body, known_query, leg, notice, number, parcel
from gateway.api.routes import Call, reply
from gateway.core import purposes
from gateway.core.encoding import Json, JsonObject
from gateway.core.states import ANSWERED, TERMINAL, LegState
from gateway.errors import InvalidDocument, NotFound, Problem
from gateway.flows import acknowledge, deliver, marks, notice_answer, parcels, show
from gateway.flows.checklist import checklist, rows_of
from gateway.flows.node import Node
from gateway.flows.notice_view import unanswered
from gateway.ports import LegRow, Parcel, Side, TaskRow, Transaction, View
from schemas.acknowledgement import Opening, parse_opening
from schemas.base import ShapeError

PAGE = 50

Entries = list[Json]


async def listed(call: Call) -> web.Response:
    """What waits, newest handover first. ``wait``: seconds to hold the call until something waits or, with
    ``If-None-Match``, until the list differs from the one seen; 304 when it still does not."""
    known_query(call.request, "wait", "limit")
    wait = number(call.request, "wait", 0, low=0, high=MAX_WAIT)
    limit = number(call.request, "limit", PAGE, low=1, high=MAX_PAGE)
    seen = {tag.value for tag in call.request.if_none_match or ()}
    entries = await _until_news(call, limit, seen, wait)
    tag = _tag(entries)
    if tag in seen:
        return web.Response(status=304, headers={"ETag": f'"{tag}"'})
    return reply({"entries": entries}, headers={"ETag": f'"{tag}"'})


async def _until_news(call: Call, limit: int, seen: Collection[str], wait: int) -> Entries:
    loop = asyncio.get_running_loop()
    end = loop.time() + wait
    while True:
        entries = await call.node.store.read(lambda tx: _of_unit(tx, call, limit))
        left = end - loop.time()
        if left <= 0 or (_tag(entries) not in seen if seen else entries):
            return entries
        await _bell(call, left)


async def _bell(call: Call, left: float) -> None:
    """Until something may have happened for this agency. Its pump clears the bell as well, and another
    process rings another bell, so the wait is never longer than a pump's own; a bell that nobody has
    cleared yet must not make this a busy loop."""
    pause = min(left, call.node.pace.poll)
    bell = call.node.wake.tasks.get(call.caller.principal)
    if bell is None or bell.is_set():
        await asyncio.sleep(pause)
        return
    try:
        async with asyncio.timeout(pause):
            await bell.wait()
    except TimeoutError:
        return


def _of_unit(tx: Transaction, call: Call, limit: int) -> Entries:
    """What waits for each agency of a team, one after the other: each is opened and answered for itself."""
    agencies = call.unit or (call.caller.principal,)
    found = [entry for name in agencies for entry in _entries(tx, call.node, name, limit)]
    return found[:limit]


def _entries(tx: Transaction, node: Node, principal: str, limit: int) -> Entries:
    """What waits to be opened, notices first; then what was opened and waits for an answer."""
    tasks = sorted(tx.parked_tasks(principal, limit), key=lambda task: task.kind is not Parcel.NOTICE)
    parked = [(parcels.leg_of(tx, task), task) for task in tasks]
    waiting = [(row, task) for row, task in parked if row is not None]
    listed = {task.id for _, task in waiting}
    waiting += [(row, task) for row, task in unanswered(tx, principal, limit) if task.id not in listed]
    for row in tx.inbox(principal, before="", limit=limit):
        task = _notification(tx, row)
        if task is not None and task.id not in listed and _to_answer(row):
            waiting.append((row, task))
    page = waiting[:limit]
    rows = rows_of(tx, [row for row, task in page if task.kind is Parcel.NOTIFICATION])
    return [
        marks.of(tx, row.ref, row.version)
        | show.inbox_entry(
            row, task, checklist([row], rows, node.tailoring, node.clock.now()), _kind_of(tx, task)
        )
        for row, task in page
    ]


def _kind_of(tx: Transaction, task: TaskRow) -> str:
    row = tx.notice(task.subject) if task.kind is Parcel.NOTICE else None
    return row.kind if row else ""


def _to_answer(row: LegRow) -> bool:
    return bool(row.opened) and LegState(row.state) not in ANSWERED | TERMINAL


def _notification(tx: Transaction, row: LegRow) -> TaskRow | None:
    found: Sequence[TaskRow] = [task for task in tx.tasks_of(row.id) if task.kind is Parcel.NOTIFICATION]
    return found[-1] if found else None


def _tag(entries: Entries) -> str:
    """The value of a validator over references, states and times; there is nothing personal in it to hash."""
    return sha256(json.dumps(entries).encode()).hexdigest()[:32]


async def open_leg(call: Call) -> web.Response:
    """PLAINTEXT of one handover for one agency, after the opening is on record."""
    known_query(call.request)
    name = leg(call.request)
    opening = _opening(await body(call.request))
    task = await call.node.store.read(lambda tx: _parcel_of(tx, call.caller.principal, name))
    return await _opened(call, task, opening)


async def open_parcel(call: Call) -> web.Response:
    """The same for any parcel: a sealed reply has no leg of this agency to name."""
    known_query(call.request)
    name = parcel(call.request)
    return await _opened(call, name, _opening(await body(call.request)))


async def open_notice(call: Call) -> web.Response:
    """PLAINTEXT of one notice for one agency, as often as it likes, after the opening is on record."""
    known_query(call.request)
    name = notice(call.request)
    opening = _opening(await body(call.request))

    def parcel_of(tx: Transaction) -> str:
        row, reader, _ = notice_answer.find(tx, call.caller, name)
        return parcels.task_id(row.id, reader.leg)

    return await _opened(call, await call.node.store.read(parcel_of), opening)


def _parcel_of(tx: Transaction, principal: str, name: str) -> str:
    row = tx.leg(name)
    mine = row is not None and row.side is Side.DESTINATION and row.principal == principal
    task = _notification(tx, row) if row is not None and mine else None
    if task is None:
        raise NotFound("no such leg for this agency", code="no_leg", remedy="list yours with GET /v1/inbox")
    return task.id


def _opening(document: bytes) -> Opening:
    try:
        return parse_opening(document)
    except ShapeError as error:
        raise InvalidDocument(
            "opening needs a justification",
            code="justification",
            problems=[Problem(p.pointer, p.message, p.remedy) for p in error.problems],
            remedy='send {"justification": "<code>"}; `gateway schema show opening` lists the codes',
        ) from None


async def _opened(call: Call, task: str, opening: Opening) -> web.Response:
    view = await deliver.open_parked(
        call.node,
        call.caller,
        task,
        justification=opening.justification.value,
        note=opening.text or "",
        purpose=opening.purpose or purposes.DEFAULT,
    )
    return reply(_shown(view, task))


def _shown(view: View, task: str) -> JsonObject:
    return {
        "parcel": task,
        "kind": view.kind.value,
        "handover": view.handover,
        "version": view.version,
        "leg": view.leg,
        "principal": view.principal,
        "urgency": view.urgency,
        "content": dict(view.content),
    }


async def act(call: Call) -> web.Response:
    """What became of one action: signed, and on its way when this returns."""
    known_query(call.request)
    name, action = leg(call.request), call.request.match_info["action"]
    words = acknowledge.read_action(await body(call.request))
    made = await acknowledge.answer_action(call.node, call.caller, name, action, words)
    return reply(
        {"leg": made.leg, "state": made.state, "receipts": list(made.receipts), "repeated": made.repeated}
    )


async def answer(call: Call) -> web.Response:
    """The agency's answer, signed with its key and on its way when this returns."""
    known_query(call.request)
    name = leg(call.request)
    words = acknowledge.read(await body(call.request))
    made = await acknowledge.acknowledge(call.node, call.caller, name, words)
    return reply(
        {"leg": made.leg, "state": made.state, "receipts": list(made.receipts), "repeated": made.repeated}
    )
