"""``gateway schema``: the forms of documents, without a node."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.files import read_input
from gateway.cli.output import JsonFlag, Usage, emit, errors, next_step

app = typer.Typer(help="The forms of documents: what may stand where.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="As `gateway schema list` shows it.")]


@app.command("list")
def listing(as_json: JsonFlag = False) -> None:
    """Names of documents, of sections of a handover, and of examples."""
    with errors(as_json=as_json):
        from schemas import catalogue, samples

        found = {
            "version": catalogue.VERSION,
            "documents": list(catalogue.DOCUMENTS),
            "sections": list(catalogue.SECTIONS),
            "examples": list(samples.EXAMPLES),
        }
        text = "\n".join(
            f"{kind}: {', '.join(found[kind])}" for kind in ("documents", "sections", "examples")
        )
        emit(found, as_json=as_json, text=text)
        next_step("gateway schema show handover")


@app.command()
def show(name: NameArgument, as_json: JsonFlag = False) -> None:
    """The JSON Schema (2020-12) of a document or section."""
    with errors(as_json=as_json):
        from gateway.errors import NotFound
        from schemas import catalogue

        if name not in catalogue.DOCUMENTS and name not in catalogue.SECTIONS:
            raise NotFound("no such schema", code="no_schema", remedy="`gateway schema list` names them")
        emit(catalogue.json_schema(name), as_json=as_json)


@app.command()
def rules(as_json: JsonFlag = False) -> None:
    """The thirty rules and the powers of R5: what each demands, on which ground, what keeps it."""
    with errors(as_json=as_json):
        from gateway.core.powers import POWERS
        from gateway.core.rulebook import RULEBOOK

        found = {
            "rules": [
                {"rule": one.number, "demands": one.demands, "source": one.source}
                for one in RULEBOOK.values()
            ],
            "powers": [
                {"code": one.code, "power": one.words, "reaches": sorted(one.reaches)}
                for one in POWERS.values()
            ],
        }
        lines = [f"{one.number:<4} {one.demands} ({one.source})" for one in RULEBOOK.values()]
        lines += ["", *(f"{p.code:<24} {p.words}: {', '.join(sorted(p.reaches))}" for p in POWERS.values())]
        emit(found, as_json=as_json, text="\n".join(lines))


@app.command()
def example(
    name: Annotated[str, typer.Argument(help="adult, urgent or returned.")] = "adult",
    now: Annotated[
        bool, typer.Option("--now", help="As if it were issued now, under a fresh reference.")
    ] = False,
    drill: Annotated[
        bool, typer.Option("--drill", help="As a rehearsal: a node in production takes it, too.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """A fictional document that ships with the gateway, to start from."""
    with errors(as_json=as_json):
        from gateway.errors import NotFound
        from schemas import samples

        if name not in samples.EXAMPLES:
            raise NotFound("no such example", code="no_example", remedy="`gateway schema list` names them")
        document = json.loads(samples.example_text(name))
        if now:
            from gateway.clock import SystemClock
            from gateway.demo.story import fresh

            document = fresh(document, SystemClock().now())
        if drill:
            if "message" not in document:
                raise Usage("only a handover can be a rehearsal", remedy="`adult` or `urgent`")
            document["message"]["drill"] = True
        emit(document, as_json=as_json)


@app.command()
def validate(
    file: Annotated[Path, typer.Argument(help="The document, or - for standard input.")],
    name: Annotated[str, typer.Option(help="Which document it is.")] = "handover",
    as_json: JsonFlag = False,
) -> None:
    """Judge the shape of a document. `gateway handover validate` judges the rules as well."""
    with errors(as_json=as_json):
        from gateway.errors import InvalidDocument, NotFound, Problem
        from schemas import catalogue, reading
        from schemas.base import ShapeError

        if name not in catalogue.DOCUMENTS:
            raise NotFound("no such document", code="no_schema", remedy="`gateway schema list` names them")
        try:
            reading.read(catalogue.DOCUMENTS[name], read_input(file), name=name)
        except ShapeError as error:
            raise InvalidDocument(
                f"this is no {name} of this version",
                problems=[Problem(p.pointer, p.message, p.remedy) for p in error.problems],
                remedy=f"correct the fields named; `gateway schema show {name}` prints the shape",
            ) from None
        emit({"valid": True, "schema": name}, as_json=as_json, text=f"a {name} in shape")
        if name == "handover":
            next_step(f"gateway handover validate {file}")
