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
from gateway.core.attestation import Judged
from gateway.core.attestation import judge as judge_attestations
from gateway.core.ceremony import unpack
from gateway.core.examination import Told, judge_evidence
from gateway.core.judgement import Judgement, Verdict, judge
from gateway.core.receipts import Receipt
from gateway.core.statement import Statement
from gateway.core.trust import Network
from gateway.errors import Misconfigured, Refused
from gateway.flows.show import when

WORST = (Verdict.INVALID, Verdict.CANNOT_TELL, Verdict.VALID)


def verdicts(content: bytes, bundle: Path | None, expect: str, config: Path | None) -> dict[str, Any]:
    """``verdict``: the worst of all; ``receipts``: each one's own, in the order of the file."""
    try:
        network = network_from(bundle, expect, config)
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


def is_evidence(content: bytes) -> bool:
    return _holds(content, "envelope")


def is_attestation(content: bytes) -> bool:
    """A file of ``gateway retention attest``."""
    return _holds(content, "notes")


def _holds(content: bytes, member: str) -> bool:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and member in found


def attestations(content: bytes, network: str, config: Path | None) -> dict[str, Any]:
    """Judged by the network's fingerprint and nothing else; without one, by that of the configured node."""
    fingerprint = network or network_from(None, "", config).fingerprint
    judged = judge_attestations(content, fingerprint)
    worst = next(v for v in WORST if any(one.verdict is v for one in judged))
    return {
        "verdict": worst.value,
        "network": fingerprint,
        "attestations": [_attested(one) for one in judged],
    }


def _attested(one: Judged) -> dict[str, Any]:
    told = one.told
    said = (
        {
            "by": told.by,
            "handover": told.ref,
            "version": told.version,
            "at": when(told.at),
            "why": told.why,
            "messages": told.messages,
            "parts": told.parts,
            "files": told.files,
            "unanswered": told.unanswered,
        }
        if told
        else {"by": None}
    )
    seen = {"logged": one.logged, "witnesses": list(one.seen)}
    return {"verdict": one.verdict.value, **said, **seen, "reason": one.reason}


def attestations_told(found: Mapping[str, Any]) -> str:
    lines = [str(found["verdict"]).replace("_", " ")]
    for one in found["attestations"]:
        if one["by"] is None:
            lines.append(f"  {one['verdict'].replace('_', ' ')}: {one['reason']}")
            continue
        lines.append(f"  {one['by']} destroyed {one['handover']}/{one['version']} at {one['at']}")
        if one["logged"]:
            seen = ", ".join(one["witnesses"]) or "no other borough"
            lines.append(f"    in its log, seen by: {seen}")
    return "\n".join(lines)


def evidence(content: bytes, network: str, config: Path | None) -> dict[str, Any]:
    """Judged by the network's fingerprint and nothing else; without one, by that of the configured node."""
    fingerprint = network or network_from(None, "", config).fingerprint
    found = judge_evidence(content, fingerprint)
    return {
        "verdict": found.verdict.value,
        "network": fingerprint,
        "sent": _sent(found.statement),
        "answers": {signer: [_answer(receipt) for receipt in chain] for signer, chain in found.legs.items()},
        "witnesses": {area: when(at) for area, at in sorted(found.witnesses.items())},
        "silent": {"by": found.silent[0], "until": when(found.silent[1])} if found.silent else None,
        "notices": [_told(one) for one in found.notices],
        "disclosed": sorted({name for part in found.sections for name in part}),
        "checks": [{"what": c.what, "verdict": c.verdict.value, "reason": c.reason} for c in found.checks],
    }


def _told(one: Told) -> dict[str, Any]:
    return {
        "notice": one.notice.id,
        "kind": one.notice.kind.value,
        "code": one.notice.code,
        "by": one.by,
        "at": when(one.at),
        "answers": {signer: [_answer(receipt) for receipt in chain] for signer, chain in one.readers.items()},
    }


def _sent(statement: Statement | None) -> dict[str, Any] | None:
    if statement is None:
        return None
    return {"by": statement.sender, "at": when(statement.created), "mid": statement.mid}


def _answer(receipt: Receipt) -> dict[str, Any]:
    return {"state": receipt.state, "code": receipt.code, "at": when(receipt.at)}


def evidence_told(found: Mapping[str, Any]) -> str:
    lines = [str(found["verdict"]).replace("_", " ")]
    if found["sent"]:
        lines.append(f"  {found['sent']['by']} sent {found['sent']['mid']} at {found['sent']['at']}")
    for signer, answers in sorted(found["answers"].items()):
        lines.append(f"  {signer}: " + ", ".join(f"{one['state']} {one['at']}" for one in answers))
    for one in found["notices"]:
        lines.append(f"  {one['kind']} ({one['code']}) by {one['by']} at {one['at']}")
        for signer, answers in sorted(one["answers"].items()):
            lines.append(f"    {signer}: " + ", ".join(f"{said['state']} {said['at']}" for said in answers))
    if found["silent"]:
        lines.append(f"  {found['silent']['by']} had not acknowledged it by {found['silent']['until']}")
    seen = [f"{area} at {at}" for area, at in found["witnesses"].items()]
    lines.append(f"  in the sender's log, seen by: {', '.join(seen) or 'no other borough'}")
    lines.append(f"  disclosed: {', '.join(found['disclosed']) or 'no content'}")
    faults = [check for check in found["checks"] if check["reason"]]
    lines += [f"  {c['verdict'].replace('_', ' ')}: {c['what']}: {c['reason']}" for c in faults]
    return "\n".join(lines)


def network_from(bundle: Path | None, expect: str, config: Path | None) -> Network:
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
