"""``gateway escalation``: who is called when something is late, who is away, and whether a call arrives."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from gateway.cli.output import ConfigOption, JsonFlag, emit, errors, next_step

app = typer.Typer(help="Who is called when something is late.", no_args_is_help=True)

RoleArgument = Annotated[str, typer.Argument(metavar="ROLE", help="A role of the settings, never a person.")]


@app.command()
def show(config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """Each agency's ladder with who is called now, who is away, and the latest calls."""
    with errors(as_json=as_json):
        from gateway.bootstrap import ladders_of
        from gateway.cli import database
        from gateway.clock import SystemClock
        from gateway.config import load
        from gateway.flows import roster

        settings, now = load(config), SystemClock().now()
        ladders = ladders_of(settings.escalation)
        found: Any = database.read(settings, lambda tx: roster.shown(tx, ladders, now))
        emit(found, as_json=as_json, text="\n".join(_lines(found)))
        next_step(
            "gateway escalation test ROLE"
            if ladders.roles
            else "name roles in [escalation] of gateway.toml: docs/operations.md, Late"
        )


@app.command()
def absent(
    role: RoleArgument,
    until: Annotated[str, typer.Option(metavar="DATE", help="The last day of the absence: 2026-12-24.")],
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Have a role's deputy called until the end of a day. A running node obeys at its next call."""
    with errors(as_json=as_json):
        from gateway.bootstrap import ladders_of
        from gateway.cli import database
        from gateway.clock import SystemClock
        from gateway.config import load
        from gateway.flows import roster

        settings, now, end = load(config), SystemClock().now(), roster.end_of(until)
        ladders, who = ladders_of(settings.escalation), getpass.getuser()
        called = database.write(
            settings, lambda tx: roster.absent(tx, ladders, role, until=end, by=who, now=now)
        )
        emit(
            {"role": role, "called": called.name, "until": until},
            as_json=as_json,
            text=f"{called.name} is called in the place of {role}, until {until}",
        )
        next_step(f"gateway escalation back {role}")


@app.command()
def back(role: RoleArgument, config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """Have a role called again that was absent."""
    with errors(as_json=as_json):
        from gateway.bootstrap import ladders_of
        from gateway.cli import database
        from gateway.config import load
        from gateway.flows import roster

        settings = load(config)
        ladders = ladders_of(settings.escalation)
        was = database.write(settings, lambda tx: roster.back(tx, ladders, role))
        text = f"{role} is called again" if was else f"{role} was not away"
        emit({"role": role, "was_absent": was}, as_json=as_json, text=text)


@app.command("test")
def try_out(role: RoleArgument, config: ConfigOption = None, as_json: JsonFlag = False) -> None:
    """Call a role, or who stands in for it, with words that say that it is a test. Exit 5: not taken."""
    with errors(as_json=as_json):
        import asyncio

        from gateway.bootstrap import ladders_of, pagers_of
        from gateway.cli import database
        from gateway.clock import SystemClock
        from gateway.config import load
        from gateway.flows import roster

        settings, now = load(config), SystemClock().now()
        ladders, pagers = ladders_of(settings.escalation), pagers_of(settings.escalation)
        called, page = database.read(
            settings, lambda tx: roster.rehearsal(tx, ladders, role, area=settings.area, now=now)
        )
        asyncio.run(_call(pagers[called.channel], page))
        emit(
            {"role": called.name, "channel": called.channel, "key": page.key},
            as_json=as_json,
            text=f"{called.channel} has taken a call to {called.name}; ask whether it arrived",
        )


async def _call(pager: Any, page: Any) -> None:
    await pager.start()
    try:
        await pager.send(page)
    finally:
        await pager.close()


def _lines(found: Any) -> list[str]:
    lines = []
    for ladder in found["ladders"]:
        rungs = [
            role["role"] if role["called"] == role["role"] else f"{role['called']} (for {role['role']})"
            for role in ladder["roles"]
        ]
        lines.append(f"{ladder['agency']:<24} {' > '.join(rungs) or 'nobody'}")
    lines += [f"absent: {row['role']} until {row['until']}" for row in found["absent"]]
    return lines + [_made(row) for row in found["calls"]]


def _made(row: Mapping[str, Any]) -> str:
    about = f"{row['code']} {row['handover']} {row['agency']}"
    return f"{row['at']}  {row['state']:<8} {row['role']}  {about}".rstrip()
