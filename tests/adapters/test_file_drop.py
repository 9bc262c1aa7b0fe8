"""The folder: whole files, once each, whatever crashes, and nothing followed that is not a file."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from adapters import _folder, file_drop
from adapters._parcels import MAX_ANSWER
from gateway.errors import Conflict, Misconfigured, Problem, Rejected, Unavailable

CANARY = "canary-plaintext-51d0"
ACK = {"leg": "leg-1", "state": "RECEIVED", "role": "Duty sergeant"}


@pytest.fixture
async def drop(tmp_path: Path):
    adapter = file_drop.Adapter("E09000004/police", {"folder": tmp_path / "agency", "poll": 0.02})
    await adapter.start()
    yield adapter
    await adapter.close()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "agency"


def lay(root: Path, name: str, content: Any) -> Path:
    """What a careful agency does: another name first, then a rename."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    part = root / "out" / f".{name}"
    part.write_bytes(raw)
    return part.rename(root / "out" / name)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def appears(path: Path) -> Path:
    async def look() -> None:
        while not await asyncio.to_thread(path.exists):  # a folder has no event to wait for
            pass

    await asyncio.wait_for(look(), 10)
    return path


async def pull(adapter: file_drop.Adapter) -> asyncio.Task[Any]:
    """A flow that waits for an answer while the test goes on."""
    return asyncio.create_task(anext(adapter.acknowledgements()))


# --- Into the agency's folder ---------------------------------------------------------------------------


async def test_folders_and_parcels_are_for_the_agency_alone(drop, root, view):
    await drop.deliver(view(), key="key-1")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [root, *root.iterdir()]}
    assert set(modes.values()) == {0o700}
    assert stat.S_IMODE((root / "in" / "key-1.json").stat().st_mode) == 0o600


async def test_a_parcel_says_what_it_is(drop, root, view):
    delivered = await drop.deliver(view(content={"b": "é", "a": [1, None]}), key="key-1")
    raw = (root / "in" / "key-1.json").read_bytes()
    assert json.loads(raw) == {
        "key": "key-1",
        "kind": "notification",
        "handover": "HO-E09000012-2026-000417",
        "version": 1,
        "leg": "leg-1",
        "principal": "E09000004/police",
        "urgency": "STANDARD",
        "content": {"b": "é", "a": [1, None]},
    }
    assert raw.index(b'"b"') < raw.index(b'"a"'), "the profile's reading order is kept"
    assert delivered.reference == "key-1.json"


async def test_a_repeat_leaves_the_file_untouched(drop, root, view):
    await drop.deliver(view(), key="key-1")
    before = (root / "in" / "key-1.json").stat()
    await drop.deliver(view(), key="key-1")
    assert (root / "in" / "key-1.json").stat().st_ino == before.st_ino
    assert names(root / "in") == ["key-1.json"]


async def test_a_changed_parcel_replaces_the_file_whole(drop, root, view):
    await drop.deliver(view(content={"n": 1}), key="key-1")
    with (root / "in" / "key-1.json").open("rb") as reader:
        await drop.deliver(view(content={"n": 2}), key="key-1")
        assert json.loads(reader.read())["content"] == {"n": 1}, "a reader keeps the file it opened"
    assert json.loads((root / "in" / "key-1.json").read_bytes())["content"] == {"n": 2}


async def test_a_taken_parcel_may_come_again_under_its_key(drop, root, view):
    await drop.deliver(view(), key="key-1")
    (root / "in" / "key-1.json").unlink()
    await drop.deliver(view(), key="key-1")
    assert json.loads((root / "in" / "key-1.json").read_bytes())["key"] == "key-1"


async def test_a_link_in_place_of_a_parcel_is_replaced_not_followed(drop, root, view, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (root / "in" / "key-1.json").symlink_to(victim)
    await drop.deliver(view(), key="key-1")
    assert victim.read_text() == "untouched"
    assert not (root / "in" / "key-1.json").is_symlink()


@pytest.mark.parametrize("key", ["../x", "a/b", "a\nb", ".hidden", "", "k" * 129, "a.b", "é"])
async def test_a_key_cannot_become_a_path(drop, root, view, key):
    with pytest.raises(Rejected) as caught:
        await drop.deliver(view(), key=key)
    assert caught.value.code == "bad_key"
    assert names(root / "in") == []


async def test_a_failed_write_leaves_nothing_behind(drop, root, view, monkeypatch):
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device", "/secret/path")

    monkeypatch.setattr(_folder.os, "fsync", full)
    with pytest.raises(Unavailable) as caught:
        await drop.deliver(view(), key="key-1")
    assert "No space left" in str(caught.value)
    assert "/secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    assert list((root / "in").iterdir()) == []


async def test_the_content_is_on_disk_before_the_name_and_the_name_before_the_return(
    drop, root, view, monkeypatch
):
    order: list[str] = []
    fsync, rename = os.fsync, Path.rename
    monkeypatch.setattr(
        _folder.os, "fsync", lambda fd: (order.append("dir" if _is_dir(fd) else "file"), fsync(fd))[1]
    )
    monkeypatch.setattr(Path, "rename", lambda self, to: (order.append("rename"), rename(self, to))[1])
    await drop.deliver(view(), key="key-1")
    assert order == ["file", "rename", "dir"]


def _is_dir(fd: int) -> bool:
    return stat.S_ISDIR(os.fstat(fd).st_mode)


async def test_half_written_parcels_of_a_crash_are_cleared_at_start(drop, root):
    left = root / "in" / ".key-1.json.00000000.part"
    left.write_text("plaintext")
    await drop.start()
    assert not left.exists()


# --- Out of it --------------------------------------------------------------------------------------------


async def test_an_answer_is_taken_once_and_kept_in_done(drop, root, first):
    lay(root, "a.ack.json", ACK)
    answer = await first(drop.acknowledgements())
    assert answer.leg == "leg-1"
    assert json.loads(answer.body) == {"state": "RECEIVED", "role": "Duty sergeant"}
    assert names(root / "out") == ["a.ack.json"], "nothing moves before it is committed"
    await answer.done()
    await answer.done()
    assert (names(root / "out"), names(root / "done")) == ([], ["a.ack.json"])


async def test_answers_come_in_the_order_they_were_written(drop, root):
    for position, name in enumerate(["z.ack.json", "a.ack.json", "m.ack.json"]):
        path = lay(root, name, ACK | {"leg": name})
        os.utime(path, ns=(0, 1_000_000_000 + position))
    legs = []
    async for answer in drop.acknowledgements():
        legs.append(answer.leg)
        await answer.done()
        if len(legs) == 3:
            break
    assert legs == ["z.ack.json", "a.ack.json", "m.ack.json"]


async def test_a_refused_answer_lies_beside_its_problem(drop, root, first):
    lay(root, "a.ack.json", ACK)
    answer = await first(drop.acknowledgements())
    error = Conflict(
        "that leg is closed",
        field="/state",
        remedy="Nothing more to do.",
        problems=[Problem("/state", "not possible now", "Look at the leg.", "R15")],
    )
    await answer.refuse(error)
    assert names(root / "out") == []
    assert names(root / "refused") == ["a.ack.json", "a.ack.json.problem.json"]
    assert json.loads((root / "refused" / "a.ack.json.problem.json").read_bytes()) == {
        "type": "urn:borough-handover:problem:conflict",
        "title": "Conflict",
        "status": 409,
        "detail": "that leg is closed",
        "code": "conflict",
        "field": "/state",
        "remedy": "Nothing more to do.",
        "problems": [
            {"field": "/state", "detail": "not possible now", "remedy": "Look at the leg.", "rule": "R15"}
        ],
    }


async def test_a_crash_before_the_move_brings_the_same_answer_again(drop, root, first, tmp_path):
    lay(root, "a.ack.json", ACK)
    once = await first(drop.acknowledgements())
    await drop.close()
    after = file_drop.Adapter("E09000004/police", {"folder": root, "poll": 0.02})
    await after.start()
    again = await first(after.acknowledgements())
    assert (again.leg, again.body) == (once.leg, once.body)
    await after.close()


async def test_an_answer_left_unsettled_comes_again_in_the_same_run(drop, root):
    lay(root, "a.ack.json", ACK)
    answers = drop.acknowledgements()
    once = await asyncio.wait_for(anext(answers), 10)
    again = await asyncio.wait_for(anext(answers), 10)
    assert again == once


async def test_a_newer_file_of_the_same_name_is_not_lost(drop, root, first):
    lay(root, "a.ack.json", ACK)
    answers = drop.acknowledgements()
    old = await asyncio.wait_for(anext(answers), 10)
    lay(root, "a.ack.json", ACK | {"state": "ACCEPTED"})
    await old.done()
    assert names(root / "out") == ["a.ack.json"]
    new = await first(answers)
    assert json.loads(new.body)["state"] == "ACCEPTED"


async def test_a_file_still_being_written_is_left_alone(root):
    """Two scans must find it unchanged: scan by hand, with a write in between."""
    adapter = file_drop.Adapter("E09000004/police", {"folder": root, "poll": 300})
    await adapter.start()
    raw = json.dumps(ACK).encode()
    looks: list[int] = []
    path = root / "out" / "a.ack.json"

    async def between() -> None:
        looks.append(len(looks))
        if len(looks) == 1:
            path.write_bytes(raw[:10])
        elif len(looks) == 2:
            path.write_bytes(raw)
        elif len(looks) == 4:
            await adapter.close()

    adapter._pause = between
    taken = []
    async for answer in adapter.acknowledgements():
        taken.append((len(looks), answer.leg))
        await answer.done()
    assert taken == [(3, "leg-1")], "half at the 2nd look, whole at the 3rd, taken at the 4th"


async def test_a_file_that_grew_after_the_scan_is_left_for_the_next(drop, root):
    lay(root, "a.ack.json", ACK)
    stale = _folder.Stamp(0, 0, 0)
    assert await drop._take("a.ack.json", stale, MAX_ANSWER) is None
    assert names(root / "out") == ["a.ack.json"]


async def test_hidden_and_other_names_are_no_answers(drop, root, first):
    for name in (".a.ack.json", "a.ack.json.tmp", "a.json"):
        (root / "out" / name).write_text(json.dumps(ACK | {"leg": "wrong"}))
    lay(root, "b.ack.json", ACK)
    assert (await first(drop.acknowledgements())).leg == "leg-1"


@pytest.mark.parametrize(
    ("content", "code", "field"),
    [
        (b"{not json", "not_json", ""),
        (b"\xff\xfe", "not_json", ""),
        (b"[1]", "not_json", ""),
        (b'{"leg": "x", "leg": "y"}', "not_json", ""),
        (b'{"leg": "x", "n": NaN}', "not_json", ""),
        (b'{"leg": "x", "n": 1e999}', "not_json", ""),
        (b'{"leg": "x", "n": "\\ud800"}', "not_json", ""),
        (b'{"leg":' * 5000, "not_json", ""),
        (b'{"state": "RECEIVED"}', "invalid_document", "/leg"),
        (b'{"leg": 7}', "invalid_document", "/leg"),
        (b'{"leg": ""}', "invalid_document", "/leg"),
        (b" " * (MAX_ANSWER + 1), "too_large", ""),
    ],
)
async def test_what_is_no_answer_is_set_aside_and_the_next_is_taken(drop, root, first, content, code, field):
    lay(root, "a.ack.json", content)
    waiting = await pull(drop)
    problem = await appears(root / "refused" / "a.ack.json.problem.json")
    await appears(root / "refused" / "a.ack.json")
    lay(root, "b.ack.json", ACK)
    assert (await asyncio.wait_for(waiting, 10)).leg == "leg-1"
    told = json.loads(problem.read_bytes())
    assert (told["code"], told.get("field", "")) == (code, field)
    assert told["remedy"]


async def test_a_problem_holds_nothing_of_the_file(drop, root):
    canary = b"canary-in-garbage"
    lay(root, "a.ack.json", b'{"leg": "' + canary)
    lay(root, "b.ack.json", b'{"' + canary + b'": 1, "' + canary + b'": 2}')
    waiting = await pull(drop)
    for name in ("a", "b"):
        path = await appears(root / "refused" / f"{name}.ack.json.problem.json")
        assert canary not in path.read_bytes()
    await drop.close()
    with pytest.raises(StopAsyncIteration):
        await waiting


async def test_an_answer_of_the_full_size_is_taken(drop, root, first):
    body = json.dumps(ACK).encode()
    lay(root, "a.ack.json", body + b" " * (MAX_ANSWER - len(body)))
    assert (await first(drop.acknowledgements())).leg == "leg-1"


@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
async def test_what_is_no_file_is_not_opened(drop, root, tmp_path, kind):
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps(ACK))
    path = root / "out" / "a.ack.json"
    match kind:
        case "link":
            path.symlink_to(secret)
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
    waiting = await pull(drop)
    problem = await appears(root / "refused" / "a.ack.json.problem.json")
    assert json.loads(problem.read_bytes())["code"] == "not_a_file"
    await drop.close()
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(waiting, 10)
    assert secret.exists()
    assert names(root / "out") == []


async def test_a_very_long_name_can_still_be_refused(drop, root):
    name = "n" * 240 + ".ack.json"
    lay(root, name[1:], b"garbage")
    await pull(drop)
    short = hashlib.sha256(name[1:].encode()).hexdigest()
    await appears(root / "refused" / f"{short}.problem.json")
    await appears(root / "refused" / short)


# --- Handing in a handover ----------------------------------------------------------------------------


async def test_a_handover_has_one_key_for_name_and_content(drop, root, first):
    lay(root, "h.handover.json", b'{"a": 1}')
    once = await first(drop.submissions())
    again = await first(drop.submissions())
    assert once.body == b'{"a": 1}'
    assert once.key == again.key == hashlib.sha256(b'h.handover.json\0{"a": 1}').hexdigest()
    lay(root, "h.handover.json", b'{"a": 2}')
    changed = await first(drop.submissions())
    assert changed.key != once.key


async def test_an_accepted_handover_tells_its_reference(drop, root, first):
    lay(root, "h.handover.json", b"{}")
    handed_in = await first(drop.submissions())
    await handed_in.done("HO-E09000004-2026-000001")
    await handed_in.done("HO-E09000004-2026-000001")
    assert names(root / "done") == ["h.handover.json", "h.handover.json.accepted.json"]
    told = json.loads((root / "done" / "h.handover.json.accepted.json").read_bytes())
    assert told == {"handover": "HO-E09000004-2026-000001"}


async def test_a_refused_handover_lies_beside_its_problem(drop, root, first):
    lay(root, "h.handover.json", b"{}")
    await (await first(drop.submissions())).refuse(Conflict("already there"))
    assert names(root / "refused") == ["h.handover.json", "h.handover.json.problem.json"]


async def test_the_content_of_a_handover_is_not_judged_here_but_its_size_is(drop, root, first, monkeypatch):
    monkeypatch.setattr(file_drop, "MAX_DOCUMENT", 8)
    lay(root, "big.handover.json", b"123456789")
    lay(root, "fits.handover.json", b"not json")
    assert (await first(drop.submissions())).body == b"not json"
    await appears(root / "refused" / "big.handover.json.problem.json")


async def test_content_that_is_no_json_is_refused_without_naming_it(drop, root, view):
    for content in ({"x": {CANARY}}, {"x": f"{CANARY}\ud800"}, {"x": float("nan"), CANARY: 1}):
        with pytest.raises(Rejected) as caught:
            await drop.deliver(view(content=content), key="key-1")
        assert caught.value.code == "not_json"
        assert CANARY not in str(caught.value) + repr(vars(caught.value))
        assert caught.value.__context__ is None
    assert names(root / "in") == []


async def test_a_refusal_that_cannot_be_written_is_tried_again(drop, root):
    (root / "refused").rename(root / "away")
    lay(root, "a.ack.json", b"garbage")
    lay(root, "b.ack.json", ACK)
    async with asyncio.timeout(10):
        async for answer in drop.acknowledgements():
            assert answer.leg == "leg-1"
            await answer.done()
            break
    assert names(root / "out") == ["a.ack.json"]
    (root / "away").rename(root / "refused")
    await pull(drop)
    await appears(root / "refused" / "a.ack.json")


async def test_a_file_taken_back_between_two_looks_is_no_error(drop, root):
    stamp = _folder.Stamp(1, 2, 3)
    assert await drop._take("gone.ack.json", stamp, MAX_ANSWER) is None


async def test_a_part_of_the_folder_without_permission_is_said(drop, monkeypatch):
    monkeypatch.setattr(_folder.os, "access", lambda *_: False)
    with pytest.raises(Unavailable) as caught:
        await drop.check()
    assert "Permission denied" in caught.value.message


async def test_closing_between_two_files_ends_at_once(drop, root):
    for name in ("a", "b"):
        lay(root, f"{name}.ack.json", ACK)
    taken = []
    async with asyncio.timeout(10):
        async for answer in drop.acknowledgements():
            taken.append(answer.leg)
            await drop.close()
    assert len(taken) == 1


# --- Trouble ------------------------------------------------------------------------------------------


async def test_a_folder_that_goes_away_and_comes_back_is_no_end(drop, root, first):
    answers = drop.acknowledgements()
    (root / "out").rename(root / "away")
    with pytest.raises(Unavailable):
        await drop.check()
    waiting = asyncio.create_task(anext(answers))
    await asyncio.sleep(0)
    (root / "away").rename(root / "out")
    lay(root, "a.ack.json", ACK)
    assert (await asyncio.wait_for(waiting, 10)).leg == "leg-1"
    await drop.check()


async def test_a_settlement_that_cannot_be_written_is_said(drop, root, first):
    lay(root, "a.ack.json", ACK)
    answer = await first(drop.acknowledgements())
    (root / "done").rename(root / "away")
    with pytest.raises(Unavailable):
        await answer.done()
    assert names(root / "out") == ["a.ack.json"]


async def test_a_link_in_place_of_a_part_of_the_folder_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "agency").mkdir()
    (tmp_path / "agency" / "out").symlink_to(tmp_path / "elsewhere")
    adapter = file_drop.Adapter("E09000004/police", {"folder": tmp_path / "agency"})
    with pytest.raises(Misconfigured) as caught:
        await adapter.start()
    assert caught.value.field == "/folder"
    with pytest.raises(Unavailable):
        await adapter.check()


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({}, "/folder"),
        ({"folder": "x", "poll": 0}, "/poll"),
        ({"folder": "x", "poll": "often"}, "/poll"),
        ({"folder": "x", "colour": "canary-value"}, "/colour"),
    ],
)
def test_options_are_named_never_quoted(options, field):
    with pytest.raises(Misconfigured) as caught:
        file_drop.Adapter("E09000004/police", options)
    assert caught.value.field == field
    assert field[1:] in caught.value.remedy
    for value in ("canary-value", "often"):
        assert value not in repr(vars(caught.value)) + str(caught.value)
    assert caught.value.__context__ is None


def test_reprs_hold_no_content():
    answer = file_drop.FileAnswer(
        "leg-1", b"canary", file_drop.Arrived(None, "canary.ack.json", b"canary", _folder.Stamp(1, 2, 3))
    )
    assert "canary" not in repr(answer)
    assert "canary" not in repr(answer._file)
