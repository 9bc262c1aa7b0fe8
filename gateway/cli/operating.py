"""``gateway areas`` and ``gateway db``."""

from __future__ import annotations

import typer

from gateway.cli.output import ConfigOption, JsonFlag, emit, errors, next_step, say

db = typer.Typer(help="The node's database.", no_args_is_help=True)


def areas(as_json: JsonFlag = False) -> None:
    """The areas of London by name and ONS code."""
    with errors(as_json=as_json):
        from schemas.areas import AREAS

        found = [{"code": area.code, "name": area.name, "external": area.external} for area in AREAS.values()]
        emit({"areas": found}, as_json=as_json, text="\n".join(f"{a['code']}  {a['name']}" for a in found))


@db.callback()
def database() -> None:
    """The node's database."""


@db.command()
def upgrade(config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """Bring the database's tables to this release. May be run again; takes a lock, so two do it once."""
    with errors(as_json=as_json):
        from gateway.config import load
        from gateway.stores import migrations

        migrations.upgrade(load(config).database_url)
        emit({"revision": migrations.HEAD}, as_json=as_json, text=f"the database is at {migrations.HEAD}")
        next_step("gateway config check")


@db.command()
def restored(config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """After a backup was put back, before the node is started: begin a new stream to every peer.

    Numbers used since the backup are not known any more, and a number must not be used twice. Peers are told,
    and raise an alarm. Once too often does no harm.
    """
    with errors(as_json=as_json):
        from gateway.cli import database
        from gateway.clock import SystemClock
        from gateway.config import load
        from gateway.flows import restart

        now = SystemClock().now()
        peers = database.write(load(config), lambda tx: restart.begin_all(tx, now))
        emit({"peers": peers}, as_json=as_json, text=f"a new stream to each of {len(peers)} peers")
        say("tell them by telephone that the alarm new_stream_announced is yours")
        next_step("gateway run")
