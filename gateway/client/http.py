"""The line from an agency's client to its node: JSON over HTTP, and the node's problems as errors again.

A token proves the agency to the node. Nothing that comes back is believed for where it came from.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector

from gateway.errors import (
    Conflict,
    GatewayError,
    NotAllowed,
    NotFound,
    Problem,
    Rejected,
    TooLarge,
    Unauthenticated,
    Unavailable,
)

PATIENCE: Final = 30
"""Seconds for one call, beyond what it asks the node to wait."""

_BY_STATUS: Final[Mapping[int, type[GatewayError]]] = {
    401: Unauthenticated,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    429: Unavailable,
}


class Connection:
    """One agency at one node."""

    def __init__(self, session: ClientSession, api: str, token: str) -> None:
        self._session, self._api = session, api.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"}

    def __repr__(self) -> str:
        return f"<Connection {self._api}>"

    async def get(self, path: str, *, wait: int = 0, **query: str) -> dict[str, Any]:
        """Raises Unavailable when the node does not answer in time, else what the node's problem says."""
        asked = {**query, "wait": str(wait)} if wait else query
        return await self._call("GET", path, None, asked, {}, wait)

    async def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        return await self._call("POST", path, body, {}, headers or {}, 0)

    async def _call(
        self,
        method: str,
        path: str,
        body: bytes | None,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        wait: int,
    ) -> dict[str, Any]:
        sent = {**self._headers, "Content-Type": "application/json", **headers}
        try:
            async with self._session.request(
                method,
                self._api + path,
                data=body,
                params=query,
                headers=sent,
                allow_redirects=False,  # a token is for this node alone
                timeout=ClientTimeout(total=PATIENCE + wait),
            ) as response:
                status, answer = response.status, json.loads(await response.read() or b"{}")
        except (ClientError, TimeoutError, OSError, ValueError) as error:
            raise Unavailable(
                f"no answer from the node: {type(error).__name__}",
                code="node_away",
                remedy="check the address in the configuration, and that the node runs",
            ) from None
        if not isinstance(answer, dict):
            raise Unavailable("the node answered something else than JSON", code="node_away")
        return checked(status, answer)


def checked(status: int, answer: dict[str, Any]) -> dict[str, Any]:
    """The answer, or the node's problem (RFC 9457) as the error it stands for."""
    if 200 <= status < 300:  # noqa: PLR2004 - HTTP's own boundaries
        return answer
    kind = Unavailable if status >= 500 else _BY_STATUS.get(status, Rejected)  # noqa: PLR2004 - as above
    raise kind(
        str(answer.get("detail") or answer.get("title") or f"HTTP {status}"),
        code=str(answer.get("code") or ""),
        field=str(answer.get("field") or ""),
        remedy=str(answer.get("remedy") or ""),
        problems=[_problem(one) for one in answer.get("errors") or () if isinstance(one, dict)],
    )


def _problem(one: Mapping[str, Any]) -> Problem:
    told = {name: str(one.get(name, "")) for name in ("pointer", "message", "remedy", "rule")}
    return Problem(told["pointer"], told["message"], told["remedy"], told["rule"])


@asynccontextmanager
async def connected(api: str, token: str, tls: ssl.SSLContext | None = None) -> AsyncIterator[Connection]:
    """A line that is closed on leaving. ``tls``: for a node whose certificate the system does not know."""
    async with ClientSession(connector=TCPConnector(ssl=tls or True)) as session:
        yield Connection(session, api, token)
