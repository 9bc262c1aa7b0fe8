"""What an agency answers about its leg, how it travels back, and why it opens what it was sent.

Duty: :class:`Acknowledgement` (from the agency), :class:`Reply` (the sealed section ``reply`` that carries
its words to the origin), :class:`Opening` (the justification of a consultation). It leaves out which answer
may follow which (:mod:`gateway.core.states`).

Rules
-----
- Codes go into signed receipts and the permanent log; a person's words into the sealed reply alone
  (protocol 5).
- An answer that turns a handover away says why, with a code that fits: REJECTED has grounds of risk, law or
  identity alone, RETURNED is misdirected, DECLINED_NOT_RELEVANT is the right place without a task (domain
  6.7).
- The acting role is always named, the person never.

>>> answer = parse_acknowledgement(b'{"state": "ACCEPTED", "role": "Duty inspector"}')
>>> answer.state
<AcknowledgementState.ACCEPTED: 'ACCEPTED'>
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.base import (
    MAX_FEW,
    MAX_MANY,
    AreaCode,
    Code,
    HandoverRef,
    ItemId,
    Line,
    Mailbox,
    Reference,
    Section,
    Text,
    Version,
    unique,
)
from schemas.reading import read
from schemas.vocabulary import AgencyName

MAX_ANSWER = 64 * 1024
"""Bytes of an acknowledgement or an opening: a reason, and a result for each of 100 actions."""


class AcknowledgementState(StrEnum):
    """What an agency can say of its leg (domain 6.7)."""

    RECEIVED = "RECEIVED"
    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    RETURNED = "RETURNED"
    DECLINED_NOT_RELEVANT = "DECLINED_NOT_RELEVANT"
    INFO_REQUESTED = "INFO_REQUESTED"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    NOT_DONE = "NOT_DONE"
    CLOSED = "CLOSED"


class ReasonCode(StrEnum):
    """Why an answer is not a plain yes (domain 6.7). The wording is in :data:`REASONS`."""

    WRONG_AREA = "WRONG_AREA"
    WRONG_AGENCY = "WRONG_AGENCY"
    NOT_AT_ADDRESS = "NOT_AT_ADDRESS"
    IDENTITY_MISMATCH = "IDENTITY_MISMATCH"
    DUPLICATE = "DUPLICATE"
    INSUFFICIENT_INFORMATION = "INSUFFICIENT_INFORMATION"
    OUT_OF_AGE_RANGE = "OUT_OF_AGE_RANGE"
    NO_LAWFUL_BASIS = "NO_LAWFUL_BASIS"
    EXCESSIVE_DATA = "EXCESSIVE_DATA"
    DSA_NOT_IN_FORCE = "DSA_NOT_IN_FORCE"
    AREA_UNSAFE_FOR_SUBJECT = "AREA_UNSAFE_FOR_SUBJECT"
    ALREADY_HELD = "ALREADY_HELD"
    NOT_MOVED = "NOT_MOVED"
    SIGNATURE_INVALID = "SIGNATURE_INVALID"
    UNKNOWN_SENDER_KEY = "UNKNOWN_SENDER_KEY"
    SCHEMA_REJECTED = "SCHEMA_REJECTED"
    SUBJECT_NOT_REACHED = "SUBJECT_NOT_REACHED"
    SUBJECT_DECLINED = "SUBJECT_DECLINED"
    AWAITING_OTHER_AGENCY = "AWAITING_OTHER_AGENCY"
    SERVICE_NOT_AVAILABLE = "SERVICE_NOT_AVAILABLE"
    OVERTAKEN_BY_EVENTS = "OVERTAKEN_BY_EVENTS"


REASONS: Mapping[ReasonCode, str] = MappingProxyType(
    {
        ReasonCode.WRONG_AREA: "The person or the address belongs to another area.",
        ReasonCode.WRONG_AGENCY: "This is another agency's work.",
        ReasonCode.NOT_AT_ADDRESS: "The person is not at the address given.",
        ReasonCode.IDENTITY_MISMATCH: "The details do not fit one person, or fit another one.",
        ReasonCode.DUPLICATE: "This has been sent already.",
        ReasonCode.INSUFFICIENT_INFORMATION: "Something needed for a decision is missing.",
        ReasonCode.OUT_OF_AGE_RANGE: "The person is outside the ages this service works with.",
        ReasonCode.NO_LAWFUL_BASIS: "The power given does not reach this agency.",
        ReasonCode.EXCESSIVE_DATA: "More was sent than the purpose needs.",
        ReasonCode.DSA_NOT_IN_FORCE: "The data sharing agreement is not in force.",
        ReasonCode.AREA_UNSAFE_FOR_SUBJECT: "The new area is not safe for the person.",
        ReasonCode.ALREADY_HELD: "This agency holds the case already.",
        ReasonCode.NOT_MOVED: "The person has not moved.",
        ReasonCode.SIGNATURE_INVALID: "The signature does not hold.",
        ReasonCode.UNKNOWN_SENDER_KEY: "The sender's key is not known.",
        ReasonCode.SCHEMA_REJECTED: "The document does not have the agreed shape.",
        ReasonCode.SUBJECT_NOT_REACHED: "The person could not be reached by a safe route.",
        ReasonCode.SUBJECT_DECLINED: "The person does not want it, and it is theirs to refuse.",
        ReasonCode.AWAITING_OTHER_AGENCY: "It waits for another agency.",
        ReasonCode.SERVICE_NOT_AVAILABLE: "The service does not exist here, or has no place free.",
        ReasonCode.OVERTAKEN_BY_EVENTS: "What happened since has made it pointless.",
    }
)
"""Reason code -> a sentence for people."""

NODE_REASONS = frozenset(
    {ReasonCode.SIGNATURE_INVALID, ReasonCode.UNKNOWN_SENDER_KEY, ReasonCode.SCHEMA_REJECTED}
)
"""What only a node can find: no agency answers with these."""

REASONS_FOR: Mapping[AcknowledgementState, frozenset[ReasonCode]] = MappingProxyType(
    {
        AcknowledgementState.REJECTED: frozenset(
            {
                ReasonCode.AREA_UNSAFE_FOR_SUBJECT,
                ReasonCode.DSA_NOT_IN_FORCE,
                ReasonCode.EXCESSIVE_DATA,
                ReasonCode.IDENTITY_MISMATCH,
                ReasonCode.NO_LAWFUL_BASIS,
            }
        ),
        AcknowledgementState.RETURNED: frozenset(
            {
                ReasonCode.NOT_AT_ADDRESS,
                ReasonCode.WRONG_AGENCY,
                ReasonCode.WRONG_AREA,
            }
        ),
        AcknowledgementState.DECLINED_NOT_RELEVANT: frozenset(
            {
                ReasonCode.ALREADY_HELD,
                ReasonCode.DUPLICATE,
                ReasonCode.NOT_MOVED,
                ReasonCode.OUT_OF_AGE_RANGE,
            }
        ),
        AcknowledgementState.INFO_REQUESTED: frozenset(
            {
                ReasonCode.IDENTITY_MISMATCH,
                ReasonCode.INSUFFICIENT_INFORMATION,
                ReasonCode.NOT_AT_ADDRESS,
            }
        ),
        AcknowledgementState.NOT_DONE: frozenset(
            {
                ReasonCode.ALREADY_HELD,
                ReasonCode.AREA_UNSAFE_FOR_SUBJECT,
                ReasonCode.AWAITING_OTHER_AGENCY,
                ReasonCode.INSUFFICIENT_INFORMATION,
                ReasonCode.NOT_AT_ADDRESS,
                ReasonCode.NOT_MOVED,
                ReasonCode.OVERTAKEN_BY_EVENTS,
                ReasonCode.SERVICE_NOT_AVAILABLE,
                ReasonCode.SUBJECT_DECLINED,
                ReasonCode.SUBJECT_NOT_REACHED,
            }
        ),
    }
)
"""States that need a reason -> the codes that fit. A state that is not here takes none."""


WITH_RESULTS = frozenset(
    {
        AcknowledgementState.ACCEPTED,
        AcknowledgementState.IN_PROGRESS,
        AcknowledgementState.COMPLETED,
        AcknowledgementState.NOT_DONE,
    }
)
"""Answers that may tell what became of actions: before it has taken the leg on, an agency does none."""


TURNED_AWAY = frozenset(
    {
        AcknowledgementState.REJECTED,
        AcknowledgementState.RETURNED,
        AcknowledgementState.DECLINED_NOT_RELEVANT,
    }
)
"""Answers with which an agency does not take the handover on."""


class ActionOutcome(StrEnum):
    """How an action ended."""

    COMPLETED = "COMPLETED"
    NOT_DONE = "NOT_DONE"


class ActionResult(Section):
    """What became of one action of the handover."""

    action_id: ItemId
    result: ActionOutcome
    reason_code: ReasonCode | None = None
    """For NOT_DONE."""
    answer: Code | None = None
    """With COMPLETED, for an action that asks for one: CLEAR or CONCERN. ``may_answer`` of what was opened
    lists them."""

    @model_validator(mode="after")
    def _reason_fits(self) -> Self:
        check_reason(AcknowledgementState(self.result.value), self.reason_code)
        if self.answer is not None and self.result is not ActionOutcome.COMPLETED:
            raise _unfit(["answer"], "what was not done has no answer", "give a reason code alone")
        return self


class Owner(Section):
    """Who an agency's part belongs to from now on, as its single point of contact names it (SP-01): a role
    and its mailbox, never a person."""

    agency: AgencyName
    organisation: Line | None = None
    role: Line
    mailbox: Mailbox | None = None


class Acknowledgement(Section):
    """An agency's answer about its leg."""

    state: AcknowledgementState
    role: Line
    """The role that acts. A role, not a person's name."""
    reason_code: ReasonCode | None = None
    """Required for REJECTED, RETURNED, DECLINED_NOT_RELEVANT, INFO_REQUESTED, NOT_DONE; for no other."""
    reason_text: Text | None = None
    """Free text; it travels sealed, to the agency that sent the handover and to nobody else."""
    suggested_area: AreaCode | None = None
    """Where it should have gone."""
    suggested_agency: AgencyName | None = None
    """To which agency it should have gone, there or here; with an answer that turns the handover away."""
    actions: Annotated[tuple[ActionResult, ...], Field(max_length=MAX_MANY), unique("action_id")] = ()
    """What became of single actions; with ACCEPTED, IN_PROGRESS, COMPLETED or NOT_DONE."""
    owners: Annotated[tuple[Owner, ...], Field(max_length=MAX_FEW), unique("agency", "organisation")] = ()
    """From a single point of contact: the owner of each part that it passes on sealed."""

    @model_validator(mode="after")
    def _reason_fits(self) -> Self:
        check_reason(self.state, self.reason_code)
        if self.actions and self.state not in WITH_RESULTS:
            raise _unfit(["actions"], f"{self.state} tells nothing of actions", "accept the handover first")
        if self.suggested_agency is not None and self.state not in TURNED_AWAY:
            raise _unfit(["suggested_agency"], f"{self.state} names no other agency", "remove it")
        return self


class ActionAnswer(Section):
    """What an agency says of ONE action of its leg (``POST /v1/inbox/{leg}/actions/{action}``)."""

    result: ActionOutcome
    role: Line
    """The role that acts. A role, not a person's name."""
    reason_code: ReasonCode | None = None
    """For NOT_DONE."""
    answer: Code | None = None
    """With COMPLETED, for an action that asks for one."""
    reason_text: Text | None = None
    """Free text; it travels sealed, to the agency that sent the handover and to nobody else."""

    @model_validator(mode="after")
    def _reason_fits(self) -> Self:
        check_reason(AcknowledgementState(self.result.value), self.reason_code)
        if self.answer is not None and self.result is not ActionOutcome.COMPLETED:
            raise _unfit(["answer"], "what was not done has no answer", "give a reason code alone")
        return self

    def of(self, action: str) -> Acknowledgement:
        """The same, as the answer of a leg whose work goes on."""
        result = ActionResult(
            action_id=action, result=self.result, reason_code=self.reason_code, answer=self.answer
        )
        return Acknowledgement(
            state=AcknowledgementState.IN_PROGRESS,
            role=self.role,
            reason_text=self.reason_text,
            actions=(result,),
        )


class About(Section):
    """The leg that a reply answers for."""

    handover: HandoverRef
    version: Version
    leg: Reference
    agency: AgencyName


class Reply(Acknowledgement):
    """The sealed section ``reply``: the answer as given, and what it is about (protocol 5)."""

    about: About


class Justification(StrEnum):
    """Why somebody opens a handover. Recorded before the plaintext leaves (R24, domain 3.3)."""

    ALLOCATED_CASE = "ALLOCATED_CASE"
    DUTY_OFFICER = "DUTY_OFFICER"
    SAFEGUARDING_CHECK = "SAFEGUARDING_CHECK"
    SUPERVISION_OVERSIGHT = "SUPERVISION_OVERSIGHT"
    STANDING_ADAPTER = "STANDING_ADAPTER"
    AUDIT = "AUDIT"
    SUBJECT_ACCESS = "SUBJECT_ACCESS"
    LEGAL_CLAIM = "LEGAL_CLAIM"
    SUBJECT_AGREES = "SUBJECT_AGREES"
    OTHER = "OTHER"


class Opening(Section):
    """The justification of one consultation: a code, and text where the code says nothing."""

    justification: Justification
    purpose: Code | None = None
    """What it is opened for (Art 5(1)(b) UK GDPR); CONTINUITY_OF_SUPPORT if not given. One that is not the
    handover's own is refused."""
    text: Text | None = None
    """Required for OTHER. Sealed in the access log of the node, for the auditor's role, and never sent."""

    @model_validator(mode="after")
    def _other_is_explained(self) -> Self:
        if self.justification is Justification.OTHER and self.text is None:
            raise _unfit(["text"], "OTHER says nothing by itself", "say in text why this is opened")
        return self


def check_reason(state: AcknowledgementState, code: ReasonCode | None) -> None:
    """A reason exactly where one is due, and one that fits (domain 6.7)."""
    allowed = REASONS_FOR.get(state, frozenset())
    if code is None and allowed:
        raise _unfit(["reason_code"], f"{state} needs a reason", f"give one of {_list(allowed)}")
    if code is not None and not allowed:
        raise _unfit(["reason_code"], f"{state} takes no reason", "remove it")
    if code is not None and code not in allowed:
        raise _unfit(["reason_code"], f"this is no reason for {state}", f"give one of {_list(allowed)}")


def parse_acknowledgement(body: bytes) -> Acknowledgement:
    """An answer out of its JSON bytes. Raises ShapeError with every problem found."""
    return read(Acknowledgement, body, name="acknowledgement", limit=MAX_ANSWER)


def parse_action(body: bytes) -> ActionAnswer:
    """What is said of one action, out of its JSON bytes. Raises ShapeError with every problem found."""
    return read(ActionAnswer, body, name="action", limit=MAX_ANSWER)


def parse_opening(body: bytes) -> Opening:
    """A justification out of its JSON bytes. Raises ShapeError with every problem found."""
    return read(Opening, body, name="opening", limit=MAX_ANSWER)


def _list(codes: frozenset[ReasonCode]) -> str:
    return ", ".join(sorted(codes))


def _unfit(at: list[str], message: str, remedy: str) -> PydanticCustomError:
    # The kind "answer" is one that schemas.flaws passes on as it is: every word of it is ours.
    return PydanticCustomError("answer", "{message}", {"at": at, "message": message, "remedy": remedy})
