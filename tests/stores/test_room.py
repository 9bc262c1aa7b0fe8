"""How much disk is left, and when that is too little for new work."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.errors import Unavailable
from gateway.stores import room
from gateway.stores.room import DiskRoom


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_the_fullest_disk_counts_and_the_floor_itself_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = {tmp_path / "data": 300, tmp_path / "keys": 100}
    monkeypatch.setattr(room.shutil, "disk_usage", lambda folder: Usage(1, 1, free[folder]))
    disks = DiskRoom(list(free), floor=100)
    assert disks.free() == 100
    disks.check()
    free[tmp_path / "keys"] = 99
    with pytest.raises(Unavailable) as low:
        disks.check()
    assert low.value.code == "disk_low"
    assert low.value.remedy
    assert str(tmp_path) not in low.value.message + low.value.remedy


def test_a_disk_that_does_not_answer_has_no_room(tmp_path: Path) -> None:
    gone = DiskRoom([tmp_path, tmp_path / "gone"], floor=1)
    assert gone.free() == 0
    with pytest.raises(Unavailable):
        gone.check()
    assert DiskRoom([tmp_path], floor=1).free() == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.1)
