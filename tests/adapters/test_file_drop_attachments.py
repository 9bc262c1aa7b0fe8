"""Files beside a parcel: whole and verified or not there, whatever crashes, under names made of ids alone."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from adapters import _folder, file_drop
from gateway.errors import Forged, GatewayError, Unavailable

CANARY = b"canary-plaintext-51d0"
BLOB = "0f" * 16


@dataclass
class File:
    """An attachment as the node gives it: ``fail`` raises before the first piece, as the contract says."""

    parts: list[bytes]
    blob: str = BLOB
    name: str = "Court order.pdf"
    media_type: str = "application/pdf"
    fail: list[GatewayError] = field(default_factory=list)

    @property
    def size(self) -> int:
        return sum(map(len, self.parts))

    async def check(self) -> None:
        if self.fail:
            raise self.fail.pop(0)

    async def pieces(self) -> AsyncIterator[bytes]:
        await self.check()
        for part in self.parts:
            yield part


@pytest.fixture
async def drop(tmp_path: Path):
    adapter = file_drop.Adapter("E09000004/police", {"folder": tmp_path / "agency"})
    await adapter.start()
    yield adapter
    await adapter.close()


@pytest.fixture
def box(tmp_path: Path) -> Path:
    return tmp_path / "agency" / "in"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_a_file_stands_beside_its_parcel_and_the_parcel_says_which(drop, box, view):
    file = File([CANARY, b" and more"])
    await drop.deliver(view(attachments=(file,)), key="key-1")
    assert names(box) == [f"key-1.{BLOB}.pdf", "key-1.json"]
    assert (box / f"key-1.{BLOB}.pdf").read_bytes() == CANARY + b" and more"
    assert stat.S_IMODE((box / f"key-1.{BLOB}.pdf").stat().st_mode) == 0o600
    assert json.loads((box / "key-1.json").read_bytes())["attachments"] == [
        {
            "file": f"key-1.{BLOB}.pdf",
            "blob": BLOB,
            "name": "Court order.pdf",
            "media_type": "application/pdf",
            "size": file.size,
        }
    ]


async def test_a_parcel_without_files_says_nothing_of_files(drop, box, view):
    await drop.deliver(view(), key="key-1")
    assert "attachments" not in json.loads((box / "key-1.json").read_bytes())


async def test_the_parcel_does_not_wait_for_a_file_that_is_on_its_way(drop, box, view):
    file = File([CANARY], fail=[Unavailable("not whole yet", code="attachment_missing")])
    with pytest.raises(Unavailable) as caught:
        await drop.deliver(view(attachments=(file,)), key="key-1")
    assert caught.value.code == "attachment_missing"
    assert names(box) == ["key-1.json"]
    before = (box / "key-1.json").stat()
    await drop.deliver(view(attachments=(file,)), key="key-1")
    assert names(box) == [f"key-1.{BLOB}.pdf", "key-1.json"]
    assert (box / "key-1.json").stat().st_mtime_ns == before.st_mtime_ns


async def test_a_file_that_is_not_what_was_signed_leaves_nothing(drop, box, view):
    file = File([CANARY], fail=[Forged("another hash", code="blob_hash")])
    with pytest.raises(Forged):
        await drop.deliver(view(attachments=(file,)), key="key-1")
    assert names(box) == ["key-1.json"]


async def test_a_repeat_writes_what_is_missing_and_nothing_twice(drop, box, view):
    files = [File([CANARY]), File([b"other"], blob="1f" * 16, media_type="text/csv")]
    await drop.deliver(view(attachments=files), key="key-1")
    inode = (box / f"key-1.{BLOB}.pdf").stat().st_ino
    (box / f"key-1.{'1f' * 16}.csv").unlink()
    await drop.deliver(view(attachments=files), key="key-1")
    assert (box / f"key-1.{BLOB}.pdf").stat().st_ino == inode
    assert (box / f"key-1.{'1f' * 16}.csv").read_bytes() == b"other"


async def test_a_link_in_the_place_of_a_file_is_replaced_and_not_followed(drop, box, view, tmp_path):
    target = tmp_path / "elsewhere"
    target.write_bytes(b"x" * len(CANARY))
    (box / f"key-1.{BLOB}.pdf").symlink_to(target)
    await drop.deliver(view(attachments=(File([CANARY]),)), key="key-1")
    assert (box / f"key-1.{BLOB}.pdf").read_bytes() == CANARY
    assert not (box / f"key-1.{BLOB}.pdf").is_symlink()
    assert target.read_bytes() == b"x" * len(CANARY)


@pytest.mark.parametrize(
    "name", ["../../etc/passwd.pdf", "/etc/cron.d/x.pdf", "a/b.pdf", "key-1.json", ".pdf"]
)
async def test_a_name_never_becomes_a_path(drop, box, view, name, tmp_path):
    """The node refuses such names; the adapter would not use one either."""
    await drop.deliver(view(attachments=(File([CANARY], name=name),)), key="key-1")
    assert names(box) == [f"key-1.{BLOB}.pdf", "key-1.json"]
    everything = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(path.parent for path in everything) == [box, box]


STEPS = ("open", "write", "fsync", "rename", "directory")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("nth", [1, 2])
async def test_a_full_disk_at_any_step_leaves_no_file_and_the_next_try_succeeds(
    drop, box, view, monkeypatch, step, nth
):
    """``nth`` 1 strikes the parcel itself, 2 its file."""
    parts = [CANARY * 9, b"second", b"third"]
    count = 0

    def strikes() -> None:
        nonlocal count
        count += 1
        if count == nth:
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        _break(patch, step, strikes)
        with pytest.raises(Unavailable):
            await drop.deliver(view(attachments=(File(list(parts)),)), key="key-1")
        assert count >= nth
    for name in names(box):
        if name.endswith(".pdf"):  # the crash came after the rename: then it is whole
            assert step == "directory"
            assert (box / name).read_bytes() == b"".join(parts)
        assert not name.endswith(".part")
    await drop.deliver(view(attachments=(File(list(parts)),)), key="key-1")
    assert names(box) == [f"key-1.{BLOB}.pdf", "key-1.json"]
    assert (box / f"key-1.{BLOB}.pdf").read_bytes() == b"".join(parts)


def _break(patch: pytest.MonkeyPatch, step: str, strikes: Any) -> None:
    def before(work: Any) -> Any:
        def struck(*args: Any, **more: Any) -> Any:
            strikes()
            return work(*args, **more)

        return struck

    match step:
        case "open":
            patch.setattr(_folder.Part, "__init__", before(_folder.Part.__init__))
        case "write":
            patch.setattr(_folder.Part, "write", before(_folder.Part.write))
        case "fsync":
            real = os.fsync
            regular = lambda fd: stat.S_ISREG(os.fstat(fd).st_mode)  # noqa: E731
            patch.setattr(os, "fsync", lambda fd: strikes() or real(fd) if regular(fd) else real(fd))
        case "rename":
            patch.setattr(Path, "rename", before(Path.rename))
        case "directory":
            patch.setattr(_folder, "_sync", before(_folder._sync))


async def test_a_cancelled_delivery_leaves_no_part(drop, box, view):
    begun = asyncio.Event()

    class Stalls(File):
        async def pieces(self) -> AsyncIterator[bytes]:
            yield self.parts[0]
            yield self.parts[0]
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(drop.deliver(view(attachments=(Stalls([CANARY]),)), key="key-1"))
    await begun.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert names(box) == ["key-1.json"]


CHILD = """
    import asyncio, sys
    from pathlib import Path
    from adapters import file_drop
    from gateway.ports import Parcel, View

    class File:
        blob, name, media_type, size = "0f" * 16, "a.txt", "text/plain", 40 * 65536
        async def pieces(self):
            for number in range(40):
                yield b"canary-plaintext-51d0".ljust(65536, b".")
                if number == int(sys.argv[2]):
                    print("here", flush=True)
                    await asyncio.Event().wait()

    async def main():
        drop = file_drop.Adapter("E09000004/police", {"folder": sys.argv[1]})
        await drop.start()
        who = ("HO-E09000012-2026-000417", 1, "l", "E09000004/police")
        view = View(Parcel.NOTIFICATION, *who, "URGENT", {}, (File(),))
        await drop.deliver(view, key="key-1")

    asyncio.run(main())
"""


@pytest.mark.parametrize("at", [0, 20, 39])
async def test_a_process_that_is_killed_half_way_leaves_no_visible_file(tmp_path, view, at):
    root = tmp_path / "agency"
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(CHILD), str(root), str(at), stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    assert await asyncio.wait_for(child.stdout.readline(), 30) == b"here\n"
    child.send_signal(signal.SIGKILL)
    await child.wait()
    visible = [name for name in names(root / "in") if not name.startswith(".")]
    assert visible == ["key-1.json"]
    adapter = file_drop.Adapter("E09000004/police", {"folder": root})
    await adapter.start()
    assert names(root / "in") == ["key-1.json"]  # what was half-written is plaintext, and gone
    whole = File([CANARY.ljust(65536, b".")] * 40, media_type="text/plain")
    await adapter.deliver(view(attachments=(whole,)), key="key-1")
    assert (root / "in" / f"key-1.{BLOB}.txt").stat().st_size == 40 * 65536
    await adapter.close()
