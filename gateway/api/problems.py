"""Every refusal as one shape: ``application/problem+json`` (RFC 9457), never with a value out of a document.

Duty: the errors that only HTTP knows, and the translation of any error into a problem. It leaves out when:
:mod:`gateway.api.app` catches. ``type`` is a URN of the stable code, ``title`` the code in words (the same
for every occurrence), ``detail`` and ``remedy`` what the error says, ``errors`` one entry per fault found,
``instance`` the request's id, by which the operator finds the log line.

What is our fault (500) says nothing but the id: its text could quote a key, a path or a document.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from aiohttp import web
from aiohttp.web import HTTPException

from gateway.core.rulebook import source_of
from gateway.errors import (
    Expired,
    GatewayError,
    Misconfigured,
    NotFound,
    Problem,
    Refused,
    Rejected,
    TooLarge,
    Unavailable,
)

CONTENT_TYPE: Final = "application/problem+json"
MAX_BODY: Final = 1 << 20
"""Bytes of a request: what fits into one envelope (protocol 4.1); attachments come elsewhere."""

TRY_AGAIN: Final = 5
"""Seconds that an Unavailable asks for: longer than a broker or database takes to fail over by itself."""

STATUS: Final[Mapping[str, int]] = {"idempotency_key_reused": 422, "attachment_missing": 409}
"""Codes whose status is not that of their class: by a convention of HTTP (the Idempotency-Key draft), and
because the node is well and serves, only this file is still on its way."""


class BadRequest(Rejected):
    """The call itself is malformed: a header, a parameter, a body that is no JSON."""

    code = "bad_request"
    status = 400


class MethodNotAllowed(Rejected):
    code = "method_not_allowed"
    status = 405


class UnsupportedMediaType(Rejected):
    code = "unsupported_media_type"
    status = 415


class TooManyRequests(Rejected):
    """``retry_after``: whole seconds until one more call fits."""

    code = "too_many_requests"
    status = 429

    def __init__(self, retry_after: int) -> None:
        super().__init__("too many calls", remedy=f"wait {retry_after} s; ask the operator if you need more")
        self.retry_after = retry_after


def answer(error: GatewayError, request_id: str) -> web.Response:
    """The problem of one error."""
    status = status_of(error)
    body = _hidden(error) if status == 500 else _shown(error)  # noqa: PLR2004 - the status code itself
    problem = {
        "type": f"urn:borough-handover:problem:{error.code}",
        "title": error.code.replace("_", " ").capitalize(),
        "status": status,
        "code": error.code,
        **body,
        "instance": f"urn:uuid:{request_id}",
    }
    return web.Response(
        status=status, body=json.dumps(problem).encode(), content_type=CONTENT_TYPE, headers=_headers(error)
    )


def status_of(error: GatewayError) -> int:
    """What a peer sent and we stored is our fault towards our own agency, not the agency's. Expired is the
    directory's (nothing is sent under one that has run out): the node's state, which it says."""
    if isinstance(error, Expired):
        return 503
    if isinstance(error, Refused | Misconfigured):
        return 500
    return STATUS.get(error.code, error.status)


def unforeseen() -> GatewayError:
    """Stands for an exception that nobody translated."""
    return GatewayError("", code="internal")


def too_large() -> TooLarge:
    return TooLarge(
        f"the body is larger than {MAX_BODY} bytes",
        remedy="shorten its free text; files are uploaded by themselves, with POST /v1/attachments",
    )


def of_http(error: HTTPException) -> GatewayError:
    """The errors that aiohttp raises before or while a handler runs. Their own text may quote the request."""
    if isinstance(error, web.HTTPNotFound):
        return NotFound("there is nothing at this address", code="no_route", remedy="see /openapi.json")
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return MethodNotAllowed("this address takes other methods", remedy=f"use one of: {allowed}")
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return too_large()
    return BadRequest("the request cannot be read", remedy="see /openapi.json")


def overdue() -> Unavailable:
    return Unavailable(
        "the call took too long",
        code="timeout",
        remedy="call again with the same Idempotency-Key: what was done is not done twice",
    )


def _shown(error: GatewayError) -> dict[str, object]:
    shown: dict[str, object] = {"detail": error.message}
    remedy = error.remedy or ("mend what `errors` lists" if error.problems else "")
    places = {"field": error.field, "remedy": remedy, "rule": error.rule}
    shown |= {name: text for name, text in places.items() if text}
    if error.problems:
        shown["errors"] = [_fault(problem) for problem in error.problems]
    return shown


def _hidden(error: GatewayError) -> dict[str, object]:
    return {
        "detail": "this node could not do that; it is not your fault",
        "remedy": "give the operator the instance: the log line that bears it says what is to be mended",
    }


def _fault(problem: Problem) -> dict[str, str]:
    return {
        "pointer": problem.field,
        "rule": problem.rule,
        "source": source_of(problem.rule),
        "message": problem.message,
        "remedy": problem.remedy,
    }


def _headers(error: GatewayError) -> dict[str, str]:
    if isinstance(error, TooManyRequests):
        return {"Retry-After": str(error.retry_after)}
    if error.retryable:
        return {"Retry-After": str(TRY_AGAIN)}
    return {}
