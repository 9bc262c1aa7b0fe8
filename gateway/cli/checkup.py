"""What ``gateway doctor`` does. Each check is a name with its outcome; one that fails has its remedy."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway import uplink
from gateway.bootstrap import ladders_of, pace_of, pagers_of
from gateway.cli import checking, database
from gateway.clock import SystemClock
from gateway.config import Settings
from gateway.core.deadlines import london_day
from gateway.core.directory import NODE_AGENCY
from gateway.core.holidays import holidays_end_soon, holidays_known_until
from gateway.core.trust import Network
from gateway.errors import GatewayError, Misconfigured, NotFound
from gateway.flows import certificates, checkup, spoc
from gateway.flows.node import Node, Wake
from gateway.identity import load_trust
from gateway.keystore import KeyStore
from gateway.ports import Store
from gateway.stores import open_store
from gateway.transports.certificates import CODE, RENEW

ROOM: Final = 1024**3
"""Bytes that are to be free where data and keys lie."""

SOON: Final = 7 * 86_400
"""Seconds before its end from which a certificate is a fault here, and no note."""

STEP: Final = 0.25
"""Seconds between two looks for an answer."""

SANE: Final = 1_704_067_200
"""The first second of 2024: a machine that says less has lost its clock."""


def checks(settings: Settings, keys: checking.Keys) -> dict[str, Any]:
    found = checking.checks(settings, keys)
    more = [
        checking.outcome("log key", lambda: keys().log_signer(settings.area)),
        checking.outcome("clock", lambda: _clock(settings)),
        checking.outcome("dates", lambda: _dates(settings)),
        checking.outcome("cards", lambda: _cards(settings, keys())),
        checking.outcome("adapters", lambda: _adapters(settings)),
        checking.outcome("point of contact", lambda: _spoc(settings)),
        checking.outcome("disk", lambda: _disk(settings)),
        checking.outcome("holidays", _holidays),
        checking.outcome("escalation", lambda: _escalation(settings)),
        checking.outcome("broker certificate", lambda: _certificate(settings)),
        checking.outcome("held", lambda: _held(settings)),
    ]
    done = [{"remedy": "", **check} for check in (*found["checks"], *more)]
    for check in done:
        if not check["ok"]:
            check["remedy"] = (
                check["remedy"]
                or "`docs/operations.md` has the codes; for the broker: does it run, is it reached from here?"
            )
    return {"ready": all(check["ok"] for check in done), "checks": done}


def _network(settings: Settings) -> Network:
    now = SystemClock().now()
    return database.read(settings, lambda tx: database.network_of(tx, now))


def _clock(settings: Settings) -> None:
    """No peer's clock is known here; that of the newest message sent or heard is a floor."""
    now = SystemClock().now()
    rows = database.read(settings, lambda tx: (*tx.streams(outgoing=True), *tx.streams(outgoing=False)))
    if now < max([SANE, *(row.at - 120 for row in rows)]):
        raise Misconfigured(
            "the clock is behind what this node has sent or heard already",
            code="clock",
            remedy="set it by NTP (`timedatectl`); peers refuse what is dated wrongly by two minutes",
        )


def _dates(settings: Settings) -> None:
    network, now = _network(settings), SystemClock().now()
    if network.expires_soon(now):
        days = max((network.expires - now) // 86_400, 0)
        which = "directory" if network.directory.expires <= network.root.expires else "root"
        raise Misconfigured(
            f"the {which} ends in {days} days, and sending with it",
            code="expires_soon",
            remedy="its signers renew it: `gateway directory sign --renew`, `gateway directory root`",
        )


def _cards(settings: Settings, keys: KeyStore) -> None:
    """Ours as peers know them: valid now, and made of keys that lie here."""
    network, now = _network(settings), SystemClock().now()
    for principal in (network.node(settings.area), *network.agencies(settings.area)):
        if not principal.hosted and principal.agency != NODE_AGENCY:
            continue  # it renews its own
        public = network.sealing_key(principal.name, now)
        if public not in keys.opener(principal.name).publics():
            raise Misconfigured(
                f"the card of {principal.name} shows a key that is not here",
                code="card_key",
                remedy="start the node: it signs and tells a card of what it has",
            )


def _adapters(settings: Settings) -> None:
    """Every agency that we host has a section, or nobody is given what is sent to it."""
    for principal in _network(settings).agencies(settings.area):
        if principal.hosted and principal.role not in settings.agencies:
            raise Misconfigured(
                f"no adapter is configured for {principal.name}",
                code="no_adapter",
                field=f"/agencies/{principal.role}",
                remedy=f"add a section [agencies.{principal.role}] to the configuration",
            )


def _holidays() -> None:
    """Working days are counted by a list that ships with the release."""
    if holidays_end_soon(london_day(SystemClock().now())):
        raise Misconfigured(
            f"the bank holidays that this release knows end on {holidays_known_until()}",
            code="holidays_end",
            remedy="install a newer release: without its list deadlines fall a day early",
        )


def _escalation(settings: Settings) -> str:
    """The channels can be opened. That nobody is named is told, and no fault: an alarm is sounded instead."""
    ladders = ladders_of(settings.escalation)
    pagers_of(settings.escalation)
    without = [role for role in settings.agencies if not ladders.of(f"{settings.area}/{role}")]
    if not without:
        return ""
    return f"a late leg of {', '.join(sorted(without))} is an alarm and calls nobody: operations.md, Late"


def _held(settings: Settings) -> str:
    """Told, and no fault of this machine: the node runs on, and a person has to look."""
    counts = database.read(settings, lambda tx: tx.counts())
    messages, parcels = counts["held"], counts["task.held"]
    if not messages and not parcels:
        return ""
    return f"{messages} messages and {parcels} parcels wait for a person: `gateway held list`"


def _certificate(settings: Settings) -> str:
    """Ours: the broker's own is judged when it is met, and sounds an alarm before it ends."""
    own, now = uplink.identity(settings), SystemClock().now()
    if own is None:
        return ""
    own.context()
    if not own.ends:
        return ""
    note = certificates.told({"node": own.ends}, now)
    if own.ends <= now + SOON:
        raise Misconfigured(note, code=CODE, field="/broker/certificate", remedy=RENEW)
    return note


def _spoc(settings: Settings) -> None:
    """A borough that answers through one point of contact stands still when that one is away (domain 6.4)."""
    ladders = ladders_of(settings.escalation)
    for principal in _network(settings).agencies(settings.area):
        if principal.agency != spoc.AGENCY:
            continue
        first = ladders.rung(principal.name, 0)
        if not first or not ladders.roles[first].deputy:
            raise Misconfigured(
                "the single point of contact has no deputy",
                code="no_deputy",
                field=f"/escalation/agencies/{principal.role}",
                remedy="name a ladder for it whose first role has a deputy",
            )


def _disk(settings: Settings) -> None:
    for folder in (settings.data, settings.key_folder):
        if shutil.disk_usage(folder).free < ROOM:
            raise Misconfigured(
                f"less than 1 GiB is free at {folder}",
                code="disk",
                remedy="make room: a node that cannot write stops taking messages",
            )


# --- the test message -----------------------------------------------------------------------------------


def peers(settings: Settings, keys: checking.Keys, area: str, wait: int) -> list[dict[str, Any]]:
    """One line a peer. Raises NotFound for an area that the directory does not hold, or our own."""
    network = _network(settings)
    others = sorted(area for area in network.areas if area != settings.area and not network.external(area))
    if area and area not in others:
        raise NotFound("the directory holds no such peer", code="unknown_area", field="--peer")
    return asyncio.run(_try(settings, keys(), [area] if area else others, wait))


async def _try(settings: Settings, keys: KeyStore, areas: Sequence[str], wait: int) -> list[dict[str, Any]]:
    store = open_store(settings.database_url)
    await store.start()
    try:
        node = await _node(settings, keys, store)
        return await asyncio.gather(*(_ping(node, area, wait) for area in areas))
    finally:
        await store.close()


async def _node(settings: Settings, keys: KeyStore, store: Store) -> Node:
    clock = SystemClock()
    trust = await load_trust(settings, store, clock.now())
    return Node(
        area=settings.area,
        store=store,
        transport=_Nothing(),  # type: ignore[arg-type] # the running node publishes, not we
        clock=clock,
        keys=keys,
        trust=trust,
        agencies={},
        pace=pace_of(settings.timing),
        wake=Wake(),
    )


class _Nothing:
    """In the place of a transport."""


async def _ping(node: Node, area: str, wait: int) -> dict[str, Any]:
    began = node.clock.now()
    try:
        ping = await node.store.write(lambda tx: checkup.ask(tx, node, area, began))
    except GatewayError as error:
        return {"area": area, "outcome": error.code, "remedy": error.remedy}
    outcome = "waiting"
    for _ in range(int(wait / STEP)):
        outcome = await node.store.read(lambda tx: checkup.outcome(tx, ping))
        if outcome == "answered":
            break
        await asyncio.sleep(STEP)
    return {"area": area, "outcome": outcome, "remedy": REMEDY[outcome]}


REMEDY: Final[Mapping[str, str]] = {
    "answered": "",
    "published": "it left this node and no answer came: does the peer's node run, and hold our newest card?",
    "waiting": "this node does not run, or does not reach its broker: start it with `gateway run`",
}


def text(found: Mapping[str, Any]) -> str:
    lines = [checking.line(check) for check in found["checks"]]
    for one in found.get("peers", ()):
        said = "ok      there and back" if one["outcome"] == "answered" else f"NOT OK  {one['outcome']}"
        remedy = f"\n        what to do: {one['remedy']}" if one["remedy"] else ""
        lines.append(f"{said}: {one['area']}{remedy}")
    return "\n".join(lines)
