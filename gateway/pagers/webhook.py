"""``webhook``: one signed HTTPS request a call (Standard Webhooks), for a pager service or a duty desk's own.

::

    POST <url>
    webhook-id: <key>                   the same on every repeat: the receiver's idempotency key
    webhook-timestamp: 1795424400       of this attempt
    webhook-signature: v1,<base64>      HMAC-SHA256 over id, timestamp and body

    {"type": "handover.page", "timestamp": "...", "data": {"role": "duty_inspector", "late": "nobody has
     acknowledged a handover", "handover": "HO-E09000012-2026-000001", "agency": "POLICE", "area": "Bexley",
     "since": "2026-11-25T17:00:00Z", "urgent": false, "drill": false, "code": "acknowledge", "link": "..."}}

2xx: taken. 408, 409, 425, 429, 5xx, no answer: again later. Everything else: refused, and a person must look.

Rules: ``https`` except to a loopback address; redirects are not followed; no proxy from the environment; no
cookie; the answer's body is not read.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from standardwebhooks import Webhook

from gateway.errors import Misconfigured, Rejected, Unavailable
from gateway.pagers import _files
from gateway.ports import Page

RETRY: Final = frozenset({408, 409, 425, 429})
_OK, _REDIRECT, _SERVER_ERROR = 200, 300, 500
_SECRET: Final = range(24, 65)
"""Bytes (Standard Webhooks, "signature scheme")."""


class WebhookPager:
    """See the module. ``wall`` gives unix seconds: the receiver holds the timestamp against its own clock."""

    def __init__(
        self,
        name: str,
        *,
        url: str,
        secret_file: Path,
        ca_file: Path | None = None,
        timeout: float = 10.0,
        wall: Callable[[], float] = time.time,  # noqa: TID251 - see the class: real time by contract
    ) -> None:
        self._url = _checked(url, name)
        self._sign = _signer(_files.secret(secret_file, name), name)
        self._tls, self._timeout, self._wall = _files.tls(ca_file, name), timeout, wall
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls),
            timeout=aiohttp.ClientTimeout(total=self._timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )

    async def send(self, page: Page) -> None:
        if self._session is None:
            raise Unavailable("the channel is not open", code="closed", remedy="start the node")
        body, headers = self._request(page)
        try:
            async with self._session.post(
                self._url, data=body, headers=headers, allow_redirects=False
            ) as response:
                _judge(response.status)
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(
                f"the pager's service did not answer: {type(error).__name__}",
                code="pager_unreachable",
                remedy="check the channel's url, the network and its certificate; it is tried again",
            ) from None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _request(self, page: Page) -> tuple[bytes, dict[str, str]]:
        at = datetime.fromtimestamp(int(self._wall()), tz=UTC)
        told = {name: value for name, value in asdict(page).items() if name not in {"key", "to"}}
        text = json.dumps(
            {"type": "handover.page", "timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ"), "data": told},
            ensure_ascii=False,
            separators=(",", ":"),
        )
        return text.encode(), {
            "content-type": "application/json",
            "user-agent": "borough-handover-gateway",
            "webhook-id": page.key,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": self._sign.sign(page.key, at, text),
        }


def _judge(status: int) -> None:
    if _OK <= status < _REDIRECT:
        return
    if status in RETRY or status >= _SERVER_ERROR:
        raise Unavailable(
            f"the pager's service answered {status}",
            code="pager_busy",
            remedy="nothing to do unless it lasts; it is tried again",
        )
    raise Rejected(
        f"the pager's service answered {status}",
        code="pager_refused",
        remedy="look into the service's log for this webhook-id; redirects are not followed",
    )


def _checked(url: str, name: str) -> str:
    parts = urlsplit(url)
    safe = parts.scheme == "https" or (parts.scheme == "http" and _files.loopback(parts.hostname or ""))
    if not safe or not parts.hostname or parts.username is not None or parts.fragment:
        raise _files.wrong(name, "url is not usable", "use https://host/path, without a user name")
    return url


def _signer(text: str, name: str) -> Webhook:
    try:
        secret = base64.b64decode(text.removeprefix("whsec_"), validate=True)
    except ValueError:
        secret = b""
    if len(secret) not in _SECRET:
        raise _bad_secret(name)
    return Webhook(secret)


def _bad_secret(name: str) -> Misconfigured:
    return _files.wrong(
        name,
        "secret_file holds no webhook secret",
        "one line: whsec_ and the base64 of 24 to 64 random bytes",
    )
