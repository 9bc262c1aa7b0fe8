"""What ``gateway audit`` does: ask a node for its access log, write the file, judge such a file offline."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.cli import database, proving
from gateway.cli.client import Agency
from gateway.cli.files import opened, read_input, replacing
from gateway.clock import SystemClock
from gateway.config import load
from gateway.core import audit_bundle
from gateway.core.audit_bundle import Judged
from gateway.core.judgement import Verdict
from gateway.errors import Misconfigured, Refused
from gateway.flows import audit_retention
from gateway.flows.show import when

LONGEST = 1 << 16
"""Bytes of a leaf that are read at all."""


def query(*, since: str, until: str, **named: str) -> dict[str, str]:
    asked = {"from": since, "to": until, **named}
    return {name: value for name, value in asked.items() if value}


def lines(auditor: Agency, asked: Mapping[str, str]) -> list[dict[str, Any]]:
    """Page by page: each is a reading of its own, on record."""
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = auditor.get("/v1/audit/log", {**asked, **({"cursor": cursor} if cursor else {})})
        found += page["lines"]
        cursor = page["next"]
    return found


def told(found: Sequence[Mapping[str, Any]]) -> str:
    return "\n".join(map(_line, found)) or "no lines"


def _line(one: Mapping[str, Any]) -> str:
    to = f" to {', '.join(one['recipients'])}" if one["recipients"] else ""
    what = f" [{', '.join(one['sections'])}]" if one["sections"] else ""
    why = "/".join(code for code in (one["justification"], one["purpose"]) if code)
    words = f' "{one["text"]}"' if one["text"] else ""
    who = f"{one['principal']} {one['actor']} ({one['role']})"
    about = f"{one['handover'] or '-'} v{one['version']}"
    return f"{one['at']}  {one['operation']:<12} {about}  {who}{to}{what}  {why}{words}"


def export(auditor: Agency, asked: Mapping[str, str], out: Path) -> dict[str, Any]:
    with replacing(out, mode=0o600) as target:
        size = auditor.download("/v1/audit/export", asked, target)
    return {"file": str(out), "size": size, "lines": len(json.loads(out.read_bytes())["lines"])}


def check(file: Path, network: str, leaves: Path | None, config: Path | None) -> dict[str, Any]:
    return judged(read_input(file), network, leaves, config)


def judged(data: bytes, network: str, leaves: Path | None, config: Path | None) -> dict[str, Any]:
    try:
        fingerprint = network or proving.network_from(None, "", config).fingerprint
    except (Refused, Misconfigured) as error:
        reasons = [f"the network cannot be verified: {error.message}"]
        return {"verdict": Verdict.CANNOT_TELL.value, "network": None, "reasons": reasons, "lines": []}
    found = audit_bundle.judge(data, fingerprint)
    verdict, reasons = found.verdict, list(found.reasons)
    if leaves is not None and verdict is Verdict.VALID and (left := _left_out(found, leaves)):
        verdict, reasons = Verdict.INVALID, [f"{left} lines of that time in the log are not in this file"]
    said = found.said
    return {
        "verdict": verdict.value,
        "network": fingerprint,
        "reasons": reasons,
        "area": said.get("area"),
        "made": when(_whole(said.get("at"))),
        "reference": said.get("reference"),
        "handover": said.get("handover") or None,
        "lines": [{**line.row, "text": line.words, "index": line.index} for line in found.lines],
    }


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0


def _left_out(found: Judged, leaves: Path) -> int:
    """Of a file that is of one handover or agency alone nobody can tell: the leaves do not say whose they
    are."""
    if found.said.get("handover") or found.said.get("principal"):
        return 0
    shown = {line.index for line in found.lines}
    since, until = _whole(found.said.get("from")), _whole(found.said.get("to"))
    with opened(leaves) as source:
        return sum(
            index not in shown and _is_access(leaf, since, until)
            for index, leaf in enumerate(iter(lambda: source.readline(LONGEST), b""))
        )


def _is_access(leaf: bytes, since: int, until: int) -> bool:
    try:
        body = json.loads(leaf)
    except ValueError:
        return False
    return body.get("t") == audit_bundle.LEAF and since <= _whole(body.get("at")) < until


def check_told(found: Mapping[str, Any]) -> str:
    lines = [str(found["verdict"]).replace("_", " ")]
    if found["verdict"] == Verdict.VALID.value:
        about = f" about {found['handover']}" if found["handover"] else ""
        lines.append(
            f"  {found['area']} gave out {len(found['lines'])} lines{about} at {found['made']}, "
            f"reference {found['reference']}"
        )
    return "\n".join(lines + [f"  {reason}" for reason in found["reasons"]])


def retention(config: Path | None, years: int | None) -> dict[str, Any]:
    settings = load(config)
    term = years or settings.accountability.log_years
    now = SystemClock().now()
    found = database.read(settings, lambda tx: audit_retention.preview(tx, now=now, years=term))
    return {
        "years": term,
        "lines": found.lines,
        "past": found.past,
        "handovers": found.handovers,
        "oldest": when(found.oldest),
    }


def retention_told(found: Mapping[str, Any]) -> str:
    return (
        f"{found['lines']} lines, the oldest of {found['oldest'] or '-'}; {found['past']} of "
        f"{found['handovers']} handovers have had no event for {found['years']} years. Nothing was deleted: "
        "lines are bound to the log, and leave it by a decision of the data protection officer."
    )
