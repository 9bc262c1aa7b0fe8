"""Where an address lies: the seam behind rule R11."""

from __future__ import annotations

from typing import Protocol


class Places(Protocol):
    """Contract: answers from what is at hand, without a network. None for an address that it does not hold,
    and when it cannot be read now: neither is a mismatch."""

    def area_of(self, uprn: str) -> str | None:
        """The area code of a UPRN (1 to 12 digits)."""
        ...
