"""``gateway handover attach`` and ``gateway inbox attachment``, against a node's API in a thread."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gateway.cli.attaching import insert, media_of
from gateway.cli.output import Usage

BLOB = "0f" * 16
LEG = "ab" * 16
STAFF = ("--actor", "k-1", "--role", "duty")


class Api:
    """Answers as a node does, and remembers what it was asked. ``status``: another answer, a problem."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str, bytes, str]] = []
        self.status = 0

    async def answer(self, request: web.Request) -> web.Response:
        actor = request.headers.get("Gateway-Actor", "")
        body = await request.read()
        self.asked.append((request.method, request.path_qs, request.content_type, body, actor))
        if self.status:
            problem = {
                "title": "x",
                "detail": "not whole yet",
                "code": "attachment_missing",
                "remedy": "wait",
            }
            return web.json_response(problem, status=self.status)
        if request.method == "POST":
            made = {"blob": BLOB, "size": len(body), "media_type": request.content_type}
            return web.json_response(made, status=201)
        return web.Response(body=b"the file " * 20_000)

    @contextmanager
    def serve(self) -> Iterator[str]:
        loop, ready, found = asyncio.new_event_loop(), threading.Event(), list[int]()

        async def start() -> web.AppRunner:
            app = web.Application(client_max_size=1 << 25)
            app.router.add_route("*", "/{any:.*}", self.answer)
            runner = web.AppRunner(app)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            found.append(runner.addresses[0][1])
            return runner

        def run() -> None:
            runner = loop.run_until_complete(start())
            ready.set()
            loop.run_forever()
            loop.run_until_complete(runner.cleanup())
            loop.close()

        thread = threading.Thread(target=run)
        thread.start()
        ready.wait(10)
        try:
            yield f"http://127.0.0.1:{found[0]}"
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)


@pytest.fixture
def served() -> Iterator[tuple[Api, str]]:
    api = Api()
    with api.serve() as url:
        yield api, url


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("bhg_x")
    path.chmod(0o600)
    return path


def document() -> dict[str, Any]:
    return {"orders": [{"order_id": "O1"}], "risk_to": {"rating": "HIGH"}}


def test_a_file_is_uploaded_and_written_into_the_document(gateway, served, token) -> None:
    api, url = served
    Path("case.json").write_text(json.dumps(document()))
    Path("Order.pdf").write_bytes(b"%PDF-1.7" * 300_000)
    where = ("--api", url, "--token-file", str(token))
    done = gateway("handover", "attach", "case.json", "/orders/0", "Order.pdf", *STAFF, *where, "--json")
    assert done.code == 0, done.err
    item = {"blob": BLOB, "name": "Order.pdf", "media_type": "application/pdf", "size": 2_400_000}
    assert done.json == item
    written = json.loads(Path("case.json").read_text())
    assert written["orders"][0]["attachments"] == [item]
    assert {**written, "orders": document()["orders"]} == document()
    ((method, path, media, body, actor),) = api.asked
    assert (method, path, media) == ("POST", "/v1/attachments", "application/pdf")
    assert body == b"%PDF-1.7" * 300_000
    assert actor == 'k-1;role="duty"'


@pytest.mark.parametrize(
    ("pointer", "file", "name", "code"),
    [
        ("/orders/1", "a.pdf", "", "pointer"),
        ("/orders", "a.pdf", "", "pointer"),
        ("/orders/0/order_id", "a.pdf", "", "pointer"),
        ("orders/0", "a.pdf", "", "pointer"),
        ("/orders/0", "a.docx", "", "file_type"),
        ("/orders/0", "a.pdf", "../a.pdf", "file_name"),
        ("/orders/0", "a.pdf", "a.txt", "file_name"),
        ("/orders/0", "missing.pdf", "", "no_file"),
    ],
)
def test_what_cannot_be_attached_is_said_before_anything_is_sent(
    gateway, served, token, pointer, file, name, code
) -> None:
    api, url = served
    Path("case.json").write_text(json.dumps(document()))
    for there in ("a.pdf", "a.docx"):
        Path(there).write_bytes(b"x")
    more = ("--name", name) if name else ()
    where = ("--api", url, "--token-file", str(token))
    done = gateway("handover", "attach", "case.json", pointer, file, *STAFF, *where, *more, "--json")
    assert (done.code, done.error) == (2, code)
    assert api.asked == []
    assert json.loads(Path("case.json").read_text()) == document()


def test_a_file_is_saved_for_its_owner_alone(gateway, served, token) -> None:
    api, url = served
    where = ("--api", url, "--token-file", str(token), "--justification", "ALLOCATED_CASE")
    done = gateway("inbox", "attachment", LEG, BLOB, "--out", "order.pdf", *STAFF, *where, "--json")
    assert done.code == 0, done.err
    assert done.json == {"leg": LEG, "blob": BLOB, "file": "order.pdf", "size": 180_000}
    assert Path("order.pdf").read_bytes() == b"the file " * 20_000
    assert Path("order.pdf").stat().st_mode & 0o777 == 0o600
    assert api.asked[0][:2] == (
        "GET", f"/v1/inbox/{LEG}/attachments/{BLOB}?justification=ALLOCATED_CASE"
    )  # fmt: skip


def test_a_file_that_is_still_on_its_way_leaves_nothing(gateway, served, token) -> None:
    api, url = served
    api.status = 409
    where = ("--api", url, "--token-file", str(token), "--justification", "ALLOCATED_CASE")
    done = gateway("inbox", "attachment", LEG, BLOB, "--out", "order.pdf", *STAFF, *where, "--json")
    assert (done.code, done.error) == (6, "attachment_missing")
    assert sorted(path.name for path in Path().iterdir()) == ["token"]


def test_a_second_file_joins_the_first() -> None:
    body = json.dumps({"risk_to": {"attachments": [{"blob": "1"}]}}).encode()
    assert json.loads(insert(body, "/risk_to", {"blob": "2"}))["risk_to"]["attachments"] == [
        {"blob": "1"},
        {"blob": "2"},
    ]
    assert media_of(Path("A.CSV")) == "text/csv"
    with pytest.raises(Usage):
        insert(b"[]", "/0", {})
