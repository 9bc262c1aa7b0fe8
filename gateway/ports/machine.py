"""What a node needs of the machine it runs on: the time, and the keys it holds."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from gateway.core.envelope import Opener
from gateway.core.notes import Signer


class Clock(Protocol):
    """Contract: aware of UTC only; never goes backwards within one process."""

    def now(self) -> int:
        """Unix seconds."""
        ...

    async def sleep_until(self, when: float) -> None:
        """Return no earlier than ``when`` (unix seconds); at once if it has passed."""
        ...


class Keys(Protocol):
    """The private keys this node holds: its own and those of the agencies it hosts.

    Contract: nothing it returns shows a secret in its repr. ``signer`` and ``opener`` raise Misconfigured
    naming the principal when its key is not here. The epoch and the secrets are made on first use and never
    change after that; they live outside the database and its backups (protocol 7).
    """

    def principals(self) -> Collection[str]: ...
    def signer(self, principal: str) -> Signer: ...
    def opener(self, principal: str) -> Opener: ...
    def log_signer(self, area: str) -> Signer:
        """The key of this area's log (protocol 8). Raises Misconfigured when it is not here."""
        ...

    def epoch(self, month: str) -> bytes:
        """The 32-byte key under which record keys of ``month`` ("2026-11") are wrapped."""
        ...

    def secret(self, name: str) -> bytes:
        """A 32-byte key for keyed hashes of one purpose."""
        ...
