"""What an agency's client remembers of each handover: which bytes, what is signed, what is still to be sent.

One small file a leg, replaced whole, so that a crash leaves the old one or the new one. Nothing in it is a
word of a handover: hashes, codes, references, signed receipts, and sealed words on their way. What is signed
is written down BEFORE it is sent: a receipt that was signed twice would fork the agency's chain. What the
agency's system answered in its reply is written down, sealed, with the fact that it has the parcel.

Example::

    records = Records(Path("/var/lib/agency/state"))
    record = records.find(leg) or Record(...)
    records.keep(replace(record, given=True))
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from gateway.core.encoding import HEX_ID, Json, JsonObject, b64, decode_object, encode, fields, unb64
from gateway.core.receipts import About
from gateway.errors import GatewayError, Misconfigured, Unavailable
from gateway.ports import LegRow, Side

LONGEST: Final = 1 << 20
"""Bytes of a record that are read at all; a real one has a few KiB."""

_LEG: Final = {
    "id": str, "ref": str, "version": int, "principal": str, "agency": str, "counterpart": str,
    "state": str, "urgency": str, "acknowledge_by": int, "decide_by": int,
}  # fmt: skip
_ABOUT: Final = {"env": str, "sender": str, "mid": str, "stmt": str}
_SIGNED: Final = {"state": str, "hash": str, "note": str}
_PENDING: Final = {"fingerprint": str, "until": int, "words": dict}
_RECORD: Final = {
    "v": int, "parcel": str, "leg": dict, "about": dict, "parts": list, "given": bool, "signed": list,
    "sent": int, "answer": str, "pending": dict, "said": str,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Signed:
    """One receipt of ours: what the next one and the node need of it (``client.signing.Link``)."""

    state: str
    hash: bytes
    note: bytes


@dataclass(frozen=True, slots=True)
class Pending:
    """Sealed words of an answer (of keyed hash ``fingerprint``) that the node may lack, good ``until``."""

    fingerprint: str
    until: int
    words: JsonObject = field(repr=False)


@dataclass(frozen=True, slots=True)
class Record:
    """``given``: the agency's system has it. ``sent``: how many of ``signed`` the node has taken. ``answer``:
    keyed hash of the last answer that was signed, or "". ``said``: what the agency's system answered at once
    and is not signed yet (:meth:`Ledger.hold`), or b""."""

    parcel: str
    leg: LegRow
    about: About
    parts: tuple[int, ...]
    given: bool = False
    signed: tuple[Signed, ...] = ()
    sent: int = 0
    answer: str = ""
    pending: Pending | None = None
    said: bytes = field(default=b"", repr=False)

    @property
    def unsent(self) -> Sequence[Signed]:
        return self.signed[self.sent :]

    @property
    def opened(self) -> bool:
        return any(one.state == "opened" for one in self.signed)


class Records:
    """A folder of records, for its owner alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def start(self) -> None:
        """Raises Misconfigured when the folder cannot be made."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise Misconfigured(
                f"{self._folder} cannot be made: {error.strerror}",
                code="state_folder",
                remedy="name a folder that this account may write to, on a local disk",
            ) from None

    def find(self, leg: str) -> Record | None:
        """Raises Misconfigured for a file that this client did not write."""
        data = self.read(f"{_name(leg)}.json")
        if data is None:
            return None
        try:
            return _decoded(data)
        except GatewayError as error:
            raise Misconfigured(
                "a file of the client's state is damaged",
                code="state_damaged",
                remedy=f"restore or remove {leg}.json: the node still has what was signed ({error.code})",
            ) from None

    def unfinished(self) -> list[str]:
        """Legs of which receipts are signed and not sent."""
        return [name for name, record in self._all() if record.unsent]

    def unanswered(self) -> list[str]:
        """Legs and notices of which an answer is not signed."""
        return [name for name, record in self._all() if record.said]

    def _all(self) -> Iterator[tuple[str, Record]]:
        for path in sorted(self._folder.glob("*.json")):
            record = self.find(path.stem) if HEX_ID.match(path.stem) else None
            if record is not None:
                yield path.stem, record

    def keep(self, record: Record) -> None:
        self.write(f"{_name(record.leg.id)}.json", _encoded(record))

    def read(self, name: str) -> bytes | None:
        try:
            with (self._folder / name).open("rb") as file:
                return file.read(LONGEST)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _away(error) from None

    def write(self, name: str, data: bytes) -> None:
        """The old file or the new one, whatever crashes. Raises Unavailable: a full disk loses nothing."""
        aside = self._folder / f".{name}.{secrets.token_hex(6)}"
        try:
            handle = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                aside.replace(self._folder / name)
            finally:
                with suppress(FileNotFoundError):
                    aside.unlink()
        except OSError as error:
            raise _away(error) from None


def _away(error: OSError) -> Unavailable:
    return Unavailable(
        f"the client's state cannot be read or written: {error.strerror}",
        code="state_away",
        remedy="check the folder of the state and the space left",
    )


def _name(leg: str) -> str:
    """A leg's id becomes a file name: nothing else does."""
    if not HEX_ID.match(leg):
        raise Misconfigured("this is no leg", code="state_leg")
    return leg


def _encoded(record: Record) -> bytes:
    leg = {name: getattr(record.leg, name) for name in _LEG}
    about = record.about
    body: JsonObject = {
        "v": 1,
        "parcel": record.parcel,
        "leg": {**leg, "state": str(record.leg.state)},
        "about": {"env": b64(about.env), "sender": about.sender, "mid": about.mid, "stmt": b64(about.stmt)},
        "parts": list(record.parts),
        "given": record.given,
        "signed": [
            {"state": one.state, "hash": b64(one.hash), "note": one.note.decode()} for one in record.signed
        ],
        "sent": record.sent,
        "answer": record.answer,
    }
    if record.pending is not None:
        body["pending"] = asdict(record.pending)
    if record.said:
        body["said"] = b64(record.said)
    return encode(body)


def _decoded(data: bytes) -> Record:
    body = fields(decode_object(data), _RECORD, optional=("pending", "said"))
    leg, about = fields(body["leg"], _LEG), fields(body["about"], _ABOUT)
    told: dict[str, str] = {name: str(value) for name, value in about.items()}
    whole = {name: leg[name] for name in ("version", "acknowledge_by", "decide_by")}
    texts = {name: str(leg[name]) for name in _LEG if name not in whole}
    row = LegRow(side=Side.DESTINATION, mid=told["mid"], **texts, **whole)  # type: ignore[arg-type]  # as typed in _LEG
    return Record(
        parcel=str(body["parcel"]),
        leg=row,
        about=About(unb64(told["env"], 32), told["sender"], told["mid"], unb64(told["stmt"], 32)),
        parts=tuple(n for n in _list(body["parts"]) if isinstance(n, int)),
        given=body["given"] is True,
        signed=tuple(_signed(one) for one in _list(body["signed"])),
        sent=int(str(body["sent"])),
        answer=str(body["answer"]),
        pending=_pending(body.get("pending")),
        said=unb64(str(body.get("said", ""))),
    )


def _signed(value: Json) -> Signed:
    one = {name: str(text) for name, text in fields(value, _SIGNED).items()}
    return Signed(one["state"], unb64(one["hash"], 32), one["note"].encode())


def _pending(value: Json) -> Pending | None:
    if value is None:
        return None
    one = fields(value, _PENDING)
    words = one["words"]
    return Pending(str(one["fingerprint"]), int(str(one["until"])), words if isinstance(words, dict) else {})


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []
