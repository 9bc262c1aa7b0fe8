"""Every adapter that ships passes the public suite; and the suite finds a broken one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from adapters import echo, file_drop, inbox, webhook
from adapters._parcels import Nothing
from gateway.errors import Unavailable
from gateway.ports import Delivered, Parcel
from gateway.testing import adapter_suite
from gateway.testing.adapter_suite import CHECKS

PRINCIPAL = "E09000004/police"


class FolderSide:
    answers = durable = True

    def __init__(self, root: Path) -> None:
        self.root = root

    def adapter(self) -> Any:
        return file_drop.Adapter(PRINCIPAL, {"folder": self.root, "poll": 0.02})

    async def received(self) -> list[tuple[str, str]]:
        texts = [path.read_text() for path in sorted((self.root / "in").iterdir())]
        return [(json.loads(text)["key"], text) for text in texts]

    async def answer(self, leg: str, body: Mapping[str, Any]) -> None:
        (self.root / "out").mkdir(parents=True, exist_ok=True)
        (self.root / "out" / f"{leg}.ack.json").write_text(json.dumps({"leg": leg, **body}))


class RobotSide(FolderSide):
    """The echo agency at its folder: it answers of its own accord."""

    def adapter(self) -> Any:
        return echo.Adapter(PRINCIPAL, {"folder": self.root, "answers": ["RECEIVED"]})

    async def answer(self, leg: str, body: Mapping[str, Any]) -> None:
        pass


class InboxSide:
    answers = durable = False

    def adapter(self) -> Any:
        return inbox.Adapter(PRINCIPAL, {})

    async def received(self) -> list[tuple[str, str]]:
        return []

    async def answer(self, leg: str, body: Mapping[str, Any]) -> None:
        raise AssertionError("an inbox is not answered through its adapter")


class WebhookSide:
    answers, durable = True, False

    def __init__(self, secret_file: Path) -> None:
        self.secret_file = secret_file
        self.got: list[tuple[str, str]] = []
        self.replies: dict[str, Mapping[str, Any]] = {}
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        text = await request.text()
        self.got.append((request.headers["webhook-id"], text))
        reply = self.replies.get(json.loads(text)["data"]["leg"])
        return web.json_response({"acknowledgement": reply} if reply else {})

    def adapter(self) -> Any:
        return webhook.Adapter(PRINCIPAL, {"url": self.url, "secret_file": self.secret_file})

    async def received(self) -> list[tuple[str, str]]:
        return self.got

    async def answer(self, leg: str, body: Mapping[str, Any]) -> None:
        self.replies[leg] = body


@pytest.fixture
async def side(request, tmp_path, secret_file) -> AsyncIterator[Any]:
    match request.param:
        case "file_drop":
            yield FolderSide(tmp_path / "agency")
        case "echo":
            yield RobotSide(tmp_path / "agency")
        case "inbox":
            yield InboxSide()
        case _:
            hook = WebhookSide(secret_file)
            app = web.Application()
            app.router.add_post("/", hook.handle)
            server = TestServer(app)
            await server.start_server()
            hook.url = str(server.make_url("/"))
            yield hook
            await server.close()


@pytest.mark.parametrize("side", ["file_drop", "webhook", "inbox", "echo"], indirect=True)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_every_adapter_keeps_the_contract(side, check):
    await check(side)


# --- The suite itself: one fault at a time ------------------------------------------------------------


class Plain:
    """A sound adapter in memory: what the faulty ones below are made from."""

    pulls = False

    def __init__(self, store: list[tuple[str, str]]) -> None:
        self.store = store
        self.open = False

    async def start(self) -> None:
        self.open = True

    async def deliver(self, view: Any, *, key: str) -> Delivered:
        if not self.open:
            raise Unavailable("closed")
        self.store.append((key, json.dumps(dict(view.content))))
        return Delivered()

    def acknowledgements(self) -> Any:
        return Nothing()

    def submissions(self) -> Any:
        return Nothing()

    async def check(self) -> None: ...

    async def close(self) -> None:
        self.open = False


class Eager(Plain):
    async def start(self) -> None:
        self.store.append(("hello", ""))


class NewKeys(Plain):
    async def deliver(self, view: Any, *, key: str) -> Delivered:
        return await super().deliver(view, key=f"{key}-{len(self.store)}")


class Forgetful(Plain):
    async def deliver(self, view: Any, *, key: str) -> Delivered:
        self.store.append((key, "{}"))
        return Delivered()


class OneSlot(Plain):
    async def deliver(self, view: Any, *, key: str) -> Delivered:
        self.store[:] = [(key, json.dumps(dict(view.content)))]
        return Delivered()


class Talkative(Plain):
    async def deliver(self, view: Any, *, key: str) -> Delivered:
        if not self.open:
            raise Unavailable("closed") from KeyError(view.content["summary"][0])
        return await super().deliver(view, key=key)


class Loud(Plain):
    async def deliver(self, view: Any, *, key: str) -> Delivered:
        adapter_suite.logging.getLogger("loud").info("sending %s", dict(view.content))
        return await super().deliver(view, key=key)


class Endless(Plain):
    async def acknowledgements(self) -> Any:
        await adapter_suite.asyncio.Event().wait()
        yield None


RECEIVED = b'{"state": "RECEIVED", "role": "Duty officer"}'


class AnswersNews(Plain):
    """Takes every "acknowledgement" in a reply for one."""

    async def deliver(self, view: Any, *, key: str) -> Delivered:
        await super().deliver(view, key=key)
        return Delivered(answer=RECEIVED)


class SaysItOnce(Plain):
    """Gives an answer with the first call of a key alone: the node may have died in between."""

    async def deliver(self, view: Any, *, key: str) -> Delivered:
        new = key not in dict(self.store)
        await super().deliver(view, key=key)
        return Delivered(answer=RECEIVED if new and view.kind is Parcel.NOTIFICATION else b"")


class SaysItTwice(Plain):
    """In its reply, and once more by its iterator."""

    async def deliver(self, view: Any, *, key: str) -> Delivered:
        await super().deliver(view, key=key)
        return Delivered(answer=RECEIVED if view.kind is Parcel.NOTIFICATION else b"")

    async def acknowledgements(self) -> Any:
        yield type("Brought", (), {"leg": "leg-1", "body": RECEIVED})()


class MemorySide:
    durable = False

    def __init__(self, kind: type[Plain], *, answers: bool = False) -> None:
        self.kind = kind
        self.answers = answers
        self.store: list[tuple[str, str]] = []

    def adapter(self) -> Any:
        return self.kind(self.store)

    async def received(self) -> list[tuple[str, str]]:
        return self.store

    async def answer(self, leg: str, body: Mapping[str, Any]) -> None: ...


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        (Eager, adapter_suite.shows_nothing_before_it_is_asked),
        (NewKeys, adapter_suite.repeats_are_the_same_parcel),
        (NewKeys, adapter_suite.delivers_content_with_its_key),
        (Forgetful, adapter_suite.delivers_content_with_its_key),
        (OneSlot, adapter_suite.different_keys_are_different_parcels),
        (Plain, adapter_suite.refuses_a_key_that_could_leave_its_place),
        (Talkative, adapter_suite.keeps_plaintext_to_itself),
        (Loud, adapter_suite.keeps_plaintext_to_itself),
        (Endless, adapter_suite.iterators_end_on_close),
    ],
)
async def test_the_suite_finds_a_broken_adapter(kind, check, monkeypatch):
    monkeypatch.setattr(adapter_suite, "PATIENCE", 0.05)
    with pytest.raises(AssertionError):
        await check(MemorySide(kind))


@pytest.mark.parametrize("kind", [AnswersNews, SaysItOnce, SaysItTwice])
async def test_the_suite_finds_an_answer_at_once_that_would_be_lost_or_recorded_twice(kind):
    with pytest.raises(AssertionError):
        await adapter_suite.gives_what_was_answered_at_once_in_one_way(MemorySide(kind, answers=True))


@pytest.mark.parametrize("broken", ["recorded", "refused", "dropped"])
async def test_the_suite_finds_answers_that_are_lost_or_come_again(tmp_path, broken, monkeypatch):
    monkeypatch.setattr(adapter_suite, "PATIENCE", 0.5)
    side = FolderSide(tmp_path / "agency")
    match broken:
        case "recorded":
            monkeypatch.setattr(file_drop.Arrived, "settle", _do_nothing)
            check = adapter_suite.brings_a_recorded_answer_once
        case "refused":
            monkeypatch.setattr(file_drop.Arrived, "refuse", _do_nothing)
            check = adapter_suite.brings_a_refused_answer_once
        case _:
            side.root.joinpath("out").mkdir(parents=True)
            monkeypatch.setattr(
                side, "adapter", lambda: _Dropping(PRINCIPAL, {"folder": side.root, "poll": 0.02})
            )
            check = adapter_suite.brings_an_unrecorded_answer_again
    with pytest.raises(AssertionError):
        await check(side)


async def _do_nothing(*_: Any) -> None: ...


class _Dropping(file_drop.Adapter):
    """Moves a file before it is recorded: the fault of holodeck-b2b/Holodeck-B2B#142 turned round."""

    async def acknowledgements(self) -> Any:
        async for answer in super().acknowledgements():
            await answer.done()
            yield answer
