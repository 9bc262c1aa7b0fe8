"""An agency at its node: fetch, verify, open, bring back what was signed. No state but the network it trusts.

Example: see :mod:`gateway.client`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Protocol

from gateway.client.files import RelayedFile
from gateway.client.opening import AgencyKeys, Entry, Opened, Sealed, open_parcel, read_entry, read_sealed
from gateway.client.signing import Link
from gateway.core.encoding import Json, JsonObject, encode, unb64
from gateway.core.trust import Network
from gateway.errors import Conflict, Malformed, Misconfigured, Unavailable

DOCUMENTS: Final = ("roots", "directory", "cards", "suspensions")


class Line(Protocol):
    """As much of a :class:`gateway.client.http.Connection` as a client needs; a file can stand in for it."""

    async def get(self, path: str, *, wait: int = 0, **query: str) -> dict[str, Any]: ...
    async def post(
        self, path: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]: ...


class Client:
    """``fingerprint``: of the network, as it was read aloud. ``now``: unix seconds."""

    def __init__(self, line: Line, keys: AgencyKeys, *, fingerprint: str, now: Callable[[], int]) -> None:
        self.keys = keys
        self._line, self._fingerprint, self._now = line, fingerprint, now
        self._network: Network | None = None

    @property
    def network(self) -> Network:
        """As it was verified last. Raises Misconfigured before :meth:`refresh`."""
        if self._network is None:
            raise Misconfigured("the network's documents have not been fetched", code="not_joined")
        return self._network

    async def refresh(self) -> JsonObject:
        """Fetch the documents of trust and take them up. Returns them as they came, to be kept.

        Raises Refused of any kind for what does not verify or goes back behind what was known; the network
        known before stays.
        """
        told = await self._line.get("/v1/network")
        documents: JsonObject = {name: told.get(name) for name in DOCUMENTS}
        self.take_up(documents, self._now())
        return documents

    def take_up(self, documents: JsonObject, now: int) -> None:
        """The same for documents that were kept since ``now``."""
        newer = read_network(documents, self._fingerprint, now)
        if self._network is not None:
            self._network.check_successor(newer)
        own = newer.principal(self.keys.principal)
        if own.sign != self.keys.signer.public or own.hosted:
            raise Misconfigured(
                "the directory lists another key for this agency, or says that its node holds it",
                code="key_unlisted",
                remedy="have the directory's signers add the request with this agency's part",
            )
        self._network = newer

    async def parcels(self, wait: int = 0) -> list[Entry]:
        """What waits for this agency; the call is held for up to ``wait`` seconds until something does."""
        told = await self._line.get("/v1/relay", wait=wait)
        return [read_entry(one) for one in _list(told.get("parcels"))]

    async def fetch(self, parcel: str) -> Sealed:
        """One parcel, still sealed."""
        return read_sealed(await self._line.get(f"/v1/relay/{parcel}"), self.keys)

    async def open(self, parcel: str) -> Opened:
        """PLAINTEXT of one parcel, verified. Raises Refused of any kind."""
        return self.opened(await self.fetch(parcel))

    def opened(self, sealed: Sealed) -> Opened:
        """The same for one that was fetched before."""
        return open_parcel(sealed, self.network, self.keys, self._now())

    def files(self, opened: Opened) -> Sequence[RelayedFile]:
        """The files that came with it, opened when they are read."""
        fetch = partial(self.segment, opened.sealed.parcel)
        return [RelayedFile(item, fetch) for item in opened.items]

    async def segment(self, parcel: str, blob: str, no: int) -> bytes:
        """Sealed bytes of a file. Raises Unavailable while they have not come."""
        try:
            told = await self._line.get(f"/v1/relay/{parcel}/attachments/{blob}", segment=str(no))
        except Conflict as error:  # what a person is to try again later, an agent tries by itself
            raise Unavailable(error.message, code=error.code, remedy=error.remedy) from None
        return unb64(str(told.get("data")))

    async def settle(self, parcel: str, code: str = "") -> None:
        """This agency has a parcel that takes no receipt; or cannot take it, for the reason ``code``."""
        await self._line.post(f"/v1/relay/{parcel}/settled", encode({"code": code}))

    async def bring_receipts(self, leg: str, receipts: Sequence[Link]) -> str:
        """On their way to the origin when this returns; the leg's state then. The same again is no error."""
        notes: list[Json] = [receipt.note.decode() for receipt in receipts]
        return str((await self._line.post(f"/v1/relay/{leg}/receipts", encode({"receipts": notes})))["state"])

    async def bring_words(self, leg: str, sealed: JsonObject) -> bytes:
        """Have the node sign and send sealed words; the hash that the receipt names as its ``reply``."""
        told = await self._line.post(f"/v1/relay/{leg}/reply", encode(sealed))
        return unb64(str(told.get("statement")), 32)

    async def bring_card(self, card: bytes) -> None:
        """Have the node keep and spread a key card."""
        await self._line.post("/v1/relay/card", encode({"card": card.decode()}))

    async def submit(self, document: bytes, key: str) -> str:
        """Hand in a handover, in the clear: the node judges it by the rules and seals it. Its reference."""
        headers = {"Idempotency-Key": key, "Gateway-Actor": 'agency-agent;role="adapter"'}
        return str((await self._line.post("/v1/handovers", document, headers))["handover"])


def read_network(documents: JsonObject, fingerprint: str, now: int) -> Network:
    """The network out of the node's documents, verified against its fingerprint. Raises Refused."""
    roots, cards, stops = (_notes(documents.get(name)) for name in ("roots", "cards", "suspensions"))
    directory = unb64(str(documents.get("directory")))
    return Network.build(roots, directory, cards, now=now, expect=fingerprint, suspensions=stops)


def _notes(value: Json) -> list[bytes]:
    return [unb64(str(one)) for one in _list(value)]


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise Malformed("the node's answer has another shape", code="relay_form")
    return value
