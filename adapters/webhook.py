"""``webhook``: one signed HTTPS request a parcel (Standard Webhooks, standardwebhooks.com).

::

    POST <url>
    webhook-id: <key>                   the same on every repeat: the receiver's idempotency key
    webhook-timestamp: 1795424400       of this attempt
    webhook-signature: v1,<base64>      one for each secret of the secret file

    {"type": "handover.notification", "timestamp": "2026-11-24T10:05:00Z", "data": {from the profile}}

``type`` is ``handover.notification``, ``handover.status`` or ``handover.reply``. The answer decides:

- 2xx: the receiver owns it durably. It may say ``{"reference": "..."}``, its own opaque id, and may answer a
  notification at once with ``{"acknowledgement": {"state": "RECEIVED", "role": "...", ...}}``. Such an answer
  is recorded in the transaction that marks the parcel delivered. Should the node die before that, the parcel
  comes again under its key, and the receiver has to answer it as it did the first time.
- 408, 409, 425, 429, 5xx, no answer: tried again later. ``Retry-After`` in seconds is honoured, up to 300.
- everything else, redirects included: a person must look.

Rules: ``https`` except to a loopback address; redirects are not followed, for they would carry plaintext to
an address nobody configured; no proxy from the environment; no cookie; nothing of the body in an error.

Options: ``url``, ``secret_file``, ``timeout`` seconds (10), ``ca_file`` (PEM of a private authority).
Example::

    [agencies.police]
    adapter = "webhook"
    options = { url = "https://cad.police.example/handover", secret_file = "/etc/gateway/police.whsec" }
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, ClassVar

import aiohttp
from pydantic import Field, field_validator

from adapters._options import AdapterOptions, option_error, parse_options
from adapters._parcels import MAX_ANSWER, Nothing, encode_json, parse_object, safe_key
from adapters._webhook import Secrets, check_url
from gateway.errors import InvalidDocument, Rejected, Unavailable
from gateway.ports import Answer, Delivered, Json, Parcel, Submission, View

RETRY = frozenset({408, 409, 425, 429})
"""Worth another try besides 5xx. 409 is what a receiver says while the first attempt of a key still runs."""

MAX_PAUSE = 300
"""Seconds. A receiver may slow us down, not hold an urgent parcel for hours (domain 6.6: 2 h to answer)."""

MAX_REFERENCE = 200

_OK, _REDIRECT, _CLIENT_ERROR, _SERVER_ERROR = 200, 300, 400, 500


class Options(AdapterOptions):
    """``url`` and ``secret_file`` are required; ``timeout`` covers one whole request."""

    url: str
    secret_file: Path
    timeout: Annotated[float, Field(gt=0, le=120)] = 10.0
    ca_file: Path | None = None

    @field_validator("url")
    @classmethod
    def _checked(cls, url: str) -> str:
        return check_url(url)


class Adapter:
    """See the module. ``wall`` gives unix seconds: the receiver holds the timestamp against its own clock to
    refuse replays, so it is real time, of each attempt, even where the node runs on a clock set by hand."""

    pulls: ClassVar[bool] = False

    def __init__(
        self,
        principal: str,
        options: Mapping[str, object],
        *,
        wall: Callable[[], float] = time.time,  # noqa: TID251 - see the class: real time by contract
    ) -> None:
        self._options = parse_options(Options, "webhook", options)
        self._principal = principal
        self._wall = wall
        self._secrets = Secrets.read(self._options.secret_file)
        self._tls = _tls(self._options.ca_file)
        self._session: aiohttp.ClientSession | None = None
        self._resume = 0.0

    def __repr__(self) -> str:
        return f"<adapters.webhook.Adapter {self._principal}>"

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._tls),
            timeout=aiohttp.ClientTimeout(total=self._options.timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )

    async def deliver(self, view: View, *, key: str) -> Delivered:
        """Raises Unavailable (again later) or Rejected (a person must look); see the module."""
        session = self._ready()
        body, headers = self._request(view, safe_key(key))
        try:
            async with session.post(
                self._options.url, data=body, headers=headers, allow_redirects=False
            ) as response:
                self._judge(response)
                reply = await _read(response)
        except (aiohttp.ClientError, OSError) as error:
            trouble = _trouble(error)
        else:
            return _accepted(view, reply)
        raise Unavailable(
            f"the agency's system did not answer: {trouble}",
            code="webhook_unreachable",
            remedy="Check the option url, the network and the receiver's certificate; it is tried again.",
        )

    def acknowledgements(self) -> AsyncIterator[Answer]:
        """None: they come with the reply, or over the HTTP API."""
        return Nothing()

    def submissions(self) -> AsyncIterator[Submission]:
        return Nothing()

    async def check(self) -> None:
        """Raises Unavailable when not started, or while the receiver asks us to wait. Sends nothing."""
        self._ready()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _ready(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise Unavailable("the adapter is not running", code="closed", remedy="Start the node.")
        if asyncio.get_running_loop().time() < self._resume:
            raise Unavailable(
                "the agency's system asked us to wait",
                code="webhook_paused",
                remedy=f"Nothing to do; it is tried again within {MAX_PAUSE} seconds.",
            )
        return self._session

    def _request(self, view: View, key: str) -> tuple[bytes, dict[str, str]]:
        at = datetime.fromtimestamp(int(self._wall()), tz=UTC)
        body = encode_json(
            {
                "type": f"handover.{view.kind.value}",
                "timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "data": dict(view.content),
            }
        )
        return body, {
            "content-type": "application/json",
            "accept-encoding": "identity",  # a compressed answer could unpack to more than we would read
            "user-agent": "borough-handover-gateway",
            "webhook-id": key,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": self._secrets.sign(key, at, body),
        }

    def _judge(self, response: aiohttp.ClientResponse) -> None:
        status = response.status
        if _OK <= status < _REDIRECT:
            return
        if status in RETRY or status >= _SERVER_ERROR:
            self._wait(response.headers.get("retry-after", ""))
            raise Unavailable(
                f"the agency's system answered {status}",
                code="webhook_busy",
                remedy="Nothing to do unless it lasts; it is tried again.",
            )
        if _REDIRECT <= status < _CLIENT_ERROR:
            remedy = "Set the option url to the final address: redirects are not followed."
        else:
            remedy = "Look into the receiver's log for this webhook-id, correct it, then retry the parcel."
        raise Rejected(f"the agency's system answered {status}", code="webhook_refused", remedy=remedy)

    def _wait(self, seconds: str) -> None:
        # the other form of the header, a date, would need the two clocks to agree
        if seconds.isascii() and seconds.isdigit():
            pause = min(int(seconds[:9]), MAX_PAUSE)
            self._resume = asyncio.get_running_loop().time() + pause


def _accepted(view: View, reply: Mapping[str, Json]) -> Delivered:
    answer, reference = reply.get("acknowledgement"), reply.get("reference")
    fits = isinstance(reference, str) and len(reference) <= MAX_REFERENCE and reference.isprintable()
    said = encode_json(answer) if isinstance(answer, dict) and _asks(view) else b""
    return Delivered(reference=str(reference) if fits else "", answer=said)


def _asks(view: View) -> bool:
    """Whether there is anything to answer: to news, "acknowledgement" says no more than "I have it"."""
    notice = view.kind is Parcel.NOTICE and bool(view.content.get("may_answer"))
    return notice or view.kind is Parcel.NOTIFICATION


async def _read(response: aiohttp.ClientResponse) -> Mapping[str, Json]:
    """The JSON object of a 2xx answer; empty when there is none, it is something else or it is too long."""
    content = bytearray()
    async for chunk in response.content.iter_chunked(MAX_ANSWER):
        content += chunk
        if len(content) > MAX_ANSWER:
            return {}
    try:
        return parse_object(bytes(content))
    except InvalidDocument:
        return {}  # "OK" is an answer too


def _trouble(error: Exception) -> str:
    """The kind of failure without its text, which may hold the address with a token in it."""
    cause = getattr(error, "os_error", error)
    reason = getattr(cause, "strerror", None)
    return f"{type(error).__name__} ({reason})" if isinstance(reason, str) else type(error).__name__


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    except OSError:  # also what ssl raises for a file that holds no certificate
        context = None
    if context is None:
        raise option_error("webhook", "ca_file", "cannot be read", "Name a PEM file of certificates.")
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
