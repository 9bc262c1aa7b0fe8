"""``inbox``: the agency fetches its parcels itself over HTTP, and answers there.

For a single point of contact or a small team without a system of its own (domain 6.2,
SINGLE_POINT_OF_CONTACT). Nothing is pushed. A notification waits at the node, sealed, until a named person
opens it with a justification (``POST /v1/inbox/{leg}/open``), which is logged before any plaintext leaves.

News about a leg and sealed replies wait in the same way: the node keeps every parcel of a pulling agency
parked, of whichever kind, and shows it with its leg, so ``deliver`` is called for none of them.
Acknowledgements and submissions come in over the HTTP API and never through here.

Options: none. Example::

    [agencies.spoc]
    adapter = "inbox"
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import ClassVar

from adapters._options import AdapterOptions, parse_options
from adapters._parcels import Nothing
from gateway.errors import Rejected
from gateway.ports import Answer, Delivered, Submission, View


class Options(AdapterOptions):
    """No options: the agency's token and the node's address are all it needs."""


class Adapter:
    """See the module."""

    pulls: ClassVar[bool] = True
    drills: ClassVar[bool] = True

    def __init__(self, principal: str, options: Mapping[str, object]) -> None:
        parse_options(Options, "inbox", options)
        self._principal = principal

    def __repr__(self) -> str:
        return f"<adapters.inbox.Adapter {self._principal}>"

    async def start(self) -> None:
        """Nothing to open."""

    async def deliver(self, view: View, *, key: str) -> Delivered:
        """Raises Rejected: plaintext pushed to an agency that pulls would be read without a justification."""
        raise Rejected(
            "this agency fetches its parcels itself",
            code="agency_pulls",
            remedy="Park the parcel; the agency opens it through the inbox with a justification.",
        )

    def acknowledgements(self) -> AsyncIterator[Answer]:
        return Nothing()

    def submissions(self) -> AsyncIterator[Submission]:
        return Nothing()

    async def check(self) -> None:
        """Always ready: the node's own readiness covers it."""

    async def close(self) -> None:
        """Nothing to close."""
