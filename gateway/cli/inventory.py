"""What ``gateway keys inventory`` does: every use of cryptography, and the keys that are held for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gateway.cli import database, keyring
from gateway.clock import SystemClock
from gateway.config import load
from gateway.core.directory import SUITE
from gateway.core.inventory import MILESTONES, USES, Quantum
from gateway.core.trust import Network
from gateway.errors import GatewayError, UnknownRecipient
from gateway.flows.show import when


def inventory(config: Path | None) -> dict[str, Any]:
    """Asks for no passphrase and shows nothing secret. Without a network: what this machine has."""
    settings, now = load(config), SystemClock().now()
    try:
        network = database.read(settings, lambda tx: database.network_of(tx, now))
    except GatewayError:
        network = None
    held = Counter(str(entry["purpose"]) for entry in keyring.entries(settings.key_folder))
    return {
        "uses": [{**asdict(use), "quantum": use.quantum.value} for use in USES],
        "suite": SUITE,
        "key_files": dict(sorted(held.items())),
        "network": _network(network, now) if network else None,
        "milestones": {str(year): what for year, what in MILESTONES.items()},
        "to_migrate": [use.use for use in USES if use.quantum in {Quantum.CLASSICAL, Quantum.OUTSIDE}],
    }


def _network(network: Network, now: int) -> dict[str, Any]:
    """Who can be written to under which suite: nobody is written to under a weaker one."""
    suites: Counter[str] = Counter()
    missing = []
    for name in sorted(network.directory.principals):
        try:
            network.sealing_key(name, now)
        except UnknownRecipient:
            missing.append(name)
        else:
            suites[f"suite {SUITE}"] += 1
    return {
        "min_suite": network.directory.min_suite,
        "sealing_keys": dict(suites),
        "without_a_key_now": missing,
        "directory_until": when(network.expires),
    }


def told(found: Mapping[str, Any]) -> str:
    lines = [
        f"{use['quantum']:<10} {use['use']}: {use['algorithm']} ({use['standard']}); plan: {use['plan']}"
        for use in found["uses"]
    ]
    lines.append("key files: " + ", ".join(f"{name} {count}" for name, count in found["key_files"].items()))
    if found["network"]:
        keys = ", ".join(f"{count} under {name}" for name, count in found["network"]["sealing_keys"].items())
        least = found["network"]["min_suite"]
        lines.append(f"sealing keys of the network: {keys or 'none'}; nothing below suite {least} is used")
    return "\n".join(lines + [f"{year}: {what}" for year, what in found["milestones"].items()])
