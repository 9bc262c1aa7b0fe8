"""Attacks 72 and 75 to 79: a peer's node lies about a file, or sends one that harms.

Two doors. What a segment is comes in by `flows.receive`, and what cannot be one is refused there. What the
segments are together shows when an agency reads the file: then no byte of it is given out, its delivery is
held for a person with the code, and no receipt "opened" is signed. The adapter here reads every file.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import secrets
from collections.abc import Sequence
from pathlib import Path

import pytest
from nacl.bindings import (
    crypto_secretstream_xchacha20poly1305_init_push,
    crypto_secretstream_xchacha20poly1305_push,
    crypto_secretstream_xchacha20poly1305_state,
)

from adapters import _folder, file_drop
from gateway.core.blob import CHUNK, HEADER, MAX_BLOB, MAX_SEALED, SEALED_CHUNK, SEGMENT
from gateway.core.encoding import b64
from gateway.errors import InvalidDocument
from gateway.flows import attachments, uploads
from gateway.flows.vault import write_sections
from gateway.ports import SegmentRow, Task
from gateway.testing.boroughs import BEXLEY, HACKNEY

REF = f"HO-{HACKNEY}-2026-000900"
BLOB, OTHER, KEY = "0f" * 16, "1f" * 16, b"k" * 32
LINE = b"Fictional. "
MESSAGE, FINAL = 0, 3


def sealed(content: bytes, *, blob: str = BLOB, key: bytes = KEY) -> list[bytes]:
    """Header and chunks, by protocol 4.7 and no code of ours."""
    state = crypto_secretstream_xchacha20poly1305_state()
    pieces = [crypto_secretstream_xchacha20poly1305_init_push(state, key)]
    chunks = [content[at : at + CHUNK] for at in range(0, len(content), CHUNK)]
    for number, chunk in enumerate(chunks, start=1):
        tag = FINAL if number == len(chunks) else MESSAGE
        pieces.append(crypto_secretstream_xchacha20poly1305_push(state, chunk, bytes.fromhex(blob), tag))
    return pieces


def item(content: bytes, whole: bytes, **changes: object) -> dict[str, object]:
    return {
        "blob": BLOB,
        "name": "order.txt",
        "media_type": "text/plain",
        "size": len(content),
        "key": b64(KEY),
        "hash": b64(hashlib.blake2b(whole, digest_size=32).digest()),
        **changes,
    }


class Peer:
    """Hackney's node in bad hands: a handover that names a file, and segments of it."""

    def __init__(self, attack) -> None:
        self.attack, self.seq, self.stream = attack, 0, secrets.token_hex(16)
        self.read: list[bytes] = []
        desk = attack.world.bexley.desks["police"]
        give = desk.deliver

        async def deliver(view, *, key):
            for file in view.attachments:
                async for piece in file.pieces():
                    self.read.append(piece)
            return await give(view, key=key)

        desk.deliver = deliver

    def seal(self, *contents: bytes, **more: object) -> bytes:
        self.seq += 1
        insider = self.attack.insider(contents=contents, seq=self.seq, stream=self.stream, **more)
        return insider.seal()

    def handover(self, *items: object) -> bytes:
        order = {"order_id": "O1", "attachments": list(items)}
        return self.seal(self.attack.routing(), write_sections({"orders": [order]}))

    def segment(self, content: bytes, no: int = 0, size: int | None = None, /, **changes: object) -> bytes:
        """One message of type ATTACHMENT; ``changes``: of its section, or of its routing table."""
        routing = {"type": "ATTACHMENT", "handover": REF, "version": 1, "urgency": "STANDARD", "legs": []}
        part = {"blob": BLOB, "no": no, "size": len(content) if size is None else size}
        part["data"] = b64(content)
        for name, value in changes.items():
            (routing if name in routing else part)[name] = value
        told = write_sections({"routing": routing, "segment": part})
        return self.seal(told, readers=((f"{BEXLEY}/node", (1,)),))

    async def send(self, whole: bytes, *items: object) -> None:
        """Everything, in segments as an honest node cuts them."""
        await self.attack.welcome(self.handover(*items))
        for no, at in enumerate(range(0, len(whole), SEGMENT)):
            await self.attack.welcome(self.segment(whole[at : at + SEGMENT], no, len(whole)))
        await self.again()

    async def again(self) -> None:
        """The next try of a delivery that waits."""
        self.attack.world.clock.advance(60)
        await self.attack.world.settle()

    async def refused(self, code: str, *, state: Task = Task.HELD) -> None:
        """No byte was given out, nothing was handed over, no "opened" was signed; the task says why."""
        store = self.attack.node.store
        task = await store.read(lambda tx: tx.task(f"notification-{self.attack.LEG}"))
        assert (task.state, task.error) == (state, code)
        assert not self.read
        assert not self.attack.handed()
        assert not await store.read(lambda tx: tx.receipts(by=self.attack.POLICE))


@pytest.fixture
def peer(attack) -> Peer:
    return Peer(attack)


def content(size: int) -> bytes:
    return (LINE * (size // len(LINE) + 1))[:size]


@pytest.mark.parametrize("size", [1, CHUNK, 3 * CHUNK + 5, SEGMENT + CHUNK])
async def test_000_without_an_attack_the_file_is_read(attack, peer, size):
    plain = content(size)
    whole = b"".join(sealed(plain))
    await peer.send(whole, item(plain, whole))
    assert b"".join(peer.read) == plain
    assert len(attack.handed()) == 1


@pytest.mark.parametrize(
    ("plain", "media", "code"),
    [
        (gzip.compress(b"x", mtime=0), "text/plain", "blob_compressed"),
        (b"PK\x03\x04 a zip", "application/pdf", "blob_compressed"),
        (b"7z\xbc\xaf\x27\x1c", "text/csv", "blob_compressed"),
        (b"\x28\xb5\x2f\xfd", "text/plain", "blob_compressed"),
        (b"GIF89a\x00", "application/pdf", "blob_content"),
        (b"a\x00b", "text/plain", "blob_content"),
    ],
)
async def test_072_a_compressed_file_under_another_type(peer, plain, media, code):
    ending = {"text/plain": "txt", "application/pdf": "pdf", "text/csv": "csv"}[media]
    whole = b"".join(sealed(plain))
    await peer.send(whole, item(plain, whole, media_type=media, name=f"order.{ending}"))
    await peer.refused(code)


@pytest.mark.parametrize("media", ["application/zip", "image/jpeg", "text/html", "application/msword"])
async def test_072_a_type_that_is_not_taken(peer, media):
    whole = b"".join(sealed(b"x"))
    await peer.send(whole, item(b"x", whole, media_type=media, name="order.zip"))
    await peer.refused("blob_type")


async def test_072_our_own_agency_cannot_send_one_either(attack):
    async def pieces():
        yield gzip.compress(b"x", mtime=0)

    hackney, before = attack.world.hackney, attack.dump(attack.world.hackney)
    with attack.refused(InvalidDocument, "blob_compressed"):
        await uploads.upload(hackney.node, hackney.caller("police"), "text/plain", pieces())
    assert attack.dump(hackney) == before


PLAIN = content(3 * CHUNK + 5)


def recut(pieces: Sequence[bytes], how: str) -> bytes:
    """The sealed bytes with one thing done to them; ``pieces`` are the header and four chunks."""
    header, one, two, three, last = pieces
    return {
        "swapped": header + two + one + three + last,
        "repeated": header + one + one + three + last,
        "last first": header + last.ljust(SEALED_CHUNK, b"\0") + two + three + one[: len(last)],
        "other header": bytes(HEADER) + one + two + three + last,
        "flipped": header + one + two + three[:-1] + bytes([three[-1] ^ 1]) + last,
    }[how].ljust(len(b"".join(pieces)), b"\0")


@pytest.mark.parametrize("how", ["swapped", "repeated", "last first", "other header", "flipped"])
async def test_075_chunks_out_of_their_place_in_as_many_bytes(peer, how):
    """Under the right hash: the sender itself lies, so only the stream can tell."""
    whole = recut(sealed(PLAIN), how)
    await peer.send(whole, item(PLAIN, whole))
    await peer.refused("blob_chunk")


@pytest.mark.parametrize("how", ["dropped", "extra", "cut", "header"])
async def test_075_other_than_the_size_says(peer, how):
    pieces = sealed(PLAIN)
    whole = {
        "dropped": b"".join((*pieces[:2], *pieces[3:])),
        "extra": b"".join(pieces) + pieces[-1],
        "cut": b"".join(pieces)[:-1],
        "header": b"".join(sealed(b"x")),
    }[how]
    await peer.send(whole, item(PLAIN, whole))
    await peer.refused("blob_size")


async def test_075_a_file_that_ends_early_or_not_at_all(peer):
    state = crypto_secretstream_xchacha20poly1305_state()
    whole = crypto_secretstream_xchacha20poly1305_init_push(state, KEY)
    for tag in (FINAL, MESSAGE):  # the other way round
        piece = PLAIN[:CHUNK] if tag == FINAL else b"x"
        whole += crypto_secretstream_xchacha20poly1305_push(state, piece, bytes.fromhex(BLOB), tag)
    await peer.send(whole, item(PLAIN[:CHUNK] + b"x", whole))
    await peer.refused("blob_end")


async def test_075_a_segment_that_never_comes(attack, peer):
    plain = content(SEGMENT + CHUNK)
    whole = b"".join(sealed(plain))
    await attack.welcome(peer.handover(item(plain, whole)))
    await attack.welcome(peer.segment(whole[SEGMENT:], 1, len(whole)))
    await peer.refused("attachment_missing", state=Task.WAITING)
    await attack.welcome(peer.segment(whole[:SEGMENT], 0, len(whole)))
    assert b"".join(peer.read) == plain


@pytest.mark.parametrize(
    ("data", "changes", "code"),
    [
        (b"", {}, "field_value"),
        (bytes(HEADER), {}, "field_value"),
        (bytes(HEADER + 17), {}, "field_value"),
        (bytes(99), {"size": 100}, "segment"),
        (bytes(100), {"size": 99}, "segment"),
        (bytes(SEGMENT - 1), {"size": 2 * SEGMENT}, "segment"),
        (bytes(99), {"no": 1}, "field_value"),
        (bytes(99), {"no": -1}, "field_value"),
        (bytes(99), {"no": True}, "field_type"),
        (bytes(99), {"blob": "../" + BLOB}, "field_value"),
        (bytes(99), {"blob": BLOB.upper()}, "field_value"),
        (bytes(99), {"data": b64(bytes(99)) + "\n"}, "base64"),
        (bytes(99), {"more": 1}, "field_unknown"),
        (bytes(99), {"legs": [{"slot": 1, "principal": f"{BEXLEY}/police"}]}, "field_missing"),
        (bytes(99), {"handover": f"HO-{BEXLEY}-2026-000900"}, "handover_area"),
    ],
)
async def test_075_what_is_no_segment(attack, peer, data, changes, code):
    await attack.told(peer.segment(data, **changes), code)
    assert not attack.dump()["segments"]
    assert not attack.dump()["blobs"]


async def test_075_a_segment_with_legs(attack, peer):
    await attack.told(peer.segment(bytes(99), legs=[attack.leg()]), "routing")


async def test_075_the_same_segment_again_is_harmless(attack, peer):
    plain = content(99)
    whole = b"".join(sealed(plain))
    await attack.welcome(peer.segment(whole))
    before = attack.dump()["segments"]
    await attack.welcome(peer.segment(whole))
    assert attack.dump()["segments"] == before


async def test_076_a_chunk_of_another_blob(peer):
    """Of one key, at the same place, under the right hash."""
    ours, theirs = sealed(PLAIN), sealed(PLAIN, blob=OTHER)
    whole = b"".join((*ours[:2], theirs[2], *ours[3:]))
    await peer.send(whole, item(PLAIN, whole))
    await peer.refused("blob_chunk")


async def test_076_another_blob_whole(peer):
    whole = b"".join(sealed(PLAIN, blob=OTHER))
    await peer.send(whole, item(PLAIN, whole))
    await peer.refused("blob_chunk")


async def test_076_the_segments_of_one_peer_are_not_another_s(attack, peer):
    """A blob belongs to whoever sent it: nobody fills the place of another borough's."""
    plain = content(99)
    whole = b"".join(sealed(plain))
    await attack.welcome(peer.handover(item(plain, whole)))
    await attack.node.store.write(lambda tx: tx.put_segment(SegmentRow("E09000033", BLOB, 0, whole)))
    await peer.again()
    await peer.refused("attachment_missing", state=Task.WAITING)


async def test_077_the_hash_is_another(peer):
    whole = b"".join(sealed(PLAIN))
    await peer.send(whole, item(PLAIN, whole, hash=b64(bytes(32))))
    await peer.refused("blob_hash")


async def test_077_the_size_is_over_the_limit(attack, peer):
    await attack.told(peer.segment(bytes(SEGMENT), size=MAX_SEALED + 1), "field_value")
    whole = b"".join(sealed(b"x"))
    await peer.send(whole, item(b"x", whole, size=MAX_BLOB + 1))
    await peer.refused("blob_size")


@pytest.mark.parametrize(("size", "how"), [(2, "more"), (1 + CHUNK, "more"), (8, "less")])
async def test_077_the_size_is_another(peer, size, how):
    plain = content(9) if how == "less" else content(1)
    whole = b"".join(sealed(plain))
    await peer.send(whole, item(plain, whole, size=size))
    await peer.refused("blob_size")


@pytest.mark.parametrize("changes", [{"size": 2 * SEGMENT}, {"handover": REF[:-1] + "1"}, {"version": 2}])
async def test_077_an_announcement_that_contradicts_the_first(attack, peer, changes):
    await attack.welcome(peer.segment(bytes(SEGMENT), 0, SEGMENT + 9))
    before = attack.dump()
    first = {"size": SEGMENT + 9} | changes
    await attack.told(peer.segment(bytes(SEGMENT), **first), "blob_other")
    assert attack.dump()["blobs"] == before["blobs"]


async def test_077_other_bytes_in_the_place_of_a_segment(attack, peer):
    await attack.welcome(peer.segment(bytes(99)))
    before = attack.dump()["segments"]
    await attack.told(peer.segment(b"\1" * 99), "blob_other")
    assert attack.dump()["segments"] == before


async def test_077_one_peer_does_not_fill_the_disk(attack, peer, monkeypatch):
    monkeypatch.setattr(attachments, "MAX_OF_PEER", 200)
    await attack.welcome(peer.segment(bytes(150)))
    await attack.told(peer.segment(bytes(51), blob=OTHER), "blob_quota")
    monkeypatch.setattr(attachments, "MAX_OF_HANDOVER", 1)
    await attack.told(peer.segment(bytes(50), blob=OTHER), "blob_quota")
    await attack.welcome(peer.segment(bytes(50), blob=OTHER, version=2))


# --- On the agency's disk ---------------------------------------------------------------------------


@pytest.fixture
async def folder(attack, peer, tmp_path):
    """Bexley's police read a folder, by the adapter that ships."""
    adapter = file_drop.Adapter(attack.POLICE, {"folder": tmp_path / "agency"})
    await adapter.start()
    attack.world.bexley.desks["police"].deliver = adapter.deliver
    yield tmp_path / "agency" / "in"
    await adapter.close()


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


async def test_078_a_crash_at_any_write_leaves_no_visible_file(attack, peer, folder, monkeypatch):
    """tests/adapters/test_file_drop_attachments.py kills the process itself as well."""
    plain = content(2 * SEGMENT)
    whole = b"".join(sealed(plain))
    parcel, file = f"notification-{attack.LEG}.json", f"notification-{attack.LEG}.{BLOB}.txt"
    write, tries, left = _folder.Part.write, 0, 0

    def fails(part, piece):
        """Each try gets one write further than the one before."""
        nonlocal left
        if left == 0:
            raise OSError(errno.ENOSPC, "")
        left -= 1
        write(part, piece)

    give = attack.world.bexley.desks["police"].deliver

    async def deliver(view, *, key):
        nonlocal tries, left
        assert visible(folder) in ([], [parcel])
        assert not (await attack.world.bexley.legs(REF))["police"].opened
        tries, left = tries + 1, tries
        return await give(view, key=key)

    monkeypatch.setattr(_folder.Part, "write", fails)
    attack.world.bexley.desks["police"].deliver = deliver
    await peer.send(whole, item(plain, whole))
    for _ in range(9):
        attack.world.clock.advance(900)
        await attack.world.settle()
    assert tries > 4  # the parcel, and each piece of the file
    assert (folder / file).read_bytes() == plain
    assert sorted(path.name for path in folder.iterdir()) == sorted([parcel, file])
    assert (await attack.world.bexley.legs(REF))["police"].opened


NAMES = ("../order.txt", "/etc/order.txt", "..", "a/b.txt", "a\\b.txt", "C:a.txt", "order.txt\n",
         "a\u202etxt.txt", "-rf.txt", "order.exe", "x" * 97 + ".txt", "NUL.txt", ".txt")  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=ascii)
async def test_079_a_path_in_the_name(attack, peer, folder, name, tmp_path):
    whole = b"".join(sealed(b"x"))
    await peer.send(whole, item(b"x", whole, name=name))
    await peer.refused("blob_name")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
