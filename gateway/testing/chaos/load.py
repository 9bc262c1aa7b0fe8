"""What is asked of the nodes while faults happen: handovers with canaries in them, and notices about them.

Duty: documents and the patient client of one agency, which asks again with the same key until it is told yes,
and keeps a ledger of what was accepted. It leaves out when (:mod:`gateway.testing.chaos.schedule`).

Rules: every free text holds the canary, found by trying: what still validates with a canary in it is free
text, so nobody has to remember a new field here. A reference is used once.

Example::

    client = Client(node_url, token, folder)
    await client.hand_in(document(seed, 3, 1, agencies, now), key="h3")
    client.accepted["HO-E09000012-2026-100003"].agencies
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from aiohttp import ClientError, ClientSession, ClientTimeout

from gateway.core import policy
from gateway.core.registers import FICTIONAL
from gateway.errors import GatewayError
from gateway.testing.boroughs import START, with_recipients
from schemas.base import ShapeError
from schemas.handover import parse_notification
from schemas.samples import minimal_example, restamp

CANARY: Final = "KANARIENVOGEL"
NAMES: Final = (
    "COMMUNITY_SAFETY",
    "POLICE",
    "PROBATION",
    "LEAVING_CARE",
    "HOUSING",
    "DWP",
    "VOLUNTARY_SECTOR",
)
"""The agencies of the case study, in the order in which a schedule picks them."""

REF: Final = "HO-E09000012-2026-000417"
ACTOR: Final = 'chaos-0001;role="Head of Integrated Gangs Unit"'
CALL: Final = 6.0
PAUSE: Final = 0.3
_READERS: Final = frozenset({"visible_to", "agencies"})
_KEEP: Final = ("routing", "recipients", 6, "organisation")


@cache
def template() -> str:
    """Example 1 with the canary in every place that takes free text."""
    document: Any = json.loads(minimal_example())
    for path in _leaves(json.loads(minimal_example())):
        if path != _KEEP:
            tried = _put(document, path, lambda text: f"{text} {CANARY}")
            document = tried if _valid(tried) else document
    return json.dumps(document)


def document(seed: int, number: int, agencies: Sequence[str], now: int) -> dict[str, Any]:
    """The handover ``number`` of a history, to ``agencies``, as if issued at ``now``."""
    fresh = template().replace(REF, reference(seed, number))
    return narrowed(restamp(json.loads(fresh), now), *agencies)


def reference(seed: int, number: int) -> str:
    return f"{REF[:-6]}{seed % 1000:03}{number % 1000:03}"


def narrowed(whole: Mapping[str, Any], *agencies: str) -> dict[str, Any]:
    """A handover for some of its agencies: nothing in it is visible to anybody who is not asked (R7)."""

    def hidden(value: Any) -> bool:
        readers = value.get("visible_to", value.get("agencies")) if isinstance(value, dict) else None
        return readers is not None and not set(readers) & set(agencies)

    def narrow(value: Any) -> Any:
        if isinstance(value, list):
            return [narrow(item) for item in value if not hidden(item)]
        if not isinstance(value, dict):
            return value
        return {
            name: [one for one in item if one in agencies] if name in _READERS else narrow(item)
            for name, item in value.items()
            if not hidden(item)
        }

    found: dict[str, Any] = narrow(with_recipients(whole, *agencies))
    return found


def correction(ref: str) -> dict[str, Any]:
    """A notice about a handover: urgent, and to be answered by everybody who has it."""
    return {
        "kind": "CORRECTION",
        "role": "Team leader",
        "reason_code": "DATA_INACCURATE",
        "text": f"{CANARY} about {ref}",
    }


@dataclass(frozen=True, slots=True)
class Accepted:
    """What the node said yes to."""

    ref: str
    agencies: tuple[str, ...]
    key: str
    at: float
    notice: str = ""


@dataclass(slots=True)
class Client:
    """``address``: asked before each call, for a node that starts again listens elsewhere."""

    address: Callable[[], str]
    token: str
    folder: Path
    accepted: dict[str, Accepted] = field(default_factory=dict)
    notices: list[Accepted] = field(default_factory=list)
    refused: list[tuple[str, int, str]] = field(default_factory=list)
    pending: int = 0
    calls: int = 0

    async def hand_in(self, body: Mapping[str, Any], key: str, agencies: Sequence[str]) -> None:
        """Until the answer is yes, or a no that will not change."""
        status, said = await self._insist("/v1/handovers", body, key)
        if status == 202:  # noqa: PLR2004 - HTTP's own
            ref = str(said["handover"])
            self.accepted[ref] = Accepted(ref, tuple(agencies), key, _time())
            self._note(self.accepted[ref])
        else:
            self.refused.append((key, status, f"{said.get('code')}: {said.get('detail')}"))

    async def correct(self, ref: str, key: str) -> None:
        status, said = await self._insist(f"/v1/handovers/{ref}/notices", correction(ref), key)
        if status == 202:  # noqa: PLR2004 - as above
            made = Accepted(ref, self.accepted[ref].agencies, key, _time(), str(said["notice"]))
            self.notices.append(made)
            self._note(made)
        else:
            self.refused.append((key, status, f"{said.get('code')}: {said.get('detail')}"))

    async def get(self, path: str) -> dict[str, Any]:
        """Once. Empty when there is no good answer."""
        return (await call(self.address(), self.token, "GET", path))[1]

    async def _insist(self, path: str, body: Mapping[str, Any], key: str) -> tuple[int, dict[str, Any]]:
        self.pending += 1
        try:
            while True:
                self.calls += 1
                status, said = await call(self.address(), self.token, "POST", path, body, key)
                if status and status not in {408, 425, 429} and status < 500:  # noqa: PLR2004 - as above
                    return status, said
                await asyncio.sleep(PAUSE)
        finally:
            self.pending -= 1

    def _note(self, made: Accepted) -> None:
        with (self.folder / "client.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps([made.ref, made.agencies, made.key, made.notice]) + "\n")


async def call(
    address: str, token: str, method: str, path: str, body: Mapping[str, Any] | None = None, key: str = ""
) -> tuple[int, dict[str, Any]]:
    """(status, answer); status 0 when none came."""
    headers = {"Authorization": f"Bearer {token}", "Gateway-Actor": ACTOR, "Content-Type": "application/json"}
    if key:
        headers["Idempotency-Key"] = key
    try:
        async with (
            ClientSession(timeout=ClientTimeout(total=CALL)) as session,
            session.request(
                method, address + path, headers=headers, data=json.dumps(body) if body is not None else None
            ) as response,
        ):
            said = await response.json(content_type=None)
            return response.status, said if isinstance(said, dict) else {}
    except (ClientError, TimeoutError, OSError, ValueError):
        return 0, {}


def _time() -> float:
    return asyncio.get_running_loop().time()


def _leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for step, inner in items:
            yield from _leaves(inner, (*path, step))


def _put(whole: Any, path: tuple[str | int, ...], change: Callable[[str], str]) -> Any:
    copy = json.loads(json.dumps(whole))
    place = copy
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = change(place[path[-1]])
    return copy


def _valid(tried: Any) -> bool:
    try:
        policy.check(parse_notification(json.dumps(tried).encode()), now=START, registers=FICTIONAL)
    except (ShapeError, GatewayError):
        return False
    return True
