"""How a role is called: the channel, as the flows see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Page:
    """One call, as a channel tells it. References, codes and times: a pager is read on a bus.

    ``key`` is the same on every repeat of a call. ``role`` is who is called and ``to`` where the channel
    reaches it. ``late`` says in words what is late; ``since`` is RFC 3339 or "". ``link``: where to look.
    """

    key: str
    role: str
    to: str
    code: str
    late: str
    handover: str
    agency: str
    area: str
    urgent: bool
    drill: bool
    since: str
    link: str


class Pager(Protocol):
    """Contract: ``send`` returns when the channel has taken the call over, and may be given one key twice. It
    raises Unavailable when it may go better later, Rejected when the channel will not take this one; neither
    message holds an address or a secret. Bounded in time. Safe to call concurrently."""

    async def start(self) -> None: ...
    async def send(self, page: Page) -> None: ...
    async def close(self) -> None: ...
