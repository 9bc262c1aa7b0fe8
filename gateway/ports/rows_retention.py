"""What is stored of how long things are kept: legal holds, and what was purged, by whom it is attested."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class HoldRow:
    """Nothing of the handover ``ref``, any version, is destroyed while this stands (``lifted`` 0).

    ``code`` says why, ``role`` who has it placed, ``actor`` a pseudonymous reference; never a name. It ends
    by itself at ``until`` (0: never) and has to be looked at by ``review``; both are unix seconds.
    """

    ref: str
    code: str
    role: str
    actor: str
    placed: int
    until: int
    review: int
    lifted: int = 0
    lifted_by: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class PurgeRow:
    """One destruction of one version of a handover by the node of ``area``: ours, or a peer's as it told us.

    ``why`` is the date that came first, or what was asked for (``gateway.core.retention``). ``messages``,
    ``parts`` and ``files``: how many were destroyed; ``unanswered``: legs that nobody had answered.
    ``epochs``: records by month of their keys, "2026-11:8 2026-12:1". ``slots``: until when keys of agencies
    here still open a received copy in an old backup, 0 for not. ``note``: the signed attestation, empty until
    the keys have gone from the key store as well.
    """

    ref: str
    version: int
    area: str
    at: int
    why: str
    messages: int
    parts: int
    files: int
    unanswered: int
    epochs: str
    slots: int = 0
    note: bytes = field(repr=False, default=b"")
    id: str = ""
