"""``gateway break-glass``."""

from __future__ import annotations

from typing import Annotated

import typer

from gateway.cli.output import ConfigOption, JsonFlag, emit, errors, say


def break_glass(
    reason: Annotated[str, typer.Option(help="A code: signer_away, directory_late, ...; never a name.")],
    by: Annotated[str, typer.Option(help="The role of the person who decided, as a code.")] = "duty_manager",
    hours: Annotated[int, typer.Option(min=1, max=24, help="How long; a day at most.")] = 8,
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Go on sending under an expired directory, openly: every message says so, and every peer is alarmed.

    For one version of the directory: a renewed one ends it. Nothing carries over the end of the root.
    """
    with errors(as_json=as_json):
        from gateway.cli import database, keyring
        from gateway.clock import SystemClock
        from gateway.config import load
        from gateway.flows import glass
        from gateway.identity import open_keys

        settings, now = load(config), SystemClock().now()
        keys = open_keys(settings)
        network = database.read(settings, lambda tx: database.network_of(tx, now))
        found = database.write(
            settings,
            lambda tx: glass.break_glass(
                tx, keys, network, settings.area, hours=hours, reason=reason, by=by, now=now
            ),
        )
        told = {"directory": found.directory, "until": keyring.day(found.until), "reason": found.reason}
        emit(told, as_json=as_json, text=f"directory {found.directory}, until {told['until']}")
        say("a running node sends again within seconds; telephone the directory signers now")
