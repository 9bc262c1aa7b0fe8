"""What an agency hands in when something about a handover has to be said after it was sent (domain 6.8).

Duty: :class:`Notice` (POST /v1/handovers/{ref}/notices), :class:`NoticeAnswer` (what a reader of one says).
It leaves out who may send which kind and what follows from it (:mod:`gateway.core.notices`).

Rules
-----
- ``reason_code`` and the blocks are codes, times and references: the receiving node acts on them. ``text``
  and ``statement`` travel sealed, to the agencies alone.
- A block is given for the kinds that it belongs to and for no other.
- A changed field is named by its path (JSON Pointer), never by its value: the value is in the new version.

>>> parse_notice(b'{"kind": "CORRECTION", "role": "Team leader", "reason_code": "DATA_INACCURATE"}').kind
<NoticeName.CORRECTION: 'CORRECTION'>
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.base import MAX_FEW, MAX_MANY, AreaCode, Line, NoticeId, Section, Text, UtcTime, Version, unique
from schemas.reading import read
from schemas.vocabulary import Agencies

MAX_NOTICE = 64 * 1024
"""Bytes of a notice: words of a page, and the paths of 100 changed fields."""

POINTER = r"^(/[A-Za-z0-9_]{1,64}){1,12}$"
SECTION_NAME = r"^[a-z][a-z_]{0,31}$"
ORGANISATION = r"^[a-z][a-z0-9_]{1,30}$"

LONGEST_PERMISSION = timedelta(days=92)
"""A longer one is a change of the order, which is a court's."""

Pointer = Annotated[str, Field(pattern=POINTER)]


class NoticeName(StrEnum):
    """The kinds that an agency may hand in."""

    UPDATE = "UPDATE"
    CORRECTION = "CORRECTION"
    RECTIFICATION = "RECTIFICATION"
    ERASURE = "ERASURE"
    RESTRICTION = "RESTRICTION"
    RESTRICTION_LIFTED = "RESTRICTION_LIFTED"
    REFUSAL = "REFUSAL"
    WITHDRAWAL = "WITHDRAWAL"
    UNLAWFUL_DISCLOSURE = "UNLAWFUL_DISCLOSURE"
    CLOSURE = "CLOSURE"
    INFORMATION_REQUEST = "INFORMATION_REQUEST"
    INFORMATION = "INFORMATION"
    PERMISSION_REQUEST = "PERMISSION_REQUEST"
    PERMISSION_GRANT = "PERMISSION_GRANT"
    PURGE_ORDER = "PURGE_ORDER"
    PURGE_ATTESTATION = "PURGE_ATTESTATION"


class NoticeReason(StrEnum):
    """Why a notice is sent. The wording is in :data:`NOTICE_REASONS`."""

    NEW_INFORMATION = "NEW_INFORMATION"
    DATA_INACCURATE = "DATA_INACCURATE"
    DATA_INCOMPLETE = "DATA_INCOMPLETE"
    DATA_OUT_OF_DATE = "DATA_OUT_OF_DATE"
    SUBJECT_REQUEST = "SUBJECT_REQUEST"
    SENT_IN_ERROR = "SENT_IN_ERROR"
    AGREEMENT_WITHDRAWN = "AGREEMENT_WITHDRAWN"
    NO_LAWFUL_BASIS = "NO_LAWFUL_BASIS"
    EXCESSIVE_DATA = "EXCESSIVE_DATA"
    LEGAL_DUTY = "LEGAL_DUTY"
    ACCURACY_CONTESTED = "ACCURACY_CONTESTED"
    NEEDED_AS_EVIDENCE = "NEEDED_AS_EVIDENCE"
    ACCURACY_VERIFIED = "ACCURACY_VERIFIED"
    NO_LONGER_NEEDED = "NO_LONGER_NEEDED"
    WORK_COMPLETED = "WORK_COMPLETED"
    NO_LONGER_RELEVANT = "NO_LONGER_RELEVANT"
    RETENTION_ENDED = "RETENTION_ENDED"
    NOT_FOUNDED = "NOT_FOUNDED"
    ORDERED = "ORDERED"
    INFORMATION_MISSING = "INFORMATION_MISSING"
    INFORMATION_UNCLEAR = "INFORMATION_UNCLEAR"
    ASKED_FOR = "ASKED_FOR"
    COURT_OR_SOLICITOR = "COURT_OR_SOLICITOR"
    APPOINTMENT = "APPOINTMENT"
    FAMILY = "FAMILY"
    WORK_OR_EDUCATION = "WORK_OR_EDUCATION"


_R = NoticeReason

NOTICE_REASONS: Mapping[NoticeReason, str] = MappingProxyType(
    {
        _R.NEW_INFORMATION: "Something new is known.",
        _R.DATA_INACCURATE: "Something that was sent is wrong.",
        _R.DATA_INCOMPLETE: "Something that was sent misleads by what it leaves out.",
        _R.DATA_OUT_OF_DATE: "Something that was sent is no longer so.",
        _R.SUBJECT_REQUEST: "The person that it is about asks for it.",
        _R.SENT_IN_ERROR: "It should not have been sent.",
        _R.AGREEMENT_WITHDRAWN: "The person has withdrawn the agreement that it rested on.",
        _R.NO_LAWFUL_BASIS: "No power covered sending it.",
        _R.EXCESSIVE_DATA: "More was sent than the purpose needs.",
        _R.LEGAL_DUTY: "A court or a statute demands it.",
        _R.ACCURACY_CONTESTED: "The person says that it is wrong, and that cannot be settled.",
        _R.NEEDED_AS_EVIDENCE: "It has to be kept as evidence.",
        _R.ACCURACY_VERIFIED: "It was checked and it holds.",
        _R.NO_LONGER_NEEDED: "What it was kept for is over.",
        _R.WORK_COMPLETED: "What was asked has been done.",
        _R.NO_LONGER_RELEVANT: "What happened since has made it pointless.",
        _R.RETENTION_ENDED: "The time for which it may be kept is over.",
        _R.NOT_FOUNDED: "The request is not followed; the words say why, and how to complain.",
        _R.ORDERED: "It was ordered by the notice that this one answers.",
        _R.INFORMATION_MISSING: "Something that is needed was not sent.",
        _R.INFORMATION_UNCLEAR: "Something that was sent can be read in two ways.",
        _R.ASKED_FOR: "It was asked for by the notice that this one answers.",
        _R.COURT_OR_SOLICITOR: "The person has to be at a court or with a solicitor.",
        _R.APPOINTMENT: "The person has an appointment there.",
        _R.FAMILY: "Something in the family: a birth, a funeral, a child's contact.",
        _R.WORK_OR_EDUCATION: "Work, training or school is there.",
    }
)
"""Reason code -> a sentence for people."""

_ANY = frozenset({_R.LEGAL_DUTY})

REASONS_OF: Mapping[NoticeName, frozenset[NoticeReason]] = MappingProxyType(
    {
        NoticeName.UPDATE: frozenset({_R.NEW_INFORMATION, _R.DATA_OUT_OF_DATE}),
        NoticeName.CORRECTION: frozenset({_R.DATA_INACCURATE, _R.DATA_INCOMPLETE, _R.DATA_OUT_OF_DATE}),
        NoticeName.RECTIFICATION: frozenset({_R.SUBJECT_REQUEST}),
        NoticeName.ERASURE: _ANY | {_R.SUBJECT_REQUEST, _R.NO_LAWFUL_BASIS, _R.EXCESSIVE_DATA},
        NoticeName.RESTRICTION: _ANY | {_R.ACCURACY_CONTESTED, _R.NEEDED_AS_EVIDENCE, _R.SUBJECT_REQUEST},
        NoticeName.RESTRICTION_LIFTED: _ANY | {_R.ACCURACY_VERIFIED, _R.NO_LONGER_NEEDED},
        NoticeName.REFUSAL: frozenset({_R.NOT_FOUNDED}),
        NoticeName.WITHDRAWAL: frozenset({_R.SENT_IN_ERROR, _R.AGREEMENT_WITHDRAWN}),
        NoticeName.UNLAWFUL_DISCLOSURE: frozenset({_R.NO_LAWFUL_BASIS, _R.EXCESSIVE_DATA, _R.SENT_IN_ERROR}),
        NoticeName.CLOSURE: frozenset({_R.WORK_COMPLETED, _R.NO_LONGER_RELEVANT}),
        NoticeName.INFORMATION_REQUEST: frozenset({_R.INFORMATION_MISSING, _R.INFORMATION_UNCLEAR}),
        NoticeName.INFORMATION: frozenset({_R.ASKED_FOR}),
        NoticeName.PERMISSION_REQUEST: frozenset(
            {_R.COURT_OR_SOLICITOR, _R.APPOINTMENT, _R.FAMILY, _R.WORK_OR_EDUCATION}
        ),
        NoticeName.PERMISSION_GRANT: frozenset({_R.ASKED_FOR}),
        NoticeName.PURGE_ORDER: _ANY | {_R.RETENTION_ENDED, _R.NO_LONGER_NEEDED},
        NoticeName.PURGE_ATTESTATION: frozenset({_R.ORDERED}),
    }
)
"""Kind -> the reasons that fit it."""


class Permission(Section):
    """To enter an area that an order keeps the person out of: where, and from when until when."""

    area: AreaCode
    where: Line
    """The place. It travels sealed."""
    accompanied_by: Line | None = None
    """The role that goes along."""
    starts: UtcTime
    ends: UtcTime

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not timedelta() < self.ends - self.starts <= LONGEST_PERMISSION:
            raise _unfit("ends", "a permission ends after it starts, within 92 days", "correct it")
        return self


class Attestation(Section):
    """What somebody states about the copies of a handover, over the role that signs it."""

    copies_destroyed: bool
    onward_disclosure: bool
    """Whether it was given to anybody else meanwhile."""
    log_contains_payload: bool
    """Whether a log still holds some of its content: it must not."""


_BLOCKS: Mapping[str, frozenset[NoticeName]] = MappingProxyType(
    {
        "changes": frozenset({NoticeName.UPDATE, NoticeName.CORRECTION, NoticeName.RECTIFICATION}),
        "new_version": frozenset({NoticeName.UPDATE, NoticeName.CORRECTION, NoticeName.RECTIFICATION}),
        "section": frozenset({NoticeName.ERASURE, NoticeName.RESTRICTION}),
        "statement": frozenset({NoticeName.RECTIFICATION}),
        "evidence": frozenset({NoticeName.ERASURE}),
        "contested": frozenset({NoticeName.ERASURE}),
        "due": frozenset({NoticeName.PURGE_ORDER, NoticeName.WITHDRAWAL, NoticeName.UNLAWFUL_DISCLOSURE}),
        "about": frozenset(
            {
                NoticeName.CORRECTION,
                NoticeName.RECTIFICATION,
                NoticeName.ERASURE,
                NoticeName.RESTRICTION,
                NoticeName.RESTRICTION_LIFTED,
                NoticeName.REFUSAL,
                NoticeName.PURGE_ATTESTATION,
                NoticeName.INFORMATION,
                NoticeName.PERMISSION_GRANT,
            }
        ),
        "asks": frozenset({NoticeName.INFORMATION_REQUEST}),
        "permission": frozenset({NoticeName.PERMISSION_REQUEST, NoticeName.PERMISSION_GRANT}),
        "attestation": frozenset({NoticeName.PURGE_ATTESTATION}),
    }
)
_NEEDED: Mapping[NoticeName, tuple[str, ...]] = MappingProxyType(
    {
        NoticeName.RESTRICTION_LIFTED: ("about",),
        NoticeName.REFUSAL: ("about", "text"),
        NoticeName.PURGE_ORDER: ("due",),
        NoticeName.INFORMATION_REQUEST: ("asks",),
        NoticeName.INFORMATION: ("about", "text"),
        NoticeName.PERMISSION_REQUEST: ("permission", "text"),
        NoticeName.PERMISSION_GRANT: ("about", "permission"),
        NoticeName.PURGE_ATTESTATION: ("about", "attestation"),
    }
)


class Notice(Section):
    """Something to be said about a handover that was sent."""

    kind: NoticeName
    role: Line
    """The role that acts. A role, not a person's name."""
    reason_code: NoticeReason
    text: Text | None = None
    """Free text; it travels sealed, to the agencies that the notice is for and to nobody else."""
    to: Agencies = ()
    """Agencies that it is for, where it need not go to all; none named: to all of them."""
    changes: Annotated[tuple[Pointer, ...], Field(max_length=MAX_MANY), unique()] = ()
    """Paths of the fields that change. Each agency is told those that it may read."""
    new_version: Version | None = None
    """The version that says it right, sent by itself."""
    section: Annotated[str, Field(pattern=SECTION_NAME)] | None = None
    """The one section that it is about; the whole handover if none is named."""
    statement: Text | None = None
    """The subject's own supplementary statement, which travels with the data (s.46(3) DPA 2018)."""
    evidence: bool | None = None
    """It is needed as evidence: restricted in place of erased (s.46(4), s.47(2))."""
    contested: bool | None = None
    """Whether it is accurate cannot be settled: restricted in place of erased (s.47(3))."""
    due: UtcTime | None = None
    """By when every copy has to be gone."""
    about: NoticeId | None = None
    """The notice that this one answers or ends."""
    attestation: Attestation | None = None
    asks: Annotated[tuple[Pointer, ...], Field(max_length=MAX_FEW), unique()] = ()
    """Paths of the fields that are missing or unclear."""
    permission: Permission | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.reason_code not in REASONS_OF[self.kind]:
            allowed = ", ".join(sorted(REASONS_OF[self.kind]))
            raise _unfit("reason_code", f"this is no reason for {self.kind}", f"give one of {allowed}")
        for name, kinds in _BLOCKS.items():
            if getattr(self, name) not in (None, ()) and self.kind not in kinds:
                raise _unfit(name, f"{self.kind} has no such field", "remove it")
        for name in _NEEDED.get(self.kind, ()):
            if getattr(self, name) in (None, ()):
                raise _unfit(name, f"{self.kind} needs it", f"add {name}")
        return self


class NoticeState(StrEnum):
    """What a reader can say of a notice. COMPLETED: what it asks has been done. REJECTED: it cannot be."""

    ACKNOWLEDGED = "ACKNOWLEDGED"
    COMPLETED = "COMPLETED"
    REJECTED = "REJECTED"


class NoticeRefusal(StrEnum):
    """Why a reader cannot do what a notice asks."""

    LEGAL_HOLD = "LEGAL_HOLD"
    NEEDED_AS_EVIDENCE = "NEEDED_AS_EVIDENCE"
    OWN_RECORD = "OWN_RECORD"
    NOT_HELD = "NOT_HELD"
    LEGAL_DUTY = "LEGAL_DUTY"
    NOT_KNOWN = "NOT_KNOWN"
    NO_LAWFUL_BASIS = "NO_LAWFUL_BASIS"
    ALREADY_SENT = "ALREADY_SENT"


class NoticeAnswer(Section):
    """A reader's answer to a notice."""

    state: NoticeState
    role: Line
    """The role that acts. A role, not a person's name."""
    reason_code: NoticeRefusal | None = None
    """For REJECTED, and for nothing else."""
    attestation: Attestation | None = None
    """For COMPLETED, where the notice has content destroyed."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.reason_code is None) == (self.state is NoticeState.REJECTED):
            wanted = ", ".join(sorted(NoticeRefusal))
            raise _unfit("reason_code", "a reason belongs to REJECTED", f"for REJECTED give one of {wanted}")
        if self.attestation is not None and self.state is not NoticeState.COMPLETED:
            raise _unfit("attestation", "an attestation belongs to COMPLETED", "remove it")
        return self


def parse_notice(body: bytes) -> Notice:
    """A notice out of its JSON bytes. Raises ShapeError with every problem found."""
    return read(Notice, body, name="notice", limit=MAX_NOTICE)


def parse_notice_answer(body: bytes) -> NoticeAnswer:
    """An answer out of its JSON bytes. Raises ShapeError with every problem found."""
    return read(NoticeAnswer, body, name="notice_answer", limit=MAX_NOTICE)


def _unfit(at: str, message: str, remedy: str) -> PydanticCustomError:
    # The kind "answer" is one that schemas.flaws passes on as it is: every word of it is ours.
    return PydanticCustomError("answer", "{message}", {"at": [at], "message": message, "remedy": remedy})
