"""``gateway run`` that kills itself with SIGKILL around its n-th commit: before it, or just after.

usage: crashing_node.py before|after N --config FILE --json
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import gateway.bootstrap
from gateway.__main__ import main
from gateway.ports import Store, Transaction

T = TypeVar("T")


class CrashingStore:
    """Every write counts; at the n-th this process is gone, as by kill -9 or a power cut."""

    def __init__(self, inner: Store, when: str, count: int) -> None:
        self._inner = inner
        self._when = when
        self._left = count

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def write(self, work: Callable[[Transaction], T], *, first: bool = False) -> T:
        changed = False

        def counted(tx: Transaction) -> T:
            nonlocal changed
            counting = _Counting(tx)
            result = work(counting)  # type: ignore[arg-type]  # it forwards every method
            changed = counting.changed
            if changed and self._when == "before" and self._left == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        result = await self._inner.write(counted, first=first)
        if changed:  # a write that found nothing due is no commit boundary worth dying at
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return result


class _Counting:
    """A transaction that remembers whether anything was really asked of it."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx
        self.changed = False

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._tx, name)
        if name.startswith(("put_", "advance_", "mark_", "append_")):
            self.changed = True
        return method


def crash() -> None:
    when, count = sys.argv[1], int(sys.argv[2])
    real = gateway.bootstrap.open_store
    gateway.bootstrap.open_store = lambda *args, **more: CrashingStore(real(*args, **more), when, count)  # type: ignore[assignment]  # on purpose
    sys.argv = ["gateway", "run", *sys.argv[3:]]
    main()


if __name__ == "__main__":
    crash()
