"""What ``gateway subject`` does: an agency at its node's API, and the node's own list of restrictions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from gateway.cli import database
from gateway.cli.client import Agency
from gateway.cli.files import read_input, write_output
from gateway.clock import SystemClock
from gateway.config import load
from gateway.errors import NotFound
from gateway.flows.show import when


def export(agency: Agency, ref: str, out: Path, *, ground: str, review: str, withhold: str) -> dict[str, Any]:
    asked = {"ground": ground, "review": _moment(review), "withhold": withhold}
    params = {name: value for name, value in asked.items() if value}
    found = agency.post(f"/v1/handovers/{ref}/subject-access", b"", params=params)
    write_output(out, json.dumps(found, indent=2, ensure_ascii=False).encode() + b"\n", mode=0o600)
    return {
        "file": str(out),
        "handover": ref,
        "disclosures": len(found["disclosures"]),
        "versions": len(found["versions"]),
        "restricted": found["restricted"],
        "read_before_giving": sorted({at for one in found["versions"] for at in one["read_before_giving"]}),
    }


def _moment(day: str) -> str:
    return f"{day}T12:00:00Z" if len(day) == len("2026-11-24") else day


def told(found: Mapping[str, Any]) -> str:
    lines = [
        f"{found['file']}: {found['versions']} versions, {found['disclosures']} disclosures"
        + (", RESTRICTED" if found["restricted"] else "")
    ]
    lines += [f"  read before giving: {place}" for place in found["read_before_giving"]]
    return "\n".join(lines)


# --- notices ----------------------------------------------------------------------------------------


def rectification(role: str, version: int, statement: Path | None, text: Path | None) -> dict[str, Any]:
    more = {"new_version": version} if version else {}
    return {
        "kind": "RECTIFICATION",
        "role": role,
        "reason_code": "SUBJECT_REQUEST",
        **more,
        **_words("statement", statement),
        **_words("text", text),
    }


def restriction(role: str, reason: str, section: str, text: Path | None) -> dict[str, Any]:
    named = {"section": section} if section else {}
    return {"kind": "RESTRICTION", "role": role, "reason_code": reason, **named, **_words("text", text)}


def erasure(
    role: str, reason: str, section: str, text: Path | None, *, evidence: bool, contested: bool
) -> dict[str, Any]:
    flags = {"evidence": evidence, "contested": contested}
    more: dict[str, Any] = {name: True for name, said in flags.items() if said}
    more |= {"section": section} if section else {}
    return {"kind": "ERASURE", "role": role, "reason_code": reason, **more, **_words("text", text)}


def _words(name: str, file: Path | None) -> dict[str, str]:
    return {name: read_input(file).decode("utf-8", "replace").strip()} if file is not None else {}


def issue(agency: Agency, ref: str, notice: Mapping[str, Any]) -> dict[str, Any]:
    body = json.dumps(notice).encode()
    return dict(agency.post(f"/v1/handovers/{ref}/notices", body, headers={"Idempotency-Key": uuid4().hex}))


def issued(found: Mapping[str, Any]) -> str:
    """An erasure under a legal hold leaves as a restriction: the list of notices says which it became."""
    return "\n".join(f"notice {one} is on its way" for one in found["notices"])


# --- restrictions -----------------------------------------------------------------------------------


def restrictions(config: Path | None, *, due: bool) -> list[dict[str, Any]]:
    now = SystemClock().now()
    rows = database.read(load(config), lambda tx: tx.restrictions())
    return [
        {
            "id": row.id,
            "handover": row.ref,
            "principal": row.principal,
            "ground": row.ground,
            "withheld": list(row.withheld),
            "since": when(row.made),
            "review": when(row.review),
            "due": row.review <= now,
        }
        for row in rows
        if not row.ended and (not due or row.review <= now)
    ]


def restrictions_told(found: Sequence[Mapping[str, Any]]) -> str:
    return (
        "\n".join(
            f"{one['id']}  {one['handover']}  {one['principal']}  {one['ground']}  "
            f"{', '.join(one['withheld'])}  review {one['review']}{'  DUE' if one['due'] else ''}"
            for one in found
        )
        or "none"
    )


def lift(config: Path | None, identity: str) -> None:
    now = SystemClock().now()
    if not database.write(load(config), lambda tx: tx.end_restriction(identity, now)):
        raise NotFound(
            "no such restriction stands",
            code="no_restriction",
            remedy="`gateway subject restrictions` lists those that do",
        )
