"""``gateway db``: the tables, a copy of everything, and whether all of it is what it says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.output import ConfigOption, Exit, JsonFlag, emit, errors, next_step, say

if TYPE_CHECKING:
    from gateway.stores.manifest import Manifest

app = typer.Typer(help="The node's database.", no_args_is_help=True)

File = Annotated[
    Path, typer.Argument(help="The backup; FILE.manifest.json stands beside it.", show_default=False)
]

KEYS_APART = (
    "the keys are not in it, on purpose: copy the key folder apart (docs/operations.md, Backup), "
    "or what was shredded would come back with the backup"
)


@app.callback()
def database() -> None:
    """The node's database."""


@app.command()
def upgrade(
    config: ConfigOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would do; change nothing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Bring the database's tables to this release. May be run again; takes a lock, so two do it once.

    A node that runs may go on running: an upgrade adds, and takes nothing away that it uses.
    """
    with errors(as_json=as_json):
        from gateway.config import load
        from gateway.stores import migrations

        url = load(config).database_url
        before = migrations.revision(url)
        if dry_run:
            steps = migrations.steps(before)
            words = "nothing to do" if not steps else f"{before or 'empty'} -> {' -> '.join(steps)}"
            emit({"revision": before, "head": migrations.HEAD, "steps": steps}, as_json=as_json, text=words)
            return
        migrations.upgrade(url)
        done = {"revision": migrations.HEAD, "before": before}
        emit(done, as_json=as_json, text=f"the database is at {migrations.HEAD}")
        next_step("gateway config check")


@app.command()
def backup(file: File, config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """Copy the whole database to FILE while the node runs: one moment of it, looked at, private, on disk."""
    with errors(as_json=as_json):
        from gateway.clock import SystemClock
        from gateway.config import load
        from gateway.stores import backup as backups

        settings = load(config)
        made = backups.take(settings.database_url, file, area=settings.area, now=SystemClock().now())
        emit({"file": str(file), **_told(made)}, as_json=as_json, text=f"{file}: {_words(made)}")
        say(KEYS_APART)
        next_step(f"copy {file.name} and its manifest to another machine")


@app.command()
def restore(
    file: File,
    config: ConfigOption = None,
    force: Annotated[
        bool, typer.Option("--force", help="Even over a database that holds more than the backup.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Put a backup in the place of the database; the node must be stopped. What was there is kept aside.

    The next start begins a new stream to every peer: numbers used since the backup must not be used twice.
    Peers are told, raise an alarm, and send again what they sent since.
    """
    with errors(as_json=as_json):
        from gateway.cli import restoring
        from gateway.config import load

        done = restoring.restore(load(config), file, force=force)
        value = {"kept": done.kept, "leaves_lost": done.lost, **_told(done.manifest)}
        emit(value, as_json=as_json, text=f"restored: {_words(done.manifest)}")
        if done.kept:
            say(f"what was there is kept as {done.kept}: it is evidence; delete it when nobody needs it")
        say("tell the peers by telephone that the alarm new_stream_announced is yours")
        say("what your agencies handed in since the backup, the peers alone know: have it handed in again")
        next_step("gateway db check, then gateway run")


@app.command()
def check(config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """Look at the whole database, beside a running node or not; nothing is changed.

    Pages and indexes, tables, the log hashed again against what was signed, every message, leg and receipt
    that another row counts on, key files, permissions, room. Exit 4: it is not what it should be.
    """
    good = True
    with errors(as_json=as_json):
        from gateway.cli import db_check
        from gateway.config import load

        found = db_check.findings(load(config))
        told = db_check.told(found)
        good = told["good"]
        emit(told, as_json=as_json, text="\n".join(db_check.line(one) for one in found))
    if not good:
        raise typer.Exit(Exit.VERIFICATION_FAILED)


@app.command()
def restored(config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """After a backup was put back by other means, before the node starts: begin a new stream to every peer.

    `gateway db restore` does this itself. Numbers used since the backup are not known any more, and a number
    must not be used twice. Peers are told, and raise an alarm. Once too often does no harm.
    """
    with errors(as_json=as_json):
        from gateway.cli import restoring
        from gateway.config import load

        peers = restoring.mark(load(config))
        emit({"peers": peers}, as_json=as_json, text=f"a new stream to each of {len(peers)} peers")
        say("tell them by telephone that the alarm new_stream_announced is yours")
        next_step("gateway run")


def _told(manifest: Manifest) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(manifest)


def _words(manifest: Manifest) -> str:
    return f"revision {manifest.revision}, {manifest.leaves} leaves of the log, {manifest.bytes >> 10} KiB"
