"""``gateway handover checklist``: which agencies a move concerns and what to ask of each, before anything is
written. Needs no node and keeps nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli.files import read_input
from gateway.cli.output import JsonFlag, Usage, emit, errors, next_step

if TYPE_CHECKING:
    from gateway.core.relevance import Judgement

NEEDS = (
    "supervised",
    "care-leaver",
    "care-needs",
    "protection-plan",
    "housing-need",
    "claim",
    "ehc-plan",
    "health-need",
    "caseworker",
    "threat-to-life",
)
"""What ``--need`` may name: yes or no facts of :class:`gateway.core.relevance.Facts`."""


def checklist(
    file: Annotated[
        Path | None,
        typer.Argument(help="A document, or - for standard input; or use the options.", show_default=False),
    ] = None,
    age: Annotated[int | None, typer.Option(help="On the day of issue.", min=0, max=120)] = None,
    order: Annotated[
        list[str] | None, typer.Option(help="A type of order, repeated: LICENCE, BAIL.", show_default=False)
    ] = None,
    role: Annotated[
        list[str] | None, typer.Option(help="A role of the subject, repeated: VICTIM.", show_default=False)
    ] = None,
    need: Annotated[
        list[str] | None, typer.Option(help="Repeated: " + ", ".join(NEEDS) + ".", show_default=False)
    ] = None,
    agreed: Annotated[
        list[str] | None,
        typer.Option(help="An agency to which the subject agrees, repeated.", show_default=False),
    ] = None,
    tenure: Annotated[str, typer.Option(help="Of the new home: SOCIAL_RENT.", show_default=False)] = "",
    urgent: Annotated[bool, typer.Option("--urgent", help="An urgent move.")] = False,
    single_point: Annotated[
        bool, typer.Option("--single-point", help="The destination has a single point of contact.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Propose the recipients and their actions: of a document, or of a few facts."""
    with errors(as_json=as_json):
        from gateway.core.relevance import Facts, facts_of, judge
        from gateway.flows.judging import read
        from schemas.vocabulary import Agency, OrderType, SubjectRole, agency_type

        if (file is None) == (age is None):
            raise Usage("a document or an age", code="facts", field="--age", remedy="give one of the two")
        facts = (
            facts_of(read(read_input(file)))
            if file is not None
            else Facts(
                age=age or 0,
                orders=frozenset(_named(OrderType, one, "--order") for one in order or ()),
                roles=frozenset(_named(SubjectRole, one, "--role") for one in role or ()),
                agreed=frozenset(_named(Agency, agency_type(one), "--agreed") for one in agreed or ()),
                tenure=tenure,
                urgent=urgent,
                single_point=single_point,
                **_needs(need or ()),
            )
        )
        found = judge(facts)
        emit(_told(found), as_json=as_json, text=_text(found))
        next_step("gateway handover validate FILE")


def _named(kind: Any, text: str, field: str) -> Any:
    name = text.upper()
    if name not in kind.__members__:
        raise Usage(
            "no such value", code="facts", field=field, remedy="one of " + ", ".join(kind.__members__)
        )
    return kind[name]


def _needs(named: Sequence[str]) -> Mapping[str, Any]:
    for one in named:
        if one not in NEEDS:
            raise Usage("no such need", code="facts", field="--need", remedy="one of " + ", ".join(NEEDS))
    return {one.replace("-", "_"): True for one in named}


def _told(found: Judgement) -> dict[str, Any]:
    from schemas.actions import ACTIONS

    return {
        "recipients": [
            {
                "agency": agency.value,
                "reason": why.code,
                "actions": [{"code": code, "title": ACTIONS[code].title} for code in why.actions],
            }
            for agency, why in found.relevant.items()
        ],
        "not_relevant": [
            {"agency": agency.value, "reason": why.code} for agency, why in found.ruled_out.items()
        ],
    }


def _text(found: Judgement) -> str:
    from schemas.actions import ACTIONS

    lines = []
    for agency, why in found.relevant.items():
        lines.append(f"{agency.value:<22} {why.code}")
        lines += [f"    {code:<8} {ACTIONS[code].title}" for code in why.actions]
    lines += [f"{agency.value:<22} NOT_RELEVANT: {why.code}" for agency, why in found.ruled_out.items()]
    return "\n".join(lines)
