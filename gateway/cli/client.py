"""An agency at its node's API, for the commands that speak to a running node.

Address and token come from options, else from ``$GATEWAY_API`` and ``$GATEWAY_TOKEN_FILE``. The token itself
is only ever read from a file: an argument shows in the process list, an environment variable in crash dumps.
"""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from gateway.errors import (
    Conflict,
    GatewayError,
    Misconfigured,
    NotAllowed,
    NotFound,
    Problem,
    Rejected,
    TooLarge,
    Unauthenticated,
    Unavailable,
)

ApiOption = Annotated[str, typer.Option("--api", envvar="GATEWAY_API", help="Address of the node's API.")]
TokenOption = Annotated[
    Path | None,
    typer.Option("--token-file", envvar="GATEWAY_TOKEN_FILE", help="File that holds the agency's token."),
]
ActorOption = Annotated[
    str, typer.Option("--actor", help="Who acts: a staff reference, never a name.", show_default=False)
]
RoleOption = Annotated[str, typer.Option("--role", help="The role in which you act.", show_default=False)]
HOME = "http://127.0.0.1:8420"
WAIT = 40
"""Seconds for one call: longer than the API's own longest wait."""

LONG = 400
"""Seconds for a call that carries a file: longer than the API gives an upload."""

_BY_STATUS: Mapping[int, type[GatewayError]] = {
    401: Unauthenticated,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
}


@dataclass(frozen=True, slots=True)
class Agency:
    """One agency's side of the API."""

    api: str
    token: Path | None
    actor: str = ""
    role: str = ""

    def get(self, path: str, params: Mapping[str, str] | None = None) -> Mapping[str, Any]:
        return asyncio.run(self._call("GET", path, None, params, {}))

    def post(
        self,
        path: str,
        body: bytes,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Mapping[str, Any]:
        return asyncio.run(self._call("POST", path, body, params, headers or {}))

    def upload(self, path: str, content: BinaryIO, media: str) -> Mapping[str, Any]:
        """Send a file as it is, piece by piece."""
        return asyncio.run(self._call("POST", path, content, None, {"Content-Type": media}, LONG))

    def download(self, path: str, params: Mapping[str, str], target: BinaryIO) -> int:
        """Write an answer's bytes as they come. Returns how many."""
        return asyncio.run(self._fetch(path, params, target))

    async def _fetch(self, path: str, params: Mapping[str, str], target: BinaryIO) -> int:
        from aiohttp import ClientError, ClientSession, ClientTimeout

        try:
            async with (
                ClientSession(timeout=ClientTimeout(total=LONG)) as session,
                session.get(self.api + path, params=params, headers=self._headers()) as response,
            ):
                if response.status >= 400:  # noqa: PLR2004 - HTTP's own boundary
                    _checked(response.status, json.loads(await response.read() or b"{}"))
                return sum([target.write(piece) async for piece in response.content.iter_chunked(1 << 16)])
        except (ClientError, TimeoutError, ValueError) as error:
            raise _unanswered(self.api, error) from None

    async def _call(
        self,
        method: str,
        path: str,
        body: bytes | BinaryIO | None,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str],
        wait: int = WAIT,
    ) -> Mapping[str, Any]:
        from aiohttp import ClientError, ClientSession, ClientTimeout

        sent = {**self._headers(), **headers}
        try:
            async with (
                ClientSession(timeout=ClientTimeout(total=wait)) as session,
                session.request(method, self.api + path, data=body, params=params, headers=sent) as response,
            ):
                answer = json.loads(await response.read() or b"{}")
        except (ClientError, TimeoutError, ValueError) as error:
            raise _unanswered(self.api, error) from None
        return _checked(response.status, answer)

    def _headers(self) -> Mapping[str, str]:
        headers = {"Authorization": f"Bearer {read_token(self.token)}", "Content-Type": "application/json"}
        if self.actor:
            headers["Gateway-Actor"] = f"{self.actor};role={quoted(self.role)}"
        return headers


def _unanswered(api: str, error: Exception) -> Unavailable:
    return Unavailable(
        f"no answer from {api}: {type(error).__name__}",
        remedy="check --api, and that the node runs: `gateway run`",
    )


def quoted(role: str) -> str:
    """A quoted-string (RFC 9110 5.6.4)."""
    return '"' + role.replace("\\", "\\\\").replace('"', '\\"') + '"'


def read_token(path: Path | None) -> str:
    """Raises Misconfigured when there is none, or others could read it."""
    if path is None:
        raise Misconfigured(
            "no token",
            code="no_token",
            remedy="`gateway agency token create ROLE --label WHAT --out FILE` makes one for --token-file",
        )
    try:
        with path.open(encoding="ascii") as file:
            mode = os.fstat(file.fileno()).st_mode
            text = file.read().strip()
    except (OSError, UnicodeDecodeError):
        raise Misconfigured(
            f"{path} cannot be read", code="no_token", remedy="name the token's file"
        ) from None
    if stat.S_IMODE(mode) & 0o077:
        raise Misconfigured(f"{path} can be read by others", code="token_mode", remedy=f"chmod 600 {path}")
    return text


def _checked(status: int, answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """The answer, or the node's problem (RFC 9457) as the error it stands for."""
    if status < 400:  # noqa: PLR2004 - HTTP's own boundary
        return answer
    kind = Unavailable if status >= 500 else _BY_STATUS.get(status, Rejected)  # noqa: PLR2004 - as above
    raise kind(
        str(answer.get("detail") or answer.get("title") or f"HTTP {status}"),
        code=str(answer.get("code") or ""),
        field=str(answer.get("field") or ""),
        remedy=str(answer.get("remedy") or ""),
        rule=str(answer.get("rule") or ""),
        problems=[
            Problem(
                str(p.get("pointer", "")),
                str(p.get("message", "")),
                str(p.get("remedy", "")),
                str(p.get("rule", "")),
            )
            for p in answer.get("errors", [])
        ],
    )
