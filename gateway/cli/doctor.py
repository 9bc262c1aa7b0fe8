"""``gateway doctor``: every check with its fix, and a test message both ways with each peer.

It begins with what ``gateway config check`` tries, goes on with what only time breaks (clock, disk, dates),
and ends with a message through the RUNNING node: this process queues it in the database and waits for the
answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from gateway.cli.output import ConfigOption, Exit, JsonFlag, emit, errors, next_step

PATIENCE: Final = 20
"""Seconds that a peer has to answer."""


def doctor(
    config: ConfigOption = None,
    quick: Annotated[bool, typer.Option("--quick", help="No test message; the node need not run.")] = False,
    peer: Annotated[str, typer.Option("--peer", help="This area alone (default: all).")] = "",
    wait: Annotated[int, typer.Option(min=1, max=300, help="Seconds for an answer.")] = PATIENCE,
    as_json: JsonFlag = False,
) -> None:
    """Check this node, each with its fix, and send every peer a test message that it answers.

    Exit 8: something here is to be mended. Exit 5: all is well here, and a peer did not answer.
    """
    with errors(as_json=as_json):
        from gateway.cli import checking, checkup
        from gateway.config import load

        settings = load(config)
        keys = checking.once(settings)
        found = checkup.checks(settings, keys)
        if not quick and found["ready"]:
            found["peers"] = checkup.peers(settings, keys, peer, wait)
        emit(found, as_json=as_json, text=checkup.text(found))
        if quick and found["ready"]:
            next_step("gateway doctor, when node and peers run")
    raise typer.Exit(code_of(found))


def code_of(found: Mapping[str, Any]) -> Exit:
    if not found["ready"] or any(one["outcome"] == "waiting" for one in found.get("peers", ())):
        return Exit.NOT_READY
    answered = all(one["outcome"] == "answered" for one in found.get("peers", ()))
    return Exit.OK if answered else Exit.UNREACHABLE
