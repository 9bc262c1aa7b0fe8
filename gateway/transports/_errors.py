"""Every error of aio-pika, aiormq, pamqp and the socket, translated once into the gateway's own.

Left out: what to do about it (``_link`` and ``rabbit`` decide whether a connection is thrown away).

A ``CancelledError`` is not always a cancellation: when the heartbeat fails, aiormq rejects what is waiting
with one that nobody asked for. ``Task.cancelling()`` counts the requests and so tells the two apart. Taking
the false one for real would end a pump without a word; taking a real one for false would refuse to stop.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from aio_pika.exceptions import CONNECTION_EXCEPTIONS, DeliveryError, PublishError
from aiormq.exceptions import (
    AuthenticationError,
    ChannelAccessRefused,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    ConnectionNotAllowed,
    InvalidFrameError,
    ProbableAuthenticationError,
)

from gateway.errors import GatewayError, Misconfigured, Unavailable, UnknownRecipient
from gateway.transports.certificates import CODE as CERTIFICATE

LOST = "broker_lost"
REFUSED = "queue_full"
TIMEOUT = "broker_timeout"

_OPERATOR: tuple[tuple[type[Exception], str, str, str], ...] = (
    (
        ChannelNotFoundEntity,
        "broker_topology",
        "the broker does not hold this area's exchange or queue",
        "load the output of `gateway broker definitions` into the broker, or correct area or virtual host",
    ),
    (
        ChannelAccessRefused,
        "broker_permission",
        "the broker account may not use this area's exchange or queue",
        "grant the permissions that `gateway broker definitions` lists for this area",
    ),
    (
        ChannelPreconditionFailed,
        "broker_mismatch",
        "the broker already holds a queue or exchange of this name with other properties",
        "leave the topology to the operator's definitions, or remove the old queue or exchange first",
    ),
    (
        AuthenticationError,
        "broker_account",
        "the broker does not accept this way of logging in",
        "enable PLAIN, or EXTERNAL with a client certificate, on the broker",
    ),
    (
        ProbableAuthenticationError,
        "broker_account",
        "the broker refused the account",
        "correct user and password of the broker URL, and the account's access to the virtual host",
    ),
    (
        ConnectionNotAllowed,
        "broker_account",
        "the broker refused the virtual host",
        "create the virtual host, or correct the last part of the broker URL",
    ),
)


def translate(error: Exception, doing: str) -> GatewayError:
    """The gateway's error for a foreign one. ``doing`` completes "could not ...". Never holds a body."""
    if isinstance(error, PublishError):
        return UnknownRecipient(
            "the broker has no queue for this area",
            code="unroutable",
            remedy="check the recipient's area code; if it is right, its queues are missing on the broker:"
            " `gateway broker definitions` lists them",
        )
    if isinstance(error, DeliveryError):
        return Unavailable(
            f"could not {doing}: the broker does not take it: the queue is full, or without a leader",
            code=REFUSED,
            remedy="ask the area it is for whether its node runs, and the broker's operator about that queue",
        )
    for kind, code, message, remedy in _OPERATOR:
        if isinstance(error, kind):
            return Misconfigured(f"could not {doing}: {message}", code=code, remedy=remedy)
    if (wrong := _tls(error)) is not None:
        return _untrusted(wrong, doing)
    if isinstance(error, InvalidFrameError):
        # aiormq hides the broker's refusal of a virtual host behind the frame that it had expected. A broker
        # that is still recovering the virtual host refuses in the same way, so this may pass by itself.
        return Unavailable(
            f"could not {doing}: the broker hung up when asked for the virtual host",
            code="broker_vhost",
            remedy="if it stays so: create the virtual host, or give the account access to it",
        )
    late = isinstance(error, TimeoutError)
    why = "no answer from the broker in time" if late else "the connection to the broker failed"
    return Unavailable(f"could not {doing}: {why}", code=TIMEOUT if late else LOST)


def _tls(error: BaseException | None) -> ssl.SSLError | None:
    """The fault of TLS that aiormq has wrapped into an error of its own."""
    seen = set[int]()  # one error raised again by several tasks can come to stand in its own context
    while error is not None and id(error) not in seen:
        if isinstance(error, ssl.SSLError):
            return error
        seen.add(id(error))
        error = error.__cause__ or error.__context__
    return None


_NAME, _EXPIRED = frozenset({62, 64}), 10
"""OpenSSL's numbers (X509_verify_cert_error_string) of a host name or address that does not match, and of a
date that has passed."""

_ALERTS: Mapping[str, str] = {
    "CERTIFICATE_REQUIRED": "it asks for one, and none was shown",
    "CERTIFICATE_EXPIRED": "it has expired",
    "CERTIFICATE_REVOKED": "it was revoked",
    "UNKNOWN_CA": "the broker does not trust the authority that signed it",
}


def _untrusted(error: ssl.SSLError, doing: str) -> Unavailable:
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _NAME:
            why, remedy = "is for another name", "use in `urls` a name that stands in it"
        elif error.verify_code == _EXPIRED:
            why = "has expired"
            remedy = "have the broker's operators renew it; is this machine's clock right?"
        else:
            why = "is not signed by an authority that is trusted here"
            remedy = "name the authority of the broker's certificate as `cafile` in [broker]"
        return Unavailable(
            f"could not {doing}: the broker's certificate {why}", code=CERTIFICATE, remedy=remedy
        )
    said = (error.reason or "").upper()
    for alert, why in _ALERTS.items():
        if alert in said:
            return Unavailable(
                f"could not {doing}: the broker refused this node's certificate: {why}",
                code=CERTIFICATE,
                remedy="name certificate and key in [broker], by an authority in the broker's `cacertfile`",
            )
    return Unavailable(
        f"could not {doing}: TLS failed",
        code=CERTIFICATE if "CERTIFICATE" in said else LOST,
        remedy="is it the broker's TLS port, and TLS 1.2 or newer there?",
    )


def unavailable(error: GatewayError) -> Unavailable:
    """The same finding for a caller that is promised Unavailable: mended by the operator, then retried."""
    if isinstance(error, Unavailable):
        return error
    return Unavailable(error.message, code=error.code, remedy=error.remedy)


def cancellation_requested() -> bool:
    """True when somebody asked the running task to stop; False when a library only says so."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Run one dealing with the broker. Raises gateway errors only, and real cancellations.

    Put it OUTSIDE ``asyncio.timeout``: an expired one counts as a request until its block has ended.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        if cancellation_requested():
            raise
        message = f"could not {doing}: the connection to the broker failed"
        raise Unavailable(message, code=LOST) from error
    except CONNECTION_EXCEPTIONS as error:
        raise translate(error, doing) from error
