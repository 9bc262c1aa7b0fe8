"""``gateway broker``: what an operator loads into RabbitMQ, and whether a live one is still like that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.output import ConfigOption, JsonFlag, emit, errors, next_step, say

if TYPE_CHECKING:
    from gateway.errors import Malformed
    from gateway.transports.inspection import Difference

app = typer.Typer(help="RabbitMQ: topology, accounts and permissions.", no_args_is_help=True)

SYNC = "[dets:sync(T) || T <- dets:all()]."

AreaOption = Annotated[
    list[str] | None,
    typer.Option("--area", help="An area, by name or ONS code; again for each. Default: the directory's."),
]
VhostOption = Annotated[str, typer.Option("--vhost", help="The virtual host of this network.")]


@app.callback()
def broker() -> None:
    """RabbitMQ: topology, accounts and permissions."""


MeshOption = Annotated[
    str,
    typer.Option("--mesh", help="For this area's own broker, where every area has one; by name or ONS code."),
]
PeerOption = Annotated[
    list[str] | None,
    typer.Option(
        "--peer",
        help="With --mesh: AREA=amqps://HOST:5671/handover?..., a peer's broker; again for each. For `check`"
        " AREA is enough.",
    ),
]


@app.command()
def definitions(
    area: AreaOption = None,
    mesh: MeshOption = "",
    peer: PeerOption = None,
    vhost: VhostOption = "handover",
    config: ConfigOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Print the definitions.json of one broker or cluster for the whole network, or with --mesh of one
    area's own broker, whose shovels fetch from those of its peers. Holds no secret.

    Accounts log in by TLS certificate (EXTERNAL), with the area's code as common name; for a password, run
    `rabbitmqctl change_password` after loading.
    """
    with errors(as_json=as_json):
        import json

        from gateway.transports import definitions as build

        if mesh:
            made = build.mesh(_code(mesh), dict(_peer(one) for one in peer or ()), vhost=vhost)
        else:
            made = build.hub(_areas(area, config), vhost=vhost)
        typer.echo(json.dumps(made, indent=2, sort_keys=True))
        say("load it: rabbitmqctl import_definitions FILE")
        say(f"then, for RabbitMQ 3.10 and 4.0 write it only seconds later: rabbitmqctl eval '{SYNC}'")
        next_step("rabbitmqctl export_definitions - | gateway broker check -")


@app.command()
def check(
    export: Annotated[
        Path, typer.Argument(help="What `rabbitmqctl export_definitions` wrote; - for standard input.")
    ],
    area: AreaOption = None,
    mesh: MeshOption = "",
    peer: PeerOption = None,
    vhost: VhostOption = "handover",
    config: ConfigOption = None,
    nodes: Annotated[int, typer.Option(min=1, max=99, help="Nodes that the cluster should have.")] = 1,
    queues: Annotated[
        Path | None,
        typer.Option(
            "--queues",
            help="What `rabbitmqctl list_queues -p handover name type members --formatter json` wrote.",
        ),
    ] = None,
    cluster: Annotated[
        Path | None,
        typer.Option("--cluster", help="What `rabbitmqctl cluster_status --formatter json` wrote."),
    ] = None,
    status: Annotated[
        Path | None, typer.Option("--status", help="What `rabbitmqctl status --formatter json` wrote.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Compare a live broker's export with the definitions of the hub, or with --mesh of one area's own
    broker, and say how it stands.

    Prints each difference with how to mend it; exit 8 when there is any. With the three files it also looks
    at the members of each queue, at alarms, partitions and feature flags, and at the disk limit.
    """
    with errors(as_json=as_json):
        from gateway.cli.output import Exit
        from gateway.transports import definitions as build
        from gateway.transports.inspection import differences

        if mesh:  # without the peers' addresses: they hold secrets, and are not compared
            wanted = build.mesh(
                _code(mesh), {_code(one.partition("=")[0]): "" for one in peer or ()}, vhost=vhost
            )
        else:
            wanted = build.hub(_areas(area, config), vhost=vhost)
        found = [
            *differences(wanted, _read(export)),
            *_standing(nodes, queues, cluster, status),
        ]
        lines = [f"{one.what}\n    {one.remedy}" for one in found] or ["the broker is as it should be"]
        emit(
            {"differences": [{"what": one.what, "remedy": one.remedy} for one in found]},
            as_json=as_json,
            text="\n".join(lines),
        )
        if found:
            raise typer.Exit(Exit.NOT_READY)


def _standing(
    nodes: int, queues: Path | None, cluster: Path | None, status: Path | None
) -> Sequence[Difference]:
    from gateway.transports import condition

    return [
        *(condition.members(_listed(queues), nodes=nodes) if queues else ()),
        *(condition.cluster(_read(cluster), nodes=nodes) if cluster else ()),
        *(condition.disk(_read(status)) if status else ()),
    ]


def _listed(path: Path) -> Sequence[Mapping[str, Any]]:
    import json

    text = path.read_text(encoding="utf-8")
    try:
        found = json.loads(text[max(text.find("["), 0) :])
    except ValueError:
        raise _no_export() from None
    if not isinstance(found, list) or not all(isinstance(row, dict) and "name" in row for row in found):
        raise _no_export()
    return found


def _no_export() -> Malformed:
    from gateway.errors import Malformed

    return Malformed(
        "this is not what rabbitmqctl prints as JSON",
        code="broker_export",
        remedy="run: rabbitmqctl --quiet ... --formatter json > FILE",
    )


def _read(path: Path) -> dict[str, object]:
    import json
    import sys

    from gateway.errors import Malformed

    text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    # rabbitmqctl says something before the object when it is not told to be quiet.
    try:
        found = json.loads(text[max(text.find("{"), 0) :])
    except ValueError:
        raise Malformed(
            "this is no export of a broker's definitions",
            code="broker_export",
            remedy="run: rabbitmqctl --quiet export_definitions FILE",
        ) from None
    return found if isinstance(found, dict) else {}


def _areas(named: list[str] | None, config: Path | None) -> list[str]:
    """Those named, or those of the directory that this node has joined."""
    if named:
        return [_code(one) for one in named]
    from gateway.cli.database import network_of, read
    from gateway.clock import SystemClock
    from gateway.config import load

    now = SystemClock().now()
    network = read(load(config), lambda tx: network_of(tx, now))
    return [area for area in network.areas if not network.external(area)]


def _peer(text: str) -> tuple[str, str]:
    """``AREA=ADDRESS``. A password would end in shells' histories and in the file."""
    from urllib.parse import urlsplit

    from gateway.errors import Malformed

    name, _, address = text.partition("=")
    parts = urlsplit(address)
    if parts.scheme not in {"amqp", "amqps"} or not parts.hostname or parts.password:
        raise Malformed(
            "not the address of a peer's broker",
            code="broker_address",
            field="--peer",
            remedy="give AREA=amqps://HOST:PORT/VHOST with certfile, keyfile, cacertfile and"
            " auth_mechanism=external as its query; a password is set on the broker, with rabbitmqctl",
        )
    return _code(name), address


def _code(text: str) -> str:
    from gateway.errors import Malformed
    from schemas.areas import find

    area = find(text)
    if area is None:
        raise Malformed(
            "no area of this name or code", code="unknown_area", field="--area", remedy="run: gateway areas"
        )
    return area.code
