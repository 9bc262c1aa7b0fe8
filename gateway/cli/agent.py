"""``gateway agency-agent``: an agency that keeps its own key, on its own machine."""

from __future__ import annotations

import asyncio
import resource
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.client import HOME
from gateway.cli.files import ask, on_terminal
from gateway.cli.init import AREA_HELP
from gateway.cli.output import JsonFlag, Usage, colours, emit, errors, next_step, say
from gateway.cli.passphrase import GenerateOption, PassphraseOption

if TYPE_CHECKING:  # heavy: imported when a command runs, so that --help stays quick
    from gateway.cli.agent_settings import AgentSettings
    from gateway.client.agent import Agent

app = typer.Typer(help="An agency that keeps its own key: opens, acknowledges and signs on its side.")

AgentConfig = Annotated[Path, typer.Option("--config", help="The agent's agent.toml.")]


@app.command()
def init(
    role: Annotated[str, typer.Option(help="The agency's role in its area: police.", show_default=False)],
    area: Annotated[str, typer.Option(help=AREA_HELP, show_default=False)],
    network: Annotated[Path, typer.Option(help="The network's file, as its founder gave it out.")] = Path(
        "network.json"
    ),
    expect: Annotated[
        str, typer.Option(help="The network's fingerprint as it was read aloud.", show_default=False)
    ] = "",
    agency: Annotated[
        str, typer.Option("--type", help="Its type. Default: the role in capitals.", show_default=False)
    ] = "",
    organisation: Annotated[str, typer.Option(help="Its name, where an area has several.")] = "",
    api: Annotated[str, typer.Option(help="Address of its node's API.")] = HOME,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the agent. Default: the role's name.", show_default=False)
    ] = None,
    passphrase_file: PassphraseOption = None,
    generate_passphrase: GenerateOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Make the agency's keys, agent.toml and its part of the borough's request. Overwrites nothing."""
    with errors(as_json=as_json):
        from gateway.cli import agent_setup
        from gateway.cli.passphrase import fresh

        plan = agent_setup.plan(
            area=area,
            role=role,
            agency=agency,
            organisation=organisation,
            network=network,
            expect=expect or _read_aloud(),
            api=api,
            data=data,
            passphrase_file=generate_passphrase or passphrase_file,
        )
        agent_setup.check_new(plan)
        made = agent_setup.make(plan, fresh(passphrase_file, generate_passphrase))
        emit(
            made,
            as_json=as_json,
            text=f"{made['part']}: {made['principal']}\nfingerprint {made['fingerprint']}",
        )
        say("carry the part to the borough's node and read its fingerprint aloud; the keys stay here")
        next_step(f"gateway directory request --agency {made['part']}, at the borough's node")


def _read_aloud() -> str:
    if on_terminal() and (typed := ask("The network's fingerprint, as two of its signers read it to you")):
        return typed
    raise Usage(
        "a network is known by its fingerprint",
        code="expect_missing",
        field="--expect",
        remedy="have it read aloud by two signers; do not copy it from the file",
    )


@app.command()
def run(config: AgentConfig = Path("agent.toml"), as_json: JsonFlag = False) -> None:
    """Fetch, open, deliver, sign and answer until SIGTERM or Ctrl-C. Says so once it is at work."""
    with errors(as_json=as_json):
        from gateway.cli.agent_settings import load
        from gateway.logs import configure

        configure(colours=colours())
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold every key in memory
        asyncio.run(_work(load(config), as_json))


@app.command("open")
def open_package(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A package, as it was handed over.")],
    config: AgentConfig = Path("agent.toml"),
    as_json: JsonFlag = False,
) -> None:
    """Show the part that is sealed to this agency, out of a file: no line to its node is needed."""
    with errors(as_json=as_json):
        from gateway.cli import agent_files

        emit(agent_files.opened(config, file), as_json=as_json)
        next_step(f"gateway agency-agent answer {file} --state ACCEPTED --role ROLE --out ANSWER")


@app.command()
def answer(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The package that is answered.")],
    out: Annotated[Path, typer.Option(help="The answer to write, for whoever handed the package over.")],
    state: Annotated[str, typer.Option(help="RECEIVED, ACCEPTED, RETURNED, ...", show_default=False)],
    role: Annotated[str, typer.Option(help="The role in which you act.", show_default=False)],
    reason: Annotated[str, typer.Option(help="A reason code, where one is due.", show_default=False)] = "",
    suggested_area: Annotated[
        str, typer.Option(help="Where it should have gone: an ONS code.", show_default=False)
    ] = "",
    suggested_agency: Annotated[
        str, typer.Option(help="To which agency it should have gone: PROBATION.", show_default=False)
    ] = "",
    text_file: Annotated[
        Path | None,
        typer.Option(help="Words to go with it: a file, or - for standard input.", show_default=False),
    ] = None,
    config: AgentConfig = Path("agent.toml"),
    as_json: JsonFlag = False,
) -> None:
    """Sign an answer with this agency's own key, and seal its words to the agency that is asked about."""
    with errors(as_json=as_json):
        from gateway.cli import agent_files
        from gateway.cli.bridge import spoken

        words = spoken(state, role, reason, text_file, area=suggested_area, agency=suggested_agency)
        made = agent_files.answered(config, file, words, out)
        emit(made, as_json=as_json, text=f"{made['file']}: {made['receipts']} receipts about {made['leg']}")
        say("hand it back to whoever gave you the package")


async def _work(settings: AgentSettings, as_json: bool) -> None:
    from gateway.cli.agent_settings import assembled

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    async with assembled(settings) as agent:
        await _first(_serve(agent, as_json), stop.wait())
    say("stopped; what was in hand comes again")


async def _first(work: Coroutine[object, object, None], stop: Coroutine[object, object, object]) -> None:
    """Until one of the two ends; what the work raises is raised."""
    tasks = [asyncio.create_task(work), asyncio.create_task(stop)]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if tasks[0].done():
            await tasks[0]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _serve(agent: Agent, as_json: bool) -> None:
    async with agent.running() as work:
        network = agent.client.network
        ready = {"principal": agent.principal, "network": network.fingerprint, "directory": network.version}
        emit(ready, as_json=as_json, text=f"{agent.principal} is at work")
        await work
