"""What ``gateway keys revoke`` and ``gateway keys rotate`` do, on a node's database and key store."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from gateway.cli.files import write_output
from gateway.cli.output import Usage
from gateway.cli.shredding import Keeper, with_keeper
from gateway.core.durations import HOUR
from gateway.core.encoding import Json, JsonObject, encode
from gateway.core.rotation import PACE
from gateway.errors import Conflict
from gateway.flows import compromise
from gateway.flows.compromise import Exposed
from gateway.flows.show import when

_REASON: Final = re.compile(r"[a-z][a-z0-9_]{0,40}\Z")


def revoke(
    config: Path | None, principal: str, *, reason: str, actor: str, hours: int, out: Path | None
) -> dict[str, Any]:
    """The report, and the key stopped by itself where it is here."""
    if not _REASON.match(reason):
        raise Usage(
            "the reason is a code", code="reason", field="--reason", remedy="for example: stolen, lost"
        )

    async def work(keeper: Keeper) -> dict[str, Any]:
        justification = f"KEY_{reason.upper()}"
        found = await compromise.report(keeper, principal, actor=actor, justification=justification)
        suspended = await _stop(keeper, principal, reason, hours)
        exposed: list[Json] = [_facts(one) for one in found]
        told: JsonObject = {
            "principal": principal,
            "reason": reason,
            "made": when(keeper.clock.now()),
            "suspended_until": suspended,
            "exposed": exposed,
        }
        if out is not None:
            write_output(out, encode(told), mode=0o600)
        return told

    return with_keeper(config, work)


async def _stop(keeper: Keeper, principal: str, reason: str, hours: int) -> str | None:
    if not hours:
        return None
    try:
        found = await compromise.stop(keeper, principal, reason=reason, seconds=hours * HOUR)
    except Conflict:
        return None
    return when(found.until)


def _facts(one: Exposed) -> dict[str, Json]:
    answers: list[Json] = [{"state": answer.state, "at": when(answer.at)} for answer in one.answers]
    return {
        "handover": one.ref,
        "version": one.version,
        "mid": one.mid,
        "direction": "sent" if one.sent else "received",
        "at": when(one.at),
        "sections": list(one.sections),
        "shredded_parts": one.shredded,
        "state": one.state,
        "acknowledged": when(one.acknowledged) if one.acknowledged else None,
        "answers": answers,
    }


def told(found: Mapping[str, Any]) -> str:
    """The table, one message a line, and what stands now."""
    lines = [_line(one) for one in found["exposed"]] or ["  nothing that is stored here"]
    until = found["suspended_until"]
    stopped = f"suspended until {until}" if until else "NOT suspended"
    return "\n".join([f"{found['principal']}: {stopped}. Its key opens:", *lines])


def _line(one: Mapping[str, Any]) -> str:
    taken = f"acknowledged {one['acknowledged']}" if one["acknowledged"] else "acknowledged by nobody"
    gone = f" and {one['shredded_parts']} shredded parts" if one["shredded_parts"] else ""
    sections = ", ".join(one["sections"]) or "no content held here"
    return f"  {one['handover']} v{one['version']} {one['direction']} {one['at']} ({taken}): {sections}{gone}"


def rotate(config: Path | None, principal: str) -> dict[str, Any]:
    """A fresh subkey, whatever the calendar says. The running node signs its card and tells everybody."""

    async def work(keeper: Keeper) -> dict[str, Any]:
        keeper.keys.signer(principal)  # Misconfigured, with its remedy, for a key that is not here
        keeper.keys.renew(principal, keeper.clock.now(), PACE, force=True)
        newest = max(keeper.keys.subkeys(principal), key=lambda key: key.since)
        return {"principal": principal, "since": when(newest.since), "until": when(newest.until)}

    return with_keeper(config, work)
