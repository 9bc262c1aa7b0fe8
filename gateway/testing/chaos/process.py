"""A node as an operating-system process: started, killed, frozen, and started again on the same folder.

Duty: the life of one ``gateway run``. It leaves out its configuration (:mod:`gateway.testing.chaos.world`).
With ``clock`` given it runs under :mod:`gateway.testing.chaos.node`, whose clock is this machine's and as
many seconds as that file says; the product itself has no such door.

Example::

    node = NodeProcess("hackney", folder, folder / "gateway.toml")
    await node.start()
    assert await node.ready()
    await node.kill()
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

GUARD: Final = ("setpriv", "--pdeathsig", "KILL")
"""No node outlives the history that started it, whatever became of that."""

READY: Final = 60.0
STOP: Final = 30.0


@dataclass(slots=True)
class NodeProcess:
    """``url`` and ``metrics``: of the newest start; the ports change with each."""

    name: str
    folder: Path
    config: Path
    clock: Path | None = None
    process: asyncio.subprocess.Process | None = None
    url: str = ""
    metrics: str = ""
    starts: int = 0
    frozen: bool = False
    exits: list[int] = field(default_factory=list)

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.returncode is None

    @property
    def log(self) -> Path:
        return self.folder / "node.log"

    async def start(self) -> None:
        wrapped = ["-m", "gateway.testing.chaos.node", str(self.clock)] if self.clock else ["-m", "gateway"]
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *GUARD,
                sys.executable,
                *wrapped,
                *("run", "--config", str(self.config), "--json"),
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                stdin=asyncio.subprocess.DEVNULL,
                env={name: value for name, value in os.environ.items() if not name.startswith("GATEWAY")},
            )
        self.starts += 1
        self.frozen = False

    async def ready(self, within: float = READY) -> bool:
        """Whether it came up; False when it died first or said nothing in time."""
        if self.process is None or self.process.stdout is None:
            return False
        with contextlib.suppress(TimeoutError):
            line = await asyncio.wait_for(self.process.stdout.readline(), within)
            said = json.loads(line or b"{}")
            self.url, self.metrics = said.get("api", self.url), said.get("metrics", self.metrics)
            return "api" in said
        return False

    async def kill(self) -> None:
        """kill -9. May be called on a dead one."""
        if self.process is not None:
            self._signal(signal.SIGKILL)
            self.exits.append(await self.process.wait())

    async def stop(self) -> int:
        """In order. Returns the exit code; -9 when it did not stop in time and was killed."""
        if self.process is None:
            return 0
        self.thaw()
        self._signal(signal.SIGTERM)
        try:
            code = await asyncio.wait_for(self.process.wait(), STOP)
        except TimeoutError:
            self._signal(signal.SIGKILL)
            code = await self.process.wait()
        self.exits.append(code)
        return code

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)
        self.frozen = True

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)
        self.frozen = False

    def _signal(self, number: int) -> None:
        if self.alive and self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)
