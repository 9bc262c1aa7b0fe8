"""How much disk is left for the database and the keys, and when that is too little to take new work.

A database that cannot grow cannot store an acknowledgement either, so a node that ran on until its disk was
full would leave the work it had taken unanswered. It stops taking new work while some room is left.

Rule: asked with every request and message, so it costs one call to the kernel a folder and remembers nothing.

Example::

    DiskRoom([settings.data, settings.key_folder], floor=64 << 20).check()
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from gateway.errors import Unavailable


class DiskRoom:
    """See :class:`gateway.ports.Room`. ``floor``: bytes."""

    def __init__(self, folders: Sequence[Path], *, floor: int) -> None:
        self._folders = tuple(folders)
        self._floor = floor

    def free(self) -> int:
        try:
            return min(shutil.disk_usage(folder).free for folder in self._folders)
        except OSError:
            return 0

    def check(self) -> None:
        if self.free() < self._floor:
            raise Unavailable(
                f"less than {self._floor >> 20} MiB of disk are free: no new work is taken",
                code="disk_low",
                remedy="make room on the disk of the database or the keys; what was taken goes on",
            )
