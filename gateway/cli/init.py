"""``gateway init``: a new node's configuration and keys."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.files import ask, on_terminal
from gateway.cli.output import JsonFlag, Usage, emit, errors, next_step, say
from gateway.cli.passphrase import GenerateOption, PassphraseOption

AREA_HELP = "A borough by name or ONS code: hackney, E09000012."


def init(
    area: Annotated[str, typer.Option(help=AREA_HELP, show_default=False)] = "",
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of the node. Default: the area's name, here.", show_default=False),
    ] = None,
    broker: Annotated[
        str, typer.Option(help="AMQP URL without a password: amqps://host/vhost.", show_default=False)
    ] = "",
    broker_credentials: Annotated[
        Path | None, typer.Option(help="File with user:password for the broker.", show_default=False)
    ] = None,
    broker_certificate: Annotated[
        Path | None,
        typer.Option(
            help="Client certificate for the broker; common name: the area's code.", show_default=False
        ),
    ] = None,
    broker_key: Annotated[
        Path | None, typer.Option(help="Its key, mode 0600, without a passphrase.", show_default=False)
    ] = None,
    broker_cafile: Annotated[
        Path | None, typer.Option(help="Authority of the broker's certificate.", show_default=False)
    ] = None,
    create_topology: Annotated[
        bool, typer.Option("--create-topology", help="The node makes its queues itself; for trials.")
    ] = False,
    db: Annotated[str, typer.Option(help="Database URL. Default: a SQLite file.", show_default=False)] = "",
    db_url_file: Annotated[
        Path | None,
        typer.Option(help="File with the database URL, for one with a password.", show_default=False),
    ] = None,
    agency: Annotated[
        list[str] | None,
        typer.Option(
            help="ROLE[=TYPE[:Organisation]], repeated. Default: the statutory ones.", show_default=False
        ),
    ] = None,
    governance: Annotated[
        Path | None,
        typer.Option(
            help="TOML file with the section [governance], as `gateway config example` prints it.",
            show_default=False,
        ),
    ] = None,
    api_port: Annotated[
        int, typer.Option(help="Port of the HTTP API on this machine.", min=0, max=65535)
    ] = 8420,
    passphrase_file: PassphraseOption = None,
    generate_passphrase: GenerateOption = None,
    environment: Annotated[str, typer.Option(help="prod, or demo for fictional people.")] = "prod",
    as_json: JsonFlag = False,
) -> None:
    """Make a node: gateway.toml, and the keys of the node and of each agency it hosts. Overwrites nothing."""
    with errors(as_json=as_json):
        from gateway.cli import setup
        from gateway.cli.passphrase import fresh

        area, broker = _answers(area, broker, bool(passphrase_file or generate_passphrase))
        plan = setup.plan(
            area=area,
            data=data,
            environment=environment,
            agencies=agency or (),
            broker=setup.BrokerPlan(
                broker,
                broker_credentials,
                create_topology,
                certificate=broker_certificate,
                key=broker_key,
                cafile=broker_cafile,
            ),
            database=db,
            database_file=db_url_file,
            api_port=api_port,
            governance=governance,
            passphrase_file=generate_passphrase or passphrase_file,
        )
        setup.check_new(plan)
        made = setup.make(plan, fresh(passphrase_file, generate_passphrase))
        emit(made, as_json=as_json, text=setup.told(made))
        if environment == "prod" and not governance:
            say("before it starts, [governance] needs its references: `gateway config example` prints them")
        say("keep a copy of the keys and of the passphrase, apart from each other and from the database")
        next_step(
            f"gateway directory request --config {made['config']} --network network.json "
            f"--out {plan.slug}.request"
        )


def _answers(area: str, broker: str, passphrase: bool) -> tuple[str, str]:
    """Ask a terminal for what is missing; elsewhere say everything that is, at once."""
    if on_terminal():
        return area or ask("Area (name or ONS code)"), broker or ask("Broker (amqps://host/vhost)")
    missing = [
        name
        for name, given in (
            ("--area", area),
            ("--broker", broker),
            ("--passphrase-file or --generate-passphrase", passphrase),
        )
        if not given
    ]
    if missing:
        raise Usage(
            "missing: " + ", ".join(missing), code="missing", remedy="give these, or run it on a terminal"
        )
    return area, broker
