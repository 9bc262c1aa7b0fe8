"""``gateway join``: take up the network's documents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.cli.files import ask, on_terminal, read_input
from gateway.cli.output import ConfigOption, JsonFlag, Usage, emit, errors, next_step


def join(
    bundle: Annotated[Path, typer.Argument(help="A published bundle, a peer's key cards, or a suspension.")],
    expect: Annotated[
        str, typer.Option(help="The network's fingerprint as it was read aloud; needed the first time.")
    ] = "",
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Verify the network's documents and keep them. A running node takes them up by itself."""
    with errors(as_json=as_json):
        made = _taken_up(read_input(bundle), expect, config)
        emit(made, as_json=as_json, text=_told(made))
        if made["joined"] == "network":
            next_step("gateway config check, then gateway run")


def _taken_up(data: bytes, expect: str, config: Path | None) -> dict[str, Any]:
    from gateway.cli import database, keyring, signing
    from gateway.clock import SystemClock
    from gateway.config import load
    from gateway.core.ceremony import Bundle, unpack, unpack_cards
    from gateway.core.suspension import SUSPEND
    from gateway.core.trust import Network
    from gateway.flows.trust import join as take_up
    from gateway.flows.trust import take_suspension, trust_of
    from gateway.identity import accept_network
    from gateway.ports import Transaction

    settings, now = load(config), SystemClock().now()
    if data.startswith(f"{SUSPEND}\n".encode()):
        stopped = database.write(settings, lambda tx: take_suspension(tx, data, now))
        return {"joined": "suspension", **signing.suspension_facts(stopped)}

    cards = unpack_cards(data)
    if cards is not None:
        kept = database.write(
            settings, lambda tx: keyring.keep_cards(tx, database.network_of(tx, now), cards, now)
        )
        return {"joined": "cards", "cards": [keyring.facts(card) for card in kept]}

    found = unpack(data)
    known = database.read(settings, lambda tx: trust_of(tx, now)) is not None
    wanted = expect or (None if known else _read_aloud())

    def keep(tx: Transaction, bundle: Bundle = found) -> Network:
        network = take_up(tx, bundle, now, wanted)
        accept_network(settings, network)
        return network

    return {"joined": "network", **signing.network_facts(database.write(settings, keep))}


def _read_aloud() -> str:
    if on_terminal() and (typed := ask("The network's fingerprint, as two of its signers read it to you")):
        return typed
    raise Usage(
        "a network is joined by its fingerprint the first time",
        code="expect_missing",
        field="--expect",
        remedy="have it read aloud by two signers and give it with --expect; do not copy it from the bundle",
    )


def _told(made: dict[str, Any]) -> str:
    if made["joined"] == "suspension":
        return f"key {made['key']} is stopped until {made['until']} ({made['reason']}, by {made['by']})"
    if made["joined"] == "cards":
        return "\n".join(f"{card['principal']} until {card['until']}" for card in made["cards"])
    areas = ", ".join(f"{name} ({code})" for code, name in made["areas"].items())
    return f"joined {made['fingerprint']} ({made['environment']}), version {made['version']}\n  {areas}"
