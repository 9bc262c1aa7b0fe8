"""The robot agency, in memory and at a folder; and the agency that fetches for itself."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters import echo, inbox
from gateway.errors import Misconfigured, Rejected, Unavailable
from gateway.ports import Parcel
from schemas.acknowledgement import parse_acknowledgement
from schemas.notice import parse_notice_answer


async def running(**options: Any) -> echo.Adapter:
    adapter = echo.Adapter("E09000004/police", options)
    await adapter.start()
    return adapter


async def take(adapter: echo.Adapter, count: int, *, settle: bool = True) -> list[tuple[str, str]]:
    """(leg, state) of the next answers, each recorded."""
    taken: list[tuple[str, str]] = []
    async with asyncio.timeout(10):
        async for answer in adapter.acknowledgements():
            taken.append((answer.leg, parse_acknowledgement(answer.body).state.value))
            if settle:
                await answer.done()
            if len(taken) == count:
                return taken
    return taken


@pytest.fixture(params=["memory", "folder"])
def place(request, tmp_path) -> dict[str, Path]:
    return {"folder": tmp_path / "robot"} if request.param == "folder" else {}


async def test_it_receives_and_accepts(place, view):
    adapter = await running(**place)
    await adapter.deliver(view(), key="key-1")
    assert await take(adapter, 2) == [("leg-1", "RECEIVED"), ("leg-1", "ACCEPTED")]
    await adapter.close()


async def test_it_answers_in_the_role_it_was_given(view):
    adapter = await running(role="Night desk", answers=["RECEIVED"])
    await adapter.deliver(view(), key="key-1")
    answer = await anext(adapter.acknowledgements())
    assert json.loads(answer.body) == {"state": "RECEIVED", "role": "Night desk"}
    await adapter.close()


async def test_it_declines_with_a_reason(place, view):
    adapter = await running(answers=["RECEIVED", "RETURNED"], reason_code="WRONG_AREA", **place)
    await adapter.deliver(view(), key="key-1")
    answers = adapter.acknowledgements()
    bodies = []
    async with asyncio.timeout(10):
        async for answer in answers:
            bodies.append(json.loads(answer.body))
            await answer.done()
            if len(bodies) == 2:
                break
    assert bodies[0] == {"state": "RECEIVED", "role": "Duty officer (echo)"}
    assert bodies[1] == {"state": "RETURNED", "role": "Duty officer (echo)", "reason_code": "WRONG_AREA"}
    await adapter.close()


async def test_it_duplicates(place, view):
    adapter = await running(duplicate=True, **place)
    await adapter.deliver(view(), key="key-1")
    states = [state for _, state in await take(adapter, 4)]
    assert states == ["RECEIVED", "RECEIVED", "ACCEPTED", "ACCEPTED"]
    await adapter.close()


async def test_a_repeat_is_answered_once(place, view):
    adapter = await running(answers=["RECEIVED"], **place)
    await adapter.deliver(view(), key="key-1")
    await adapter.deliver(view(), key="key-1")
    await adapter.deliver(view(leg="leg-2"), key="key-2")
    assert sorted(await take(adapter, 2)) == [("leg-1", "RECEIVED"), ("leg-2", "RECEIVED")]
    await adapter.deliver(view(), key="key-1")
    await adapter.deliver(view(leg="leg-3"), key="key-3")
    assert await take(adapter, 1) == [("leg-3", "RECEIVED")]
    await adapter.close()


async def test_it_acknowledges_a_notice_by_its_id_and_nothing_that_asks_for_no_answer(place, view):
    adapter = await running(answers=["RECEIVED"], **place)
    asked = {**view().content, "notice": "notice-1", "may_answer": ["ACKNOWLEDGED", "COMPLETED"]}
    news = {**asked, "notice": "notice-2", "may_answer": []}
    await adapter.deliver(replace(view(kind=Parcel.NOTICE), content=news), key="key-1")
    await adapter.deliver(replace(view(kind=Parcel.NOTICE), content=asked), key="key-2")
    answer = await anext(adapter.acknowledgements())
    assert (answer.leg, parse_notice_answer(answer.body).state) == ("notice-1", "ACKNOWLEDGED")
    await adapter.close()


@pytest.mark.parametrize("kind", [Parcel.STATUS, Parcel.REPLY])
async def test_it_answers_notifications_alone(place, view, kind):
    adapter = await running(answers=["RECEIVED"], **place)
    await adapter.deliver(view(kind=kind), key="key-1")
    await adapter.deliver(view(leg="leg-2"), key="key-2")
    assert await take(adapter, 1) == [("leg-2", "RECEIVED")]
    await adapter.close()


async def test_a_crash_after_delivery_loses_no_answer_of_the_folder(tmp_path, view):
    """The node dies once the parcel is committed and before the first answer is."""
    before = await running(folder=tmp_path / "robot")
    await before.deliver(view(), key="key-1")
    after = await running(folder=tmp_path / "robot")
    assert await take(after, 2) == [("leg-1", "RECEIVED"), ("leg-1", "ACCEPTED")]
    await before.close()
    await after.close()


async def test_a_crash_while_it_waits_loses_no_answer_of_the_folder(tmp_path, view):
    slow = await running(folder=tmp_path / "robot", delay=3600)
    await slow.deliver(view(), key="key-1")
    assert list((tmp_path / "robot" / "out").iterdir()) == []
    await slow.close()
    after = await running(folder=tmp_path / "robot")
    assert len(await take(after, 2)) == 2
    await after.close()


async def test_what_was_answered_is_not_answered_again_at_the_next_start(tmp_path, view):
    folder = tmp_path / "robot"
    first = await running(folder=folder, answers=["RECEIVED"])
    await first.deliver(view(), key="key-1")
    answer = await anext(first.acknowledgements())
    await answer.done()
    await first.deliver(view(leg="leg-2"), key="key-2")
    refused = await anext(first.acknowledgements())
    await refused.refuse(Rejected("no"))
    await first.close()
    after = await running(folder=folder, answers=["RECEIVED"])
    assert list((folder / "out").iterdir()) == []
    await after.close()


async def test_what_others_lay_into_its_folder_is_left_alone(tmp_path, view):
    folder = tmp_path / "robot"
    await (await running(folder=folder)).close()
    for name, content in {
        "a.json": b"garbage",
        "b.json": b"{}",
        "c.json": b'{"key": "other", "leg": "l", "kind": "notification"}',
        "d.json": b'{"key": "d", "leg": "l", "kind": "status"}',
    }.items():
        (folder / "in" / name).write_bytes(content)
    after = await running(folder=folder)
    assert list((folder / "out").iterdir()) == []
    await after.close()


async def test_a_delay_is_waited_for(place, view):
    adapter = await running(delay=0.05, answers=["RECEIVED"], **place)
    loop = asyncio.get_running_loop()
    started = loop.time()
    await adapter.deliver(view(), key="key-1")
    assert await take(adapter, 1) == [("leg-1", "RECEIVED")]
    assert loop.time() - started >= 0.05
    await adapter.close()


async def test_closing_does_not_wait_for_a_delay(place, view):
    adapter = await running(delay=3600, **place)
    await adapter.deliver(view(), key="key-1")
    async with asyncio.timeout(5):
        await adapter.close()
    assert adapter._later == set()


async def test_it_must_run_to_take_anything(place, view):
    adapter = echo.Adapter("E09000004/police", place)
    with pytest.raises(Unavailable):
        await adapter.check()
    with pytest.raises(Unavailable):
        await adapter.deliver(view(), key="key-1")


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"answers": ["MAYBE"]}, "/answers/0"),
        ({"answers": ["RETURNED"]}, "/reason_code"),
        ({"answers": ["RETURNED"], "reason_code": "DUPLICATE"}, "/reason_code"),
        ({"reason_code": "WRONG_AREA"}, "/reason_code"),
        ({"delay": -1}, "/delay"),
        ({"role": ""}, "/role"),
        ({"volume": 11}, "/volume"),
    ],
)
def test_wrong_options_are_named(options, field):
    with pytest.raises(Misconfigured) as caught:
        echo.Adapter("E09000004/police", options)
    assert caught.value.field == field
    if "RETURNED" in options.get("answers", ()):
        assert "for RETURNED it must be one of" in caught.value.message
        assert "WRONG_AREA" in caught.value.message


async def test_an_agency_that_pulls_is_never_pushed_to(view):
    adapter = inbox.Adapter("E09000004/spoc", {})
    assert inbox.Adapter.pulls
    with pytest.raises(Rejected) as caught:
        await adapter.deliver(view(), key="key-1")
    assert caught.value.code == "agency_pulls"
    assert [answer async for answer in adapter.acknowledgements()] == []
    assert [document async for document in adapter.submissions()] == []


def test_the_inbox_has_no_options():
    with pytest.raises(Misconfigured) as caught:
        inbox.Adapter("E09000004/spoc", {"folder": "/tmp"})
    assert caught.value.field == "/folder"
    assert "none" in caught.value.remedy
