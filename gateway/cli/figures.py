"""What ``gateway report`` does: read the figures, and print them as text or as a page of HTML.

The page is one file without scripts, fonts or pictures, with headings and tables that a screen reader reads.
It bears the marking, and "withheld" where a count is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Final

from gateway.cli import database
from gateway.cli.files import read_input, write_output
from gateway.cli.output import Usage
from gateway.clock import SystemClock
from gateway.config import Settings, load
from gateway.core.encoding import JsonObject
from gateway.core.suppression import WITHHELD
from gateway.core.trust import Network
from gateway.flows import report
from gateway.flows.node import Caller
from gateway.flows.processing import record
from gateway.identity import open_keys
from gateway.keystore import KeyStore
from gateway.ports import Clock, Store
from gateway.stores import open_store

MARKING: Final = "OFFICIAL"
"""Of aggregates and settings: nothing in them is about one person."""


@dataclass(frozen=True, slots=True)
class _Reader:
    """See ``flows.audit.Reader``."""

    store: Store
    clock: Clock
    keys: KeyStore


def quarter(
    config: Path | None, name: str, *, actor: str, role: str, equality: Path | None
) -> dict[str, Any]:
    report.period_of(name)
    settings = load(config)
    counts = _counts(equality) if equality is not None else None
    found = asyncio.run(
        _quarter(settings, name, Caller(f"{settings.area}/node", "NODE", actor, role), counts)
    )
    return {"marking": MARKING, "area": settings.area, **found, "governance": governance(settings)}


async def _quarter(settings: Settings, name: str, by: Caller, counts: Any) -> JsonObject:
    store = open_store(settings.database_url)
    await store.start()
    try:
        reader = _Reader(store, SystemClock(), open_keys(settings))
        return await report.quarter(reader, by, name, equality=counts)
    finally:
        await store.close()


def _counts(file: Path) -> Any:
    try:
        found = json.loads(read_input(file))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Usage(
            "the monitoring counts are no JSON object",
            code="equality_counts",
            field="--equality",
            remedy='{"ethnic group": {"Asian": 12, "Black": 30}}',
        )
    return found


def governance(settings: Settings) -> dict[str, str]:
    """References of the impact assessments and policies that this node was started under."""
    section = getattr(settings, "governance", None)
    listed = section.model_dump(mode="json") if section is not None else {}
    return {name: str(value) for name, value in sorted(listed.items()) if value}


def processing(config: Path | None) -> dict[str, Any]:
    settings, now = load(config), SystemClock().now()
    network: Network = database.read(settings, lambda tx: database.network_of(tx, now))
    facts = record(network, settings.area, log_years=settings.accountability.log_years)
    return {"marking": MARKING, **facts, "governance": governance(settings)}


# --- printing ---------------------------------------------------------------------------------------


def told(found: Mapping[str, Any], depth: int = 0) -> str:
    lines = []
    for name, value in found.items():
        title = "  " * depth + _words(name)
        if isinstance(value, Mapping):
            lines += [f"{title}:", told(value, depth + 1)] if value else [f"{title}: none"]
        elif isinstance(value, list):
            lines += [f"{title}:", *("  " * (depth + 1) + f"- {_value(one)}" for one in value)]
        else:
            lines.append(f"{title}: {_value(value)}")
    return "\n".join(lines)


def _words(name: str) -> str:
    return name.replace("_", " ") if name.islower() else name


def _value(value: Any) -> str:
    return WITHHELD if value is None else str(value)


def print_page(file: Path | None, title: str, found: Mapping[str, Any]) -> None:
    if file is not None:
        write_output(file, page(title, found).encode())


def page(title: str, found: Mapping[str, Any]) -> str:
    mark = f"<p><strong>{escape(str(found.get('marking', MARKING)))}</strong></p>"
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">'
        f"<title>{escape(title)}</title>"
        "<style>body{font-family:Arial,sans-serif;margin:2em;max-width:60em}"
        "table{border-collapse:collapse}th,td{border:1px solid #505a5f;padding:.3em .6em;text-align:left}"
        "</style></head>\n<body>\n"
        f"{mark}\n<h1>{escape(title)}</h1>\n{_section(found, 2)}\n{mark}\n</body>\n</html>\n"
    )


def _section(found: Mapping[str, Any], level: int) -> str:
    rows = {name: value for name, value in found.items() if not isinstance(value, Mapping | list)}
    made = _table(rows) if rows else ""
    for name, value in found.items():
        heading = f"<h{min(level, 6)}>{escape(_words(name))}</h{min(level, 6)}>\n"
        if isinstance(value, Mapping):
            made += heading + (_section(value, level + 1) if value else "<p>none</p>\n")
        elif isinstance(value, list):
            made += heading + "<ul>" + "".join(f"<li>{escape(_value(one))}</li>" for one in value) + "</ul>\n"
    return made


def _table(rows: Mapping[str, Any]) -> str:
    lines = (
        f'<tr><th scope="row">{escape(_words(name))}</th><td>{escape(_value(value))}</td></tr>'
        for name, value in rows.items()
    )
    return f"<table>\n{chr(10).join(lines)}\n</table>\n"
