"""No interface answers with more than one person, and none searches by name (finding F3).

By structure: what a route or a command may be asked with stands in closed lists, so that a new parameter has
to be looked at here. By content: two people in flight between the same agencies, every route called by every
agency about both, and no answer, nor anything an agency's system is given, holds both.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from itertools import product
from typing import Any

import pytest
import typer
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from gateway.api.routes import Access, Parameter, Route
from gateway.api.table import TABLE
from gateway.cli.app import app
from gateway.core.examination import judge_evidence
from gateway.testing.boroughs import START, ManualClock, World
from gateway.testing.people import adult
from gateway.transports.memory import MemoryBroker
from keys_example import AGENCIES
from schemas.catalogue import SECTIONS
from tests.api.conftest import BEXLEY, HACKNEY, Desk, Pair, _borough, _desk

# --- by structure ---------------------------------------------------------------------------------------

IDS = {"ref", "handover", "leg", "parcel", "notice", "blob", "action", "alarm", "breach", "reference"}
"""Of one thing: a handover, a leg, a parcel, ... ``reference``: the Commissioner's own."""
CODES = {"justification", "purpose", "reason", "ground", "withhold", "disclose", "hold", "cleared", "name"}
"""Words of closed lists. ``name``: of a schema."""
WHO = {"principal", "silent"}
"""An agency, by its id in the directory."""
TIMES = {"as_of", "until", "from", "to", "review"}
PAGES = {
    "limit",
    "cursor",
    "wait",
    "If-None-Match",
    "version",
    "index",
    "first",
    "second",
    "start",
    "segment",
}
HEADERS = {"Idempotency-Key", "If-None-Match"}

BODIES = {
    "handover", "notice", "notice_answer", "opening", "acknowledgement", "action", "call", "review", "file",
    "receipt", "relay_settling", "relay_receipts", "relay_reply", "relay_card", "request",
}  # fmt: skip
"""What may be handed in. A ``request`` names somebody to agencies of ONE area, sealed: people answer it."""

PERSONAL_SECTIONS = ("core", "identifiers", "move", "support", "safeguarding", "associates", "roles")


def fields(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield name
        if name == "attachments":  # a file's own names, by its id alone
            continue
        inner = [field.annotation, *getattr(field.annotation, "__args__", ())]
        for one in inner:
            if isinstance(one, type) and issubclass(one, BaseModel):
                yield from fields(one)


COMMON = {"kind", "role", "reason", "visible_to", "type", "status", "attachments", "agency", "until", "goals"}
"""Names of fields of a person's sections that say nothing of who it is."""
PERSONAL = {
    name for section in PERSONAL_SECTIONS for name in fields(SECTIONS[section]) if name not in COMMON
} | {"q", "query", "search", "find", "person", "subject", "dob", "born", "surname", "forename", "postcode"}


@pytest.mark.row("F3")
def test_no_route_is_asked_with_anything_that_names_a_person() -> None:
    assert {"family_name", "date_of_birth", "nhs_number", "uprn", "phone"} <= PERSONAL
    known = IDS | CODES | WHO | TIMES | PAGES | HEADERS
    for route in TABLE:
        asked = {parameter.name for parameter in route.parameters}
        assert asked <= known, (route.path, asked - known)
        assert not asked & PERSONAL, route.path
        assert route.body is None or route.body.schema in BODIES, route.path
        assert route.body is None or route.method == "POST", "a search would be a GET, or a body that asks"


def test_what_a_path_or_a_query_holds_has_a_form_that_no_name_fits() -> None:
    """Either a closed list, a number, a time, an id with a pattern; the rest is read by a parser of its own,
    tried by content below."""
    free = {"parcel", "name", "disclose", "justification", "cursor", "silent", "principal", "withhold"}
    for route in TABLE:
        for parameter in route.parameters:
            if parameter.place not in ("path", "query") or parameter.name in free:
                continue
            form = set(parameter.schema)
            assert form & {"pattern", "enum", "minimum", "maximum", "format"}, (route.path, parameter.name)
            assert not matches(parameter, "Zebulon Quux"), (route.path, parameter.name)


def matches(parameter: Parameter, text: str) -> bool:
    known = "format" in parameter.schema  # a time, which the reader parses
    return not known and bool(Draft202012Validator(dict(parameter.schema)).is_valid(text))


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield " ".join(path), command
    for name, one in (inner or {}).items():
        yield from leaves(one, (*path, name))


SEVERAL = {
    ("init", "agency"), ("directory create", "root"), ("directory create", "directory"),
    ("directory request", "agency"), ("directory root", "add_signer"), ("directory root", "remove_signer"),
    ("handover checklist", "order"), ("handover checklist", "role"), ("handover checklist", "need"),
    ("handover checklist", "agreed"), ("bridge init", "agency"), ("bridge init", "part"),
    ("log verify", "checkpoint"), ("agency token create", "also"), ("broker definitions", "area"),
    ("broker definitions", "peer"), ("broker check", "area"), ("broker check", "peer"),
}  # fmt: skip
"""What may be given more than once: agencies, keys, areas, codes; never a handover."""
OF_NOBODY = {
    ("handover checklist", "tenure"),  # a kind of housing, to be told which agencies it concerns
    ("agency token create", "label"),  # of a token
    ("agency-agent init", "organisation"),  # whose key it is
}
"""Called like a field of a person's, and not about one."""


@pytest.mark.row("F3")
def test_no_command_is_asked_with_a_person_nor_about_several_handovers() -> None:
    for path, command in leaves(typer.main.get_command(app)):
        for parameter in command.params:
            at = (path, parameter.name)
            assert parameter.name not in PERSONAL or at in OF_NOBODY, at
            several = parameter.nargs != 1 or getattr(parameter, "multiple", False)
            assert not several or at in SEVERAL, at


# --- by content -----------------------------------------------------------------------------------------


def canary(letter: str) -> dict[str, Any]:
    """J under another name, with that name in every text that is his."""
    document = adult()
    word, number = f"Canary{letter}uu", {"A": 101, "B": 202}[letter]
    document["message"]["handover_id"] = f"HO-E09000012-2026-000{number}"
    document["message"]["message_id"] = f"00000{number}-80a7-5d63-a0c1-aaf074b86cc2"
    document["core"] |= {"family_name": f"{word}name", "given_names": word, "known_as": [f"{word}aka"]}
    document["core"]["safe_contact"]["phone"] = f"07700 900{number}"
    document["move"]["reason"] = f"{word} moves"
    document["aspirations"]["in_subject_words"] = f"{word} says"
    for one in document["history"]:
        one["statement"] = f"{word}: {one['statement']}"
    document["support"]["education_training"] = f"{word} learns"
    for action in document["actions"]:
        action["title"] = f"{word}: {action['title']}"
    return document


WORDS = ("CanaryAuu", "CanaryBuu")
PHONES = ("07700 900101", "07700 900202")


@pytest.fixture
async def two() -> AsyncIterator[Pair]:
    """Two people on the way between the same agencies, and a notice and an answer about each."""
    clock, broker = ManualClock(START + 60), MemoryBroker([HACKNEY, BEXLEY])
    async with AsyncExitStack() as stack:
        hackney, bexley = [await _borough(stack, area, broker, clock) for area in (HACKNEY, BEXLEY)]
        pair = Pair(
            await _desk(stack, hackney.node),
            await _desk(stack, bexley.node),
            World(clock, broker, hackney, bexley),
        )
        for letter in ("A", "B"):
            status, answer, _ = await pair.hackney.submit(canary(letter), key=letter)
            assert status == 202, answer
        await pair.world.settle()
        for letter in ("A", "B"):
            ref = canary(letter)["message"]["handover_id"]
            notice = {
                "kind": "CORRECTION", "role": "Lead", "reason_code": "DATA_INACCURATE",
                "text": f"Canary{letter}uu was wrong",
            }  # fmt: skip
            status, answer, _ = await pair.hackney.call(
                "POST", f"/v1/handovers/{ref}/notices", notice, headers={"Idempotency-Key": f"n{letter}"}
            )
            assert status == 202, answer
        await pair.world.settle()
        yield pair


async def known(desk: Desk, roles: tuple[str, ...]) -> Mapping[str, set[str]]:
    """Every id that a caller could have, by the name of the parameter that takes it."""
    found: dict[str, set[str]] = {"leg": set(), "parcel": set(), "notice": set()}
    refs = {canary(letter)["message"]["handover_id"] for letter in ("A", "B")}
    for role in roles:
        for entry in await desk.inbox(role):
            found["leg"].add(entry["leg"])
            found["parcel"].add(entry["parcel"])
            if entry["notice"]:
                found["notice"].add(entry["notice"])
    return found | {
        "ref": refs, "name": {"handover"}, "action": {"AC1", "AC3"}, "blob": {"0" * 32}, "alarm": {"0" * 32},
        "breach": {"0" * 32}, "index": {"0"}, "first": {"1"}, "second": {"1"}, "segment": {"0"},
        "reason": {"checked_with_peer"}, "reference": {"ICO-2026-1"}, "justification": {"AUDIT"},
    }  # fmt: skip


def paths(route: Route, ids: Mapping[str, set[str]]) -> Iterator[str]:
    ids = ids | ({"justification": {"SELF_MONITORING"}} if route.access is Access.AUDITOR else {})
    needed = [one for one in route.parameters if one.place == "path" or one.required]
    needed = [one for one in needed if one.place != "header"]
    for values in product(*(sorted(ids.get(one.name, {"x"})) for one in needed)):
        path, query = route.path, []
        for one, value in zip(needed, values, strict=True):
            path = path.replace("{" + one.name + "}", value)
            query += [f"{one.name}={value}"] if one.place == "query" else []
        yield path + ("?" + "&".join(query) if query else "")


OPENS = {"/v1/inbox/{leg}/open", "/v1/inbox/parcels/{parcel}/open", "/v1/inbox/notices/{notice}/open"}
READS = OPENS | {"/v1/handovers/{ref}/subject-access"}
"""POST because each is on record; they answer with content."""


@pytest.mark.row("F3")
async def test_no_answer_of_any_route_holds_two_people(two: Pair) -> None:
    """Each called as each agency, the operator and the auditor, about every id that anybody has."""
    roles = ("police", "community_safety", "dwp")
    seen, people = set(), dict.fromkeys(WORDS, 0)
    for desk in (two.hackney, two.bexley):
        ids = await known(desk, roles)
        for route in TABLE:
            if route.method != "GET" and route.path not in READS:
                continue
            who = {Access.OPERATOR: ("node",), Access.AUDITOR: ("AUDITOR",)}.get(route.access, roles)
            body = {"justification": "ALLOCATED_CASE"} if route.path in OPENS else None
            for path, role in product(paths(route, ids), who):
                status, answer, _ = await desk.call(route.method, path, body, role=role)
                text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else json.dumps(answer)
                found = [word for word in WORDS if word in text]
                assert len(found) < 2, (route.path, role)
                assert sum(phone in text for phone in PHONES) < 2, (route.path, role)
                if status == 200:
                    seen.add(route.path)
                for word in found:
                    people[word] += 1
                    assert route.path in READS, f"{route.path} answers with content, and is not on record"
    assert all(people.values()), "nothing was opened at all"
    assert {"/v1/handovers", "/v1/inbox", "/v1/audit/log", *READS} <= seen


async def test_evidence_shows_one_handover_alone(two: Pair) -> None:
    for letter, word, other in (("A", *WORDS), ("B", *reversed(WORDS))):
        ref = canary(letter)["message"]["handover_id"]
        path = f"/v1/handovers/{ref}/evidence?disclose=support&justification=AUDIT"
        status, answer, _ = await two.hackney.call("GET", path)
        assert status == 200
        assert answer["handover"] == ref
        finding = judge_evidence(answer["evidence"].encode(), two.hackney.node.network.fingerprint)
        text = json.dumps(finding.sections)
        assert word in text
        assert other not in text


@pytest.mark.row("F3")
@pytest.mark.parametrize(
    "question", ["name", "family_name", "q", "search", "date_of_birth", "dob", "phone", "nhs_number", "uprn"]
)
async def test_a_question_by_name_is_refused_everywhere(two: Pair, question: str) -> None:
    """An unknown parameter is refused and never quietly left out: nobody takes a whole list for an answer."""
    ids = await known(two.bexley, ("police",))
    for route in TABLE:
        if route.method != "GET" or route.access not in (Access.AGENCY, Access.STAFF) or route.waits:
            continue
        for path in paths(route, ids):
            more = f"{'&' if '?' in path else '?'}{question}=CanaryAuuname"
            status, answer, _ = await two.bexley.call("GET", path + more, role="police")
            text = json.dumps(answer) if not isinstance(answer, bytes) else answer.decode("utf-8", "replace")
            assert not [word for word in WORDS if word in text], route.path
            if route.path.startswith(("/v1/handovers", "/v1/inbox", "/v1/drafts", "/v1/requests")):
                assert status in (400, 403, 404), (route.path, status)


async def test_no_parcel_that_an_agencys_system_is_given_holds_two_people(two: Pair) -> None:
    """Each is opened by itself: notifications, notices, replies, news."""
    for role, letter in product(AGENCIES, ("A", "B")):
        ref = canary(letter)["message"]["handover_id"]
        for entry in await two.bexley.inbox(role):
            if entry["handover"] != ref:
                continue
            path, why = f"/v1/inbox/parcels/{entry['parcel']}/open", {"justification": "ALLOCATED_CASE"}
            status, answer, _ = await two.bexley.call("POST", path, why, role=role)
            if status != 200:
                continue
            text = json.dumps(answer)
            other = WORDS["AB".index(letter) - 1]
            assert other not in text, (role, entry["kind"])


async def test_whoever_asks_for_a_handover_by_name_is_not_told_whether_there_is_one(two: Pair) -> None:
    """The one document that names somebody unasked goes sealed to people: its answer is an id, the same for a
    person who is known and for one who is not."""
    answers = []
    for number, name in enumerate(("CanaryAuuname", "NobodyElse")):
        body = {
            "to_area": BEXLEY, "role": "Lead", "reason_code": "MOVED_HERE", "agencies": ["COMMUNITY_SAFETY"],
            "subject": {"family_name": name, "given_names": "CanaryAuu", "date_of_birth": "2003-05-14"},
            "lawful_basis": {"powers": ["CDA1998_S115"], "purpose": "p", "dsa_ref": "DSA-LDN-GANGS-07"},
        }  # fmt: skip
        status, answer, _ = await two.hackney.call(
            "POST", "/v1/requests", body, headers={"Idempotency-Key": f"r{number}"}
        )
        assert "Canary" not in json.dumps(answer)
        answers.append((status, sorted(answer)))
    assert answers[0] == answers[1]
    assert answers[0][0] in (200, 202)
