"""Other people's gateways and libraries, each in an environment of its own, measured by turns with ours.

``bench/peers/NAME/`` holds ``requirements.txt`` (every version pinned) and ``peer.py`` (:mod:`peers._line` is
what it speaks). Environments are made when first asked for, under ``bench/.peers/``, from the package index.
What cannot be installed or does not start is left out, with what it said; nobody's figure is ever made up.
"""

from __future__ import annotations

import select
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

HERE = Path(__file__).parent
ENVIRONMENTS = HERE / ".peers"
PATIENCE = 60.0
"""Seconds for a peer to start, and for a round over its time."""


@dataclass(frozen=True, slots=True)
class About:
    """``what``: a cycle, in a few words."""

    title: str
    what: str


PEERS = {
    "pyas2lib": About(
        "pyas2lib (AS2)", "signed, encrypted, verified, signed MDN verified; no network, no disk"
    ),
    "as4": About(
        "as4 (Peppol AS4)", "signed, encrypted, verified, signed receipt verified; no network, no disk"
    ),
    "mesh_sandbox": About("NHS mesh-sandbox", "send, fetch, acknowledge, reply; HTTP, kept in memory only"),
    "didcomm": About("didcomm", "signed and packed, unpacked, acknowledgement back; no network, no disk"),
    "joserfc": About("joserfc (JWS in JWE)", "signed and sealed, opened, answer back; no network, no disk"),
    "pynacl": About("PyNaCl floor", "signature in a sealed box, and an answer back; no network, no disk"),
    "faststream": About(
        "FastStream (RabbitMQ)", "publish, handler, reply; durable, confirmed; no cryptography"
    ),
    "aio_pika": About("raw aio-pika echo", "publish, publish back; durable, confirmed; no cryptography"),
}


class Absent(Exception):
    """This peer cannot take part; the text says why."""


class Peer:
    """One that has started. :meth:`run` lets it work."""

    def __init__(self, name: str, process: subprocess.Popen[str], errors: TextIO) -> None:
        self.name = name
        self._process = process
        self._errors = errors

    def run(self, seconds: float) -> float:
        """Cycles a second. Raises Absent when it has died."""
        if self._process.stdin is None or self._process.poll() is not None:
            raise Absent("it has ended")
        self._process.stdin.write(f"run {seconds}\n")
        self._process.stdin.flush()
        cycles, took = self._line().split()
        return int(cycles) / float(took)

    def ready(self) -> None:
        if self._line() != "ready":
            raise Absent("it did not start")

    def close(self) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _line(self) -> str:
        out = self._process.stdout
        answered = out is not None and select.select([out], [], [], PATIENCE)[0]
        line = out.readline() if out is not None and answered else ""
        if not line:
            if not answered:
                self._process.kill()
            self._process.wait(PATIENCE)
            self._errors.seek(0)
            said = self._errors.read().strip().splitlines()
            raise Absent(f"it ended with {self._process.returncode}: {said[-1] if said else 'no word'}")
        return line.strip()


def start(stack: ExitStack, name: str, document: Path, broker: str) -> Peer:
    """Raises Absent with what went wrong. ``stack`` ends it."""
    errors = stack.enter_context((document.parent / f"{name}.errors").open("w+"))
    command = [str(environment(name)), str(HERE / "peers" / name / "peer.py"), str(document), broker]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, bufsize=1
    )
    peer = Peer(name, process, errors)
    stack.callback(peer.close)
    peer.ready()
    return peer


def environment(name: str) -> Path:
    """The Python of this peer's environment, made or made anew when its requirements have changed."""
    wanted = HERE / "peers" / name / "requirements.txt"
    folder, stamp = ENVIRONMENTS / name, ENVIRONMENTS / name / "installed.txt"
    python = folder / "bin" / "python"
    if stamp.is_file() and stamp.read_text() == wanted.read_text():
        return python
    began = time.perf_counter()
    shutil.rmtree(folder, ignore_errors=True)
    _call([sys.executable, "-m", "venv", "--without-pip", str(folder)])
    _call([*_installer(python), "--requirement", str(wanted)])
    stamp.write_text(wanted.read_text())
    print(f"environment of {name}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    return python


def _installer(python: Path) -> list[str]:
    """uv if it works here, or any pip that can reach into the environment from outside."""
    for uv in (Path(sys.executable).parent / "uv", shutil.which("uv")):
        if uv and _works([str(uv), "--version"]):
            return [str(uv), "pip", "install", "--quiet", "--python", str(python)]
    for pip in (sys.executable, shutil.which("python3"), "/usr/bin/python3"):
        if pip and _works([pip, "-m", "pip", "--version"]):
            quiet = ["--quiet", "--disable-pip-version-check"]
            return [pip, "-m", "pip", "--python", str(python), "install", *quiet]
    raise Absent("neither uv nor pip is here to make its environment")


def _works(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0
    except OSError:
        return False


def _call(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        said = [line for line in done.stderr.strip().splitlines() if not line.startswith("WARNING")]
        raise Absent(f"cannot be installed: {said[-1] if said else done.returncode}")
