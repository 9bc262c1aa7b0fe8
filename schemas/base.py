"""What every document is made of: the closed model, the limits, the types of its leaves, and the one error.

Duty: :class:`Section` (frozen, strict, closed), annotated types for text, times and identifiers, each with a
limit that has a name and a reason, and :class:`ShapeError`. It leaves out the words of the enumerations
(:mod:`schemas.vocabulary`) and the reading of bytes (:mod:`schemas.reading`).

Rules
-----
- No floats anywhere: a wire format of integers and text has one encoding (RFC 8785, restricted).
- Text holds no control characters; tab and newline are allowed where more than one line makes sense.
- A pattern matches the whole string: pydantic's regex engine knows no ``$`` before a final newline.
- A time has an offset (RFC 3339) and is kept in UTC; a date is a calendar day in the United Kingdom.
- ``repr`` of a section shows its class and nothing of what it holds: it is personal data.

>>> class Note(Section):
...     text: Line
>>> Note(text="not to be printed")
Note()
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from typing import Annotated, Any, NamedTuple, TypeAlias, TypeVar, Union
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer
from pydantic_core import PydanticCustomError

Json: TypeAlias = Union[bool, int, str, list["Json"], dict[str, "Json"], None]  # noqa: UP007 - a quoted name in |
JsonObject: TypeAlias = dict[str, Json]
T = TypeVar("T")

# --- Limits ---------------------------------------------------------------------------------------------
# In characters for text, in items for lists. They stop a document from being used as a file transfer and keep
# 62 audiences of it inside one envelope of 1 MiB (protocol 4.1).

MAX_NAME = 100
"""A person's name as forms of the public service print it."""
MAX_LINE = 200
"""A role, a court, an organisation: one line on a screen."""
MAX_REFERENCE = 100
"""A reference of somebody else's system; the longest seen has 30 characters."""
MAX_TEXT = 2_000
"""One reason, statement or condition: a page of handwriting. A case file belongs into the case system."""
MAX_MAILBOX = 254
"""An address of RFC 5321."""
MAX_FEW = 20
"""Names, roles, areas, goals, sources: what a person can take in."""
MAX_MANY = 100
"""Assertions, conditions, actions, people named in one order: several times the largest case seen (20)."""
MAX_AGENCIES = 20
"""14 agency types, and today's names beside older ones for the same agency."""
MAX_VERSION = 9_999
"""Versions of one handover; a case of two years with daily corrections has 730."""


# --- The error ------------------------------------------------------------------------------------------


class ShapeProblem(NamedTuple):
    """One thing wrong with the shape of a document.

    ``pointer`` is a JSON Pointer (RFC 6901; ``""`` is the whole document), ``message`` what is wrong there
    and ``remedy`` what to do. None of them holds a value out of the document.
    """

    pointer: str
    message: str
    remedy: str


class ShapeError(ValueError):
    """Bytes are not a document of the kind asked for. ``problems`` holds all that was found, by pointer."""

    def __init__(self, problems: Iterable[ShapeProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{p.pointer or 'the document'}: {p.message}" for p in self.problems))


# --- The model ------------------------------------------------------------------------------------------


class Section(BaseModel):
    """A closed, immutable part of a document."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        hide_input_in_errors=True,
        serialize_by_alias=True,
        use_attribute_docstrings=True,
    )

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        """Nothing: logs, tracebacks and failed assertions print what this returns."""
        return []


def to_json(section: Section) -> JsonObject:
    """The section as JSON-able values: what was absent stays absent, an explicit null stays null."""
    document: JsonObject = section.model_dump(mode="json", exclude_unset=True)
    return document


# --- Text -----------------------------------------------------------------------------------------------

LINE = (
    r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*[^\x00-\x20\x7f-\xa0\u2028\u2029][^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"
)
TEXT = r"^[^\x00-\x08\x0b-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\xa0][^\x00-\x08\x0b-\x1f\x7f-\x9f]*$"
CODE = r"^[A-Z][A-Z0-9_]{0,63}$"
ITEM_ID = r"^[A-Za-z][A-Za-z0-9_-]{0,31}$"
MAILBOX = r"^[!-?A-~]+@[!-?A-~]+$"
PHONE = r"^\+?[0-9(][0-9() -]{2,30}( ext [0-9]{1,6})?$"

Name = Annotated[str, Field(pattern=LINE, max_length=MAX_NAME)]
Line = Annotated[str, Field(pattern=LINE, max_length=MAX_LINE)]
Reference = Annotated[str, Field(pattern=LINE, max_length=MAX_REFERENCE)]
Text = Annotated[str, Field(pattern=TEXT, max_length=MAX_TEXT)]
Code = Annotated[str, Field(pattern=CODE)]
ItemId = Annotated[str, Field(pattern=ITEM_ID)]
Mailbox = Annotated[str, Field(pattern=MAILBOX, max_length=MAX_MAILBOX)]
Phone = Annotated[str, Field(pattern=PHONE)]


# --- Identifiers (domain 4.2) ---------------------------------------------------------------------------

AREA = r"^[EWSN][0-9]{8}$"
HANDOVER = r"^HO-[EWSN][0-9]{8}-[0-9]{4}-[0-9]{6}$"
NOTICE = r"^[0-9a-f]{32}$"
UPRN = r"^[0-9]{1,12}$"
POSTCODE = r"^[A-Z]{1,2}[0-9][A-Z0-9]? [0-9][A-Z]{2}$"
PNC = r"^[0-9]{4}/[0-9]{7}[A-HJ-NP-RT-Z]$"
CRO = r"^[0-9]{1,6}/[0-9]{2}[A-Z]$"
CRN = r"^[A-Z][0-9]{6}$"
NOMIS = r"^[A-Z][0-9]{4}[A-Z]{2}$"
NHS = r"^[0-9]{10}$"
NINO = r"^[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][0-9]{6}[A-D]$"

FORMS = {
    LINE: "one line of text, not blank, without control characters",
    TEXT: "text, not blank, without control characters other than tab and newline",
    CODE: "a code of capital letters, digits and underscores",
    ITEM_ID: "an id of up to 32 letters, digits, hyphens and underscores, a letter first",
    MAILBOX: "one mail address",
    PHONE: "a telephone number of digits and spaces",
    AREA: "an ONS GSS code: one letter and 8 digits",
    HANDOVER: "HO-<GSS code>-<year>-<6 digits>",
    NOTICE: "the id of a notice, 32 hex digits",
    UPRN: "1 to 12 digits",
    POSTCODE: "a postcode in capitals with one space",
    PNC: "YYYY/NNNNNNN and a check letter",
    CRO: "NNNNNN/YY and a letter",
    CRN: "one letter and 6 digits",
    NOMIS: "A9999AA",
    NHS: "10 digits without spaces",
    NINO: "a National Insurance number without spaces",
}
"""Pattern -> what it asks for, in words, for whoever has to mend a document."""

PNC_LETTERS = "ZABCDEFGHJKLMNPQRTUVWXY"
NHS_MODULUS = 11


def _pnc_check(value: str) -> str:
    """The letter stands for (year's last two digits, then serial) mod 23: it catches a slip that would
    otherwise point at another person."""
    if value[-1] != PNC_LETTERS[int(value[2:4] + value[5:12]) % len(PNC_LETTERS)]:
        raise PydanticCustomError("check_character", "the check letter does not fit")
    return value


def _nhs_check(value: str) -> str:
    """Modulus 11 with weights 10 to 2 (NHS Data Dictionary); a check of 10 is never issued."""
    weighted = sum(weight * int(digit) for weight, digit in zip(range(10, 1, -1), value[:9], strict=True))
    if (-weighted) % NHS_MODULUS != int(value[9]):
        raise PydanticCustomError("check_character", "the check digit does not fit")
    return value


AreaCode = Annotated[str, Field(pattern=AREA)]
HandoverRef = Annotated[str, Field(pattern=HANDOVER)]
NoticeId = Annotated[str, Field(pattern=NOTICE)]
Uprn = Annotated[str, Field(pattern=UPRN)]
Postcode = Annotated[str, Field(pattern=POSTCODE)]
PncId = Annotated[str, Field(pattern=PNC), AfterValidator(_pnc_check)]
CroNumber = Annotated[str, Field(pattern=CRO)]
Crn = Annotated[str, Field(pattern=CRN)]
NomisNumber = Annotated[str, Field(pattern=NOMIS)]
NhsNumber = Annotated[str, Field(pattern=NHS), AfterValidator(_nhs_check)]
Nino = Annotated[str, Field(pattern=NINO)]
Version = Annotated[int, Field(ge=1, le=MAX_VERSION)]


# --- Times ----------------------------------------------------------------------------------------------
# Years 1900 to 2199: a slipped digit is found, and no arithmetic on a time can leave the calendar.

_DAY = r"(?:19|20|21)[0-9]{2}-[0-9]{2}-[0-9]{2}"
DATE = re.compile(_DAY)
TIME = re.compile(_DAY + r"T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def _exactly(form: re.Pattern[str], make: Callable[[str], object], error: str) -> Callable[[object], object]:
    """Reads a string of exactly this form. pydantic alone also takes unix seconds in a string, blanks for the
    T and braces round a UUID: several spellings of one value."""

    def read(value: object) -> object:
        if not isinstance(value, str):
            return value
        made = _make(make, value) if form.fullmatch(value) else None
        if made is None:
            raise PydanticCustomError("form", "{form}", {"form": error})
        return made

    return read


def _make(make: Callable[[str], object], text: str) -> object | None:
    try:
        return make(text)
    except ValueError:  # the 31st of February, the 60th second
        return None


def _utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise PydanticCustomError("form", "{form}", {"form": "a time with an offset (RFC 3339)"})
    return value.astimezone(UTC)


UtcTime = Annotated[
    datetime,
    BeforeValidator(
        _exactly(TIME, datetime.fromisoformat, "a time with an offset, 2026-11-24T10:05:00+00:00")
    ),
    AfterValidator(_utc),
    PlainSerializer(datetime.isoformat, return_type=str, when_used="json"),
]
Day = Annotated[date, BeforeValidator(_exactly(DATE, date.fromisoformat, "a date, YYYY-MM-DD"))]
MessageId = Annotated[UUID, BeforeValidator(_exactly(_UUID, UUID, "a UUID in five groups"))]


# --- Lists ----------------------------------------------------------------------------------------------


def unique(*fields: str) -> AfterValidator:
    """No two items agree in all of ``fields``; with none given, no two items are equal. Parts of a document
    are joined by these ids (protocol 4.3), so two of one name would run into each other."""

    def check(items: tuple[T, ...]) -> tuple[T, ...]:
        seen: set[object] = set()
        for index, item in enumerate(items):
            key = tuple(getattr(item, name) for name in fields) if fields else item
            if key in seen:
                raise PydanticCustomError("repeated", "repeated", {"at": [index, *fields[:1]]})
            seen.add(key)
        return items

    return AfterValidator(check)


def once(items: tuple[T, ...]) -> tuple[T, ...]:
    """Each item once, in the order given."""
    return tuple(dict.fromkeys(items))


Areas = Annotated[tuple[AreaCode, ...], Field(max_length=MAX_FEW), AfterValidator(once)]
