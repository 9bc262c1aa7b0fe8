"""``gateway agency-agent``: what it makes, what it overwrites, what stops it at once and with which exit."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest

from gateway.cli.output import Exit
from gateway.core.agency_part import read_part

NETWORK = "aaaa-" * 7 + "aaaa"


@pytest.fixture
def network(gateway) -> str:
    """Founded by alice in network.json. Returns its fingerprint."""
    for purpose, name in (("root", "alice_r"), ("directory", "alice")):
        option = "--passphrase-file" if Path("pass").exists() else "--generate-passphrase"
        done = gateway(
            "keys", "generate", "--name", name, "--purpose", purpose, "--folder", "keys",
            "--environment", "demo", option, "pass",
        )  # fmt: skip
        assert done.code == 0, done.err
    done = gateway(
        "directory", "create", "--root", "keys/alice_r.root.pub", "--directory", "keys/alice.directory.pub",
        "--keys", "keys", "--passphrase-file", "pass", "--json",
    )  # fmt: skip
    assert done.code == 0, done.out
    return str(done.json["fingerprint"])


def init(gateway, expect: str, *more: str):
    return gateway(
        "agency-agent", "init", "--area", "bexley", "--role", "police", "--expect", expect,
        "--generate-passphrase", "police.pass", "--json", *more,
    )  # fmt: skip


def test_it_makes_keys_a_part_and_a_configuration_for_their_owner_alone(gateway, network) -> None:
    done = init(gateway, network)
    assert done.code == 0, done.out
    part = read_part(Path(done.json["part"]).read_bytes())
    assert (part.principal, part.fingerprint) == ("E09000004/police", done.json["fingerprint"])
    assert (part.entry["agency"], part.entry["hosted"]) == ("POLICE", False)
    table = tomllib.loads(Path(done.json["config"]).read_text())
    assert (table["principal"], table["network"]) == ("E09000004/police", network)
    for path in (*Path("police/keys").iterdir(), Path("police/agent.toml"), Path("police.pass")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert Path("police.pass").read_text().strip() not in done.out + done.err


def test_nothing_is_overwritten_and_a_run_that_broke_off_goes_on(gateway, network) -> None:
    first = init(gateway, network)
    again = init(gateway, network)
    assert (again.code, again.error) == (Exit.CONFLICT, "config_exists")
    Path("police/agent.toml").unlink()
    third = init(gateway, network)
    assert third.code == 0
    parts = [read_part(Path(done.json["part"]).read_bytes()).key for done in (first, third)]
    assert parts[0] == parts[1], "the keys of the run before"


def test_the_nodes_request_takes_the_part_in_and_the_directory_says_so(gateway, network) -> None:
    part = init(gateway, network).json["part"]
    made = gateway(
        "init", "--area", "bexley", "--data", "bexley", "--broker", "amqp://127.0.0.1:1/none",
        "--environment", "demo", "--generate-passphrase", "bexley.pass", "--agency", "housing",
    )  # fmt: skip
    assert made.code == 0, made.err
    done = gateway(
        "directory", "request", "--config", "bexley/gateway.toml", "--agency", part, "--out", "r", "--json"
    )
    assert done.code == 0, done.out
    assert sorted(done.json["principals"]) == [f"E09000004/{role}" for role in ("housing", "node", "police")]
    assert (
        gateway("directory", "show", "--network", "r", "--json").json["fingerprint"]
        == done.json["fingerprint"]
    )
    shown = [
        line for line in gateway("directory", "show", "--network", "r").out.splitlines() if "own key" in line
    ]
    assert [line.split()[0] for line in shown] == ["police"]
    added = gateway("directory", "add", "r", "--expect", done.json["fingerprint"], "--json")
    assert added.code == 0, added.out


@pytest.mark.parametrize(
    ("options", "code", "error"),
    [
        (("--role", "node"), Exit.USAGE, "agency"),
        (("--role", "../x"), Exit.USAGE, "agency"),
        (("--type", "WIZARDS"), Exit.USAGE, "agency"),
        (("--area", "atlantis"), Exit.USAGE, "unknown_area"),
        (("--expect", NETWORK), Exit.VERIFICATION_FAILED, "fingerprint"),
        (("--expect", ""), Exit.USAGE, "expect_missing"),
        (("--network", "nowhere.json"), Exit.USAGE, "no_file"),
    ],
)
def test_what_it_needs_is_named_and_nothing_is_made(gateway, network, options, code, error) -> None:
    done = init(gateway, network, *options)
    assert (done.code, done.error) == (code, error)
    assert not Path("police").exists()


def settings(gateway, network: str, changes: dict) -> Path:
    made = init(gateway, network).json
    path = Path(made["config"])
    table = {**tomllib.loads(path.read_text()), **changes}
    Path("police/token").touch(mode=0o600)
    lines = [f"{name} = {_toml(value)}" for name, value in table.items() if value is not None]
    path.write_text("\n".join(lines))
    return path


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f'{name} = "{text}"' for name, text in value.items()) + "}"
    return str(value) if isinstance(value, int) else f'"{value}"'


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"api": "http://node.example"}, "api_tls"),
        ({"api": "ftp://127.0.0.1"}, "api_tls"),
        ({"adapter": "inbox", "options": {}}, "agent_pulls"),
        ({"adapter": "pigeon"}, "no_such_adapter"),
        ({"profile": "pigeon"}, "no_such_adapter"),
        ({"environment": "prod"}, "key_environment"),
        ({"principal": "E09000004/housing"}, "key_missing"),
        ({"principal": "police"}, "bad_config"),
        ({"surprise": "1"}, "bad_config"),
        ({"network": None}, "bad_config"),
        ({"ca_file": "nowhere.pem"}, "ca_file"),
        ({"token_file": "nowhere"}, "no_token"),
        ({"passphrase_file": "nowhere"}, "key_unreadable"),
    ],
)
def test_what_is_to_be_mended_is_said_at_once(gateway, network, changes, code) -> None:
    path = settings(gateway, network, changes)
    done = gateway("agency-agent", "run", "--config", str(path), "--json")
    assert (done.code, done.error) == (Exit.NOT_READY, code)


def test_without_a_configuration_it_says_what_makes_one(gateway) -> None:
    done = gateway("agency-agent", "run", "--json")
    assert (done.code, done.error) == (Exit.NOT_READY, "no_config")
    assert "agency-agent init" in done.json["error"]["remedy"]
