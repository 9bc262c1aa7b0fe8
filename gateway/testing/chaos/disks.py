"""A small disk of its own for one node's database, that can be filled and emptied: a tmpfs.

Duty: mount, fill, empty, unmount. Rules: it needs root (or a namespace of one's own); where it cannot be had,
:func:`missing` says why and the fault is left out, in words. What lies on it is copied beside it in the end.

Example::

    if not disks.missing():
        disks.mount(home / "data")
        disks.fill(home / "data"); disks.empty(home / "data")
        disks.unmount(home / "data")
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final

SIZE: Final = "24m"
BALLAST: Final = "ballast"
_BLOCK: Final = 256 * 1024


@cache
def missing() -> str:
    """Why none can be had here; "" when one can."""
    if os.geteuid() != 0:
        return "needs root, for a tmpfs"
    with tempfile.TemporaryDirectory(prefix="gateway-disk-") as place:
        try:
            mount(Path(place))
        except (OSError, subprocess.SubprocessError):
            return "no tmpfs may be mounted here"
        unmount(Path(place))
    return ""


def mount(place: Path) -> None:
    subprocess.run(  # noqa: S603 - fixed program
        ["/bin/mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "tmpfs", str(place)],
        check=True,
        capture_output=True,
    )


def unmount(place: Path) -> None:
    """May be called on what is no mount."""
    subprocess.run(["/bin/umount", str(place)], check=False, capture_output=True)  # noqa: S603 - as above


def save(place: Path) -> None:
    """A copy beside it, for whoever looks at a failure."""
    shutil.copytree(place, place.with_name(f"{place.name}-kept"), dirs_exist_ok=True)


def fill(place: Path) -> None:
    """Until not one byte more goes on it."""
    with (place / BALLAST).open("wb", buffering=0) as file:
        for size in (_BLOCK, 4096, 1):
            with suppress(OSError):
                while file.write(b"\0" * size):
                    pass


def empty(place: Path) -> None:
    (place / BALLAST).unlink(missing_ok=True)
