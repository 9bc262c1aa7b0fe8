"""Agencies' systems behind their webhooks: they write down every call, answer, and misbehave when told.

Duty: one HTTP server for every agency of every node of a history. Each call is appended to a journal BEFORE
it is answered, as an agency that owns what it is given would; the journal is what the oracles read. It leaves
out the checking of signatures (tests/adapters).

Rules
-----
- What an agency decides about a leg depends on the history's seed and the leg alone, so that a repeat decides
  the same. Most answer in the reply alone, so one that is lost stays lost and shows; some later by the
  node's API, some in both ways.
- The journal of calls holds key, digest and ids. The documents lie beside it: the one place where their
  words may be found.

Example::

    desks = Agencies(folder, seed=1)
    await desks.start()
    desks.trouble("E09000004/police", Trouble.FAIL)
    desks.journal[0]["key"]
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import time
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from aiohttp import web

ROLE: Final = "Duty officer"
LATE: Final = 2.0
HANG: Final = 20.0
"""Seconds: longer than a node waits for an answer in a history."""

STANDING: Final = frozenset({"state", "responsible", "acknowledge_by", "decide_by"})

ANSWERS: Final = ("ACCEPTED", "ACCEPTED", "ACCEPTED", "REJECTED")


class Trouble(StrEnum):
    """What an agency's system does to a call while it is in trouble."""

    FAIL = "fail"
    BUSY = "busy"
    HANG = "hang"
    SLOW = "slow"
    FORGET = "forget"
    """It has taken the parcel, and the answer never arrives."""


class Way(StrEnum):
    """How an agency says what it has decided."""

    REPLY = "reply"
    LATER = "later"
    BOTH = "both"


WAYS: Final = (Way.REPLY,) * 5 + (Way.LATER,) * 3 + (Way.BOTH,) * 2


class Agencies:
    """``journal``: every call in order. ``folder``: where journal and documents are kept."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.seed = seed
        self.journal: list[dict[str, Any]] = []
        self._troubles: dict[str, Trouble] = {}
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def start(self) -> None:
        app = web.Application(client_max_size=8 * 1024 * 1024)
        app.router.add_post("/{area}/{role}", self._call)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        self._site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await self._site.start()

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def url(self, principal: str) -> str:
        if self._runner is None:
            raise RuntimeError("the agencies are not started")
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/{principal}"

    def trouble(self, principal: str, what: Trouble | None) -> None:
        """None: well again. ``principal`` "": all of them."""
        if what is None:
            self._troubles.pop(principal, None)
        else:
            self._troubles[principal] = what

    def decision(self, leg: str) -> tuple[str, Way]:
        """What is decided about a leg, and how it is said."""
        chance = random.Random(f"{self.seed} {leg[-8:]}")
        return chance.choice(ANSWERS), chance.choice(WAYS)

    async def _call(self, request: web.Request) -> web.Response:
        principal = f"{request.match_info['area']}/{request.match_info['role']}"
        body = await request.read()
        found = json.loads(body)
        trouble = self._troubles.get(principal, self._troubles.get(""))
        if trouble in {Trouble.FAIL, Trouble.BUSY}:
            self._note(principal, request, found, refused=True)
            return web.Response(status=500 if trouble is Trouble.FAIL else 429, headers={"retry-after": "1"})
        self._note(principal, request, found, refused=False)
        if trouble in {Trouble.HANG, Trouble.SLOW}:
            await asyncio.sleep(HANG if trouble is Trouble.HANG else LATE)
        if trouble is Trouble.FORGET and request.transport is not None:
            request.transport.close()
        return web.json_response(self._reply(found))

    def _note(self, principal: str, request: web.Request, found: Mapping[str, Any], *, refused: bool) -> None:
        data = found["data"]
        text = json.dumps(data, sort_keys=True).encode()
        stable = {name: data[name] for name in data.keys() - _stands_now(found["type"])}
        entry = {
            "at": time.monotonic(),
            "principal": principal,
            "kind": found["type"],
            "key": request.headers["webhook-id"],
            "digest": hashlib.sha256(json.dumps(stable, sort_keys=True).encode()).hexdigest(),
            "leg": data.get("leg", ""),
            "mid": data.get("message", ""),
            "notice": data.get("notice", "") if isinstance(data.get("notice"), str) else "",
            "refused": refused,
        }
        self.journal.append(entry)
        with (self.folder / "journal.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        (self.folder / f"{len(self.journal):06}.json").write_bytes(text)

    def _reply(self, found: Mapping[str, Any]) -> dict[str, Any]:
        data = found["data"]
        if found["type"] == "handover.notice" and data.get("may_answer"):
            return {"acknowledgement": {"state": "ACKNOWLEDGED", "role": ROLE}}
        if found["type"] != "handover.notification":
            return {}
        state, way = self.decision(str(data.get("leg", "")))
        return {} if way is Way.LATER else {"acknowledgement": answer(state)}


def _stands_now(kind: str) -> frozenset[str]:
    """News tells one event, and beside it where the leg stands at the moment of the call: that may have
    moved on when the call is repeated (docs/adapters.md)."""
    return STANDING if kind == "handover.status" else frozenset()


def answer(state: str) -> dict[str, Any]:
    """What an agency says of its leg."""
    reason = {"reason_code": "IDENTITY_MISMATCH"} if state == "REJECTED" else {}
    return {"state": state, "role": ROLE, **reason}
