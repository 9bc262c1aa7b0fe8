"""``gateway drill``: rehearse a handover with an invented person, see who answered in time, end it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from gateway.cli.client import HOME, ActorOption, Agency, ApiOption, RoleOption, TokenOption
from gateway.cli.output import JsonFlag, Usage, emit, errors, next_step
from gateway.errors import NotFound

MOST = 8
"""Recipients that need no second authoriser."""

DRILL = "DRILL "

app = typer.Typer(help="Rehearse a handover: nobody is in it, people are measured.", no_args_is_help=True)


@app.command()
def run(
    to: Annotated[str, typer.Option("--to", help="The area that takes part: an ONS code.")],
    actor: ActorOption,
    role: RoleOption,
    urgent: Annotated[
        bool, typer.Option("--urgent", help="A child, by the clocks of an urgent move.")
    ] = False,
    agencies: Annotated[
        str,
        typer.Option(help="Who takes part, with commas between. Default: the first eight of that area."),
    ] = "",
    api: ApiOption = HOME,
    token: TokenOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Make an invented handover, marked as a drill, and send it."""
    from gateway.cli.drilling import compose, suited
    from gateway.clock import SystemClock

    with errors(as_json=as_json):
        agency = Agency(api, token, actor, role)
        me = agency.get("/v1/me")
        there = _there(agency.get("/v1/areas"), to)
        wanted = [name.strip().upper() for name in agencies.split(",") if name.strip()]
        taking = suited([name for name in wanted or there if name in there], child=urgent)[:MOST]
        if not taking:
            raise Usage(
                "none of these agencies can take part",
                code="agencies",
                field="--agencies",
                remedy=f"some of {', '.join(suited(there, child=urgent)) or 'another area'}",
            )
        document = compose(
            origin=me["area"],
            destination=to,
            sender=me["agency"],
            agencies=taking,
            urgent=urgent,
            now=SystemClock().now(),
        )
        ref = document["message"]["handover_id"]
        headers = {"Idempotency-Key": f"drill-{ref}"}
        made = agency.post("/v1/handovers", json.dumps(document).encode(), headers=headers)
        told = {**made, "drill": True, "agencies": taking}
        emit(told, as_json=as_json, text=f"{DRILL}{ref} is on its way to {', '.join(taking)}")
        next_step(f"gateway drill report {ref}")


@app.command()
def report(
    ref: Annotated[str, typer.Argument(help="One drill. Default: the newest ones.", show_default=False)] = "",
    api: ApiOption = HOME,
    token: TokenOption = None,
    as_json: JsonFlag = False,
) -> None:
    """How long each agency took, and whether it was in time."""
    with errors(as_json=as_json):
        agency = Agency(api, token)
        if ref:
            found: Mapping[str, Any] = agency.get(f"/v1/drills/{ref}")
            listed: Sequence[Mapping[str, Any]] = [found]
        else:
            found = agency.get("/v1/drills")
            listed = found["drills"]
        emit(
            found,
            as_json=as_json,
            text="\n".join(map(_report, listed)) or "no drill among the newest handovers",
        )


@app.command()
def end(
    ref: Annotated[str, typer.Argument(help="The drill to end.")],
    actor: ActorOption,
    role: RoleOption,
    api: ApiOption = HOME,
    token: TokenOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Withdraw and purge a drill on both sides. What it measured stays."""
    with errors(as_json=as_json):
        found = Agency(api, token, actor, role).post(f"/v1/drills/{ref}/end", b"")
        emit(found, as_json=as_json, text=_report(found))


def _there(answer: Mapping[str, Any], area: str) -> list[str]:
    """The agency types of an area, as this node's directory lists them."""
    for entry in answer["areas"]:
        if entry["area"] == area:
            return [agency["agency"] for agency in entry["agencies"]]
    raise NotFound(
        "no such area in the directory",
        code="unknown_area",
        field="--to",
        remedy="`gateway directory show` lists the areas of this network by their ONS codes",
    )


def _report(drill: Mapping[str, Any]) -> str:
    head = f"{DRILL}{drill['handover']} v{drill['version']} {drill['urgency']} to {drill['destination']}"
    lines = [f"{head} {drill['state']} issued {drill['issued']}"]
    return "\n".join([*lines, *(_leg(leg) for leg in drill["legs"])])


def _leg(leg: Mapping[str, Any]) -> str:
    times = "  ".join(
        f"{name} {_took(leg[name])}" for name in ("received", "opened", "acknowledged", "accepted")
    )
    return f"  {leg['agency']:<22} {times}  {_judged(leg)}"


def _took(seconds: int | None) -> str:
    if seconds is None:
        return "-"
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"


def _judged(leg: Mapping[str, Any]) -> str:
    words = {True: "in time", False: "LATE", None: "not yet"}
    return f"acknowledged {words[leg['acknowledged_in_time']]}, decided {words[leg['decided_in_time']]}"
