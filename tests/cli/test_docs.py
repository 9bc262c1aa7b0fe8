"""The documents are run: every command is in docs/cli.md, and the two walk-throughs work as they are written,
over a real broker, as separate processes in separate folders."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import typer.main

from gateway.cli.app import app
from gateway.cli.output import Exit

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"```sh\n# at (\w+)\n(.*?)```", re.DOTALL)


def commands(command: object, path: tuple[str, ...] = ("gateway",)) -> Iterator[str]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield " ".join(path)
        return
    for name, child in inner.items():
        yield from commands(child, (*path, name))


TREE = sorted(commands(typer.main.get_command(app)))


def test_the_command_page_lists_every_command_and_no_other() -> None:
    page = (DOCS / "cli.md").read_text()
    assert sorted(re.findall(r"^\| `(gateway [a-z -]+)` \|", page, re.MULTILINE)) == TREE


def test_the_command_page_lists_every_exit_code() -> None:
    page = (DOCS / "cli.md").read_text()
    found = {name: int(code) for code, name in re.findall(r"^\| (\d+) \| ([A-Z_]+) \|", page, re.MULTILINE)}
    assert found == {code.name: code.value for code in Exit}


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_every_command_named_in_a_page_exists(page: Path) -> None:
    for named in re.findall(
        r"gateway ((?:[a-z-]+ ?)+)", "\n".join(re.findall(r"`gateway [^`]*`", page.read_text()))
    ):
        words = named.split()
        heads = [" ".join(["gateway", *words[:length]]) for length in range(1, len(words) + 1)]
        assert any(head in TREE or any(c.startswith(f"{head} ") for c in TREE) for head in heads[:1]), named


class Walk:
    """Folders for machines; blocks of a page run in them one after the other."""

    def __init__(self, folder: Path, broker_url: str) -> None:
        self.folder = folder
        credentials, _, place = broker_url.removeprefix("amqp://").partition("@")
        with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
            ports = one.getsockname()[1], two.getsockname()[1]
        self.words = {
            "amqps://broker.example/handover": f"amqp://{place}",
            "8421": str(ports[0]),
            "8422": str(ports[1]),
        }
        self.running: list[subprocess.Popen[str]] = []
        self.said: list[str] = []
        tools = folder / "bin"
        for name in ("bin", "alice", "bob", "hackney", "bexley"):
            (folder / name).mkdir()
        (tools / "gateway").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m gateway "$@"\n')
        (tools / "gateway").chmod(0o755)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("GATEWAY")}
        checkout = str(DOCS.parent)
        self.env = {**inherited, "PATH": f"{tools}:{os.environ['PATH']}", "PYTHONPATH": checkout}
        for borough in ("hackney", "bexley"):
            path = folder / borough / "broker"
            path.touch(mode=0o600)
            path.write_text(credentials)

    def page(self, name: str) -> None:
        for machine, block in BLOCK.findall((DOCS / name).read_text()):
            *script, last = block.strip().splitlines()
            if last.startswith("gateway run "):
                self.sh(machine, "\n".join(script))
                self.start(machine, last)
            else:
                self.sh(machine, block)

    def sh(self, machine: str, script: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", self.filled(script)],
            cwd=self.folder / machine,
            env=self.env,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        self.said += [done.stdout, done.stderr]
        return done.stdout

    def filled(self, script: str) -> str:
        """What people read aloud to each other, put in its place when it is known."""
        for placeholder, file, key in (
            ("NETWORK-FINGERPRINT", "alice/network.json", "fingerprint"),
            ("TEXT-FINGERPRINT", "alice/network.json", "text"),
            ("HACKNEY-FINGERPRINT", "hackney/hackney.request", "fingerprint"),
            ("BEXLEY-FINGERPRINT", "bexley/bexley.request", "fingerprint"),
        ):
            if placeholder in script and placeholder not in self.words:
                self.words[placeholder] = json.loads(
                    self.sh(".", f"gateway directory show --network {file} --json")
                )[key]
        for word, value in self.words.items():
            script = script.replace(word, value)
        return script

    def start(self, machine: str, line: str) -> None:
        with (self.folder / machine / "log").open("w") as log:
            process = subprocess.Popen(
                line.split(),
                cwd=self.folder / machine,
                env=self.env,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.running.append(process)
        assert process.stdout is not None
        assert "is ready at" in process.stdout.readline(), (self.folder / machine / "log").read_text()


@contextmanager
def walk(folder: Path, broker_url: str) -> Iterator[Walk]:
    walking = Walk(folder, broker_url)
    try:
        yield walking
    finally:
        for process in walking.running:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


@pytest.mark.timeout(400)
def test_from_nothing_to_a_proven_acceptance(tmp_path: Path, broker_url: str) -> None:
    with walk(tmp_path, broker_url) as walking:
        walking.page("onboarding.md")
        walking.page("first-message.md")

        verdict = json.loads(
            walking.sh(
                "hackney", "gateway receipt verify receipts.json --network ../bob/network.bundle --json"
            )
        )
        assert verdict["verdict"] == "VALID"
        said = {(one["by"], one["state"]) for one in verdict["receipts"]}
        assert ("E09000004/police", "accepted") in said

        hackney = tmp_path / "hackney"
        walking.env |= {
            "GATEWAY_CONFIG": str(hackney / "node" / "gateway.toml"),
            "GATEWAY_API": f"http://127.0.0.1:{walking.words['8421']}",
        }
        sent = json.loads((hackney / "handover.json").read_text())
        walking.words["HANDOVER-REFERENCE"] = sent["message"]["handover_id"]
        walking.page("accountability.md")
        answer = json.loads((hackney / "answer.json").read_text())
        assert (answer["restricted"], len(answer["disclosures"])) == (True, 7)
        assert "Fictional Associate" not in json.dumps(answer)
        assert json.loads((hackney / "ico.json").read_text())["lines"]
        assert "OFFICIAL" in (hackney / "report.html").read_text()

        for process in walking.running:
            process.send_signal(signal.SIGTERM)
        assert [process.wait(15) for process in walking.running] == [0, 0]

        token = (tmp_path / "hackney" / "token").read_text().strip()
        passphrase = (tmp_path / "hackney" / "passphrase").read_text().strip()
        told = "".join(walking.said) + (tmp_path / "hackney" / "log").read_text()
        assert token not in told
        assert passphrase not in told
