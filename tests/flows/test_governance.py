"""The gate before a node starts, what it has on file, and what it records of an address (R5, R11, R25)."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from gateway import governance
from gateway.config import Settings, build
from gateway.core.entitlements import ENTITLEMENTS
from gateway.core.registers import FICTIONAL
from gateway.errors import Misconfigured, NotAllowed
from gateway.flows import show
from gateway.testing.boroughs import BEXLEY, HACKNEY, World, sections, two_boroughs
from schemas.samples import minimal_example

TODAY = date(2026, 11, 24)
ON_FILE: dict[str, Any] = tomllib.loads(governance.EXAMPLE)["governance"]
AUTHORISED = [{"role": "Head of Service", "agency": "COMMUNITY_SAFETY", "area": HACKNEY}]


def settings(held: dict[str, Any], environment: str = "prod") -> Settings:
    return build({"environment": environment, "area": HACKNEY, "data": "/nowhere", "governance": held})


def test_the_example_that_operators_copy_passes_the_gate() -> None:
    governance.check(settings(ON_FILE), TODAY)
    held = governance.registers_of(settings(ON_FILE), ENTITLEMENTS)
    assert set(held.agreements) == {"DSA-LDN-GANGS-07", "DSA-HACK-DWP-01"}
    assert held.agreements["DSA-HACK-DWP-01"].agencies == {"DWP", "VOLUNTARY_SECTOR"}
    assert held.policies["APD-HACK-2026-02"].on(TODAY)


@pytest.mark.parametrize("missing", governance.REQUIRED)
def test_each_thing_that_is_missing_is_named(missing: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        governance.check(settings({k: v for k, v in ON_FILE.items() if k != missing}), TODAY)
    assert (caught.value.code, caught.value.rule) == ("governance", "R25")
    assert [problem.field for problem in caught.value.problems] == [f"/governance/{missing}"]


def test_everything_that_is_missing_is_told_at_once() -> None:
    with pytest.raises(Misconfigured) as caught:
        governance.check(settings({}), TODAY)
    assert [p.field for p in caught.value.problems] == [f"/governance/{name}" for name in governance.REQUIRED]
    governance.check(settings({}, "demo"), TODAY)


def test_a_policy_document_that_ran_out_is_none() -> None:
    with pytest.raises(Misconfigured, match="none is in date"):
        governance.check(settings(ON_FILE), date(2035, 1, 1))


def test_a_demo_has_the_documents_of_the_examples_unless_it_says_otherwise() -> None:
    assert governance.registers_of(settings({}, "demo"), ENTITLEMENTS) == FICTIONAL
    said = governance.registers_of(settings(ON_FILE, "demo"), ENTITLEMENTS)
    assert "DSA-LVWS-01" not in said.agreements
    assert governance.registers_of(settings({}), ENTITLEMENTS).agreements == {}


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"commenced": ["NO_SUCH_POWER"]}, "governance"),
        ({"agreements": [*ON_FILE["agreements"], ON_FILE["agreements"][0]]}, "governance"),
        ({"agreements": [ON_FILE["agreements"][0] | {"agencies": ["NOBODY"]}]}, "governance"),
        ({"entitlements": {"history": ["HOUSING"]}}, "entitlements_widen"),
        ({"entitlements": {"data_quality": ["POLICE"]}}, "entitlements_widen"),
    ],
)
def test_what_contradicts_itself_or_widens_is_refused(wrong: dict[str, Any], code: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        governance.registers_of(settings(ON_FILE | wrong), ENTITLEMENTS)
    assert caught.value.code == code


# --- in a node --------------------------------------------------------------------------------------------


class Table:
    def __init__(self, **rows: str) -> None:
        self._rows = rows

    def area_of(self, uprn: str) -> str | None:
        return self._rows.get(f"u{uprn}")


HERE, ELSEWHERE = Table(u999999000001=BEXLEY), Table(u999999000001="E09000025")


def with_(world: World, **changes: Any) -> None:
    world.hackney.node = replace(world.hackney.node, **changes)


async def seen(world: World, ref: str) -> str:
    def look(tx: Any) -> Any:
        return show.summary(world.hackney.node, show.find(tx, ref, None))["address_check"]

    return str(await world.hackney.node.store.read(look))


async def overrides(world: World) -> int:
    rows = await world.hackney.node.store.read(lambda tx: tx.accesses())
    return sum(row.operation == "COMBINATION" and row.justification == "ADDRESS_OVERRIDE" for row in rows)


@pytest.mark.parametrize(
    ("places", "outcome"),
    [(None, "NOT_MADE"), (HERE, "INSIDE"), (Table(), "NOT_FOUND")],
)
async def test_what_the_check_found_is_on_record(places: Any, outcome: str) -> None:
    async with two_boroughs() as world:
        with_(world, places=places)
        ref = (await world.hackney.submit(json.loads(minimal_example()))).ref
        assert await seen(world, ref) == outcome
        assert await overrides(world) == 0


async def test_an_override_by_two_persons_is_sent_and_logged() -> None:
    document = json.loads(minimal_example())
    document["move"]["new_address"]["outside_area_reason"] = "the estate straddles the boundary"
    async with two_boroughs() as world:
        with_(world, places=ELSEWHERE)
        with pytest.raises(NotAllowed) as caught:
            await world.hackney.submit(document)
        assert {problem.rule for problem in caught.value.problems} == {"R11"}
        document["message"]["authorisations"] = AUTHORISED
        ref = (await world.hackney.submit(document)).ref
        assert await seen(world, ref) == "OVERRIDDEN"
        assert await overrides(world) == 1


async def test_a_narrowing_here_keeps_a_field_from_an_agency_there() -> None:
    """The aspirations stay out of the charity's parts although the directory would allow them."""
    local = {"aspirations": ENTITLEMENTS["aspirations"] - {"VOLUNTARY_SECTOR"}}
    document = json.loads(minimal_example())
    async with two_boroughs() as world:
        with_(world, registers=replace(FICTIONAL, narrowing=local))
        with pytest.raises(NotAllowed) as caught:
            await world.hackney.submit(document)
        assert (caught.value.rule, caught.value.field) == ("R4", "/routing/recipients/6/sections/5")
        document["routing"]["recipients"][6]["sections"].remove("aspirations")
        await world.hackney.submit(document)
        await world.settle()
        ((_, view),) = world.bexley.desks["st_giles"].given
        assert "aspirations" not in sections(view)


async def test_a_node_with_nothing_on_file_runs_and_sends_nothing(tmp_path: Path) -> None:
    async with two_boroughs() as world:
        with_(world, registers=governance.registers_of(settings({}), ENTITLEMENTS))
        with pytest.raises(NotAllowed) as caught:
            await world.hackney.submit(json.loads(minimal_example()))
        assert caught.value.rule == "R5"
        assert await world.hackney.node.store.read(lambda tx: tx.handover("HO-E09000012-2026-000417")) is None
