"""What a node needs of the machine it runs on: the time, and the keys it holds."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from gateway.core.envelope import Opener
from gateway.core.keys import KemKey
from gateway.core.notes import Signer
from gateway.core.rotation import Pace
from gateway.core.shred import Epoch


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
    naming the principal when its key is not here. Epochs and secrets live outside the database and its
    backups (protocol 7). A secret never changes. A subkey made by any process is opened with by every other
    from the next call of ``opener`` on. An epoch only ever loses keys: what one process has taken
    out of it no process can use after that call has returned, and no crash or race brings it back.
    """

    def principals(self) -> Collection[str]: ...
    def signer(self, principal: str) -> Signer: ...
    def opener(self, principal: str) -> Opener: ...
    def subkeys(self, principal: str) -> Sequence[KemKey]:
        """The X-Wing subkeys of a principal that lie here now, whichever process made them; none is none."""
        ...

    def renew(self, principal: str, now: int, pace: Pace, *, force: bool = False) -> bool:
        """Make a subkey when one is due, or in any case with ``force``; on disk when it returns. Of several
        processes that ask at once one makes it. Raises Misconfigured when it cannot be kept."""
        ...

    def destroy_subkeys(self, principal: str, now: int, pace: Pace) -> int:
        """Destroy the seeds whose time is over (``core.rotation.to_destroy``), on disk and here. Returns how
        many. May be repeated, and finishes what a crash left half done. Raises Misconfigured."""
        ...

    def log_signer(self, area: str) -> Signer:
        """The key of this area's log (protocol 8). Raises Misconfigured when it is not here."""
        ...

    def epoch(self, month: str, *, make: bool = False) -> Epoch:
        """The tree of keys of ``month`` ("2026-11") as it stands now. ``make``: begin it when there is none;
        one that was destroyed stays destroyed. Raises Misconfigured ``epoch_missing`` when there is none."""
        ...

    def puncture(self, month: str, paths: Sequence[str]) -> None:
        """Take these keys, and what lies below them, out of the epoch for good. May be repeated."""
        ...

    def destroy_epoch(self, month: str) -> None:
        """Destroy every key of the month; it can never be made again. May be repeated."""
        ...

    def compact_epoch(self, month: str, live: Sequence[str]) -> None:
        """Forget what none of the records at ``live`` needs; only for a month in which no more are made."""
        ...

    def secret(self, name: str) -> bytes:
        """A 32-byte key for keyed hashes of one purpose."""
        ...


class Room(Protocol):
    """The disks that a node writes to, and how much must stay free on them."""

    def free(self) -> int:
        """Bytes, on the fullest of them; 0 when one does not say."""
        ...

    def check(self) -> None:
        """Raises Unavailable ``disk_low`` below the floor: no NEW work then, so that what was taken can still
        be answered."""
        ...


class Anchor(Protocol):
    """A few bytes kept outside the database and its backups (protocol 4.5): by them a node that starts knows
    an older database from its own."""

    def read(self) -> bytes | None:
        """What was written last; None when nothing ever was. Raises Misconfigured."""
        ...

    def write(self, content: bytes, *, durable: bool = True) -> None:
        """Replace it as a whole; on disk when this returns, or where not ``durable`` with the system, which
        keeps it when this process is killed. Raises Misconfigured, Unavailable."""
        ...
