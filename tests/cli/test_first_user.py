"""What the first person to use a node by hand stumbled over: a rule unnamed, a next step that led nowhere."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from gateway.cli import drill, judging, rights
from gateway.cli.client import Agency, _checked
from gateway.cli.inbox import _line, _reading
from gateway.cli.output import Exit, problem, words
from gateway.errors import GatewayError, NotAllowed
from schemas.samples import example_text

LEG, NOTICE = "0" * 32, "1" * 32
ENTRY = {
    "kind": "notification",
    "leg": LEG,
    "handover": "HO-E09000012-2026-000001",
    "urgency": "STANDARD",
    "state": "DELIVERED",
    "decide_by": "2026-12-08T17:00:00Z",
    "overdue": [],
    "drill": False,
    "notes": [],
    "actions": [],
    "notice": "",
}


def test_a_refusal_by_one_rule_names_the_rule_and_its_source() -> None:
    error = NotAllowed("a power does not reach DWP", rule="R5", field="/x", remedy="leave it out")
    assert words(error).splitlines()[0].startswith("not_allowed: a power does not reach DWP (/x) [R5] (R5: ")
    assert problem(error)["rule"] == "R5"


def test_the_rule_survives_the_way_over_the_api() -> None:
    with pytest.raises(GatewayError) as refused:
        _checked(403, {"detail": "no", "code": "not_allowed", "rule": "R5"})
    assert refused.value.rule == "R5"


def test_what_waits_is_named_with_the_command_that_shows_it() -> None:
    assert _reading(ENTRY) == f"gateway inbox open {LEG} --justification ALLOCATED_CASE"
    told = {**ENTRY, "kind": "notice", "notice": NOTICE, "notice_kind": "CORRECTION"}
    assert _reading(told) == f"gateway inbox notice {NOTICE}"
    assert _line(told).startswith(f"notice {NOTICE}  CORRECTION  about HO-E09000012-2026-000001")
    news = {**ENTRY, "kind": "status", "parcel": f"status-{LEG}-1"}
    assert _reading(news) == f"gateway inbox open status-{LEG}-1 --justification ALLOCATED_CASE"
    assert "answer before" not in _line(news)
    asked = {**told, "handover": "", "decide_by": None}
    assert "a request for a handover" in _line(asked)
    assert "None" not in _line(asked)


def test_an_invented_person_is_judged_as_the_node_will_judge_it(monkeypatch) -> None:
    """`validate --config` said that it would be accepted, and `send` refused it."""

    async def stored(url, now):
        return SimpleNamespace(env="prod", entitlements=judging.ENTITLEMENTS)

    monkeypatch.setattr(judging, "_settings", lambda config: SimpleNamespace(database_url=""))
    monkeypatch.setattr(judging, "_stored", stored)
    monkeypatch.setattr(judging, "registers_of", lambda settings, entitlements: None)
    monkeypatch.setattr(judging, "places_of", lambda settings: None)
    with pytest.raises(NotAllowed) as refused:
        judging.judge_file(example_text("adult").encode(), "2026-11-24T10:05:00Z", Path("gateway.toml"))
    assert refused.value.field == "/fictional"


def test_a_drill_with_nobody_who_can_take_part_says_who_can(gateway, monkeypatch) -> None:
    """It ended in a traceback."""
    told = {"/v1/me": {"area": "E09000012", "agency": "POLICE"}, "/v1/areas": {}}
    monkeypatch.setattr(Agency, "get", lambda self, path: told[path])
    monkeypatch.setattr(drill, "_there", lambda areas, to: ["POLICE", "HOUSING", "EDUCATION"])
    ran = gateway(
        "drill", "run", "--to", "E09000004", "--agencies", "FOO", "--actor", "D-1", "--role", "x", "--json"
    )
    assert ran.code == Exit.USAGE
    assert (ran.error, ran.json["error"]["remedy"]) == ("agencies", "some of POLICE, HOUSING")


def test_a_review_that_says_neither_is_a_mistake_of_the_command_line(gateway) -> None:
    ran = gateway(
        "handover", "review", "HO-E09000012-2026-000001", "--actor", "S-1", "--role", "EDT", "--json"
    )
    assert ran.code == Exit.USAGE


def test_a_notice_for_a_person_is_named_and_not_printed_as_json() -> None:
    assert rights.issued({"handover": "HO", "notice": NOTICE, "notices": [NOTICE, LEG]}).splitlines() == [
        f"notice {NOTICE} is on its way",
        f"notice {LEG} is on its way",
    ]
