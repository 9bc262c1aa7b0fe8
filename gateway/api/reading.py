"""Reading a request strictly: one spelling of each thing, and a problem that names the header or parameter.

Nothing here quotes what it read. A header that comes twice is refused: two readers of one request (a proxy
and this node) would otherwise each believe another one.
"""

from __future__ import annotations

import re
from datetime import datetime

from aiohttp import web

from gateway.api.problems import MAX_BODY, BadRequest, UnsupportedMediaType, too_large
from gateway.errors import NotFound
from schemas.base import TIME

HANDOVER = re.compile(r"HO-[EWSN][0-9]{8}-[0-9]{4}-[0-9]{6}\Z")
ID = re.compile(r"[0-9a-f]{32}\Z")
"""A UUID in hex: legs, rows, cursors."""

PARCEL = re.compile(r"[a-z][0-9A-Za-z_.]{0,63}-[0-9A-Za-z_.-]{1,100}\Z")
KEY = re.compile(r"[\x21-\x7e]{1,255}\Z")
NUMBER = re.compile(r"[0-9]{1,15}\Z")

MAX_PAGE = 200
"""Rows of a list in one answer."""

MAX_WAIT = 60
"""Seconds of a long poll: under the idle time-out of common proxies."""


def header(request: web.Request, name: str) -> str | None:
    """Raises BadRequest when it comes more than once."""
    values = request.headers.getall(name, [])
    if len(values) > 1:
        raise BadRequest(
            "a header came more than once", code="repeated_header", field=name, remedy=f"send {name} once"
        )
    return values[0].strip() if values else None


def idempotency_key(request: web.Request) -> str:
    """1 to 255 visible ASCII characters. Raises BadRequest."""
    key = header(request, "Idempotency-Key")
    if key is None or not KEY.match(key):
        raise BadRequest(
            "this call needs an Idempotency-Key header"
            if key is None
            else "the Idempotency-Key is not usable",
            code="idempotency_key",
            field="Idempotency-Key",
            remedy="send 1 to 255 visible ASCII characters: fresh for a document, the same on a retry",
        )
    return key


async def body(request: web.Request, media: tuple[str, ...] = ("application/json",)) -> bytes:
    """The bytes of a request of one of these types. Raises UnsupportedMediaType, TooLarge."""
    if request.content_type not in media or "Content-Type" not in request.headers:
        raise UnsupportedMediaType(
            "the body is of another type than this address takes",
            field="Content-Type",
            remedy=f"send Content-Type: {' or '.join(media)}",
        )
    if (request.content_length or 0) > MAX_BODY:
        raise too_large()  # before a byte of it is read
    return await request.read()


def known_query(request: web.Request, *names: str) -> None:
    """Raises BadRequest for any other parameter, or one that is repeated: a filter that is silently ignored
    shows more than was asked for."""
    if any(name not in names for name in request.query) or len(request.query) != len(set(request.query)):
        raise BadRequest(
            "a query parameter is not known here, or came twice",
            code="query",
            remedy=f"this address takes: {', '.join(names)}" if names else "this address takes none",
        )


def number(request: web.Request, name: str, default: int, *, low: int, high: int) -> int:
    value = request.query.get(name)
    if value is None:
        return default
    if not NUMBER.match(value) or not low <= int(value) <= high:
        raise _unusable(name, f"a whole number from {low} to {high}")
    return int(value)


def flag(request: web.Request, name: str) -> bool:
    value = request.query.get(name, "false")
    if value not in ("true", "false"):
        raise _unusable(name, "true or false")
    return value == "true"


def required_number(request: web.Request, name: str, *, low: int, high: int) -> int:
    if name not in request.query:
        raise _unusable(name, f"a whole number from {low} to {high}")
    return number(request, name, low, low=low, high=high)


def moment(request: web.Request, name: str, default: int) -> int:
    """Unix seconds of an RFC 3339 time with an offset."""
    value = request.query.get(name)
    if value is None:
        return default
    try:
        # A "+" that was not percent-encoded arrives as a blank; everybody forgets that one.
        form = TIME.fullmatch(value.replace(" ", "+"))
        return int(datetime.fromisoformat(form.group()).timestamp()) if form else _refuse_moment(name)
    except ValueError:  # the 31st of February
        return _refuse_moment(name)


def cursor(request: web.Request) -> str:
    value = request.query.get("cursor", "")
    if value and not ID.match(value):
        raise _unusable("cursor", "the cursor of a Link header, unchanged")
    return value


def version(request: web.Request) -> int | None:
    return number(request, "version", 0, low=1, high=9999) or None


def handover(request: web.Request) -> str:
    """The reference in the path. What cannot be one is answered like one that is not there."""
    ref = request.match_info["ref"]
    if not HANDOVER.match(ref):
        raise NotFound(
            "no such handover for this agency",
            code="no_handover",
            field="ref",
            remedy="check the reference: HO-<area>-<year>-<6 digits>",
        )
    return ref


def leg(request: web.Request) -> str:
    if not ID.match(request.match_info["leg"]):
        raise NotFound("no such leg for this agency", code="no_leg", remedy="list yours with GET /v1/inbox")
    return request.match_info["leg"]


def notice(request: web.Request) -> str:
    if not ID.match(request.match_info["notice"]):
        raise NotFound(
            "no such notice for this agency", code="no_notice", remedy="list yours with GET /v1/inbox"
        )
    return request.match_info["notice"]


def parcel(request: web.Request) -> str:
    if not PARCEL.match(request.match_info["parcel"]):
        raise NotFound(
            "no such parcel for this agency", code="no_parcel", remedy="list yours with GET /v1/inbox"
        )
    return request.match_info["parcel"]


def _refuse_moment(name: str) -> int:
    raise _unusable(name, "a time with an offset (RFC 3339), 2026-11-24T10:05:00Z")


def _unusable(name: str, wanted: str) -> BadRequest:
    return BadRequest("a query parameter is not usable", code="query", field=name, remedy=f"send {wanted}")
