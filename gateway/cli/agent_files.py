"""What ``gateway agency-agent open`` and ``answer`` do: one agency reading and answering out of files."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.cli.agent_settings import load
from gateway.cli.files import read_input, write_output
from gateway.client.carried import Reader, open_package, pack_answer
from gateway.client.opening import AgencyKeys
from gateway.clock import SystemClock
from gateway.config import credentials
from gateway.flows import acknowledge
from gateway.keystore import KeyStore, read_passphrase

STATE = "carried"
"""Folder beside the agent's own state: what it remembers of files is apart from what came over the line."""


def reader(config: Path) -> Reader:
    """Raises Misconfigured as the agent does."""
    settings = load(config)
    passphrase = read_passphrase(file=settings.passphrase_file, credentials=credentials())
    store = KeyStore.open(settings.data / "keys", passphrase, settings.environment)
    name = settings.principal
    keys = AgencyKeys(store.signer(name), store.opener(name))
    folder = settings.data / STATE
    return Reader(keys, folder, store.secret("answers"), settings.network, SystemClock().now)


def opened(config: Path, file: Path) -> Mapping[str, Any]:
    """PLAINTEXT for this agency."""
    found = asyncio.run(reader(config).open(open_package(read_input(file))))
    leg = found.sealed.leg
    return {
        "principal": leg.principal,
        "handover": leg.ref,
        "version": leg.version,
        "urgency": leg.urgency,
        "leg": leg.id,
        "content": dict(found.sections),
    }


def answered(config: Path, file: Path, words: Mapping[str, str], out: Path) -> Mapping[str, Any]:
    said = acknowledge.read(json.dumps(words).encode())
    packed = asyncio.run(reader(config).answer(open_package(read_input(file)), said))
    write_output(out, pack_answer(packed), mode=0o600)
    return {"leg": packed.leg, "receipts": len(packed.receipts), "file": str(out)}
