"""The webhook against a real HTTP server: signed, to one place only, and judged by the status."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks import Webhook

from adapters import webhook
from adapters._webhook import Secrets, check_url
from gateway.errors import GatewayError, Misconfigured, Rejected, Unavailable
from gateway.ports import Parcel

SECRET = "whsec_" + "A" * 32
OTHER = "whsec_" + "B" * 32
CANARY = "canary-plaintext-51d0"


class Receiver:
    """An agency's system: keeps what it was sent, answers as told."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], bytes]] = []
        self.reply: Callable[[], web.StreamResponse] = web.Response

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(({k.lower(): v for k, v in request.headers.items()}, await request.read()))
        return self.reply()


@pytest.fixture
async def receiver():
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/hook", receiver.handle)
    server = TestServer(app)
    await server.start_server()
    receiver.url = str(server.make_url("/hook"))
    receiver.server = server
    yield receiver
    await server.close()


@pytest.fixture
async def make(receiver, secret_file):
    made: list[webhook.Adapter] = []

    async def build(**changes: Any) -> webhook.Adapter:
        keywords = {"wall": changes.pop("wall")} if "wall" in changes else {}
        options = {"url": receiver.url, "secret_file": secret_file} | changes
        adapter = webhook.Adapter("E09000004/police", options, **keywords)
        await adapter.start()
        made.append(adapter)
        return adapter

    yield build
    for adapter in made:
        await adapter.close()


async def refusal(adapter: webhook.Adapter, view: Any) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        await adapter.deliver(view, key="key-1")
    return caught.value


def everything(error: BaseException | None) -> str:
    seen = []
    while error is not None:
        seen += [str(error), repr(error), repr(vars(error))]
        error = error.__cause__ or error.__context__
    return " ".join(seen)


# --- What is sent ---------------------------------------------------------------------------------------


async def test_a_parcel_is_signed_as_the_library_verifies_it(make, receiver, view):
    adapter = await make()
    delivered = await adapter.deliver(view(content={"name": "Zoë"}), key="key-1")
    headers, body = receiver.requests[0]
    sent = Webhook(SECRET).verify(body, headers)
    assert set(sent) == {"type", "timestamp", "data"}
    assert sent["data"] == {"name": "Zoë"}
    assert headers["webhook-id"] == "key-1"
    assert headers["content-type"] == "application/json"
    assert delivered.reference == ""


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (Parcel.NOTIFICATION, "handover.notification"),
        (Parcel.STATUS, "handover.status"),
        (Parcel.REPLY, "handover.reply"),
    ],
)
async def test_the_type_says_what_it_is(make, receiver, view, kind, name):
    await (await make()).deliver(view(kind=kind), key="key-1")
    assert json.loads(receiver.requests[0][1])["type"] == name


async def test_the_time_is_of_the_attempt_and_the_id_of_the_parcel(make, receiver, view):
    moments = iter([1_795_424_400.9, 1_795_424_460.0])
    adapter = await make(wall=lambda: next(moments))
    await adapter.deliver(view(), key="key-1")
    await adapter.deliver(view(), key="key-1")
    first, second = (headers for headers, _ in receiver.requests)
    assert (first["webhook-timestamp"], second["webhook-timestamp"]) == ("1795424400", "1795424460")
    assert first["webhook-id"] == second["webhook-id"] == "key-1"
    assert first["webhook-signature"] != second["webhook-signature"]
    assert json.loads(receiver.requests[0][1])["timestamp"] == "2026-11-23T09:00:00Z"


async def test_two_secrets_sign_side_by_side_while_one_replaces_the_other(make, receiver, secret_file, view):
    secret_file.write_text(f"{SECRET}\n{OTHER}\n")
    await (await make()).deliver(view(), key="key-1")
    headers, body = receiver.requests[0]
    for secret in (SECRET, OTHER):
        Webhook(secret).verify(body, headers)


async def test_a_key_cannot_become_a_header(make, receiver, view):
    adapter = await make()
    with pytest.raises(Rejected):
        await adapter.deliver(view(), key="key\r\nx-admin: yes")
    assert receiver.requests == []


# --- How the answer is read -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_any_2xx_is_delivered(make, receiver, view, status):
    receiver.reply = lambda: web.Response(status=status)
    assert (await (await make()).deliver(view(), key="key-1")).reference == ""


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 501, 503, 599])
async def test_worth_another_try(make, receiver, view, status):
    receiver.reply = lambda: web.Response(status=status, text=CANARY)
    error = await refusal(await make(), view())
    assert isinstance(error, Unavailable)
    assert str(status) in error.message
    assert CANARY not in everything(error)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 422])
async def test_a_person_must_look(make, receiver, view, status):
    receiver.reply = lambda: web.Response(status=status, text=CANARY)
    error = await refusal(await make(), view())
    assert isinstance(error, Rejected)
    assert str(status) in error.message
    assert CANARY not in everything(error)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(make, receiver, view, status):
    receiver.reply = lambda: web.Response(status=status, headers={"location": receiver.url})
    error = await refusal(await make(), view())
    assert isinstance(error, Rejected)
    assert "url" in error.remedy
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    ("body", "reference"),
    [
        ('{"reference": "CAD-77"}', "CAD-77"),
        ('{"reference": "' + "r" * 200 + '"}', "r" * 200),
        ('{"reference": "' + "r" * 201 + '"}', ""),
        ('{"reference": "a\\nb"}', ""),
        ('{"reference": 7}', ""),
        ('{"elapsed": 0.5, "reference": "x"}', "x"),
        ("OK", ""),
        ("[1]", ""),
        ('{"reference": "x", "pad": "' + "p" * 65536 + '"}', ""),
    ],
)
async def test_the_reference_is_taken_when_it_is_one(make, receiver, view, body, reference):
    receiver.reply = lambda: web.Response(text=body)
    assert (await (await make()).deliver(view(), key="key-1")).reference == reference


async def test_a_system_may_answer_at_once(make, receiver, view):
    answer = {"state": "ACCEPTED", "role": "Duty sergeant"}
    receiver.reply = lambda: web.json_response({"acknowledgement": answer, "reference": "CAD-77"})
    given = await (await make()).deliver(view(), key="key-1")
    assert (given.reference, json.loads(given.answer)) == ("CAD-77", answer)
    assert "Duty" not in repr(given)


async def test_a_notice_that_asks_for_an_answer_may_be_answered_at_once(make, receiver, view):
    receiver.reply = lambda: web.json_response({"acknowledgement": {"state": "ACKNOWLEDGED"}})
    adapter = await make()
    asked = {"notice": "notice-1", "may_answer": ["ACKNOWLEDGED"]}
    given = await adapter.deliver(replace(view(kind=Parcel.NOTICE), content=asked), key="key-1")
    assert json.loads(given.answer) == {"state": "ACKNOWLEDGED"}
    news = {"notice": "notice-2", "may_answer": []}
    given = await adapter.deliver(replace(view(kind=Parcel.NOTICE), content=news), key="key-2")
    assert given.answer == b""


@pytest.mark.parametrize("kind", [Parcel.STATUS, Parcel.REPLY])
async def test_an_answer_to_news_is_no_acknowledgement(make, receiver, view, kind):
    receiver.reply = lambda: web.json_response({"acknowledgement": {"state": "ACCEPTED"}})
    assert (await (await make()).deliver(view(kind=kind), key="key-1")).answer == b""


async def test_what_is_no_object_is_no_acknowledgement(make, receiver, view):
    receiver.reply = lambda: web.json_response({"acknowledgement": "ACCEPTED"})
    assert (await (await make()).deliver(view(), key="key-1")).answer == b""


async def test_half_a_surrogate_in_an_answer_does_not_undo_the_delivery(make, receiver, view):
    receiver.reply = lambda: web.Response(text='{"acknowledgement": {"role": "\\ud800"}}')
    assert (await (await make()).deliver(view(), key="key-1")).answer == b""


# --- Waiting --------------------------------------------------------------------------------------------


async def test_retry_after_is_kept_without_asking_again(make, receiver, view, monkeypatch):
    receiver.reply = lambda: web.Response(status=503, headers={"retry-after": "60"})
    adapter = await make()
    await refusal(adapter, view())
    receiver.reply = web.Response
    error = await refusal(adapter, view())
    assert (error.code, error.retryable, len(receiver.requests)) == ("webhook_paused", True, 1)
    with pytest.raises(Unavailable):
        await adapter.check()
    _advance(monkeypatch, 61)
    await adapter.check()
    await adapter.deliver(view(), key="key-1")


async def test_retry_after_is_bounded(make, receiver, view, monkeypatch):
    receiver.reply = lambda: web.Response(status=429, headers={"retry-after": "9" * 400})
    adapter = await make()
    await refusal(adapter, view())
    _advance(monkeypatch, webhook.MAX_PAUSE + 1)
    await adapter.check()


@pytest.mark.parametrize("value", ["", "Wed, 25 Nov 2026 10:00:00 GMT", "-5", "1.5", "\u0661"])
async def test_another_retry_after_is_ignored(make, receiver, view, value):
    receiver.reply = lambda: web.Response(status=503, headers={"retry-after": value})
    adapter = await make()
    await refusal(adapter, view())
    await adapter.check()


def _advance(monkeypatch, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    real = loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + seconds)


async def test_no_answer_in_time(make, receiver, view):
    released = asyncio.Event()

    async def hang(_request: web.Request) -> web.Response:
        await released.wait()
        return web.Response()

    receiver.handle_hang = hang
    app = web.Application()
    app.router.add_post("/hang", hang)
    server = TestServer(app)
    await server.start_server()
    adapter = await make(url=str(server.make_url("/hang")), timeout=0.05)
    error = await refusal(adapter, view())
    assert isinstance(error, Unavailable)
    released.set()
    await server.close()


async def test_nobody_there(make, receiver, view):
    adapter = await make()
    await receiver.server.close()
    error = await refusal(adapter, view())
    assert isinstance(error, Unavailable)
    assert error.code == "webhook_unreachable"
    assert "Connect call failed" in error.message or "refused" in error.message
    assert error.__context__ is None, "the library's error may hold the address"


async def test_an_answer_that_breaks_off_is_tried_again(make, view):
    async def cut(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(cut, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    error = await refusal(await make(url=f"http://127.0.0.1:{port}/"), view())
    assert isinstance(error, Unavailable)
    server.close()
    await server.wait_closed()


async def test_before_start_and_after_close(make, secret_file, receiver, view):
    adapter = webhook.Adapter("E09000004/police", {"url": receiver.url, "secret_file": secret_file})
    assert isinstance(await refusal(adapter, view()), Unavailable)
    with pytest.raises(Unavailable):
        await adapter.check()
    await adapter.close()
    running = await make()
    await running.check()
    await running.close()
    assert isinstance(await refusal(running, view()), Unavailable)


# --- TLS ------------------------------------------------------------------------------------------------


def certificate() -> tuple[bytes, bytes]:
    """(certificate, key) in PEM: an authority of its own, for localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2120, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return made.public_bytes(serialization.Encoding.PEM), private


@pytest.fixture
async def tls(tmp_path):
    public, private = certificate()
    (tmp_path / "ca.pem").write_bytes(public)
    (tmp_path / "server.pem").write_bytes(private + public)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook", receiver.handle)
    server = TestServer(app, host="localhost", scheme="https")
    await server.start_server(ssl=context)
    receiver.url = f"https://localhost:{server.port}/hook"
    yield receiver
    await server.close()


async def test_a_private_authority_is_trusted_where_named(make, tls, tmp_path, view):
    await (await make(url=tls.url, ca_file=tmp_path / "ca.pem")).deliver(view(), key="key-1")
    assert len(tls.requests) == 1


async def test_an_unknown_authority_gets_nothing(make, tls, view):
    error = await refusal(await make(url=tls.url), view())
    assert isinstance(error, Unavailable)
    assert "Certificate" in error.message
    assert tls.requests == []


async def test_a_proxy_of_the_environment_is_not_used(make, receiver, view, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    await (await make()).deliver(view(), key="key-1")
    assert len(receiver.requests) == 1


async def test_a_cookie_is_not_kept(make, receiver, view):
    def with_cookie() -> web.Response:
        response = web.Response()
        response.set_cookie("session", "1")
        return response

    receiver.reply = with_cookie
    adapter = await make()
    await adapter.deliver(view(), key="key-1")
    await adapter.deliver(view(), key="key-2")
    assert all("cookie" not in headers for headers, _ in receiver.requests)


# --- Configuration --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://cad.police.example/hook",
        "https://cad.police.example:8443/hook?x=1",
        "http://127.0.0.1:8080/hook",
        "http://127.9.9.9/",
        "http://[::1]:8080/",
        "http://localhost/",
    ],
)
def test_where_plaintext_may_go(url):
    assert check_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://cad.police.example/hook",
        "http://10.0.0.5/",
        "http://0x7f000001/",
        "http://127.1/",
        "http://localhost.attacker.example/",
        "http://127.0.0.1.attacker.example/",
        "http://[::2]/",
        "http://0.0.0.0/",
        "ftp://127.0.0.1/",
        "https:///nohost",
        "https://user:pass@cad.police.example/",
        "https://cad.police.example/#part",
        "https://[broken/",
        "https://host:port/",
        "cad.police.example",
        "",
    ],
)
def test_where_it_may_not(url, secret_file):
    with pytest.raises(Misconfigured) as caught:
        webhook.Adapter("E09000004/police", {"url": url, "secret_file": secret_file})
    assert caught.value.field == "/url"
    assert not url or url not in everything(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o660, 0o601])
def test_a_secret_that_others_may_touch_is_refused(secret_file, mode):
    secret_file.chmod(mode)
    with pytest.raises(Misconfigured) as caught:
        Secrets.read(secret_file)
    assert "chmod 600" in caught.value.remedy
    assert caught.value.field == "/secret_file"


@pytest.mark.parametrize(
    "content",
    ["", "\n", "whsec_", "whsec_short", "whsec_" + "A" * 28, "whsec_" + "A" * 92, "é" * 40, "!" * 40],
)
def test_what_is_no_secret_is_refused_unquoted(secret_file, content):
    secret_file.write_text(content)
    with pytest.raises(Misconfigured) as caught:
        Secrets.read(secret_file)
    assert "secret" in caught.value.message
    assert len(content) < 10 or content not in everything(caught.value)


@pytest.mark.parametrize(("letters", "size"), [(32, 24), (88, 64)])
def test_secrets_of_both_ends_of_the_range(secret_file, letters, size):
    padding = "==" if size == 64 else ""
    secret_file.write_text("whsec_" + "A" * (letters - len(padding)) + padding)
    Secrets.read(secret_file)


def test_a_second_line_that_is_no_secret_is_refused(secret_file):
    secret_file.write_text(f"{SECRET}\nwhsec_oops\n")
    with pytest.raises(Misconfigured):
        Secrets.read(secret_file)


def test_files_that_are_not_there(secret_file, tmp_path):
    url = "https://cad.police.example/"
    for option, path in (("secret_file", tmp_path / "none"), ("secret_file", tmp_path)):
        with pytest.raises(Misconfigured) as caught:
            webhook.Adapter("E09000004/police", {"url": url, option: path})
        assert caught.value.field == f"/{option}"
    for path in (tmp_path / "none", secret_file):
        with pytest.raises(Misconfigured) as caught:
            webhook.Adapter("E09000004/police", {"url": url, "secret_file": secret_file, "ca_file": path})
        assert caught.value.field == "/ca_file"
        assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"secret": "whsec_pasted"}, "/secret"),
        ({"timeout": 0}, "/timeout"),
        ({"timeout": 121}, "/timeout"),
        ({"url": None}, "/url"),
    ],
)
def test_wrong_options_are_named(secret_file, changes, field):
    options = {"url": "https://x.example/", "secret_file": secret_file} | changes
    with pytest.raises(Misconfigured) as caught:
        webhook.Adapter("E09000004/police", options)
    assert caught.value.field == field
    assert "whsec_pasted" not in everything(caught.value)


def test_several_wrong_options_are_all_named():
    with pytest.raises(Misconfigured) as caught:
        webhook.Adapter("E09000004/police", {"timeout": "soon", "colour": 1})
    assert {problem.field for problem in caught.value.problems} == {
        "/url",
        "/secret_file",
        "/timeout",
        "/colour",
    }


def test_the_repr_names_the_principal_alone(secret_file):
    adapter = webhook.Adapter(
        "E09000004/police", {"url": "https://x.example/?token=canary", "secret_file": secret_file}
    )
    assert repr(adapter) == "<adapters.webhook.Adapter E09000004/police>"
