"""The demo's one handover: sent over HTTP as an agency would, watched over HTTP until everybody answered."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout

from gateway.errors import GatewayError, Unavailable
from schemas.samples import restamp

ACTOR = 'demo-0001;role="Head of Integrated Gangs Unit"'
WATCH = 0.2
"""Seconds between two looks at the timeline."""

SETTLED = frozenset({"ACCEPTED", "REJECTED", "RETURNED", "DECLINED_NOT_RELEVANT", "UNDELIVERABLE", "EXPIRED"})


def fresh(document: Mapping[str, Any], now: int) -> dict[str, Any]:
    """A copy of an example as if issued at ``now`` (unix seconds), under a reference of its own: what an
    earlier run left in a broker's queues must not be taken for this one."""
    moved = restamp(dict(document), now)
    reference = str(document["message"]["handover_id"])
    another = f"{reference[:-6]}{secrets.randbelow(1_000_000):06}"
    found: dict[str, Any] = json.loads(json.dumps(moved).replace(reference, another))
    return found


@dataclass(frozen=True, slots=True)
class Sender:
    """An agency of the origin at its node's API."""

    session: ClientSession
    url: str
    token: str

    async def send(self, document: Mapping[str, Any], key: str) -> str:
        """Returns the handover's reference. Raises GatewayError with the node's own problem."""
        headers = {"Idempotency-Key": key}
        answer = await self._call("POST", "/v1/handovers", headers, json.dumps(document).encode())
        return str(answer["handover"])

    async def look(self, ref: str) -> Mapping[str, Any]:
        return await self._call("GET", f"/v1/handovers/{ref}")

    async def events(self, ref: str) -> list[Mapping[str, Any]]:
        return list((await self._call("GET", f"/v1/handovers/{ref}/events"))["events"])

    async def receipts(self, ref: str) -> list[Mapping[str, Any]]:
        return list((await self._call("GET", f"/v1/handovers/{ref}/receipts"))["receipts"])

    async def _call(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Mapping[str, Any]:
        sent = {
            "Authorization": f"Bearer {self.token}",
            "Gateway-Actor": ACTOR,
            "Content-Type": "application/json",
            **(headers or {}),
        }
        try:
            async with self.session.request(method, self.url + path, headers=sent, data=body) as response:
                answer: Mapping[str, Any] = await response.json(content_type=None)
        except (ClientError, TimeoutError, ValueError) as error:
            raise Unavailable(f"no answer from {self.url}: {type(error).__name__}") from error
        if not response.ok:
            raise GatewayError(
                str(answer.get("detail")), code=str(answer.get("code")), remedy=str(answer.get("remedy", ""))
            )
        return answer


def session() -> ClientSession:
    return ClientSession(timeout=ClientTimeout(total=10))


async def watch(sender: Sender, ref: str, *, within: float) -> AsyncIterator[Mapping[str, Any]]:
    """Every event of every leg as it appears, until each leg is settled. Raises Unavailable after ``within``
    seconds."""
    shown = 0
    try:
        async with asyncio.timeout(within):
            while True:
                standing, events = await sender.look(ref), await sender.events(ref)
                for event in events[shown:]:
                    yield event
                shown = len(events)
                if all(leg["state"] in SETTLED for leg in standing["legs"]):
                    return
                await asyncio.sleep(WATCH)
    except TimeoutError:
        raise Unavailable(
            f"not every agency answered within {within:.0f} seconds",
            code="demo_timeout",
            remedy="run it again with --keep and look at `gateway handover why`",
        ) from None


async def outcome(sender: Sender, ref: str, broker: str) -> dict[str, Any]:
    """The demo's one object: who has accepted, by which signed receipts, and who is responsible now."""
    standing, receipts = await sender.look(ref), await sender.receipts(ref)
    return {
        "broker": broker,
        "handover": ref,
        "legs": [
            {
                "agency": leg["agency"],
                "principal": leg["principal"],
                "state": leg["state"],
                "receipts": [receipt for receipt in receipts if receipt["by"] == leg["principal"]],
            }
            for leg in standing["legs"]
        ],
        "responsible": standing["responsible"],
        "summary": standing["summary"],
    }
