"""A canary in every free-text field of example 1, and afterwards a search for it where it must not be.

The walk finds the free text by itself: every string that the schema still accepts with a canary in it. So a
field added tomorrow is covered tomorrow. Each field has a canary of its own, which tells whose view it is in.
"""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.core import policy
from gateway.core.registers import FICTIONAL
from gateway.errors import GatewayError, Unavailable
from gateway.flows import accounts, deliver
from gateway.flows.metrics import Metrics
from gateway.ports import Parcel
from gateway.stores import open_store
from gateway.testing.boroughs import BEXLEY, HACKNEY, START, World, two_boroughs
from schemas.base import ShapeError
from schemas.handover import parse_notification
from schemas.samples import minimal_example

MARK = "xq7z"
REPLY, NOTE, FAULT = f"{MARK}reply", f"{MARK}note", f"{MARK}fault"
ALL = ("community_safety", "police", "probation", "leaving_care", "housing", "dwp", "st_giles")
P, B, S, L, H, D, T = "police", "probation", "community_safety", "leaving_care", "housing", "dwp", "st_giles"

READERS: Mapping[str, tuple[str, ...]] = {
    # by the beginning of the pointer, longest first: domain 6.4 for example 1, written by hand
    "/message": ALL,
    "/routing/origin": ALL,
    "/routing/destination": ALL,
    "/lawful_basis/0": (S, P, B),
    "/lawful_basis/1": (L, H),
    "/lawful_basis/2": (D, T),
    "/core": ALL,
    "/identifiers": (P, B),
    "/move/reason": ALL,
    "/move/evidence_of_threat_ref": (P, S),
    "/move/new_address": (P, B, L, H, D, T),
    "/risk_from": (P, B, S),
    "/risk_to": (P, B, L, H, S),
    "/orders/0": (P, B, S),
    "/orders/0/conditions/0/text": (S, P, B),
    "/orders/0/conditions/0/permission_holder": (S, P, B),
    "/orders/0/conditions/0/minimal_view": (D, H, L, T),
    "/orders/0/conditions/3": (P, B),
    "/orders/0/conditions/4": (S, P, B, T),
    "/orders/0/conditions/5": (S, P, B, T),
    "/orders/0/conditions/5/minimal_view": (D,),
    "/history": (P, B),
    "/associates": (P, B),
    "/support": (B, L, D, T),
    "/aspirations": (S, P, B, L, T),
    "/contacts": ALL,
    "/data_quality": ALL,
    "/transparency": ALL,
    "/retention": ALL,
}

ACTIONS = {"COMMUNITY_SAFETY": S, "POLICE": P, "PROBATION": B, "LEAVING_CARE": L, "HOUSING": H, "DWP": D}


def texts(value: Any, pointer: str = "") -> Iterator[str]:
    """The pointer of every string."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from texts(item, f"{pointer}/{name}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from texts(item, f"{pointer}/{index}")
    elif isinstance(value, str):
        yield pointer


def planted(document: dict[str, Any], pointer: str, canary: str) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    at: Any = changed
    *way, last = [int(step) if step.isdigit() else step for step in pointer.split("/")[1:]]
    for step in way:
        at = at[step]
    at[last] = f"{at[last]} {canary}"
    return changed


def acceptable(document: dict[str, Any]) -> bool:
    try:
        notification = parse_notification(json.dumps(document).encode())
        policy.check(notification, now=START, registers=FICTIONAL)
    except (ShapeError, GatewayError):
        return False
    return True


@pytest.fixture(scope="module")
def canaries() -> tuple[dict[str, Any], Mapping[str, str]]:
    """The example with a canary in every text that may hold one; canary -> its pointer."""
    document: dict[str, Any] = json.loads(minimal_example())
    where: dict[str, str] = {}
    for pointer in list(texts(document)):
        canary = f"{MARK}{len(where):03}"
        changed = planted(document, pointer, canary)
        if acceptable(changed) and not pointer.endswith("/organisation"):  # that one is looked up, not text
            document, where[canary] = changed, pointer
    return document, where


def readers(document: Mapping[str, Any], pointer: str) -> set[str]:
    if pointer.startswith("/actions/"):
        own = ACTIONS.get(document["actions"][int(pointer.split("/")[2])]["agency"], T)
        return {own, S} if pointer.endswith("/title") else {own}
    if pointer.startswith("/routing/recipients/"):
        return {ALL[int(pointer.split("/")[3])]}
    best = max((start for start in READERS if f"{pointer}/".startswith(f"{start}/")), key=len)
    return set(READERS[best])


async def _story(world: World, document: dict[str, Any]) -> str:
    """A whole run: seven views, one fetched with a note, one late and logged, seven answers with words."""
    world.bexley.desks["dwp"].fail = [Unavailable("away", code="away")]
    ref = (await world.hackney.submit(document)).ref
    await world.settle()
    world.clock.advance(60)
    await world.settle()
    legs = await world.bexley.legs(ref)
    parcel = f"notification-{legs['housing'].id}"
    caller = world.bexley.caller("housing")
    await deliver.open_parked(world.bexley.node, caller, parcel, justification="DUTY", note=NOTE)
    for role, leg in legs.items():
        await world.bexley.answer(role, leg.id, reason_text=REPLY)
    await world.settle()
    return ref


async def _errors(world: World, document: dict[str, Any], ref: str) -> list[BaseException]:
    """What is raised for documents and answers full of canaries that are wrong in some way."""
    raised: list[BaseException] = []
    wrongs = [
        {**document, "gang_score": FAULT},
        {**document, "schema_version": FAULT},
        {**document, "core": {**document["core"], "ethnicity": FAULT}},
        {**document, "core": {**document["core"], "date_of_birth": FAULT}},
        {**document, "core": FAULT},
        {**document, "risk_from": {**document["risk_from"], "rating": FAULT}},
        {**document, "message": {**document["message"], "urgency": FAULT}},
        {**document, "message": {**document["message"], "urgency": "URGENT"}},
        {name: value for name, value in document.items() if name != "core"},
    ]
    for number, wrong in enumerate(wrongs):
        try:
            await world.hackney.submit(wrong, key=f"wrong {number}")
        except GatewayError as error:
            raised.append(error)
    leg = (await world.bexley.legs(ref))["dwp"].id
    for answer in (
        {"state": FAULT},
        {"state": "REJECTED", "reason_code": FAULT},
        {"reason_text": 7 * [FAULT]},
    ):
        try:
            await world.bexley.answer("dwp", leg, **answer)  # type: ignore[arg-type]  # wrong on purpose
        except GatewayError as error:
            raised.append(error)
    assert len(raised) == len(wrongs) + 3
    return raised


def everything_said(errors: list[BaseException]) -> str:
    """What a log, a traceback or an answer could show of an error, with all it hangs on."""
    said = []
    for error in errors:
        at: BaseException | None = error
        while at is not None:
            said += [repr(at), str(at), repr(vars(at))]
            at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)
    return "\n".join(said)


async def test_a_canary_is_seen_by_whom_it_is_for_and_by_nobody_else(
    canaries: tuple[dict[str, Any], Mapping[str, str]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    document, where = canaries
    assert len(where) > 60  # the walk has found the free text
    caplog.set_level(logging.DEBUG)
    paths = {area: tmp_path / f"{area}.db" for area in (HACKNEY, BEXLEY)}
    stores = {area: lambda path=path: open_store(f"sqlite:///{path}") for area, path in paths.items()}
    with capture_logs() as logs:
        async with two_boroughs(stores=stores, pulling=("housing",)) as world:
            ref = await _story(world, document)
            errors = await _errors(world, document, ref)
            metrics = b"".join([await Metrics().page(borough.node) for borough in world.boroughs])
            living = _bytes_of(tmp_path)  # with the journals, while they are there
            rows = await world.bexley.node.store.read(lambda tx: tx.accesses(ref=ref, limit=99))
            objects = repr(
                [vars(borough) if hasattr(borough, "__dict__") else borough for borough in world.boroughs]
            )
            given = {area: _given(world, area) for area in ("hackney", "bexley")}
            parked = f"notification-{(await world.bexley.legs(ref))['housing'].id}"
            fetched = await deliver.open_parked(
                world.bexley.node, world.bexley.caller("housing"), parked, justification="DUTY"
            )
    left = _bytes_of(tmp_path)

    given["bexley"]["housing"] += json.dumps(dict(fetched.content))
    for canary, pointer in where.items():
        seen = {role for role in ALL if canary in given["bexley"][role]}
        assert seen == readers(document, pointer), (pointer, canary)
    for role in ALL:  # at the origin: the reply's words for each counterpart, and nothing of the document
        assert given["hackney"][role].count(REPLY) == 1
        assert given["hackney"][role].count(MARK) == 1

    assert [row.note for row in rows if row.note] == []
    assert [said for row in rows if (said := accounts.words(world.bexley.node.keys, row))] == [NOTE]
    for stored in (living, left):
        assert ref.encode() in stored  # the search can find something
        assert MARK.encode() not in stored
        assert b"EXAMPLE" not in stored
    for said in (metrics.decode(), repr(logs), caplog.text, objects, everything_said(errors)):
        assert MARK not in said
    assert logs


def _bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.iterdir()))


def _given(world: World, side: str) -> dict[str, str]:
    """What each desk was given, as text. News about legs is codes and times, so it is searched as well."""
    borough = getattr(world, side)
    assert {view.kind for desk in borough.desks.values() for _, view in desk.given} <= set(Parcel)
    return {
        role: "\n".join(json.dumps(dict(view.content)) for _, view in desk.given)
        for role, desk in borough.desks.items()
    }


async def test_a_view_shows_nothing_of_itself(
    canaries: tuple[dict[str, Any], Mapping[str, str]], document: Any
) -> None:
    """What passes through the hands of a pump keeps its content out of every repr."""
    async with two_boroughs() as world:
        await world.hackney.submit(canaries[0])
        await world.settle()
        views = [view for desk in world.bexley.desks.values() for _, view in desk.given]
        assert len(views) == 7
        assert MARK not in repr(views)
