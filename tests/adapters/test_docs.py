"""What docs/adapters.md shows is run: its adapter, its test, its receiver, its profile, its tables."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from adapters import echo, file_drop, webhook
from gateway.ports import LegRow, Side

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adapters.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
FILES = {name: block for block in BLOCKS for name in re.findall(r"\A# file: (\S+)\n", block)}


def namespace(block: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(block, "docs/adapters.md", "exec"), names)
    return names


def test_the_adapter_it_shows_passes_the_test_it_shows(tmp_path):
    for name in ("my_agency.py", "test_my_agency.py"):
        (tmp_path / name).write_text(FILES[name])
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
        "filterwarnings = error\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "."]
    run = subprocess.run(
        command,
        cwd=tmp_path,
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "passed" in run.stdout
    assert "skipped" not in run.stdout


async def test_the_receiver_it_shows_verifies_what_we_send(secret_file, view):
    receive = next(namespace(block)["receive"] for block in BLOCKS if "def receive" in block)
    adapter = webhook.Adapter("E09000004/police", {"url": "https://x.example/", "secret_file": secret_file})
    body, headers = adapter._request(view(), "key-1")
    answer = receive(secret_file.read_text().strip(), headers, body)
    assert set(answer) == {"reference", "acknowledgement"}


def test_the_profile_it_shows_presents():
    profile = namespace(FILES["fire_service.py"])["PROFILE"]
    leg = LegRow(
        id="1", ref="HO-E09000012-2026-000417", version=1, side=Side.DESTINATION,
        principal="E09000004/fire", agency="FIRE", counterpart="", state="DELIVERED",
        urgency="STANDARD", mid="",
    )  # fmt: skip
    shown = profile.present({"move": {"new_address": {"postcode": "ZZ99 3CZ", "tenure": "SOCIAL_RENT"}}}, leg)
    assert shown["summary"] == [
        "New address: ZZ99 3CZ, tenure social rent.",
        "The dwelling: social rent.",
    ]


def test_the_configuration_it_shows_is_taken(secret_file):
    (block,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    agency = tomllib.loads(block)["agencies"]["police"]
    assert agency["adapter"] == "webhook"
    webhook.Adapter("E09000004/police", agency["options"] | {"secret_file": str(secret_file)})


@pytest.mark.parametrize(
    ("heading", "options"),
    [
        ("### webhook", webhook.Options),
        ("### file_drop", file_drop.Options),
        ("### echo", echo.Options),
    ],
)
def test_its_tables_of_options_are_the_options(heading, options):
    section = PAGE.split(heading)[1].split("\n## ")[0].split("\n### ")[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == list(options.model_fields)


def test_its_list_of_profiles_is_the_folder():
    listed = re.search(r"The profiles here: ([^.]*)\.", PAGE)
    assert listed is not None
    there = {path.stem for path in (ROOT / "adapters" / "agencies").glob("[a-z]*.py")}
    assert {name.strip() for name in listed[1].split(",")} == there
    for name in there:
        assert import_module(f"adapters.agencies.{name}").PROFILE.agency == name.upper()


def test_the_names_of_a_notification_are_the_ones_presented():
    police = import_module("adapters.agencies.police").PROFILE
    leg = LegRow("1", "HO", 1, Side.DESTINATION, "a/police", "POLICE", "", "DELIVERED", "STANDARD", "")
    paragraph = PAGE.split("in reading order:")[1].split("All of it")[0]
    named = [name for name in re.findall(r"`(\w+)`", paragraph) if name in police.present({}, leg)]
    assert named == list(json.loads(json.dumps(police.present({}, leg))))
