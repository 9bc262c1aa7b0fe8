"""What ``gateway config`` does: show the settings without a secret, and try each part that a node needs.

Every check is one that ``gateway run`` makes itself; here they are all made, whatever the first one says, so
that an operator mends everything in one go.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from gateway import governance, uplink
from gateway.bootstrap import bind_agencies, connect, tls
from gateway.cli import database
from gateway.clock import SystemClock
from gateway.config import Settings, find, load
from gateway.core.deadlines import london_day
from gateway.core.entitlements import ENTITLEMENTS
from gateway.core.trust import Network
from gateway.errors import GatewayError
from gateway.identity import accept_network, open_keys
from gateway.keystore import KeyStore

Keys: TypeAlias = Callable[[], KeyStore]

_PASSWORD = re.compile(r"(?<=://)([^/@:]*):[^/@]*@")


def shown(config: Path | None) -> dict[str, Any]:
    """The settings as JSON. A secret is never a setting, except in a URL, where it is blotted out."""
    path = find(config)
    return {"file": str(path.absolute()), "settings": _blotted(load(path).model_dump(mode="json"))}


def _blotted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _blotted(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_blotted(inner) for inner in value]
    return _PASSWORD.sub(r"\1:***@", value) if isinstance(value, str) else value


def once(settings: Settings) -> Keys:
    """The node's keys, opened when they are first asked for and not again: deriving the key from the
    passphrase takes half a second, on purpose. What fails is told to each who asks."""
    return cache(lambda: open_keys(settings))


def checks(settings: Settings, keys: Keys) -> dict[str, Any]:
    done = [
        outcome("governance", lambda: _governance(settings)),
        outcome("api", lambda: tls(settings.api)),
        outcome("keys", lambda: _keys(settings, keys())),
        outcome("network", lambda: _network(settings)),
        outcome("agencies", lambda: bind_agencies(settings, _network(settings))),
        outcome("broker", lambda: asyncio.run(_broker(settings))),
    ]
    return {"ready": all(check["ok"] for check in done), "checks": done}


def outcome(name: str, work: Callable[[], object]) -> dict[str, Any]:
    """What ``work`` raises is to be mended; words that it returns are a note beside a check that holds."""
    try:
        note = work()
    except GatewayError as error:
        return {
            "check": name,
            "ok": False,
            "code": error.code,
            "message": error.message,
            "field": error.field,
            "remedy": error.remedy,
        }
    return {"check": name, "ok": True} | ({"note": note} if isinstance(note, str) and note else {})


def _governance(settings: Settings) -> None:
    governance.check(settings, london_day(SystemClock().now()))
    governance.registers_of(settings, ENTITLEMENTS)
    governance.places_of(settings)


def _keys(settings: Settings, store: KeyStore) -> None:
    for role in ("node", *settings.agencies):
        principal = f"{settings.area}/{role}"
        store.signer(principal)
        store.opener(principal)


def _network(settings: Settings) -> Network:
    now = SystemClock().now()
    network = database.read(settings, lambda tx: database.network_of(tx, now))
    accept_network(settings, network)
    network.check_sendable(now)
    for role in ("node", *settings.agencies):
        network.sealing_key(f"{settings.area}/{role}", now)
    return network


async def _broker(settings: Settings) -> None:
    """A node that makes its own topology cannot be checked before it has made it: a login has to do."""
    from gateway.transports.rabbit import declare

    if settings.broker.create and settings.broker.urls:
        await declare(uplink.addresses(settings)[0], [settings.area], identity=uplink.identity(settings))
        return
    transport = connect(settings)
    try:
        await transport.start()
        await transport.check()
    finally:
        await transport.close()


def line(check: Mapping[str, Any]) -> str:
    if check["ok"]:
        return f"ok      {check['check']}" + (f": {check['note']}" if check.get("note") else "")
    field = f" ({check['field']})" if check["field"] else ""
    remedy = f"\n        what to do: {check['remedy']}" if check["remedy"] else ""
    return f"NOT OK  {check['check']}: {check['message']}{field}{remedy}"
