"""What a route is: one row of the table that the application and the OpenAPI document are both built from.

Duty: :class:`Route`, :class:`Call` and the few helpers that every handler uses to answer. It leaves out the
reading of requests (:mod:`gateway.api.reading`) and who may call (:mod:`gateway.api.auth`).

Rule: a path and its query never hold personal data, for they end up in logs and histories of everything on
the way. They hold references, codes, cursors and times.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from aiohttp import web
from pydantic import BaseModel

from gateway.core.encoding import Json
from gateway.flows.node import Caller, Node

REQUEST_ID = web.RequestKey("request_id", str)
BYTES = "application/octet-stream"
"""Media type of an answer that is a file."""

CODE = web.RequestKey("code", str)
"""The code of the problem that a request was answered with, for the log line."""


class Access(StrEnum):
    """Who may call. STAFF: an agency that also names the acting person (``Gateway-Actor``). OPERATOR: whoever
    runs this node, by a token of the node itself, and names the acting person too. AUDITOR: whoever reads the
    access log, by a token of that role alone, and names the acting person too."""

    ANYONE = "anyone"
    AGENCY = "agency"
    STAFF = "staff"
    OPERATOR = "operator"
    AUDITOR = "auditor"

    @property
    def by_a_person(self) -> bool:
        """Whether the person who acts must be named."""
        return self in {Access.STAFF, Access.OPERATOR, Access.AUDITOR}


@dataclass(frozen=True, slots=True)
class Options:
    """Limits of one listener. ``rate``: calls a second and caller; ``burst``: calls at once; ``timeout``:
    seconds for one call, longer where it may wait; ``data``: the folder whose disk must not run full."""

    rate: float = 50.0
    burst: int = 200
    timeout: float = 30.0
    data: Path | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One request with everything that its handler may use.

    ``caller`` has no principal when anyone may call; ``label`` is what its token was made for; ``printed``
    is the OpenAPI document.
    """

    node: Node
    request: web.Request
    caller: Caller
    options: Options
    printed: bytes
    label: str = ""
    unit: tuple[str, ...] = ()
    """Every agency for which the token's team answers; ``caller`` is the one that this call is for."""

    @property
    def now(self) -> int:
        return self.node.clock.now()


Handler = Callable[[Call], Awaitable[web.Response]]


@dataclass(frozen=True, slots=True)
class Body:
    """What a route reads: a document by its name in ``gateway.api.openapi``, in one of these media types."""

    schema: str
    media: tuple[str, ...] = ("application/json",)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One value in the path, query or a header. ``schema`` is JSON Schema."""

    name: str
    place: str
    text: str
    schema: Mapping[str, Json]
    required: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """``shape``: the model of a good answer, None for one that is no fixed shape. ``problems``: the statuses
    that a caller must expect beside those of every route. ``waits``: it may hold the call (long poll);
    ``patience``: seconds that it may take beyond an ordinary call; ``adds``: it brings new work, which is not
    taken while the disk runs out."""

    method: str
    path: str
    handler: Handler
    summary: str
    access: Access
    shape: type[BaseModel] | None
    status: int = 200
    body: Body | None = None
    parameters: tuple[Parameter, ...] = ()
    problems: tuple[int, ...] = ()
    waits: bool = False
    patience: int = 0
    adds: bool = False
    media: str = "application/json"


def reply(
    value: Json | Mapping[str, Json], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """JSON in UTF-8. Integers and text only, so what the encoder makes is what was meant."""
    return web.Response(
        status=status,
        body=json.dumps(value, ensure_ascii=False).encode(),
        content_type="application/json",
        headers=headers,
    )
