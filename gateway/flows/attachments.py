"""The way of an attachment between nodes: named by a handover, sent in segments, kept for its readers.

A document names uploads of its agency. When it is taken in, key and hash of each go into its sealed section
and nowhere else; the sealed bytes follow as messages of type ATTACHMENT for the destination node, one segment
each, with outbox, receipt and re-seal like any message (protocol 4.7). They travel on the standard lane, a
few at a time: no handover waits for a file. What comes in is kept by (peer, blob, segment); the same again is
harmless, other bytes in its place are refused.

It leaves out uploading (:mod:`gateway.flows.uploads`) and reading (:mod:`gateway.flows.retrieve`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace

import structlog

from gateway.core.audience import Part
from gateway.core.blob import Segment, sealed_fields, segment_count
from gateway.core.encoding import Json, JsonObject
from gateway.core.envelope import Kind
from gateway.errors import Conflict, Forged, GatewayError, InvalidDocument, Problem, Refused
from gateway.flows import outgoing
from gateway.flows.node import Caller, Node
from gateway.flows.opening import ATTACHMENT, Routing
from gateway.flows.uploads import key_of
from gateway.flows.vault import write_sections
from gateway.ports import Blob, BlobRow, Lane, Outbound, SegmentRow, Task, TaskRow, Transaction

MAX_OF_HANDOVER = 20
"""Files that one version of a handover may bring: what its readers can take in."""

MAX_OF_PEER = 16 << 30
"""Sealed bytes of one peer that are kept at once: over 600 of the largest files. Bounds the database."""

IN_FLIGHT = 8
"""Segments of one blob that wait for the peer's receipt: messages and memory stay free for handovers."""

AT_ONCE = 4
"""Blobs on their way to one destination at a time."""

LOOK = 1000
"""Blobs looked at for what can be sent now: more than wait for one peer that is away."""

MISSING = "attachment_missing"
"""Why a delivery waits, and why a file cannot be read yet: segments of it have not come."""

log = structlog.get_logger("attachments")


# --- Into a handover ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Named:
    """The uploads that a document names, with what goes into its sealed parts."""

    rows: Mapping[str, BlobRow]
    secrets: Mapping[str, JsonObject] = field(repr=False)


def mentioned(body: bytes) -> bool:
    """Whether a document can have an attachment at all: its name, or a letter of it in another spelling."""
    return b'"attachments"' in body or b"\\u" in body


def items(value: Json, pointer: str = "") -> Iterator[tuple[str, JsonObject]]:
    """``(JSON Pointer, item)`` of every attachment in a document or a view."""
    if isinstance(value, dict):
        for name, child in value.items():
            if isinstance(child, dict | list):
                yield from _items(name, child, f"{pointer}/{name}")
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from items(child, f"{pointer}/{index}")


def _items(name: str, child: Json, pointer: str) -> Iterator[tuple[str, JsonObject]]:
    if name != "attachments" or not isinstance(child, list):
        yield from items(child, pointer)
        return
    for index, item in enumerate(child):
        if isinstance(item, dict):
            yield f"{pointer}/{index}", item


async def find(node: Node, caller: Caller, content: JsonObject) -> Named:
    """The uploads that ``content`` names. Raises InvalidDocument naming every item that is not a waiting
    upload of this agency, with its type and size."""
    said = list(items(content))
    blobs = {str(item["blob"]) for _, item in said}
    if len(blobs) > MAX_OF_HANDOVER:
        raise InvalidDocument(
            f"a handover brings at most {MAX_OF_HANDOVER} attachments",
            code="attachments",
            remedy="send what the readers need; a case file belongs into the case system",
        )
    found = await node.store.read(lambda tx: {blob: tx.blob("", blob) for blob in blobs})
    problems = [
        p for pointer, item in said if (p := _problem(found[str(item["blob"])], caller, item, pointer))
    ]
    if problems:
        raise InvalidDocument(
            "an attachment is not an upload that waits here",
            code="attachment",
            field=problems[0].field,
            remedy=problems[0].remedy,
            problems=problems,
        )
    rows = {blob: row for blob, row in found.items() if row is not None}
    return Named(rows, {blob: sealed_fields(key_of(node, row), row.hash) for blob, row in rows.items()})


def _problem(row: BlobRow | None, caller: Caller, item: JsonObject, pointer: str) -> Problem | None:
    """Somebody else's upload is answered like one that is not there."""
    if row is None or row.owner != caller.principal or row.state is Blob.UPLOADING:
        return Problem(f"{pointer}/blob", "there is no such upload of this agency", "upload the file first")
    if row.state is not Blob.READY:
        return Problem(f"{pointer}/blob", "this upload went with a handover", "upload the file once more")
    for name, value in (("media_type", row.media_type), ("size", row.size)):
        if item.get(name) != value:
            return Problem(
                f"{pointer}/{name}", "this is not what was uploaded", "write what the upload answered"
            )
    return None


def fill(parts: Sequence[Part], named: Named) -> Sequence[Part]:
    """The parts of a document, each attachment in them with its key and hash."""
    return [replace(part, sections=_filled(part.sections, named)) for part in parts]


def _filled(sections: JsonObject, named: Named) -> JsonObject:
    filled = deepcopy(sections)  # parts share with the document what they have in common
    for _, item in items(filled):
        item.update(named.secrets[str(item["blob"])])
    return filled


def carry(tx: Transaction, named: Named, ref: str, version: int, destination: str) -> None:
    """The handover owns them now, within the transaction that stores it; the key is in its sealed parts and
    leaves this table. Raises Conflict when another was quicker."""
    for row in named.rows.values():
        going = replace(row, state=Blob.SENDING, key=b"", ref=ref, version=version, destination=destination)
        if not tx.advance_blob(row, going):
            raise Conflict(
                "an attachment went with another handover, or was removed",
                code="attachment_used",
                remedy="upload the file once more",
            )


# --- Out to the peer ----------------------------------------------------------------------------------------


async def send(node: Node) -> int:
    """Put the next segments of what is on its way into the outbox. Returns how many."""
    rows = await node.store.read(lambda tx: tx.sending_blobs(LOOK))
    busy: Counter[str] = Counter()
    done = 0
    for row in rows:
        if busy[row.destination] < AT_ONCE:
            busy[row.destination] += 1
            done += await _send(node, row)
    if done:
        node.wake.outbox[Lane.STANDARD].set()
    return done


async def _send(node: Node, row: BlobRow) -> int:
    """As many segments of one blob as may be in flight."""
    for done in range(IN_FLIGHT):
        after = await _send_next(node, row)
        if after is None:
            return done
        if after.state is Blob.SENT:
            return done + 1
        row = after
    return IN_FLIGHT


async def _send_next(node: Node, row: BlobRow) -> BlobRow | None:
    """The blob as it stands after one more segment; None when none may go now."""
    data = await node.store.read(lambda tx: _next(tx, row))
    sending = _seal(node, row, data) if data else None
    if sending is None:
        return None
    last = row.sent + 1 == segment_count(row.sealed)
    after = replace(row, sent=row.sent + 1, state=Blob.SENT if last else Blob.SENDING)

    def work(tx: Transaction) -> BlobRow | None:
        if not tx.advance_blob(row, after):
            return None  # another worker sends it
        sealed = outgoing.store(tx, node, sending, node.clock.now())
        tx.spend_segment(row.blob, row.sent, sealed.mid)
        return after

    return await node.store.write(work)


def _seal(node: Node, row: BlobRow, data: bytes) -> outgoing.Sending | None:
    """None when nothing can be sealed for this peer now (it has no valid key, our directory has expired): it
    waits, and holds up no other destination."""
    segment = Segment(row.blob, row.sent, row.sealed, data)
    try:
        return outgoing.seal(
            node,
            kind=Kind.MESSAGE,
            to=row.destination,
            lane=Lane.STANDARD,
            priority=0,
            readers={},
            contents=[write_sections({"routing": _routing(row), "segment": segment.write()})],
            now=node.clock.now(),
        )
    except GatewayError as error:
        log.error("an attachment cannot be sealed now", peer=row.destination, code=error.code)
        return None


def _next(tx: Transaction, row: BlobRow) -> bytes | None:
    """The bytes that go next; None while too many wait for the peer's receipt."""
    before = tx.segment("", row.blob, row.sent - IN_FLIGHT)
    if before is not None:
        waiting = tx.outbox_of(before.mid)
        if waiting is not None and waiting.state is not Outbound.SETTLED:
            return None
    found = tx.segment("", row.blob, row.sent)
    return found.data if found else None


def _routing(row: BlobRow) -> JsonObject:
    return {
        "type": ATTACHMENT,
        "handover": row.ref,
        "version": row.version,
        "urgency": "STANDARD",
        "legs": [],
    }


# --- In from a peer -----------------------------------------------------------------------------------------


def take(
    tx: Transaction, peer: str, routing: Routing, segment: Segment, mid: str, now: int
) -> Sequence[TaskRow]:
    """Keep one segment, within the transaction of its receipt. Returns the deliveries that it completes.

    Raises Forged for what contradicts what came before, Refused (``blob_quota``) over a limit.
    """
    if not routing.handover.startswith(f"HO-{peer}-"):
        raise Forged("an attachment to another area's handover", code="handover_area")
    known = tx.blob(peer, segment.blob)
    if known is None:
        known = BlobRow(
            peer,
            segment.blob,
            Blob.ARRIVING,
            segment.size,
            now,
            ref=routing.handover,
            version=routing.version,
        )
        _check_room(tx, known)
        tx.put_blob(known)
    if (known.sealed, known.ref, known.version) != (segment.size, routing.handover, routing.version):
        raise Forged(
            "an attachment with another size, or of another handover, than before", code="blob_other"
        )
    if not tx.put_segment(SegmentRow(peer, segment.blob, segment.no, segment.data, mid)):
        held = tx.segment(peer, segment.blob, segment.no)
        if held is None or held.data != segment.data:
            raise Forged("other bytes in the place of a segment that is here", code="blob_other")
        return ()
    if len(tx.segments(peer, segment.blob)) < segment_count(known.sealed):
        return ()
    return _awaited(tx, known, now)


def _check_room(tx: Transaction, row: BlobRow) -> None:
    if len(tx.blobs(peer=row.peer, ref=row.ref, version=row.version)) >= MAX_OF_HANDOVER:
        raise Refused("more attachments than a handover may bring", code="blob_quota")
    _, stored = tx.blobs_stored(peer=row.peer)
    if stored + row.sealed > MAX_OF_PEER:
        log.error("a peer's attachments have no room here", peer=row.peer, code="blob_quota", stored=stored)
        raise Refused("no room for more attachments of this peer", code="blob_quota")


def _awaited(tx: Transaction, row: BlobRow, now: int) -> Sequence[TaskRow]:
    """Deliveries of this handover that waited for a file are due at once."""
    tasks = [task for leg in tx.legs(row.ref, row.version) for task in tx.tasks_of(leg.id)]
    waiting = [task for task in tasks if task.state is Task.WAITING and task.error == MISSING]
    for task in waiting:
        tx.advance_task(task.id, Task.WAITING, Task.WAITING, due=now)
    return waiting


def unsent(tx: Transaction, ref: str, version: int) -> bool:
    """Whether a file of this version of a handover of ours is still to be put into the outbox."""
    return any(row.state is Blob.SENDING for row in tx.blobs(peer="", ref=ref, version=version))


def forget(tx: Transaction, ref: str, version: int) -> int:
    """Drop every attachment of a version of a handover, ours or a peer's; for whoever shreds its content (the
    key is gone with the section, so this frees space). Returns how many."""
    areas = {"", ref.split("-")[1]}
    rows = [row for area in areas for row in tx.blobs(peer=area, ref=ref, version=version)]
    return sum(tx.drop_blob(row.peer, row.blob) for row in rows)
