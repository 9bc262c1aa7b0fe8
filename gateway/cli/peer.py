"""``gateway peer``: the areas that this node speaks with."""

from __future__ import annotations

from typing import Any

import typer

from gateway.cli.output import ConfigOption, JsonFlag, emit, errors

app = typer.Typer(help="The areas that this node speaks with.", no_args_is_help=True)


@app.callback()
def peer() -> None:
    """The areas that this node speaks with."""


@app.command("list")
def listing(config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """Of each area: numbers sent and received, what is missing, and when it was heard last."""
    with errors(as_json=as_json):
        from gateway.cli import database
        from gateway.config import load
        from gateway.flows import watch

        rows: list[Any] = database.read(load(config), watch.peers)
        emit({"peers": rows}, as_json=as_json, text="\n".join(map(_line, rows)) or "no peers yet")


def _line(row: dict[str, Any]) -> str:
    missing = ", ".join(f"{gap['first']}-{gap['last']}" for gap in row["gaps"])
    return (
        f"{row['area']}  sent {row['sent']}  received {row['received']}, whole to {row['seen']}"
        f"  heard {row['heard_at'] or 'never'}" + (f"  missing {missing}" if missing else "")
    )
