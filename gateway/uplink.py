"""The line to the broker, out of the settings: addresses, how this node logs in, its certificates.

Duty: what ``[broker]`` means. It leaves out connecting (:mod:`gateway.transports`).

Rules
-----
- In production a node logs in by its client certificate (EXTERNAL), unless a file with a password is named.
- A file that holds a password is its owner's alone, in production.
- TLS always verifies the broker's name; no setting turns that off in production.

Example::

    transport = RabbitTransport(addresses(settings), settings.area, identity=identity(settings))
"""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

from yarl import URL

from gateway.clock import SystemClock
from gateway.config import Settings
from gateway.errors import Misconfigured
from gateway.transports.certificates import Identity

EXTERNAL: Final = "external"
OURS: Final = frozenset({"cafile", "certfile", "keyfile"})
"""What of an address's query names a file of TLS; the settings do it better, for these are read anew."""


def addresses(settings: Settings) -> tuple[str, ...]:
    """The addresses with how to log in. Raises Misconfigured where that is missing, or open to others, and
    for what is no address."""
    for url in settings.broker.urls:
        _check_form(url)
        _check_verified(url, settings.environment)
    if auth(settings) == EXTERNAL:
        _check_certificate(settings)
        return tuple(
            str(URL(url).with_user(None).update_query(auth=EXTERNAL)) for url in settings.broker.urls
        )
    if settings.broker.credentials_file and settings.environment == "prod":
        _check_private(settings.broker.credentials_file)
    return settings.broker_urls


def auth(settings: Settings) -> str:
    """ "external" or "password": as set; else by what is there; else what is right for the environment."""
    broker = settings.broker
    if broker.auth is not None:
        return broker.auth
    if broker.credentials_file or any(urlsplit(url).password for url in broker.urls):
        return "password"
    over_tls = any(urlsplit(url).scheme == "amqps" for url in broker.urls)
    wanted = settings.environment == "prod" or any(_file(settings, name) for name in ("certfile", "keyfile"))
    return EXTERNAL if over_tls and wanted else "password"


def identity(settings: Settings) -> Identity | None:
    """The certificates for amqps; None where no address is of that kind."""
    if not any(urlsplit(url).scheme == "amqps" for url in settings.broker.urls):
        return None
    return Identity(
        account=settings.area,
        now=SystemClock().now,
        cafile=_file(settings, "cafile"),
        certificate=_file(settings, "certfile"),
        key=_file(settings, "keyfile"),
    )


def _file(settings: Settings, name: str) -> Path | None:
    broker = settings.broker
    given = {"cafile": broker.cafile, "certfile": broker.certificate, "keyfile": broker.key}[name]
    if given is not None:
        return given
    for url in broker.urls:
        if named := parse_qs(urlsplit(url).query).get(name):
            return Path(named[0])
    return None


def _check_certificate(settings: Settings) -> None:
    if not (_file(settings, "certfile") and _file(settings, "keyfile")):
        raise Misconfigured(
            "this node has no way to log in at the broker",
            code="broker_auth",
            field="/broker/certificate",
            remedy="name certificate and key in [broker]; a small set-up may name a credentials_file instead",
        )
    if any(urlsplit(url).scheme != "amqps" for url in settings.broker.urls):
        raise Misconfigured(
            "a certificate logs in over TLS alone",
            code="broker_tls",
            field="/broker/urls",
            remedy='use amqps:// for every address, or auth = "password"',
        )


def _check_form(url: str) -> None:
    """Or a port that was mistyped shows as a broker that never answers. No word of it is repeated: it may
    hold a password."""
    try:
        parts = URL(url)
        good = parts.scheme in {"amqp", "amqps"} and bool(parts.host) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise Misconfigured(
            "an address of the broker is no AMQP URL",
            code="broker_url",
            field="/broker/urls",
            remedy="write amqps://HOST:5671/VHOST; what is not a letter or digit in a password as %XX",
        )


def _check_verified(url: str, environment: str) -> None:
    asked = parse_qs(urlsplit(url).query, keep_blank_values=True)
    if environment == "prod" and asked.get("no_verify_ssl", ["0"]) != ["0"]:
        raise Misconfigured(
            "the broker's certificate would not be verified",
            code="broker_tls",
            field="/broker/urls",
            remedy="take no_verify_ssl out, and name the broker's authority as cafile in [broker]",
        )


def _check_private(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except OSError:
        return  # the reader of it says so
    if stat.S_IMODE(mode) & 0o077:
        raise Misconfigured(
            "the file with the broker's password can be read by others",
            code="key_mode",
            field="/broker/credentials_file",
            remedy=f"chmod 600 {path}",
        )
