"""What ``gateway log verify`` does: judge an export or a proof of anybody's log, offline.

An export is a file of leaves, one a line, beside at least one checkpoint. It is read once, in order, and
never held in memory; at the size of each checkpoint the root must be the one that was signed. So a leaf that
was taken out, changed, put in or moved shows, and so does a file that ends early. An older checkpoint, kept
by somebody else, shows more: that the history before it was not written anew. Where peers have cosigned a
checkpoint, the verdict names them: they saw this log, with these leaves, at that time.

VALID says that the log's owner has signed for exactly these leaves in this order. CANNOT_TELL: the network,
or the key of the checkpoint, cannot be verified, or leaves come after the last checkpoint, signed by nobody.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from gateway.cli import proving
from gateway.cli.bookkeeping import beside, cosigned_beside
from gateway.cli.files import opened, read_input
from gateway.core.encoding import Json, JsonObject, fields, integer, unb64
from gateway.core.judgement import Verdict
from gateway.core.log import Checkpoint, peek_origin
from gateway.core.merkle import HASH, Head, leaf_hash, verify_inclusion
from gateway.core.trust import Network
from gateway.core.witness import Cosigned, open_cosigned
from gateway.errors import Malformed, Misconfigured, Refused, Untrusted
from gateway.flows.show import when

LONGEST = 1 << 20
"""Bytes of a leaf that are read at all; a real one has under 1 KiB."""

network = proving.network_from


class _Wrong(Exception):
    """A verdict that is not VALID, with its reason, on its way up."""

    def __init__(self, verdict: Verdict, reason: str) -> None:
        super().__init__(reason)
        self.verdict = verdict
        self.reason = reason


def verdict(file: Path, checkpoints: Sequence[Path], known: Callable[[], Network]) -> dict[str, Any]:
    """``verdict``, ``reasons``, and of what was verified ``origin``, ``size``, ``witnesses`` and, of a proof,
    ``leaves``."""
    signed = list(checkpoints) or [one for one in (beside(file), cosigned_beside(file)) if one.is_file()]
    empty: dict[str, Any] = {"origin": None, "size": None, "leaves": [], "witnesses": []}
    try:
        found = _export(file, signed, _known(known)) if signed else _proof(file, _known(known))
    except _Wrong as wrong:
        return {"verdict": wrong.verdict.value, "reasons": [wrong.reason], **empty}
    return {"verdict": Verdict.VALID.value, "reasons": [], **empty, **found}


def _known(known: Callable[[], Network]) -> Network:
    try:
        return known()
    except (Refused, Misconfigured) as error:
        raise _Wrong(Verdict.CANNOT_TELL, f"the network cannot be verified: {error.message}") from None


def _opened(note: bytes, trusted: Network) -> Cosigned:
    """A checkpoint of any log that the directory knows, with who cosigned it."""
    try:
        return open_cosigned(note, peek_origin(note), trusted)
    except Untrusted as error:
        raise _Wrong(
            Verdict.CANNOT_TELL, f"the checkpoint is of no log that the directory has: {error.message}"
        ) from None
    except Refused as error:
        raise _Wrong(Verdict.INVALID, f"the checkpoint does not hold: {error.message}") from None


# --- an export --------------------------------------------------------------------------------------


def _export(file: Path, notes: Sequence[Path], trusted: Network) -> dict[str, Any]:
    cosigned = [_opened(read_input(path), trusted) for path in notes]
    signed = sorted((one.checkpoint for one in cosigned), key=lambda one: one.size)
    if len({one.origin for one in signed}) > 1:
        raise _Wrong(Verdict.INVALID, "the checkpoints are of different logs")
    with opened(file) as source:
        size = _walk(_lines(source), signed)
    last = signed[-1]
    if size > last.size:
        raise _Wrong(
            Verdict.CANNOT_TELL,
            f"the first {last.size} leaves are good; {size - last.size} come after the last checkpoint",
        )
    return {"origin": last.origin, "size": size, "witnesses": _witnesses(cosigned, trusted)}


def _lines(source: BinaryIO) -> Iterator[bytes]:
    """The leaves. One without its newline was cut off, and hashes to something else anyway."""
    while line := source.readline(LONGEST):
        yield line.removesuffix(b"\n")


def _walk(leaves: Iterator[bytes], signed: Sequence[Checkpoint]) -> int:
    """Hash every leaf once, comparing at each checkpoint. Returns how many there are."""
    head, waiting, good = Head(), list(signed), 0
    while True:
        while waiting and waiting[0].size == head.size:
            good = _compare(head, waiting.pop(0), good)
        leaf = next(leaves, None)
        if leaf is None:
            break
        head.append(leaf_hash(leaf))
    if waiting:
        raise _Wrong(
            Verdict.INVALID, f"the file ends after {head.size} of {waiting[-1].size} leaves that were signed"
        )
    return head.size


def _compare(head: Head, one: Checkpoint, good: int) -> int:
    if head.root != one.root:
        raise _Wrong(
            Verdict.INVALID,
            f"leaves {good} to {one.size - 1} are not those that were signed: one or more were changed, "
            "taken out, put in or moved",
        )
    return one.size


# --- a proof ----------------------------------------------------------------------------------------


def _proof(file: Path, trusted: Network) -> dict[str, Any]:
    try:
        body = fields(json.loads(read_input(file)), {"checkpoint": str, "leaves": list})
    except (ValueError, RecursionError, Malformed):
        raise _Wrong(
            Verdict.CANNOT_TELL,
            "this is no proof; of an export the checkpoint is missing: name it with --checkpoint",
        ) from None
    cosigned = _opened(str(body["checkpoint"]).encode(errors="surrogatepass"), trusted)
    signed = cosigned.checkpoint
    listed = body["leaves"]
    leaves = [_leaf(one, signed) for one in listed] if isinstance(listed, list) else []
    if not leaves:
        raise _Wrong(Verdict.INVALID, "the proof is of no leaf")
    seen = _witnesses([cosigned], trusted)
    return {"origin": signed.origin, "size": signed.size, "leaves": leaves, "witnesses": seen}


def _witnesses(cosigned: Sequence[Cosigned], trusted: Network) -> list[dict[str, Any]]:
    """By area: the largest tree of these that it has cosigned, and when."""
    found: dict[str, tuple[int, int]] = {}
    for one in cosigned:
        for area, at in one.times.items():
            found[area] = max(found.get(area, (0, 0)), (one.checkpoint.size, at))
    return [
        {"area": area, "name": trusted.areas.get(area, ""), "size": size, "at": when(at)}
        for area, (size, at) in sorted(found.items())
    ]


def _leaf(value: Json, signed: Checkpoint) -> dict[str, Any]:
    try:
        body = fields(value, {"index": int, "leaf": str, "proof": list})
        index, text = integer(body, "index"), str(body["leaf"])
        hashes = _hashes(body, "proof")
        leaf = text.encode(errors="surrogatepass")
        verify_inclusion(leaf_hash(leaf), index, signed.size, hashes, signed.root)
    except Refused as error:
        raise _Wrong(Verdict.INVALID, f"a leaf is not proven: {error.message}") from None
    return {"index": index, "leaf": text}


def _hashes(body: JsonObject, name: str) -> Sequence[bytes]:
    listed = body[name]
    return [unb64(str(one), HASH) for one in listed] if isinstance(listed, list) else []


def told(found: Mapping[str, Any]) -> str:
    lines = [str(found["verdict"]).replace("_", " ")]
    if found["origin"]:
        lines.append(f"  {found['origin']}, {found['size']} leaves")
    lines += [f"  {one['index']}: {one['leaf']}" for one in found["leaves"]]
    lines += [
        f"  cosigned by {one['area']} {one['name']} at {one['at']}: {one['size']} leaves"
        for one in found["witnesses"]
    ]
    return "\n".join(lines + [f"  {reason}" for reason in found["reasons"]])
