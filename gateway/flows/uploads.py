"""An agency uploads a file: sealed as it comes in, kept for the handover that names it, or for a day.

The plaintext passes through in pieces of a request and is nowhere else: what is stored are sealed bytes, in
segments, and the key, wrapped under a secret outside the database. It leaves out how a handover names a file
(:mod:`gateway.flows.attachments`) and HTTP.

Example::

    row = await upload(node, caller, "application/pdf", pieces)       # row.blob goes into the document
"""

from __future__ import annotations

import contextlib
import secrets as entropy
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

from gateway.core import shred
from gateway.core.blob import SEGMENT, Sealer, sealed_size
from gateway.errors import Conflict, InvalidDocument, Malformed, TooLarge, Unavailable
from gateway.flows.node import Caller, Node
from gateway.ports import Blob, BlobRow, SegmentRow, Transaction

KEEP = 24 * 3600
"""Seconds that an upload waits for the handover that names it."""

MAX_UPLOADS = 40
"""Uploads of one agency that wait: two handovers with all that they may carry, 1 GiB."""

BATCH = 100
"""Uploads swept at once."""


async def upload(node: Node, caller: Caller, media_type: str, pieces: AsyncIterator[bytes]) -> BlobRow:
    """Seal and store what comes. Raises InvalidDocument or TooLarge for a file that may not be sent, Conflict
    over :data:`MAX_UPLOADS`, Unavailable; then nothing of it is kept."""
    blob, key = entropy.token_hex(16), shred.new_key()
    with _judged():
        sealer = Sealer(blob, key, media_type)
    row = BlobRow(
        "",
        blob,
        Blob.UPLOADING,
        0,
        node.clock.now(),
        owner=caller.principal,
        media_type=media_type,
        key=shred.wrap(_secret(node), key, context=_context(blob)),
    )
    await node.store.write(lambda tx: _begin(tx, row))
    try:
        async for segment in _segments(blob, _sealed(sealer, pieces)):
            await _keep(node, segment)
        return await _finish(node, row, sealer)
    except BaseException:  # also a caller who went away: nobody will ever name it
        with contextlib.suppress(Unavailable):
            await node.store.write(lambda tx: tx.drop_blob("", blob))
        raise


def key_of(node: Node, row: BlobRow) -> bytes:
    """The key of an upload that no handover carries yet. Raises Forged when a stored byte was changed."""
    return shred.unwrap(_secret(node), row.key, context=_context(row.blob))


async def sweep(node: Node) -> int:
    """Remove the uploads that nobody named in time. Returns how many."""
    before = node.clock.now() - KEEP

    def work(tx: Transaction) -> int:
        return sum(tx.drop_blob("", row.blob) for row in tx.unnamed_blobs(before, BATCH))

    if await node.store.read(lambda tx: tx.unnamed_blobs(before, 1)):
        return await node.store.write(work)
    return 0


def _begin(tx: Transaction, row: BlobRow) -> None:
    count, _ = tx.blobs_stored(peer="", owner=row.owner)
    if count >= MAX_UPLOADS:
        raise Conflict(
            f"{count} uploads of this agency wait for a handover that names them",
            code="uploads_waiting",
            remedy="hand in the handovers they are for; an upload that none names is removed after 24 hours",
        )
    tx.put_blob(row)


async def _sealed(sealer: Sealer, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for piece in pieces:
        with _judged():
            sealed = sealer.push(piece)
        yield sealed
    with _judged():
        sealed = sealer.finish()
    yield sealed


async def _segments(blob: str, sealed: AsyncIterator[bytes]) -> AsyncIterator[SegmentRow]:
    """The same bytes in pieces of one message each."""
    waiting, no = bytearray(), 0
    async for piece in sealed:
        waiting += piece
        while len(waiting) >= SEGMENT:
            yield SegmentRow("", blob, no, bytes(waiting[:SEGMENT]))
            del waiting[:SEGMENT]
            no += 1
    if waiting:
        yield SegmentRow("", blob, no, bytes(waiting))


async def _keep(node: Node, segment: SegmentRow) -> None:
    await node.store.write(lambda tx: tx.put_segment(segment))


async def _finish(node: Node, row: BlobRow, sealer: Sealer) -> BlobRow:
    ready = replace(
        row, state=Blob.READY, sealed=sealed_size(sealer.size), size=sealer.size, hash=sealer.hash
    )
    if not await node.store.write(lambda tx: tx.advance_blob(row, ready)):
        raise Unavailable("the upload took too long and was removed", code="upload_lost", remedy="try again")
    return ready


@contextlib.contextmanager
def _judged() -> Iterator[None]:
    """What a peer would refuse is our agency's to mend."""
    try:
        yield
    except Malformed as error:
        kind = TooLarge if error.code == "blob_size" else InvalidDocument
        raise kind(
            error.message,
            code=error.code,
            remedy="send a PDF, or text or CSV in UTF-8, of at most 25 MiB: no archive, no office document",
        ) from None


def _secret(node: Node) -> bytes:
    return node.keys.secret("attachments")


def _context(blob: str) -> str:
    return f"bx/1/upload/{blob}"
