"""Judge a document offline: shape, rules and audiences, at any moment.

With a configuration the node's own directory resolves the recipients; without one the shipped entitlements
are used and recipients are not looked up, and the verdict says which of the two was checked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway.clock import SystemClock
from gateway.config import Settings, find, load
from gateway.core import policy
from gateway.core.audience import Reader, cut
from gateway.core.drills import check as check_invented
from gateway.core.entitlements import ENTITLEMENTS
from gateway.core.places import address_check
from gateway.core.registers import narrowed
from gateway.core.trust import Network
from gateway.errors import Misconfigured, NotAllowed, Problem
from gateway.flows.judging import check_destination, read, resolve
from gateway.flows.trust import trust_of
from gateway.governance import places_of, registers_of
from gateway.stores import open_store
from schemas.handover import HandoverNotification, to_document


def judge_file(body: bytes, as_of: str, config: Path | None) -> dict[str, Any]:
    """Raises InvalidDocument, NotAllowed or UnknownRecipient with every field named."""
    now = moment(as_of)
    document = read(body)
    settings = _settings(config)
    network = asyncio.run(_stored(settings.database_url, now)) if settings else None
    held = registers_of(settings, network.entitlements) if settings and network else None
    places = places_of(settings) if settings and network else None
    signed = network.entitlements if network else ENTITLEMENTS
    entitlements = narrowed(signed, held.narrowing) if held else signed
    lookup = places.area_of if places else None
    if network:
        check_invented(to_document(document), network.env)
    policy.check(document, now=now, entitlements=entitlements, registers=held, lookup=lookup)
    readers = _readers(network, document, now)
    parts = cut(to_document(document), readers, entitlements)
    return {
        "address_check": address_check(document, lookup).value,
        "valid": True,
        "checked": "everything" if network else "shape and rules",
        "as_of": now,
        "legs": [_leg(reader, parts) for reader in readers],
        "audiences": len(parts),
    }


def moment(as_of: str) -> int:
    """Unix seconds of an RFC 3339 time; now when it is empty."""
    if not as_of:
        return SystemClock().now()
    try:
        at = datetime.fromisoformat(as_of)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        problem = Problem("--as-of", "is not an RFC 3339 time with an offset", "e.g. 2026-11-24T10:05:00Z")
        raise NotAllowed("the moment cannot be read", code="as_of", problems=[problem])
    return int(at.timestamp())


def _settings(config: Path | None) -> Settings | None:
    try:
        return load(find(config))
    except Misconfigured:
        if config is not None:
            raise
        return None


async def _stored(url: str, now: int) -> Network | None:
    store = open_store(url)
    await store.start()
    try:
        trust = await store.read(lambda tx: trust_of(tx, now))
    finally:
        await store.close()
    return trust.network if trust else None


def _readers(network: Network | None, document: HandoverNotification, now: int) -> Sequence[Reader]:
    if network is not None:
        origin = document.routing.origin.area_code
        check_destination(network, origin, document)
        return [reader for reader, _ in resolve(network, document, now)]
    area = document.routing.destination.area_code
    return [
        Reader(f"{area}/{recipient.agency.lower()}_{index}", recipient.agency, index)
        for index, recipient in enumerate(document.routing.recipients)
    ]


def _leg(reader: Reader, parts: Sequence[Any]) -> Mapping[str, Any]:
    mine = [part.sections for part in parts if reader.principal in part.readers]
    return {"agency": reader.agency, "sections": sorted({name for sections in mine for name in sections})}
