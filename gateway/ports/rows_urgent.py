"""What is stored of urgent moves, and of documents that wait for a second person."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class UrgentRow:
    """One urgent handover, over all its versions, as one side keeps it. Identity: ref.

    ``issued``: when its first version was sent, by the origin's clock. ``other``: its trigger is
    OTHER_EVIDENCED; no further word of the trigger is kept. The times are 0 for "not yet": ``called``, the
    telephone call is on record; ``authorised``, a second person has agreed; ``reviewed``, the last review;
    ``downgraded``, it became STANDARD. ``kept``: reviews that kept it urgent. ``review_by``: when the next is
    due. ``actor``: the reference of the person who handed it in, who cannot be the second.
    """

    ref: str
    issued: int
    other: bool = False
    drill: bool = False
    called: int = 0
    authorised: int = 0
    reviewed: int = 0
    kept: int = 0
    review_by: int = 0
    downgraded: int = 0
    actor: str = ""


@dataclass(frozen=True, slots=True)
class DraftRow:
    """A document that waits for a second authoriser, sealed. Identity: id; and (ref, version).

    ``owner`` handed it in, by the person ``actor`` in the role ``role``. ``body`` is sealed under a key that
    ``secrets`` holds, wrapped and hidden under a leaf of the month's ``epoch`` (:mod:`gateway.flows.vault`).
    ``legs``: how many recipients it names. Nothing else of it is known until it is opened.
    """

    id: str
    ref: str
    version: int
    owner: str
    actor: str
    role: str
    destination: str
    urgency: str
    legs: int
    created: int
    expires: int
    body: bytes = field(repr=False)
    secrets: bytes = field(repr=False)
    epoch: str
