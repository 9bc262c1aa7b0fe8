"""The channels by which a role is called, against real servers of their protocol."""

from __future__ import annotations

import asyncio
import base64
import email
import email.policy
import json
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks import Webhook, WebhookVerificationError

from gateway.errors import Misconfigured, Rejected, Unavailable
from gateway.pagers import EmailPager, WebhookPager
from gateway.pagers.email import compose
from gateway.testing.pager_suite import PAGE, PagerSuite

SECRET = b"k" * 32


def private(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    return path


# --- webhook --------------------------------------------------------------------------------------------


class HttpDesk:
    def __init__(self) -> None:
        self.seen: list[tuple[dict[str, str], bytes]] = []
        self.status = 200
        self.stalls = asyncio.Event()
        self.stalls.set()
        self.runner: web.AppRunner | None = None

    async def start(self) -> str:
        app = web.Application()
        app.router.add_post("/page", self._take)
        self.runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self.runner.setup()
        await web.TCPSite(self.runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self.runner.addresses[0][1]}/page"

    async def _take(self, request: web.Request) -> web.Response:
        await self.stalls.wait()
        if self.status == 200:
            self.seen.append((dict(request.headers), await request.read()))
        location = {"location": "https://elsewhere.example/"} if self.status == 302 else {}
        return web.Response(status=self.status, headers=location)

    async def calls(self) -> list[tuple[str, str]]:
        return [(headers["webhook-id"], body.decode()) for headers, body in self.seen]

    async def refuse(self, *, for_good: bool) -> None:
        self.status = 403 if for_good else 503

    async def stall(self) -> None:
        self.stalls.clear()

    async def stop(self) -> None:
        self.stalls.set()
        if self.runner is not None:
            await self.runner.cleanup()
            self.runner = None


class TestWebhook(PagerSuite):
    @pytest.fixture
    async def desk(self) -> AsyncIterator[HttpDesk]:
        desk = HttpDesk()
        self.url = await desk.start()
        yield desk
        await desk.stop()

    @pytest.fixture
    async def pager(self, desk: HttpDesk, tmp_path: Path) -> AsyncIterator[WebhookPager]:
        secret = private(tmp_path / "secret", f"whsec_{base64.b64encode(SECRET).decode()}\n")
        pager = WebhookPager("bell", url=self.url, secret_file=secret, timeout=0.5)
        await pager.start()
        yield pager
        await pager.close()

    async def test_it_is_signed_over_id_time_and_body(self, pager: WebhookPager, desk: HttpDesk) -> None:
        await pager.send(PAGE)
        ((headers, body),) = desk.seen
        Webhook(SECRET).verify(body, headers)
        for forged in (
            (body.replace(b"POLICE", b"HEALTH"), headers),
            (body, headers | {"webhook-id": "other"}),
        ):
            with pytest.raises(WebhookVerificationError):
                Webhook(SECRET).verify(*forged)

    async def test_it_tells_where_nobody_has_to_be_reached_by_address(
        self, pager: WebhookPager, desk: HttpDesk
    ) -> None:
        await pager.send(PAGE)
        told = json.loads(desk.seen[0][1])["data"]
        assert set(told) == {
            "role",
            "code",
            "late",
            "handover",
            "agency",
            "area",
            "urgent",
            "drill",
            "since",
            "link",
        }

    @pytest.mark.parametrize("status", [302, 400, 404])
    async def test_redirects_and_refusals_are_for_a_person(
        self, pager: WebhookPager, desk: HttpDesk, status: int
    ) -> None:
        desk.status = status
        with pytest.raises(Rejected):
            await pager.send(PAGE)

    @pytest.mark.parametrize("status", [408, 409, 425, 429, 500])
    async def test_what_may_pass_is_tried_again(
        self, pager: WebhookPager, desk: HttpDesk, status: int
    ) -> None:
        desk.status = status
        with pytest.raises(Unavailable):
            await pager.send(PAGE)

    @pytest.mark.parametrize(
        "url",
        [
            "http://pager.example/x",
            "ftp://127.0.0.1/x",
            "https://user:pw@pager.example/",
            "https:///x",
            "https://pager.example/#f",
        ],
    )
    def test_an_address_that_is_not_safe_is_not_taken(self, tmp_path: Path, url: str) -> None:
        secret = private(tmp_path / "secret", base64.b64encode(SECRET).decode())
        with pytest.raises(Misconfigured):
            WebhookPager("bell", url=url, secret_file=secret)

    @pytest.mark.parametrize("text", ["", "whsec_!!", "whsec_" + base64.b64encode(b"short").decode()])
    def test_a_secret_that_is_none_is_not_taken(self, tmp_path: Path, text: str) -> None:
        with pytest.raises(Misconfigured) as failed:
            WebhookPager("bell", url="https://pager.example/x", secret_file=private(tmp_path / "s", text))
        assert failed.value.field == "/escalation/channels/bell"

    def test_a_secret_that_others_can_read_is_none(self, tmp_path: Path) -> None:
        secret = private(tmp_path / "secret", base64.b64encode(SECRET).decode())
        secret.chmod(0o640)
        with pytest.raises(Misconfigured, match="open to other accounts"):
            WebhookPager("bell", url="https://pager.example/x", secret_file=secret)
        with pytest.raises(Misconfigured, match="cannot be read"):
            WebhookPager("bell", url="https://pager.example/x", secret_file=tmp_path / "none")


# --- e-mail ---------------------------------------------------------------------------------------------


class MailDesk:
    """An SMTP server with STARTTLS and a login, as an agency's own relay is."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self.seen: list[EmailMessage] = []
        self.logins: list[tuple[bytes, bytes]] = []
        self.reply = "250 OK"
        self.stalls = asyncio.Event()
        self.stalls.set()
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.load_cert_chain(certificate, key)
        self.server: asyncio.Server | None = None

    async def start(self) -> int:
        self.server = await asyncio.get_running_loop().create_server(self._protocol, "127.0.0.1", 0)
        port: int = self.server.sockets[0].getsockname()[1]
        return port

    def _protocol(self) -> SMTP:
        return SMTP(
            self,
            hostname="relay",
            tls_context=self.context,
            require_starttls=True,
            authenticator=self._login,
            auth_required=True,
        )

    def _login(self, server: SMTP, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == b"pass word", handled=False)

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's
        await self.stalls.wait()
        if self.reply.startswith("250"):
            message = email.message_from_bytes(envelope.content, policy=email.policy.default)
            assert isinstance(message, EmailMessage)
            self.seen.append(message)
        return self.reply

    async def calls(self) -> list[tuple[str, str]]:
        return [(str(one["message-id"]), f"{one['subject']}\n{one.get_content()}") for one in self.seen]

    async def refuse(self, *, for_good: bool) -> None:
        self.reply = "550 no such mailbox" if for_good else "451 try again"

    async def stall(self) -> None:
        self.stalls.clear()

    async def stop(self) -> None:
        self.stalls.set()
        if self.server is not None:
            self.server.close()
            self.server = None


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that is its own authority, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "relay")])
    begin = datetime(2020, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "key.pem").write_bytes(pem)
    return folder / "cert.pem", folder / "key.pem"


class TestEmail(PagerSuite):
    @pytest.fixture
    async def desk(self, authority: tuple[Path, Path]) -> AsyncIterator[MailDesk]:
        desk = MailDesk(*authority)
        self.port = await desk.start()
        yield desk
        await desk.stop()

    @pytest.fixture
    async def pager(
        self, desk: MailDesk, authority: tuple[Path, Path], tmp_path: Path
    ) -> AsyncIterator[EmailPager]:
        pager = EmailPager(
            "mail",
            host="127.0.0.1",
            port=self.port,
            sender="gateway@bexley.example",
            user="gateway",
            password_file=private(tmp_path / "password", "pass word\n"),
            ca_file=authority[0],
            timeout=1.5,
        )
        await pager.start()
        yield pager
        await pager.close()

    async def test_it_logs_in_after_tls_and_names_the_role_it_is_for(
        self, pager: EmailPager, desk: MailDesk
    ) -> None:
        await pager.send(PAGE)
        assert desk.logins == [(b"gateway", b"pass word")]
        (message,) = desk.seen
        assert (message["to"], message["from"]) == (PAGE.to, "gateway@bexley.example")
        assert message["auto-submitted"] == "auto-generated"

    async def test_a_wrong_password_is_for_a_person(
        self, pager: EmailPager, desk: MailDesk, tmp_path: Path
    ) -> None:
        pager._password = "another"
        with pytest.raises(Rejected):
            await pager.send(PAGE)

    async def test_a_certificate_of_somebody_else_is_not_spoken_to(
        self, pager: EmailPager, desk: MailDesk
    ) -> None:
        pager._context = ssl.create_default_context()
        with pytest.raises(Unavailable):
            await pager.send(PAGE)
        assert desk.logins == []

    async def test_a_role_without_an_address_is_the_operators_to_mend(self, pager: EmailPager) -> None:
        with pytest.raises(Misconfigured) as failed:
            await pager.send(replace(PAGE, to=""))
        assert failed.value.field == "/escalation/roles/duty_inspector/to"

    def test_mail_leaves_the_machine_with_tls_only(self) -> None:
        with pytest.raises(Misconfigured):
            EmailPager("mail", host="relay.example", port=25, sender="g@x.example", tls="none")
        EmailPager("mail", host="127.0.0.1", port=25, sender="g@x.example", tls="none")


@pytest.mark.parametrize(
    ("drill", "urgent", "begin"),
    [(True, True, "DRILL: "), (False, True, "URGENT: "), (False, False, "nobody")],
)
def test_the_subject_says_first_whether_it_is_urgent_or_a_drill(
    drill: bool, urgent: bool, begin: str
) -> None:
    assert compose(replace(PAGE, drill=drill, urgent=urgent), "g@x.example")["subject"].startswith(begin)


def test_no_line_break_comes_into_a_header() -> None:
    with pytest.raises(ValueError, match=r"linefeed|newline"):
        compose(replace(PAGE, late="a\nBcc: all@agency.example"), "g@x.example")
