"""Each command's own behaviour: exit codes, what is written, what is refused, what is never shown."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer
import typer.main

from gateway.cli.app import app
from gateway.cli.output import Exit, errors, exit_code
from gateway.cli.passphrase import SHORTEST
from gateway.clock import SystemClock
from gateway.core.ceremony import Bundle, pack
from gateway.core.entitlements import ENTITLEMENTS
from gateway.core.receipts import About, make_receipt
from gateway.core.root import network_id
from gateway.errors import Conflict, Forged, GatewayError, Misconfigured, NotAllowed, NotFound, Unavailable
from keys_example import demo_network, unlocked

INIT = ("init", "--area", "hackney", "--broker", "amqp://127.0.0.1:1/none", "--environment", "demo")
CONFIG = ("--config", "hackney/gateway.toml", "--json")


@pytest.fixture
def node(gateway) -> Path:
    """Hackney's folder: a demo node that has joined nothing."""
    assert gateway(*INIT, "--generate-passphrase", "pass", "--agency", "police").code == 0
    return Path("hackney")


@pytest.fixture
def bundle(gateway) -> Path:
    """The demo network, published."""
    network = demo_network(SystemClock().now(), ENTITLEMENTS)
    path = Path("demo.bundle")
    path.write_bytes(pack(Bundle(network.roots, network.directory, tuple(network.cards.values()))))
    return path


def leaves(command: object) -> list[object]:
    inner = getattr(command, "commands", None)
    return [command] if inner is None else [leaf for child in inner.values() for leaf in leaves(child)]


def test_every_command_has_help_and_json() -> None:
    for command in leaves(typer.main.get_command(app)):
        options = {name for parameter in command.params for name in parameter.opts}
        assert command.help, command.name
        assert "--json" in options, command.name
        assert all(getattr(p, "help", None) for p in command.params), command.name


def test_no_option_takes_a_secret() -> None:
    for command in leaves(typer.main.get_command(app)):
        for parameter in command.params:
            for option in parameter.opts:
                assert option not in {"--passphrase", "--password", "--token", "--secret"}, option


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFound("x"), 3),
        (Forged("x"), 4),
        (Unavailable("x"), 5),
        (Conflict("x"), 6),
        (NotAllowed("x"), 7),
        (Misconfigured("x"), 8),
        (GatewayError("x"), 1),
    ],
)
def test_errors_have_their_exit_codes(error: GatewayError, code: int) -> None:
    assert exit_code(error) == code


@pytest.mark.parametrize("stop", [KeyboardInterrupt, EOFError])
def test_an_interrupted_question_has_its_own_exit_code(stop: type[BaseException]) -> None:
    with pytest.raises(typer.Exit) as left, errors(as_json=False):
        raise stop
    assert left.value.exit_code == Exit.INTERRUPTED


# --- init -------------------------------------------------------------------------------------------


def test_init_makes_a_node_that_its_owner_alone_can_read(gateway) -> None:
    done = gateway(
        *INIT, "--generate-passphrase", "pass", "--agency", "st_giles=VOLUNTARY_SECTOR:St Giles", "--json"
    )
    assert done.json["area"] == "E09000012"
    table = tomllib.loads(Path("hackney/gateway.toml").read_text())
    assert table["agencies"]["st_giles"] == {
        "type": "VOLUNTARY_SECTOR",
        "organisation": "St Giles",
        "adapter": "inbox",
    }
    assert table["keys"]["passphrase_file"] == str(Path("pass").absolute())
    private = [Path("pass"), Path("hackney/gateway.toml"), *Path("hackney/keys").iterdir()]
    assert {path.stat().st_mode & 0o777 for path in private} == {0o600}
    assert {path.name for path in Path("hackney/keys").iterdir()} == {
        "E09000012.node.identity.key", "E09000012.node.log.key", "E09000012.node.kem.1.key",
        "E09000012.st_giles.identity.key", "E09000012.st_giles.kem.1.key",
    }  # fmt: skip


def test_init_names_the_files_of_the_line_to_the_broker(gateway) -> None:
    files = ("--broker-certificate", "b.pem", "--broker-key", "b.key", "--broker-cafile", "ca.pem")
    assert gateway(*INIT, "--generate-passphrase", "pass", "--agency", "police", *files).code == 0
    broker = tomllib.loads(Path("hackney/gateway.toml").read_text())["broker"]
    assert {name: broker[name] for name in ("certificate", "key", "cafile")} == {
        name: str(Path(file).absolute())
        for name, file in (("certificate", "b.pem"), ("key", "b.key"), ("cafile", "ca.pem"))
    }


def test_init_says_everything_that_is_missing(gateway) -> None:
    done = gateway("init", "--json")
    assert (done.code, done.error) == (Exit.USAGE, "missing")
    for name in ("--area", "--broker", "--passphrase-file"):
        assert name in done.json["error"]["message"]
    assert list(Path().iterdir()) == []


def test_init_overwrites_nothing(gateway, node: Path) -> None:
    before = {path: path.read_bytes() for path in node.rglob("*") if path.is_file()}
    done = gateway(*INIT, "--generate-passphrase", "other", "--json")
    assert (done.code, done.error) == (Exit.CONFLICT, "config_exists")
    assert {path: path.read_bytes() for path in node.rglob("*") if path.is_file()} == before
    assert not Path("other").exists()


def test_init_finishes_what_broke_off(gateway, node: Path) -> None:
    keys = {path.name: path.read_bytes() for path in (node / "keys").iterdir()}
    (node / "gateway.toml").unlink()  # it broke off between keys and configuration
    (node / ".keys.new").mkdir()  # and an earlier one among the keys
    (node / ".keys.new" / "half.key").write_bytes(b"")
    other = gateway(*INIT, "--generate-passphrase", "pass", "--agency", "housing", "--json")
    assert (other.code, other.error) == (Exit.CONFLICT, "keys_exist")
    assert gateway(*INIT, "--generate-passphrase", "pass", "--agency", "police").code == 0
    assert {path.name: path.read_bytes() for path in (node / "keys").iterdir()} == keys


def test_init_throws_half_a_key_folder_away(gateway) -> None:
    aside = Path("hackney/.keys.new")
    aside.mkdir(parents=True)
    (aside / "half.key").write_bytes(b"")
    assert gateway(*INIT, "--generate-passphrase", "pass", "--agency", "police").code == 0
    assert not aside.exists()


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--area", "atlantis"), "unknown_area"),
        (("--environment", "test"), "environment"),
        (("--broker", "http://x"), "url"),
        (("--broker", "amqp://user:secret-word@x/y"), "password_in_argv"),
        (("--db", "postgresql+psycopg://user:secret-word@x/y"), "password_in_argv"),
        (("--agency", "Police"), "agency"),
        (("--agency", "node"), "agency"),
        (("--agency", "police=ARMY"), "agency"),
        (("--agency", "police", "--agency", "police"), "agency"),
        (("--broker-certificate", "b.pem"), "certificate"),
        (("--broker-key", "b.key"), "certificate"),
    ],
)
def test_init_refuses_a_wrong_option_and_writes_nothing(gateway, options: tuple[str, ...], code: str) -> None:
    done = gateway(*INIT, "--generate-passphrase", "pass", *options, "--json")
    assert (done.code, done.error) == (Exit.USAGE, code)
    assert "secret-word" not in done.out + done.err
    assert list(Path().iterdir()) == []


def test_init_refuses_a_short_passphrase(gateway) -> None:
    Path("short").touch(mode=0o600)
    Path("short").write_text("x" * (SHORTEST - 1))
    assert gateway(*INIT, "--passphrase-file", "short", "--json").error == "passphrase_short"
    Path("short").chmod(0o644)
    assert gateway(*INIT, "--passphrase-file", "short", "--json").error == "key_mode"


# --- run and config ---------------------------------------------------------------------------------


def test_run_names_what_is_to_be_mended(gateway, node: Path) -> None:
    assert gateway("run", "--json").error == "no_config"
    unjoined = gateway("run", *CONFIG)
    assert unjoined.code == Exit.NOT_READY
    (node / "gateway.toml").write_text("area = 3")
    broken = gateway("run", *CONFIG)
    assert (broken.code, broken.error) == (Exit.NOT_READY, "bad_config")
    assert {problem["field"] for problem in broken.json["error"]["problems"]} >= {"/area", "/data"}


def test_check_tries_everything_and_says_what_to_do(gateway, node: Path) -> None:
    done = gateway("config", "check", *CONFIG)
    assert done.code == Exit.NOT_READY
    outcome = {check["check"]: check.get("code", "ok") for check in done.json["checks"]}
    assert outcome == {
        "governance": "ok", "api": "ok", "keys": "ok", "network": "not_joined", "agencies": "not_joined",
        "broker": "broker_lost",
    }  # fmt: skip
    Path("pass").write_text("not the passphrase\n")
    checks = {check["check"]: check for check in gateway("config", "check", *CONFIG).json["checks"]}
    assert checks["keys"]["code"] == "key_file"


def test_show_blots_passwords_out(gateway, node: Path) -> None:
    path = node / "gateway.toml"
    path.write_text(path.read_text().replace("amqp://127", "amqp://user:secret-word@127"))
    done = gateway("config", "show", *CONFIG)
    assert done.json["settings"]["broker"]["urls"] == ["amqp://user:***@127.0.0.1:1/none"]
    assert "secret-word" not in done.out


def test_keys_are_listed_without_their_passphrase(gateway, node: Path) -> None:
    Path("pass").unlink()
    listed = gateway("keys", "list", *CONFIG).json["keys"]
    assert {(key["name"], key["purpose"]) for key in listed} == {
        ("E09000012/node", "identity"), ("E09000012/node", "log"), ("E09000012/node", "kem"),
        ("E09000012/police", "identity"), ("E09000012/police", "kem"),
    }  # fmt: skip
    assert gateway("keys", "list", "--folder", "nowhere", "--json").code == Exit.NOT_FOUND


def test_the_database_can_be_upgraded_twice(gateway, node: Path) -> None:
    first = gateway("db", "upgrade", *CONFIG).json
    assert gateway("db", "upgrade", *CONFIG).json == {**first, "before": first["revision"]}


# --- tokens -----------------------------------------------------------------------------------------


@pytest.fixture
def joined(gateway, node: Path, bundle: Path) -> Path:
    """In the demo network; its own keys are other ones, which tokens do not care about."""
    print_ = gateway("directory", "show", "--network", str(bundle), "--json").json["fingerprint"]
    assert gateway("join", str(bundle), "--expect", print_, *CONFIG).code == 0
    return node


def test_a_token_is_shown_once_and_can_be_revoked(gateway, joined: Path) -> None:
    made = gateway(
        "agency", "token", "create", "police", "--label", "records", "--expires", "30", *CONFIG
    ).json
    assert made["token"].startswith("bhg_")
    assert made["principal"] == "E09000012/police"
    listed = gateway("agency", "token", "list", *CONFIG)
    assert made["token"] not in listed.out
    assert [(row["id"], row["revoked"]) for row in listed.json["tokens"]] == [(made["id"], None)]
    assert gateway("agency", "token", "revoke", made["id"], *CONFIG).code == 0
    assert gateway("agency", "token", "list", *CONFIG).json["tokens"][0]["revoked"]
    assert gateway("agency", "token", "revoke", "nothing", *CONFIG).code == Exit.NOT_FOUND


def test_a_token_can_go_into_a_file_that_nobody_else_reads(gateway, joined: Path) -> None:
    arguments = ("agency", "token", "create", "police", "--label", "records", "--out", "token", *CONFIG)
    done = gateway(*arguments)
    assert "token" not in done.json
    assert Path("token").stat().st_mode & 0o777 == 0o600
    assert gateway(*arguments).code == Exit.CONFLICT
    unknown = gateway("agency", "token", "create", "fire_brigade", "--label", "x", *CONFIG)
    assert unknown.code == Exit.REFUSED


# --- over the API -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        ("handover", "show", "HO-E09000012-2026-000001"),
        ("handover", "why", "HO-E09000012-2026-000001"),
        ("handover", "receipts", "HO-E09000012-2026-000001"),
        ("inbox", "list"),
        ("inbox", "open", "x", "--justification", "AUDIT", "--actor", "A", "--role", "r"),
        ("inbox", "acknowledge", "x", "--state", "ACCEPTED", "--actor", "A", "--role", "r"),
    ],
)
def test_a_node_that_does_not_answer_and_a_token_that_is_not_safe(gateway, command: tuple[str, ...]) -> None:
    assert gateway(*command, "--json").error == "no_token"
    Path("token").write_text("bhg_x")
    Path("token").chmod(0o644)
    there = ("--api", "http://127.0.0.1:1", "--token-file", "token", "--json")
    assert gateway(*command, *there).error == "token_mode"
    Path("token").chmod(0o600)
    assert gateway(*command, *there).code == Exit.UNREACHABLE


# --- receipts ---------------------------------------------------------------------------------------


@pytest.fixture
def note(bundle: Path) -> bytes:
    net = network_id((Path(sys.modules["keys_example"].__file__).parent / "root.note").read_bytes())
    about = About(env=b"e" * 32, sender="E09000012/node", mid="ab" * 16, stmt=b"s" * 32)
    signer = unlocked("E09000004").signer("E09000004/police")
    return make_receipt(signer, net=net, about=about, at=SystemClock().now(), state="accepted").note


def test_a_receipt_is_judged_offline(gateway, note: bytes, bundle: Path) -> None:
    network = ("--network", str(bundle), "--json")
    Path("r").write_bytes(note)
    done = gateway("receipt", "verify", "r", *network)
    assert (done.code, done.json["verdict"]) == (0, "VALID")
    assert done.json["receipts"][0]["by"] == "E09000004/police"

    Path("r").write_text(json.dumps({"receipts": [{"note": note.decode()}] * 2}))
    assert len(gateway("receipt", "verify", "r", *network).json["receipts"]) == 2

    changed = note.replace(b'"accepted"', b'"rejected"')
    Path("r").write_text(json.dumps({"receipts": [{"note": note.decode()}, {"note": changed.decode()}]}))
    done = gateway("receipt", "verify", "r", *network)
    assert (done.code, done.json["verdict"]) == (Exit.VERIFICATION_FAILED, "INVALID")

    Path("r").write_text("{}")
    assert gateway("receipt", "verify", "r", *network).code == Exit.VERIFICATION_FAILED
    Path("r").write_text('{"receipts": []}')
    assert gateway("receipt", "verify", "r", *network).code == Exit.VERIFICATION_FAILED


def test_what_cannot_be_known_is_not_called_invalid(gateway, note: bytes, bundle: Path) -> None:
    Path("r").write_bytes(note)
    wrong = gateway("receipt", "verify", "r", "--network", str(bundle), "--expect", "aaaa", "--json")
    assert (wrong.code, wrong.json["verdict"]) == (Exit.CANNOT_TELL, "CANNOT_TELL")
    assert gateway("receipt", "verify", "r", "--json").code == Exit.CANNOT_TELL  # no bundle, no node
    Path("r").write_bytes(note.replace("— E09000004/police".encode(), "— E09000004/nobody".encode()))
    stranger = gateway("receipt", "verify", "r", "--network", str(bundle), "--json")
    assert (stranger.code, stranger.json["receipts"][0]["verdict"]) == (Exit.CANNOT_TELL, "CANNOT_TELL")


# --- forms ------------------------------------------------------------------------------------------


def test_forms_are_shown_and_judged(gateway) -> None:
    listed = gateway("schema", "list", "--json").json
    assert "handover" in listed["documents"]
    assert gateway("schema", "show", "handover", "--json").json["$schema"]
    assert gateway("schema", "show", "nothing", "--json").code == Exit.NOT_FOUND
    assert gateway("schema", "example", "nothing", "--json").code == Exit.NOT_FOUND
    document = gateway("schema", "example", "adult", "--now", "--json")
    Path("h.json").write_text(document.out)
    assert gateway("schema", "validate", "h.json", "--json").json == {"valid": True, "schema": "handover"}
    assert gateway("handover", "validate", "h.json", "--json").json["checked"] == "shape and rules"

    spoiled = {**document.json, "religion": "canary-word"}
    Path("h.json").write_text(json.dumps(spoiled))
    for command in ("schema", "handover"):
        done = gateway(command, "validate", "h.json", "--json")
        assert done.code == Exit.REFUSED
        assert "/religion" in {problem["field"] for problem in done.json["error"]["problems"]}
        assert "canary-word" not in done.out + done.err


def test_areas_have_names_and_codes(gateway) -> None:
    areas = {area["code"]: area["name"] for area in gateway("areas", "--json").json["areas"]}
    assert areas["E09000012"] == "Hackney"


# --- as processes -----------------------------------------------------------------------------------


def process(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gateway", *arguments]
    checkout = Path(__file__).parents[2]
    return subprocess.run(
        command, cwd=cwd, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(checkout), "HOME": str(cwd)},
        capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False,
    )  # fmt: skip


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    heavy = "{'aiohttp', 'sqlalchemy', 'pydantic', 'nacl', 'rich.live'}"
    code = f"import sys, gateway.cli.app; print(sorted({heavy} & set(sys.modules)))"
    checkout = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=checkout, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_version_and_unknown_options(tmp_path: Path) -> None:
    assert process("--version", cwd=tmp_path).stdout.strip() == "0.1.0"
    assert process("areas", "--nonsense", cwd=tmp_path).returncode == Exit.USAGE


def test_a_demo_on_a_broker_that_does_not_answer(tmp_path: Path) -> None:
    done = process("demo", "--once", "--json", "--broker", "amqp://u:secret-word@127.0.0.1:1/x", cwd=tmp_path)
    assert done.returncode == Exit.UNREACHABLE
    assert json.loads(done.stdout)["error"]["code"] == "broker_lost"
    assert "secret-word" not in done.stdout + done.stderr


@pytest.mark.timeout(240)
def test_a_demo_twice_on_one_broker(tmp_path: Path, broker_url: str) -> None:
    for _ in range(2):
        done = process("demo", "--once", "--json", "--broker", broker_url, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        told = json.loads(done.stdout)
        assert set(told) >= {"broker", "handover", "legs", "responsible"}
        assert [leg["state"] for leg in told["legs"]] == ["ACCEPTED"] * 7
        assert all(leg["receipts"] for leg in told["legs"])
