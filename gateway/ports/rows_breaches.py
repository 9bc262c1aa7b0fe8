"""What is stored of personal data breaches and near misses (s.67 DPA 2018): codes, references, times."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class BreachRow:
    """One occurrence that is, or nearly was, a breach. Identity: id; and source with about.

    ``source``: RETURNED, UNLAWFUL_DISCLOSURE or BY_HAND; ``about``: the leg, the notice, or the record's own
    id. ``area`` and ``agency``: who had it that should not have. ``near_miss``: it was never opened, so
    nothing was disclosed. ``aware``: when this node knew, from which the 72 hours run. ``opened``: when it
    was opened first, 0 for never; ``parts``: how many sealed parts that reader opened; ``people``: whom it
    concerns, approximately. ``code``: the reason that was given. Times are unix seconds.
    """

    id: str
    source: str
    about: str
    ref: str
    version: int
    area: str
    agency: str
    near_miss: bool
    aware: int
    created: int
    opened: int = 0
    parts: int = 0
    people: int = 1
    code: str = ""


@dataclass(frozen=True, slots=True)
class BreachStepRow:
    """What was done about one, by whom; never changed. Identity: (breach, n).

    ``what``: a decision or another step (``gateway.core.breach``); ``code``: what goes with it. ``at``: when
    it happened, ``recorded``: when it was put down. ``role`` and ``actor``: a pseudonymous reference, never a
    name. ``sealed``: the rationale in words, under a secret of the key store.
    """

    breach: str
    n: int
    what: str
    at: int
    recorded: int
    role: str
    actor: str
    code: str = ""
    sealed: bytes = field(repr=False, default=b"")
