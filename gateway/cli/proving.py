"""What ``gateway receipt verify`` does: find the notes in a file, judge each, give the worst verdict.

A bundle that does not verify proves nothing about a receipt either way, so the verdict is then CANNOT_TELL,
never INVALID: the receipt may be good.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.cli import database
from gateway.cli.files import read_input
from gateway.clock import SystemClock
from gateway.config import load
from gateway.core.ceremony import unpack
from gateway.core.trust import Network
from gateway.errors import Misconfigured, Refused
from gateway.flows.show import when
from gateway.flows.verify import Judgement, Verdict, judge

WORST = (Verdict.INVALID, Verdict.CANNOT_TELL, Verdict.VALID)


def verdicts(content: bytes, bundle: Path | None, expect: str, config: Path | None) -> dict[str, Any]:
    """``verdict``: the worst of all; ``receipts``: each one's own, in the order of the file."""
    try:
        network = _network(bundle, expect, config)
    except (Refused, Misconfigured) as error:
        reasons = [f"the network cannot be verified: {error.message}", error.remedy]
        return {"verdict": Verdict.CANNOT_TELL.value, "network": None, "reasons": reasons, "receipts": []}
    judged = [judge(network, note) for note in notes_of(content)]
    worst = next((v for v in WORST if any(one.verdict is v for one in judged)), Verdict.INVALID)
    return {
        "verdict": worst.value,
        "network": network.fingerprint,
        "reasons": [] if judged else ["the file holds no receipt"],
        "receipts": [_facts(one) for one in judged],
    }


def _network(bundle: Path | None, expect: str, config: Path | None) -> Network:
    now = SystemClock().now()
    if bundle is None:
        return database.read(load(config), lambda tx: database.network_of(tx, now))
    found = unpack(read_input(bundle))
    return Network.build(found.roots, found.directory, found.cards, now=now, expect=expect or None)


def notes_of(content: bytes) -> Sequence[bytes]:
    """A bare note; or ``{"note": ...}``; or ``{"receipts": [{"note": ...}, ...]}`` as the API gives it."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return [content]
    if not isinstance(found, dict):
        return [content]
    several = found.get("receipts")
    items = several if isinstance(several, list) else [found]
    texts = [item.get("note") if isinstance(item, dict) else None for item in items]
    return [text.encode(errors="surrogatepass") if isinstance(text, str) else b"" for text in texts]


def _facts(judged: Judgement) -> dict[str, Any]:
    receipt = judged.receipt
    said = (
        {
            "by": receipt.by,
            "state": receipt.state,
            "code": receipt.code,
            "at": when(receipt.at),
            "about": {"mid": receipt.about.mid, "sender": receipt.about.sender},
        }
        if receipt
        else dict.fromkeys(("by", "state", "code", "at", "about"))
    )
    return {"verdict": judged.verdict.value, **said, "reasons": list(judged.reasons)}


def told(found: Mapping[str, Any]) -> str:
    lines = [str(found["verdict"]).replace("_", " ")]
    if found["network"]:
        lines.append(f"  by the network {found['network']}")
    lines += [f"  {reason}" for reason in found["reasons"] if reason]
    for one in found["receipts"]:
        if one["by"]:
            lines.append(
                f"  {one['verdict']}: {one['by']} said {one['state']} at {one['at']} of {one['about']['mid']}"
            )
        else:
            lines.append(f"  {one['verdict'].replace('_', ' ')}: {'; '.join(one['reasons'])}")
    return "\n".join(lines)
