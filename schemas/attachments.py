"""A file that goes with a section: what the sending agency writes of it, and what a file may be called.

Duty: :class:`Attachment`, the closed list of media types, and :func:`name_flaw`. It leaves out the bytes of
the file, which travel sealed by themselves (:mod:`gateway.core.blob`), and their key and hash, which the node
adds when it takes the document in: an agency neither writes nor is shown them.

Rules
-----
- An attachment belongs to the section it stands in and is read by whoever reads that section, no more.
- Documents only. Nothing compressed and no archive (a small file that unpacks to a large one), so neither
  ``.docx`` nor ``.xlsx``, which are archives and carry macros: export to PDF or CSV. No images: photographs
  are never sent (:mod:`schemas.denied`). Nothing that a browser would run.
- A name is a name: no path, no character that nobody sees, and the ending that fits the media type, because
  the ending decides what opens it.

>>> name_flaw("order.pdf", "application/pdf")
''
>>> name_flaw("../order.pdf", "application/pdf")
'a name may not hold / \\\\ : * ? " < > |'
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.base import Section

MAX_SIZE = 25 * 1024 * 1024
"""Bytes: a scanned court bundle of some 300 pages. More belongs into the case system."""
MAX_FILE_NAME = 100
"""Characters. With what a file system or an agency's own system adds it stays under 255 bytes."""
MAX_ATTACHMENTS = 10
"""Files of one section: what a person reads with it."""

BLOB_ID = r"^[0-9a-f]{32}$"


class MediaType(StrEnum):
    """The closed list."""

    PDF = "application/pdf"
    TEXT = "text/plain"
    CSV = "text/csv"


ENDINGS: Mapping[str, str] = {MediaType.PDF: ".pdf", MediaType.TEXT: ".txt", MediaType.CSV: ".csv"}

_SEPARATORS = frozenset('/\\:*?"<>|')
_DEVICES = frozenset({"CON", "PRN", "AUX", "NUL"}) | {
    f"{kind}{n}" for kind in ("COM", "LPT") for n in range(10)
}


def name_flaw(name: str, media_type: str) -> str:
    """What is wrong with a file name; "" for one that every system takes for a name and nothing else."""
    return next((flaw for flaw, holds in _checks(name, media_type) if not holds), "")


def _checks(name: str, media_type: str) -> Iterator[tuple[str, bool]]:
    """What is asked of a name, and whether it holds; each check may rely on those before it."""
    yield f"a name has 1 to {MAX_FILE_NAME} characters", 0 < len(name) <= MAX_FILE_NAME
    yield 'a name may not hold / \\ : * ? " < > |', _SEPARATORS.isdisjoint(name)
    yield "a name may not hold characters that nobody sees", name.isprintable()
    yield "a name is in normal form (NFC)", unicodedata.normalize("NFC", name) == name
    # No hidden file, no option of a command, no formula of a spreadsheet.
    yield "a name begins with a letter or digit", name[0].isalnum()
    device = name.partition(".")[0].rstrip().upper() in _DEVICES
    yield "this name means a device to some systems", not device
    ending = ENDINGS.get(media_type, "/")
    yield "the ending of the name does not fit the media type", name.lower().endswith(ending)


class Attachment(Section):
    """One uploaded file: ``blob`` is what ``POST /v1/attachments`` answered, with the same type and size."""

    blob: Annotated[str, Field(pattern=BLOB_ID)]
    name: Annotated[str, Field(max_length=MAX_FILE_NAME)]
    """As the readers shall see it: a name without a path, with the ending .pdf, .txt or .csv."""
    media_type: MediaType
    size: Annotated[int, Field(ge=1, le=MAX_SIZE)]
    """Bytes."""

    @model_validator(mode="after")
    def _named(self) -> Attachment:
        if flaw := name_flaw(self.name, self.media_type):
            told = {"message": flaw, "remedy": "rename the attachment: order.pdf, notes.txt, list.csv"}
            raise PydanticCustomError("answer", "answer", {**told, "at": ["name"]})
        return self


Attachments = Annotated[tuple[Attachment, ...], Field(max_length=MAX_ATTACHMENTS)]
"""The files of one section, in the order in which they are shown."""
