"""``email``: one message a call, by SMTP with TLS, to the address of the role.

Rules: TLS before anything is said (``implicit``) or before anything else is (``starttls``, the default), with
the certificate checked; ``none`` to a loopback address only. A password stands in a file of its own. The
Message-ID is made of the call's key, so that a mailbox shows a repeat as what it is. A line of the message
holds no more than the settings and the gateway's own codes: no line break can come in through either.
"""

from __future__ import annotations

import asyncio
from email.message import EmailMessage
from pathlib import Path
from typing import Final, Literal

import aiosmtplib

from gateway.errors import Misconfigured, Rejected, Unavailable
from gateway.pagers import _files
from gateway.ports import Page

Tls = Literal["starttls", "implicit", "none"]

_PERMANENT: Final = 500
"""SMTP replies from here on will not change by trying again (RFC 5321, 4.2.1)."""


class EmailPager:
    """See the module. ``timeout`` covers one whole call."""

    def __init__(
        self,
        name: str,
        *,
        host: str,
        port: int,
        sender: str,
        tls: Tls = "starttls",
        user: str = "",
        password_file: Path | None = None,
        ca_file: Path | None = None,
        timeout: float = 20.0,
    ) -> None:
        if tls == "none" and not _files.loopback(host):
            raise _files.wrong(name, "mail would leave this machine without TLS", 'set tls = "starttls"')
        self._host, self._port, self._sender, self._tls = host, port, sender, tls
        self._user = user
        self._password = _files.secret(password_file, name) if password_file else ""
        self._context = _files.tls(ca_file, name)
        self._timeout = timeout

    async def start(self) -> None: ...

    async def send(self, page: Page) -> None:
        if not page.to:
            raise _no_address(page.role)
        try:
            async with asyncio.timeout(self._timeout):
                await aiosmtplib.send(
                    compose(page, self._sender),
                    hostname=self._host,
                    port=self._port,
                    username=self._user or None,
                    password=self._password or None,
                    use_tls=self._tls == "implicit",
                    start_tls=self._tls == "starttls",
                    tls_context=None if self._tls == "none" else self._context,
                    timeout=self._timeout,
                )
        except (aiosmtplib.SMTPException, OSError, TimeoutError, ValueError) as error:
            raise _judged(error) from None

    async def close(self) -> None: ...


def compose(page: Page, sender: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = sender, page.to
    kind = "DRILL: " if page.drill else "URGENT: " if page.urgent else ""
    message["Subject"] = f"{kind}{page.late} {page.handover}".strip()
    message["Message-ID"] = f"<{page.key}@{sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no mailbox answers it by itself
    lines = [
        ("For", page.role),
        ("What", page.late),
        ("Handover", page.handover),
        ("Agency", page.agency),
        ("Area", page.area),
        ("Late since", page.since),
        ("Look here", page.link),
    ]
    message.set_content("\n".join(f"{name}: {value}" for name, value in lines if value) + "\n")
    return message


def _judged(error: Exception) -> Unavailable | Rejected:
    """The kind of failure without its text, which may hold an address."""
    codes = [error.code] if isinstance(error, aiosmtplib.SMTPResponseException) else []
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        codes = [one.code for one in error.recipients]
    malformed = isinstance(error, ValueError) and not isinstance(error, OSError)  # a bad certificate is both
    if malformed or (codes and min(codes) >= _PERMANENT):
        return Rejected(
            f"the mail server refused the call: {type(error).__name__}",
            code="pager_refused",
            remedy="check the role's address, and the channel's sender, user and password file",
        )
    return Unavailable(
        f"the mail server did not take the call: {type(error).__name__}",
        code="pager_unreachable",
        remedy="check the channel's host, port and certificate; it is tried again",
    )


def _no_address(role: str) -> Misconfigured:
    return Misconfigured(
        "a role that is called by e-mail has no address",
        code="no_address",
        field=f"/escalation/roles/{role}/to",
        remedy="set the role's address",
    )
