"""How an agency is spoken to, and what crosses between it and the node."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from gateway.core.encoding import Json
from gateway.errors import GatewayError
from gateway.ports.rows import LegRow, Parcel


class Attachment(Protocol):
    """One file that came with a section this agency reads. ``name`` was checked: it holds no path, and its
    ending fits ``media_type``; ``blob`` is 32 hex digits, for a name of one's own. Nothing of it is opened
    until it is asked for."""

    @property
    def blob(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def media_type(self) -> str: ...
    @property
    def size(self) -> int: ...

    def pieces(self) -> AsyncIterator[bytes]:
        """PLAINTEXT in order, after every byte of the file has been verified. Raises Unavailable
        (``attachment_missing``) while it has not come whole, Refused when it is not what was signed; both
        before the first piece."""
        ...

    async def check(self) -> None:
        """Verify it without giving any of it out; raises as ``pieces`` does."""
        ...


@dataclass(frozen=True, slots=True)
class View:
    """What one agency is given. ``content`` is PLAINTEXT, in the words of its profile: it exists between
    unsealing and the agency's adapter and nowhere else, so it is kept out of every repr."""

    kind: Parcel
    handover: str
    version: int
    leg: str
    principal: str
    urgency: str
    content: Mapping[str, Json] = field(repr=False)
    attachments: Sequence[Attachment] = field(repr=False, default=())
    """Files of the sections in ``content``; an adapter that cannot carry them leaves them to the HTTP API."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The agency's system has it. ``reference`` is that system's own opaque id, or "". ``answer``: what the
    agency said of it in the same breath, a ``body`` as of :class:`Answer`, or b""; it is put on record in the
    transaction that marks the parcel delivered, so an agency has to say it again to a repeat."""

    reference: str = ""
    answer: bytes = field(repr=False, default=b"")


class Answer(Protocol):
    """One acknowledgement that an agency gave through its adapter, not yet recorded."""

    @property
    def leg(self) -> str:
        """The leg that it answers for; or the id of the notice that it answers."""
        ...

    @property
    def body(self) -> bytes:
        """JSON of ``schemas.acknowledgement.Acknowledgement``; about a notice, of
        ``schemas.notice.NoticeAnswer``."""
        ...

    async def done(self) -> None:
        """It is committed. May be called again after a crash."""
        ...

    async def refuse(self, error: GatewayError) -> None:
        """It cannot be recorded as it stands; the agency is told why."""
        ...


class Submission(Protocol):
    """One handover document that an agency handed in through its adapter, not yet accepted."""

    @property
    def body(self) -> bytes: ...

    @property
    def key(self) -> str:
        """Idempotency key: the same for the same hand-in, whatever crashes."""
        ...

    async def done(self, ref: str) -> None: ...

    async def refuse(self, error: GatewayError) -> None: ...


class Adapter(Protocol):
    """How one agency's system is spoken to.

    Contract: ``deliver`` is idempotent by ``key``: the same key again is the same parcel, and the agency can
    tell. It returns only when the agency's side owns the content durably, and gives what the agency answered
    to a notification or a notice if it did so at once; such an answer is in no iterator. It raises
    Unavailable to be called again later, Rejected to stop and have a person look. ``pulls`` True: the agency
    fetches its parcels itself, with a justification, and ``deliver`` is never called for a notification. An
    adapter that may be given rehearsals also has ``drills = True``; one without is never called for any
    parcel of a drill. One that reads answers and submissions from a place that every process of the area sees
    (a folder) has ``one_reader = True``: of several processes one reads there at a time.
    """

    pulls: ClassVar[bool]

    async def start(self) -> None: ...

    async def deliver(self, view: View, *, key: str) -> Delivered: ...

    def acknowledgements(self) -> AsyncIterator[Answer]:
        """Ends only when the adapter is closed; an adapter that brings none ends at once."""
        ...

    def submissions(self) -> AsyncIterator[Submission]: ...

    async def check(self) -> None:
        """Raises Unavailable or Misconfigured when it could not deliver now."""
        ...

    async def close(self) -> None: ...


class Profile(Protocol):
    """What an agency is shown, in its own words, and what it may answer."""

    agency: str

    def present(self, view: Mapping[str, Json], leg: LegRow) -> dict[str, Json]:
        """``view``: the merged sections that this agency could open. Adds headings and what is asked of it;
        of the data it may only leave out."""
        ...


@dataclass(frozen=True, slots=True)
class AgencyBinding:
    """One agency of this area: who it is, how it is reached, how it is spoken to. ``checks_address``: its
    node looks whether a handover is for this area at all (:mod:`gateway.flows.match`)."""

    principal: str
    adapter: Adapter
    profile: Profile
    justification: str
    checks_address: bool = False


AdapterFactory = Callable[[str, Mapping[str, object]], Adapter]
"""``(principal, options) -> Adapter``: what a name in the configuration resolves to. Raises Misconfigured
naming the option that is missing or wrong."""
