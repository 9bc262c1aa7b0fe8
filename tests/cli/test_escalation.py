"""gateway escalation: beside a node that runs, or without one."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from gateway.cli import checking, checkup
from gateway.cli.output import Exit
from gateway.clock import SystemClock
from gateway.config import load
from gateway.core.deadlines import london_day
from gateway.errors import Misconfigured

INIT = ("init", "--area", "hackney", "--broker", "amqp://127.0.0.1:1/none", "--environment", "demo")
CONFIG = ("--config", "hackney/gateway.toml")
SETTINGS = """
[escalation]
default = ["duty", "manager"]
link = "https://gateway.example"

[escalation.agencies]
police = ["inspector"]

[escalation.roles]
duty = {{ channel = "bell", deputy = "manager", minutes = 15 }}
manager = {{ channel = "bell" }}
inspector = {{ channel = "bell", days = 2 }}

[escalation.channels.bell]
kind = "webhook"
url = "{url}"
secret_file = "{secret}"
"""


class Desk(BaseHTTPRequestHandler):
    seen: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.seen.append(json.loads(body)["data"])
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Desk)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    Desk.seen.clear()
    yield f"http://127.0.0.1:{server.server_port}/page"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def node(gateway: Any, url: str) -> Path:
    assert gateway(*INIT, "--generate-passphrase", "pass", "--agency", "police").code == 0
    secret = Path("bell.whsec").absolute()
    secret.write_text(f"whsec_{base64.b64encode(b'k' * 32).decode()}")
    secret.chmod(0o600)
    settings = Path("hackney/gateway.toml")
    settings.write_text(settings.read_text() + SETTINGS.format(url=url, secret=secret))
    assert gateway("db", "upgrade", *CONFIG).code == 0
    return Path("hackney")


def tomorrow(days: int = 1) -> str:
    return str(london_day(SystemClock().now() + days * 86_400))


def test_the_ladders_are_shown_with_who_is_called_now(gateway: Any, node: Path) -> None:
    found = gateway("escalation", "show", *CONFIG, "--json").json
    assert [(one["agency"], [role["called"] for role in one["roles"]]) for one in found["ladders"]] == [
        ("default", ["duty", "manager"]),
        ("police", ["inspector"]),
    ]
    assert (found["absent"], found["calls"]) == ([], [])
    assert found["ladders"][0]["roles"][0]["minutes"] == 15
    assert "duty > manager" in gateway("escalation", "show", *CONFIG).out


def test_a_role_that_is_away_is_covered_and_comes_back(gateway: Any, node: Path) -> None:
    done = gateway("escalation", "absent", "duty", "--until", tomorrow(), *CONFIG, "--json")
    assert (done.code, done.json["called"]) == (0, "manager")
    found = gateway("escalation", "show", *CONFIG, "--json").json
    assert [role["called"] for role in found["ladders"][0]["roles"]] == ["manager", "manager"]
    assert [row["role"] for row in found["absent"]] == ["duty"]
    assert "manager (for duty)" in gateway("escalation", "show", *CONFIG).out
    assert gateway("escalation", "back", "duty", *CONFIG, "--json").json["was_absent"] is True
    assert gateway("escalation", "back", "duty", *CONFIG, "--json").json["was_absent"] is False
    assert gateway("escalation", "show", *CONFIG, "--json").json["absent"] == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("absent", "nobody", "--until", "2099-01-01"), "no_role"),
        (("absent", "manager", "--until", "2099-01-01"), "no_deputy"),
        (("absent", "duty", "--until", "2020-01-01"), "until"),
        (("absent", "duty", "--until", "2099-01-01"), "until"),
        (("absent", "duty", "--until", "soon"), "until"),
        (("back", "nobody"), "no_role"),
        (("test", "nobody"), "no_role"),
    ],
)
def test_what_cannot_be_is_refused(gateway: Any, node: Path, arguments: tuple[str, ...], code: str) -> None:
    done = gateway("escalation", *arguments, *CONFIG, "--json")
    assert done.code in {Exit.NOT_FOUND, Exit.NOT_READY, Exit.REFUSED}, "the gateway itself did not fail"
    assert done.error == code


def test_a_test_call_reaches_whoever_stands_in(gateway: Any, node: Path) -> None:
    assert gateway("escalation", "test", "duty", *CONFIG, "--json").json["role"] == "duty"
    gateway("escalation", "absent", "duty", "--until", tomorrow(), *CONFIG)
    assert gateway("escalation", "test", "duty", *CONFIG, "--json").json["role"] == "manager"
    assert [one["role"] for one in Desk.seen] == ["duty", "manager"]
    assert all((one["code"], one["handover"], one["urgent"]) == ("test", "", False) for one in Desk.seen)
    assert "test" in Desk.seen[0]["late"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('default = ["duty", "manager"]', 'default = ["dooty"]'),
        ('deputy = "manager"', 'deputy = "nobody"'),
        ('inspector = { channel = "bell"', 'inspector = { channel = "gong"'),
        ("minutes = 15", "minutes = 31"),
        ("days = 2", "days = 0"),
        ('link = "https://gateway.example"', 'link = "https://gateway.example/"'),
        ('kind = "webhook"', 'kind = "pigeon"'),
    ],
)
def test_a_setting_that_would_be_found_out_at_night_is_found_at_once(
    gateway: Any, node: Path, before: str, after: str
) -> None:
    settings = node / "gateway.toml"
    text = settings.read_text()
    assert before in text
    settings.write_text(text.replace(before, after))
    assert gateway("escalation", "show", *CONFIG, "--json").error == "bad_config"


def test_a_role_by_e_mail_needs_an_address(gateway: Any, node: Path) -> None:
    settings = node / "gateway.toml"
    channel = '\n[escalation.channels.mail]\nkind = "email"\nhost = "relay.example"\nsender = "g@x.example"\n'
    role = 'manager = { channel = "mail" }'
    settings.write_text(settings.read_text().replace('manager = { channel = "bell" }', role) + channel)
    assert gateway("escalation", "show", *CONFIG, "--json").error == "bad_config"
    settings.write_text(settings.read_text().replace(role, role.replace("}", ', to = "m@x.example" }')))
    assert gateway("escalation", "show", *CONFIG, "--json").code == 0


def test_doctor_says_when_nobody_would_be_called_and_when_the_holidays_end(
    gateway: Any, node: Path, monkeypatch: pytest.MonkeyPatch
) -> None:

    settings = load(node / "gateway.toml")
    assert checkup._escalation(settings) == ""
    empty = settings.escalation.model_copy(update={"default": ()})
    assert checkup._escalation(settings.model_copy(update={"escalation": empty})) == ""  # the police have one
    empty = empty.model_copy(update={"agencies": {}})
    without = settings.model_copy(update={"escalation": empty})
    assert "late leg of police is an alarm" in checkup._escalation(without)
    noted = checking.outcome("escalation", lambda: checkup._escalation(without))
    assert noted["ok"]
    assert checking.line(noted).startswith("ok      escalation: a late leg of police")
    Path("bell.whsec").chmod(0o644)
    with pytest.raises(Misconfigured, match="open to other accounts"):
        checkup._escalation(settings)

    checkup._holidays()
    monkeypatch.setattr(SystemClock, "now", lambda self: 1_846_108_800)  # 2 July 2028
    with pytest.raises(Misconfigured) as failed:
        checkup._holidays()
    assert failed.value.code == "holidays_end"
