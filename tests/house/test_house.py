"""The house around the code: what a stranger types, what a machine runs, what a container is given."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config import build

ROOT = Path(__file__).parents[2]
TARGETS = [
    "help",
    "setup",
    "demo",
    "test",
    "coverage",
    "lint",
    "bench",
    "bench-long",
    "vectors",
    "vectors-all-pythons",
    "compliance",
    "fuzz",
    "mutate",
    "lifecycle",
    "faults",
    "soak",
    "backlog",
]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
SECRET = re.compile(r"pass|secret|token|credential|private|(^|_)key", re.IGNORECASE)

each_service = pytest.mark.parametrize("name", sorted(SERVICES))


def run(*command: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


# --- compose.yaml -----------------------------------------------------------------------------------


def test_two_boroughs_a_broker_and_a_database_each() -> None:
    assert set(SERVICES) == {"rabbitmq", "hackney", "bexley", "hackney-database", "bexley-database"}
    assert SERVICES["rabbitmq"]["image"] == "rabbitmq:4-management"


@each_service
def test_every_service_has_a_health_check(name: str) -> None:
    check = SERVICES[name]["healthcheck"]
    assert check["test"][0] == "CMD"
    assert {"interval", "timeout", "retries"} <= set(check)


@each_service
def test_every_image_is_pinned_to_a_major_version(name: str) -> None:
    assert re.fullmatch(r"[a-z/-]+:\d+([.-][a-z0-9.-]+)?", SERVICES[name]["image"])


@each_service
def test_every_root_file_system_is_read_only(name: str) -> None:
    assert SERVICES[name]["read_only"] is True
    assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]


def test_no_secret_is_inline() -> None:
    assert {name for name, secret in COMPOSE["secrets"].items() if list(secret) != ["file"]} == set()
    for service in SERVICES.values():
        for variable, value in service.get("environment", {}).items():
            if SECRET.search(variable):
                assert variable.endswith("_FILE")
                assert value.startswith("/run/secrets/")
    for path in (ROOT / "compose.yaml", ROOT / "Dockerfile", *(ROOT / "deploy").iterdir()):
        assert not re.search(r"://[^/\s]*:[^/\s]*@|default_pass|PRIVATE KEY", path.read_text()), path.name


@each_service
def test_every_secret_that_a_service_is_given_exists(name: str) -> None:
    for secret in SERVICES[name].get("secrets", []):
        assert (secret["source"] if isinstance(secret, dict) else secret) in COMPOSE["secrets"]


def test_secrets_are_outside_the_repository_and_the_image() -> None:
    for path in (ROOT / ".gitignore", ROOT / ".dockerignore"):
        assert {"secrets", "secrets/"} & set(path.read_text().split()), path.name


@each_service
def test_only_the_nodes_are_reached_from_outside_and_only_from_this_machine(name: str) -> None:
    ports = SERVICES[name].get("ports", [])
    assert bool(ports) is (name in {"hackney", "bexley"})
    assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize(("name", "area"), [("hackney", "E09000012"), ("bexley", "E09000004")])
def test_each_node_is_configured_from_mounted_files(name: str, area: str) -> None:
    service = SERVICES[name]
    assert f"./deploy/{name}.toml:/etc/gateway/gateway.toml:ro" in service["volumes"]
    settings = build(tomllib.loads((ROOT / "deploy" / f"{name}.toml").read_text()))
    assert (settings.area, settings.environment) == (area, "demo")
    assert settings.broker.urls[0].startswith("amqps://rabbitmq:5671/")
    given = {
        "/run/secrets/" + (secret["target"] if isinstance(secret, dict) else secret)
        for secret in service["secrets"]
    }
    named = {settings.database.url_file, settings.broker.credentials_file, settings.keys.passphrase_file}
    assert {str(path) for path in named} | {"/run/secrets/ca.pem"} == given


def test_the_script_makes_every_secret_that_compose_mounts(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    script = tmp_path / "scripts" / "make-compose-secrets"
    script.write_bytes((ROOT / "scripts" / "make-compose-secrets").read_bytes())
    for _ in range(2):
        done = run("bash", str(script))
        assert done.returncode == 0, done.stderr
        made = {path.name: path.read_bytes() for path in (tmp_path / "secrets").iterdir()}
        assert {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()} <= set(made)
        assert "ca.key" not in made
        assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    user, _, password = made["broker_account"].decode().strip().partition(":")
    assert made["broker_account.conf"].decode().split() == [
        *("default_user", "=", user),
        *("default_pass", "=", password),
    ]
    for name in ("hackney", "bexley"):
        word = made[f"{name}_database_password"].decode()
        assert f":{word}@{name}-database/" in made[f"{name}_database_url"].decode()
    words = [made[name] for name in made if name.endswith(("_password", "_passphrase"))]
    assert len(set(words)) == len(words) == 4


# --- Makefile and .ci/run ---------------------------------------------------------------------------


def test_make_alone_lists_every_target() -> None:
    listed = run("make", "--no-print-directory")
    assert listed.returncode == 0
    assert [line.split()[1] for line in listed.stdout.splitlines()] == TARGETS


@pytest.mark.parametrize("target", [target for target in TARGETS if target != "help"])
def test_every_target_sets_up_what_it_needs(target: str) -> None:
    # -W: as if the lock file were new, so that what setting up would do is shown.
    planned = run("make", "--dry-run", "-W", "uv.lock", target)
    assert planned.returncode == 0, planned.stderr
    assert "uv sync --frozen" in planned.stdout


@pytest.mark.parametrize(
    ("target", "steps"),
    [
        ("test", ["ruff check", "mypy", "lint-imports", "install-system-packages", "--numprocesses=3"]),
        ("lint", ["ruff check", "ruff format --check", "mypy", "lint-imports"]),
        ("demo", ["gateway demo"]),
        ("bench", ["install-system-packages", "bench/all.py"]),
        ("bench-long", ["install-system-packages", "bench/all.py --long"]),
        ("fuzz", ["bench/fuzz.py --number 100000 --seed 1"]),
        ("mutate", ["bench/mutate.py --number 100 --seed 1"]),
    ],
)
def test_what_a_target_does(target: str, steps: list[str]) -> None:
    planned = run("make", "--dry-run", target).stdout
    places = [planned.find(step) for step in steps]
    assert -1 not in places
    assert places == sorted(places)


def test_continuous_integration_runs_what_a_person_would(tmp_path: Path) -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert "set -euo pipefail" in script.read_text()
    (tmp_path / "make").write_text('#!/bin/sh\necho "$PWD: $*"\nexit 7\n')
    (tmp_path / "make").chmod(0o755)
    done = run(str(script), env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert done.stdout == f"{ROOT}: test\n"
    assert done.returncode == 7


# --- system packages --------------------------------------------------------------------------------


class Machine:
    """A machine whose apt-get writes down what it was asked, and what the service policy was meanwhile."""

    def __init__(self, folder: Path) -> None:
        self.policy = folder / "policy-rc.d"
        self.journal = folder / "journal"
        self._bin = folder / "bin"
        self._bin.mkdir()
        self.user(0)
        self.apt(0)

    def user(self, number: int) -> None:
        self._program("id", f"echo {number}")

    def apt(self, status: int) -> None:
        self._program(
            "apt-get",
            f'{{ echo "$1 $DEBIAN_FRONTEND"; "{self.policy}"; echo $?; }} >>"{self.journal}"\n'
            f'[ "$1" = update ] || exit {status}',
        )

    def install(self, *packages: str) -> subprocess.CompletedProcess[str]:
        env = {"PATH": f"{self._bin}:{os.environ['PATH']}", "POLICY_RC_D": str(self.policy)}
        return run(str(ROOT / "scripts" / "install-system-packages"), *packages, env=env)

    def _program(self, name: str, text: str) -> None:
        (self._bin / name).write_text(f"#!/bin/sh\n{text}\n")
        (self._bin / name).chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize("status", [0, 100])
def test_no_service_may_start_while_apt_works_and_any_may_after(machine: Machine, status: int) -> None:
    machine.apt(status)
    assert machine.install("rabbitmq-server").returncode == status
    assert machine.journal.read_text().split() == [
        *("update", "noninteractive", "101"),
        *("install", "noninteractive", "101"),
    ]
    assert not machine.policy.exists()


@pytest.mark.parametrize("status", [0, 100])
def test_a_policy_that_was_there_is_put_back(machine: Machine, status: int) -> None:
    machine.policy.write_text("#!/bin/sh\nexit 104\n")
    machine.policy.chmod(0o755)
    machine.apt(status)
    machine.install("rabbitmq-server")
    assert "104" not in machine.journal.read_text()
    assert machine.policy.read_text() == "#!/bin/sh\nexit 104\n"
    assert [path.name for path in machine.policy.parent.glob("policy*")] == ["policy-rc.d"]


def test_a_run_that_was_killed_does_not_lose_the_policy(machine: Machine) -> None:
    machine.policy.with_name("policy-rc.d.kept").write_text("the operator's")
    machine.policy.write_text("#!/bin/sh\nexit 101\n")
    machine.install("rabbitmq-server")
    assert machine.policy.read_text() == "the operator's"


def test_who_is_not_root_is_told_what_to_run(machine: Machine) -> None:
    machine.user(1000)
    done = machine.install("rabbitmq-server", "postgresql")
    assert done.returncode == 1
    assert "sudo" in done.stderr
    assert "install-system-packages rabbitmq-server postgresql" in done.stderr
    assert not machine.journal.exists()


# --- licence ----------------------------------------------------------------------------------------


def test_the_licence_is_the_one_that_the_package_names() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert text.startswith("MIT License\n")
    assert "The Borough Handover Gateway authors" in text
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["license"] == "MIT"


def test_every_flow_stands_under_one_subject_of_the_map() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = page.partition("## The flows by subject")[2].partition("\n## ")[0]
    listed = [
        name for line in section.splitlines() if line.startswith("|") for name in re.findall(r"`(\w+)`", line)
    ]
    there = {path.stem for path in (ROOT / "gateway" / "flows").glob("*.py")} - {"__init__"}
    assert sorted(listed) == sorted(there)
