"""A line between a node and its broker that can be cut, held, slowed and halved: a TCP proxy of one's own.

Duty: carry bytes both ways, and do to them what networks do. It leaves out what the bytes say. It runs in the
loop that started it; a node's process knows only its port, so a partition needs no privilege.

Rules: what was held flows on once the line is healed, as TCP does it; what was cut is gone. A held line is
held for connections made meanwhile too: the peer sees an open port that never greets.

Example::

    line = Proxy("127.0.0.1", broker_port)
    await line.start()
    line.hold()                     # no byte either way, connections stay open
    line.heal()
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Final

BLOCK: Final = 65_536
SLOW_BLOCK: Final = 512


@dataclass(slots=True)
class Way:
    """One direction: whether it is open, seconds every block waits, bytes a second (0: as they come)."""

    open: asyncio.Event = field(default_factory=asyncio.Event)
    delay: float = 0.0
    rate: int = 0

    def __post_init__(self) -> None:
        self.open.set()

    def heal(self) -> None:
        self.delay, self.rate = 0.0, 0
        self.open.set()


class Proxy:
    """``to``: from the node to the broker; ``back``: from the broker to the node."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._refusing = False
        self.to, self.back = Way(), Way()
        self.carried = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    @property
    def port(self) -> int:
        if self._server is None:
            raise RuntimeError("the proxy is not started")
        return int(self._server.sockets[0].getsockname()[1])

    def cut(self) -> None:
        """Every connection is reset, and new ones are, until :meth:`heal`."""
        self._refusing = True
        self.reset()

    def reset(self) -> None:
        """Every connection is reset; new ones are carried."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    def hold(self) -> None:
        """Nothing flows and nothing is closed."""
        self.to.open.clear()
        self.back.open.clear()

    def heal(self) -> None:
        self._refusing = False
        self.to.heal()
        self.back.heal()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.heal()
        self.reset()
        for task in tuple(self._links):
            task.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.transport.abort()
            return
        task = asyncio.create_task(self._carry(reader, writer))
        self._links.add(task)
        task.add_done_callback(self._links.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, away = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, away}
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, away, self.to))
                both.create_task(self._pump(there, writer, self.back))
        except* (OSError, _Ended):
            pass
        finally:
            self._writers -= {writer, away}
            for end in (writer, away):
                end.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, way: Way) -> None:
        while block := await source.read(SLOW_BLOCK if way.rate else BLOCK):
            await way.open.wait()
            if pause := way.delay + (len(block) / way.rate if way.rate else 0):
                await asyncio.sleep(pause)
            target.write(block)
            self.carried += len(block)
            await target.drain()
        await way.open.wait()  # an end is news too, and is held as any other
        with contextlib.suppress(OSError):
            target.close()
        raise _Ended


class _Ended(Exception):
    """One side has closed."""
