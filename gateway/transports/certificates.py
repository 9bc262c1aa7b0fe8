"""The certificates of the line to the broker: ours, read anew when its files change, and the broker's.

Duty: make the TLS context of the next connection, keep the last good pair while a half-written one lies
there, know when each certificate ends, and put into words what TLS 1.3 shows only as "connection reset". It
leaves out connecting (``_session``), renewing what stands (``rabbit``) and telling people
(``flows.certificates``).

Rules
-----
- A pair is taken whole or not at all: a new certificate with the old key does not load, and the last good
  pair goes on being used.
- The key file is its owner's alone, as every other key of the node.
- Whether a date has passed is the broker's to judge: an expired certificate is tried all the same, for it may
  be our clock that is wrong; the words come with the refusal.
- No names, and no more of a certificate than its account and its dates, in messages.

Example::

    own = Identity(cafile=ca, certificate=chain, key=key, account="E09000012", now=clock.now)
    context = own.context()                  # the same one until a file changes
    own.ends                                 # unix seconds
"""

from __future__ import annotations

import calendar
import logging
import os
import ssl
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.errors import GatewayError, Misconfigured, Unavailable

CODE: Final = "broker_certificate"
RENEW: Final = (
    "have it renewed by the authority that the broker trusts, and put certificate and key in the place of the"
    " old ones: they are taken up within a minute, without a restart"
)

_log = logging.getLogger(__name__)
_Stamp = tuple[tuple[int, ...], ...]
_COMMON_NAME: Final = bytes.fromhex("0603550403")
"""The object identifier 2.5.4.3 in DER."""
_VERSION, _UTC = 0xA0, 0x17
"""Tags: [0] of a certificate, and UTCTime."""


@dataclass(frozen=True, slots=True)
class Validity:
    """What a certificate says of itself: the account it logs in as, and its two dates in unix seconds."""

    account: str
    begins: int
    ends: int


def read(pem: str) -> Validity:
    """Of the first certificate of a chain. Raises Misconfigured when there is none.

    By hand, for Python's ``ssl`` tells the dates of a peer's certificate only: RFC 5280, 4.1.
    """
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    try:
        first = pem[pem.index(begin) : pem.index(end) + len(end)]
        (_, whole), *_ = _parts(ssl.PEM_cert_to_DER_cert(first))
        (_, signed), *_ = _parts(whole)
        # Of a version 1 certificate the first, the version, is not there.
        inner = [value for tag, value in _parts(signed) if tag != _VERSION]
        begins, ends = (_moment(tag, value) for tag, value in _parts(inner[3]))
        return Validity(_common_name(inner[4]), begins, ends)
    except (ValueError, IndexError):
        raise Misconfigured(
            "the file of the client certificate holds none",
            code=CODE,
            field="/broker/certificate",
            remedy="name a file in PEM: the certificate first, then those that signed it",
        ) from None


def _parts(der: bytes) -> Iterator[tuple[int, bytes]]:
    """(tag, value) of each element one after another (X.690, 8.1)."""
    at = 0
    while at < len(der):
        tag, length, at = der[at], der[at + 1], at + 2
        if length & 0x80:
            more = length & 0x7F
            length, at = int.from_bytes(der[at : at + more], "big"), at + more
        yield tag, der[at : at + length]
        at += length


def _moment(tag: int, value: bytes) -> int:
    text = value.decode("ascii")
    if tag == _UTC:  # UTCTime has two digits of the year, from 1950 to 2049
        text = ("19" if text[:2] >= "50" else "20") + text
    return calendar.timegm(time.strptime(text, "%Y%m%d%H%M%SZ"))


def _common_name(subject: bytes) -> str:
    for _, name in _parts(subject):
        for _, pair in _parts(name):
            if pair.startswith(_COMMON_NAME):
                _, (_, value) = _parts(pair)
                return value.decode("utf-8")
    return ""


class Identity:
    """Our side of TLS. ``cafile``: whom we believe; None: the machine's authorities. No ``certificate``: an
    account with a password."""

    def __init__(
        self,
        *,
        account: str,
        now: Callable[[], int],
        cafile: Path | None = None,
        certificate: Path | None = None,
        key: Path | None = None,
    ) -> None:
        self._account = account
        self._now = now
        self._cafile, self._certificate, self._key = cafile, certificate, key
        self._files = tuple(path for path in (cafile, certificate, key) if path is not None)
        self._stamp: _Stamp = ()
        self._bad: _Stamp = ()
        self._context: ssl.SSLContext | None = None
        self._validity: Validity | None = None
        self.broker_ends = 0
        """When the certificate ends that the broker showed last; 0 before it was seen."""
        self.turn = 0
        """Counts the contexts that were made: a connection of a smaller one is to be renewed."""

    @property
    def ends(self) -> int:
        """When our certificate ends; 0 without one."""
        return self._validity.ends if self._validity else 0

    def context(self) -> ssl.SSLContext:
        """For the next connection. Raises Misconfigured when there has never been a usable one."""
        self.look()
        assert self._context is not None  # look() raises before the first  # noqa: S101
        return self._context

    def look(self) -> bool:
        """Read the files if they have changed; True when another context is in use now. Raises Misconfigured
        for the first, and afterwards keeps the last good one and warns."""
        stamp = self._stamped()
        if self._context is not None and stamp in (self._stamp, self._bad):
            return False
        try:
            validity, context = self._load()
        except Misconfigured as error:
            if self._context is None:
                raise
            self._bad = stamp
            _log.warning("the new certificate is not usable, the last one stays: %s. %s", error, error.remedy)
            return False
        first = self._context is None
        self._context, self._validity, self.turn = context, validity, self.turn + 1
        # What was there before the reading: a file that was put there meanwhile is read at the next look.
        self._stamp, self._bad = stamp, ()
        return not first

    def _stamped(self) -> _Stamp:
        """What changes with the content (a copy over it, a rename into its place, a link led elsewhere), and
        with who may read it: what was refused for that is mended by a chmod alone."""
        found: list[tuple[int, ...]] = []
        for path in self._files:
            try:
                state = path.stat()
            except OSError:
                found.append(())
            else:
                content = (state.st_ino, state.st_mtime_ns, state.st_size)
                found.append((*content, state.st_mode, state.st_uid, state.st_gid))
        return tuple(found)

    def _load(self) -> tuple[Validity | None, ssl.SSLContext]:
        context = _trusting(self._cafile)
        if self._certificate is None or self._key is None:
            return None, context
        validity = _certificate(self._certificate)
        _private(self._key)
        try:
            # A key under a passphrase would be asked for on the terminal, for ever.
            context.load_cert_chain(self._certificate, self._key, password=lambda: "")
        except (OSError, ValueError):
            raise Misconfigured(
                "the client certificate and its key do not belong together, or cannot be read",
                code=CODE,
                field="/broker/key",
                remedy="put both in place, in PEM, the key without a passphrase; rename the certificate last",
            ) from None
        if validity.account != self._account:
            raise Misconfigured(
                "the client certificate is another account's: its common name is not this area's code",
                code=CODE,
                field="/broker/certificate",
                remedy="name the certificate that was made for this area: the broker logs in by common name",
            )
        return validity, context

    def seen(self, connection: ssl.SSLObject | None) -> None:
        """Note the dates of the certificate that the broker has shown."""
        shown = connection.getpeercert() if connection is not None else None
        if shown:
            self.broker_ends = int(ssl.cert_time_to_seconds(str(shown["notAfter"])))

    def explain(self, error: GatewayError, *, reached: bool) -> GatewayError:
        """The same failure in words, where our own dates are the reason that TLS does not give. ``reached``:
        TLS stood, and then the broker hung up."""
        if error.code not in (CODE, "broker_lost"):
            return error
        return self._dated(reached) or (self._refused() if reached and error.code != CODE else error)

    def _refused(self) -> Unavailable:
        shown = "did not take the certificate" if self._validity else "wants a client certificate, perhaps"
        return Unavailable(
            f"the broker hung up as soon as TLS stood: it {shown}",
            code=CODE,
            remedy="see the broker's log; `cacertfile` there must hold the authority of this node's"
            " certificate, and [broker] here name certificate and key",
        )

    def _dated(self, reached: bool) -> Unavailable | None:
        if self._validity is None or not reached:
            return None
        now = self._now()
        if now >= self._validity.ends:
            message = f"this node's certificate for the broker ended on {_day(self._validity.ends)}"
            return Unavailable(message, code=CODE, remedy=RENEW)
        if now < self._validity.begins:
            return Unavailable(
                f"this node's certificate for the broker is valid from {_day(self._validity.begins)} on",
                code=CODE,
                remedy="set this machine's clock by NTP, or wait for that day with the old certificate",
            )
        return None


def _trusting(cafile: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or newer, the broker's name verified."""
    try:
        context = ssl.create_default_context(cafile=str(cafile) if cafile else None)
    except OSError:  # also what ssl raises for a file without a certificate
        raise Misconfigured(
            "the broker's certificate authority cannot be read",
            code=CODE,
            field="/broker/cafile",
            remedy="name a PEM file with the certificate of the authority that signed the broker's",
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _certificate(path: Path) -> Validity:
    try:
        return read(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise Misconfigured(
            "the client certificate for the broker cannot be read",
            code=CODE,
            field="/broker/certificate",
            remedy="name a PEM file that the node's account may read",
        ) from None


def _private(path: Path) -> None:
    """Raises Misconfigured for a key that others on this machine can read, or that this node cannot."""
    try:
        mode = path.stat().st_mode
        if not os.access(path, os.R_OK):
            raise PermissionError
    except OSError:
        raise Misconfigured(
            "the key of the client certificate cannot be read",
            code=CODE,
            field="/broker/key",
            remedy="name a PEM file that the node's account may read",
        ) from None
    if not stat.S_ISREG(mode) or stat.S_IMODE(mode) & 0o077:
        raise Misconfigured(
            "the key of the client certificate can be read by others",
            code="key_mode",
            field="/broker/key",
            remedy=f"chmod 600 {path}",
        )


def _day(at: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(at))
