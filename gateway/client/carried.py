"""One agency reading a sealed parcel out of a file, where no line to a node stands (protocol 4.8).

A single point of contact hands an agency without a system its part as a *package*; the desk of an area
without a gateway makes one out of a carried file. The agency's own client reads it: the same verification,
the same chain of receipts, the same records, with a file in the place of the line. It leaves out who may be
handed a package (:mod:`gateway.flows.spoc`, :mod:`gateway.client.desk`).

    package  {"v":1,"documents":{...as GET /v1/network...},"parcel":{...as GET /v1/relay/{parcel}...}}
    answer   {"v":1,"leg":id,"receipts":[note, ...],"words":presealed or null}

Rules: nothing in a package is believed (:mod:`gateway.client.opening`). What is signed is written down first.
An answer holds everything that this agency has signed about the leg, so a lost file loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from gateway.client import notices
from gateway.client.agent import TRUST
from gateway.client.client import Client
from gateway.client.ledger import Ledger, record_of
from gateway.client.opening import AgencyKeys, Opened
from gateway.client.records import Records
from gateway.core.encoding import Json, JsonObject, b64, check_version, decode_object, encode, fields, unb64
from gateway.core.envelope import split
from gateway.errors import Malformed, NotFound, UnknownRecipient
from gateway.ports import Parcel
from schemas.acknowledgement import Acknowledgement
from schemas.notice import NoticeAnswer

MAX_PACKAGE: Final = 8 << 20
"""Bytes of a package that are read at all: an envelope as base64, and the network's documents."""

_PACKAGE: Final = {"v": int, "documents": dict, "parcel": dict}
_ANSWER: Final = {"v": int, "leg": str, "receipts": list, "words": dict}

Words = Callable[[JsonObject], bytes]
"""Sealed words in, the statement hash of the message that carries them out."""


@dataclass(frozen=True, slots=True)
class Package:
    """What a package holds; nothing of it is proven."""

    documents: JsonObject
    parcel: JsonObject = field(repr=False)


def pack_package(documents: JsonObject, parcel: JsonObject) -> bytes:
    return encode({"v": 1, "documents": documents, "parcel": parcel})


def open_package(data: bytes) -> Package:
    """Raises Malformed, Unsupported."""
    if len(data) > MAX_PACKAGE:
        raise Malformed(f"a package over {MAX_PACKAGE} bytes", code="file_size")
    body = fields(_versioned(data), _PACKAGE)
    documents, parcel = body["documents"], body["parcel"]
    return Package(
        documents if isinstance(documents, dict) else {}, parcel if isinstance(parcel, dict) else {}
    )


@dataclass(frozen=True, slots=True)
class PackedAnswer:
    """What an agency signed about one leg, for whoever handed it the package to bring back."""

    leg: str
    receipts: tuple[bytes, ...]
    words: JsonObject | None = field(repr=False, default=None)


def pack_answer(answer: PackedAnswer) -> bytes:
    notes: list[Json] = [note.decode() for note in answer.receipts]
    words: JsonObject = {"words": answer.words} if answer.words else {}
    return encode({"v": 1, "leg": answer.leg, "receipts": notes, **words})


def open_answer(data: bytes) -> PackedAnswer:
    """Raises Malformed, Unsupported. No signature in it is judged."""
    if len(data) > MAX_PACKAGE:
        raise Malformed(f"an answer over {MAX_PACKAGE} bytes", code="file_size")
    body = fields(_versioned(data), _ANSWER, optional=("words",))
    notes = body["receipts"] if isinstance(body["receipts"], list) else []
    words = body.get("words")
    return PackedAnswer(
        str(body["leg"]),
        tuple(str(note).encode() for note in notes),
        words if isinstance(words, dict) else None,
    )


def _versioned(data: bytes) -> JsonObject:
    body = decode_object(data)
    check_version(body)
    return body


class FileLine:
    """In the place of a :class:`gateway.client.http.Connection`: one parcel, and nobody at the other end.

    ``words``: who makes a message of sealed words at once; without it they are kept for whoever brings the
    answer to a node, and no receipt can name their message.
    """

    def __init__(self, package: Package, words: Words | None) -> None:
        self._package, self._words = package, words
        self.kept: JsonObject | None = None

    async def get(self, path: str, *, wait: int = 0, **query: str) -> dict[str, Any]:
        if path == "/v1/network":
            return dict(self._package.documents)
        if path == f"/v1/relay/{self._package.parcel.get('parcel')}":
            return dict(self._package.parcel)
        raise NotFound("this file holds one parcel and no files", code="no_parcel")

    async def post(self, path: str, body: bytes, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        if path.endswith("/receipts"):
            return {"state": ""}
        if not path.endswith("/reply"):
            raise NotFound("nobody is at the other end of a file", code="no_parcel")
        words = decode_object(body)
        if self._words is not None:
            return {"statement": b64(self._words(words))}
        self.kept = words
        raise UnknownRecipient("these words travel beside the receipts", code="words_beside")


@dataclass(slots=True)
class Reader:
    """One agency with its own key. ``folder``: what it remembers, apart for each message; ``secret`` and
    ``now``: those of a :class:`gateway.client.ledger.Ledger`; ``fingerprint``: of the network, read aloud."""

    keys: AgencyKeys
    folder: Path
    secret: bytes = field(repr=False)
    fingerprint: str
    now: Callable[[], int]

    async def open(self, package: Package, words: Words | None = None) -> Opened:
        """PLAINTEXT, verified; the receipt `opened` is signed and kept. Raises Refused of any kind."""
        opened, ledger, _ = await self._open(package, words)
        if opened.sealed.kind in (Parcel.NOTIFICATION, Parcel.NOTICE):
            self._receipt(ledger, opened)
        return opened

    async def answer_notice(self, package: Package, answer: NoticeAnswer) -> PackedAnswer:
        """The same for a notice. Raises Conflict for a step that is not possible, InvalidDocument where an
        attestation is missing."""
        opened, ledger, _ = await self._open(package, None)
        self._receipt(ledger, opened)
        await notices.answer(ledger, opened.sealed.notice, answer)
        return self.signed(package)

    async def answer(
        self, package: Package, answer: Acknowledgement, words: Words | None = None
    ) -> PackedAnswer:
        """Sign an answer with the steps that it implies; everything signed about this leg so far.

        Raises Conflict for a step that is not possible, or was taken before with other words.
        """
        opened, ledger, line = await self._open(package, words)
        self._receipt(ledger, opened)
        leg = opened.sealed.leg.id
        await ledger.answer(leg, answer)
        if line.kept is not None:
            ledger.records.write(_beside(leg), encode(line.kept))
        return self.signed(package)

    def signed(self, package: Package) -> PackedAnswer:
        """What is signed about a leg so far; nothing for one that was never opened here."""
        records, leg = self._records(package), str(package.parcel.get("leg"))
        record, beside = records.find(_name(package)), records.read(_beside(leg))
        notes = tuple(one.note for one in record.signed) if record else ()
        return PackedAnswer(leg, notes, decode_object(beside) if beside else None)

    def _records(self, package: Package) -> Records:
        """Of this message alone: the same leg, sealed again, begins a chain of its own."""
        mid = split(unb64(str(package.parcel.get("envelope")))).mid
        records = Records(self.folder / mid)
        records.start()
        return records

    async def _open(self, package: Package, words: Words | None) -> tuple[Opened, Ledger, FileLine]:
        line = FileLine(package, words)
        client = Client(line, self.keys, fingerprint=self.fingerprint, now=self.now)
        await self._take_up(client)
        ledger = Ledger(client, self._records(package), self.secret, self.now, _nothing)
        return client.opened(await client.fetch(str(package.parcel.get("parcel")))), ledger, line

    async def _take_up(self, client: Client) -> None:
        """The documents in the package, unless they go back behind what this agency knows."""
        known = Records(self.folder)
        known.start()
        kept = known.read(TRUST)
        if kept is not None:
            body = decode_object(kept)
            at, documents = body.get("at"), body.get("documents")
            if isinstance(at, int) and isinstance(documents, dict):
                client.take_up(documents, at)
        taken = await client.refresh()
        known.write(TRUST, encode({"v": 1, "at": self.now(), "documents": taken}))

    def _receipt(self, ledger: Ledger, opened: Opened) -> None:
        """`opened`, once; it says which parts this key really opened."""
        record = ledger.records.find(opened.sealed.notice or opened.sealed.leg.id) or record_of(opened)
        if not record.opened:
            note = ledger.signed(record, "opened", parts=opened.parts)
            ledger.keep(replace(record, given=True, signed=(*record.signed, note)))


def _name(package: Package) -> str:
    """What the chain of receipts is kept under: a notice has one of its own, beside that of its leg."""
    parcel, leg = str(package.parcel.get("parcel")), str(package.parcel.get("leg"))
    return parcel.split("-")[1] if parcel.startswith(notices.PREFIX) else leg


def _beside(leg: str) -> str:
    return f"words.{leg}.json"


async def _nothing() -> None:
    """There is nobody to ask for newer documents."""
