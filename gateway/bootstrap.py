"""The composition root: the only place that names a concrete store, transport, key store or clock.

Settings in, a running node out. Adapters and profiles are named in the configuration and loaded here by
name (``webhook`` -> ``adapters.webhook:Adapter``, or ``package.module:Class``), so that adding one touches
nothing else.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import importlib.metadata
import ipaddress
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

import structlog
from aiohttp import web
from uuid_utils.compat import uuid4

from gateway import config, governance, uplink
from gateway.anchor import NAME, AnchorFile
from gateway.api.app import build
from gateway.api.ops import build_metrics
from gateway.api.routes import Options
from gateway.clock import SystemClock
from gateway.config import Agency, Api, Escalation, Settings, Timing
from gateway.core.deadlines import london_day
from gateway.core.ladder import DEFAULT, Ladders, Role
from gateway.core.rotation import Pace as Rotation
from gateway.core.tailoring import Tailoring, tailor
from gateway.core.trust import Network
from gateway.errors import GatewayError, Misconfigured, Unavailable
from gateway.flows.metrics import Metrics
from gateway.flows.node import Node, Pace, Seat, Wake
from gateway.flows.runtime import running
from gateway.identity import accept_network, load_trust, open_keys
from gateway.keystore import KeyStore
from gateway.pagers import EmailPager, WebhookPager
from gateway.ports import (
    Adapter,
    AdapterFactory,
    AgencyBinding,
    Clock,
    Pager,
    Profile,
    Store,
    Transport,
)
from gateway.ports import Role as Duty
from gateway.stores import open_store
from gateway.stores.room import DiskRoom
from gateway.stores.siblings import open_siblings
from gateway.transports.rabbit import RabbitTransport, declare

log = structlog.get_logger("bootstrap")


def connect(settings: Settings) -> Transport:
    """The broker of the configuration. The embedded one is given by whoever runs two nodes in one process."""
    if not settings.broker.urls:
        raise Misconfigured(
            "no broker is configured",
            code="no_broker",
            field="/broker/urls",
            remedy='set urls = ["amqps://..."] in [broker]; `gateway demo` runs without one',
        )
    for url in settings.broker.urls:
        _check_encrypted(url, settings.environment)
    return RabbitTransport(uplink.addresses(settings), settings.area, identity=uplink.identity(settings))


def _check_encrypted(url: str, environment: str) -> None:
    """The envelopes need no trusted line, but the account's password does. Raises Misconfigured."""
    place = urlsplit(url)
    if environment == "prod" and place.scheme != "amqps" and not _loopback(place.hostname or ""):
        raise Misconfigured(
            "the broker would be reached without TLS on another machine",
            code="broker_tls",
            field="/broker/urls",
            remedy="use amqps://, with the broker's certificate authority as cafile in [broker]",
        )


async def compose(
    settings: Settings,
    *,
    store: Store,
    transport: Transport,
    clock: Clock | None = None,
    keys: KeyStore | None = None,
    seat: Seat | None = None,
) -> Node:
    """A node out of an opened store and a transport. Raises Misconfigured, each with its remedy."""
    ticking = clock or SystemClock()
    governance.check(settings, london_day(ticking.now()))
    held = keys or open_keys(settings)
    trust = await load_trust(settings, store, ticking.now())
    agencies = bind_agencies(settings, trust.network)
    with_own_key = (one.name for one in trust.network.agencies(settings.area) if not one.hosted)
    return Node(
        area=settings.area,
        store=store,
        transport=transport,
        clock=ticking,
        keys=held,
        trust=trust,
        agencies=agencies,
        pace=pace_of(settings.timing),
        wake=Wake.of([*agencies, *with_own_key]),
        anchor=AnchorFile(settings.key_folder / NAME),
        room=DiskRoom([settings.data, settings.key_folder], floor=settings.database.floor << 20),
        tailoring=tailoring_of(settings.tailoring),
        registers=governance.registers_of(settings, trust.network.entitlements),
        places=governance.places_of(settings),
        ladders=ladders_of(settings.escalation),
        pagers=pagers_of(settings.escalation),
        seat=seat,
        certificates=getattr(transport, "certificates", dict),
    )


def seat_of(settings: Settings, role: Duty) -> Seat:
    """This process among those of its area. Raises Misconfigured for a part of the work on a database that
    one process has to itself."""
    if role is not Duty.ALL and not settings.database_url.startswith("postgresql"):
        raise Misconfigured(
            "several processes of one area share a PostgreSQL; this database is for one machine",
            code="role_store",
            field="/store/url",
            remedy="leave --role out, or move the node to PostgreSQL",
        )
    version = importlib.metadata.version("borough-handover-gateway")
    place = f"{socket.gethostname()}:{os.getpid()}"
    return Seat(uuid4().hex, role, version, place, open_siblings(settings.database_url))


def ladders_of(escalation: Escalation) -> Ladders:
    """Who is called when something is late."""
    roles = {name: Role(name=name, **role.model_dump()) for name, role in escalation.roles.items()}
    return Ladders(
        roles=roles,
        ladders={**escalation.agencies, DEFAULT: escalation.default},
        undelivered=int(escalation.undelivered * 3600),
        undelivered_urgent=escalation.undelivered_urgent * 60,
        link=escalation.link,
        contacts=escalation.contacts,
    )


def pagers_of(escalation: Escalation) -> Mapping[str, Pager]:
    """The channels by name. Raises Misconfigured for a secret that cannot be read, or is open to others."""
    kinds: Mapping[str, Callable[..., Pager]] = {"webhook": WebhookPager, "email": EmailPager}
    return {
        name: kinds[channel.kind](name, **channel.model_dump(exclude={"kind"}))
        for name, channel in escalation.channels.items()
    }


def tailoring_of(told: config.Tailoring) -> Tailoring:
    """Raises Misconfigured, naming each setting that is weaker than the core."""
    return tailor(
        actions=[one.model_dump() for one in told.actions],
        deadlines=told.deadlines,
        guidance=told.guidance,
        titles=told.titles,
    )


def pace_of(timing: Timing) -> Pace:
    """Raises Misconfigured for subkeys that would end before their successors begin."""
    plain = timing.model_dump(exclude={"subkey_every", "subkey_term"})
    return Pace(**plain, subkeys=Rotation(every=timing.subkey_every, term=timing.subkey_term))


def bind_agencies(settings: Settings, network: Network) -> Mapping[str, AgencyBinding]:
    """One binding for every agency in the configuration; each must be in the directory under its area. One
    that keeps its own key is spoken to by its own client, so what stands here about it is passed over."""
    bindings = []
    for role, agency in settings.agencies.items():
        if network.principal(f"{settings.area}/{role}").hosted:
            bindings.append(bind(settings, role, agency, network))
        else:
            log.warning("an agency with a key of its own needs no section", role=role, code="own_key")
    return {binding.principal: binding for binding in bindings}


def bind(settings: Settings, role: str, agency: Agency, network: Network) -> AgencyBinding:
    principal = network.principal(f"{settings.area}/{role}")
    adapter = load_adapter(agency.adapter, principal.name, agency.options, f"/agencies/{role}/adapter")
    profile = named(
        agency.profile or principal.agency.lower(),
        "adapters.agencies",
        "PROFILE",
        f"/agencies/{role}/profile",
    )
    shape = cast("Profile", profile)
    return AgencyBinding(principal.name, adapter, shape, agency.justification, agency.checks_address)


def load_adapter(name: str, principal: str, options: Mapping[str, object], field: str) -> Adapter:
    """The adapter of a configured name. Raises Misconfigured naming the option that is missing or wrong."""
    factory = cast("AdapterFactory", named(name, "adapters", "Adapter", field))
    adapter = factory(principal, options)
    _check_shape(adapter, Adapter, field)
    return adapter


def named(name: str, package: str, attribute: str, field: str) -> Any:
    """What a configured name stands for. Raises Misconfigured when there is no such module or attribute."""
    module, _, wanted = name.partition(":") if ":" in name else (f"{package}.{name}", ":", attribute)
    try:
        return getattr(importlib.import_module(module), wanted)
    except (ImportError, AttributeError) as error:
        raise Misconfigured(
            f"{name!r} cannot be loaded: {type(error).__name__}",
            code="no_such_adapter",
            field=field,
            remedy=f"use the name of a module in {package}, or package.module:Name",
        ) from error


def _check_shape(thing: object, protocol: type, field: str) -> None:
    """Checked at start, so that an adapter that lacks a method fails before it is given anything."""
    members = [name for name in vars(protocol) if not name.startswith("_")]
    missing = [name for name in (*members, "pulls") if not hasattr(thing, name)]
    if missing:
        raise Misconfigured(
            f"the adapter lacks {', '.join(missing)}",
            field=field,
            remedy="see docs/adapters.md for its contract",
        )


def spare_collections() -> None:
    """Tune Python's cycle collector for a process that serves.

    What is loaded by now lives as long as the process and need not be looked at again; and what one message
    makes is freed by its reference counts, so the search for cycles may come less often than every 700
    objects.
    """
    gc.freeze()
    gc.set_threshold(5_000, 20, 20)


@asynccontextmanager
async def started(
    settings: Settings,
    *,
    transport: Transport | None = None,
    clock: Clock | None = None,
    role: Duty = Duty.ALL,
) -> AsyncIterator[Node]:
    """A node that is up: store open, pumps running; all of it closed on leaving.

    A broker that does not answer yet is no reason to stay down: agencies can hand in, and what they hand in
    waits in the outbox. ``/readyz`` says so meanwhile.
    """
    seat = seat_of(settings, role)
    store = open_store(settings.database_url)
    await store.start()
    try:
        carrier = transport or connect(settings)
        node = await compose(settings, store=store, transport=carrier, clock=clock, seat=seat)
    except BaseException:
        await store.close()
        raise
    async with running(node, accept=lambda network: accept_network(settings, network)):
        meeting = await _meet(settings, node, create=settings.broker.create and transport is None)
        try:
            yield node
        finally:
            meeting.cancel()
            await asyncio.gather(meeting, return_exceptions=True)


async def _meet(settings: Settings, node: Node, *, create: bool) -> asyncio.Task[None]:
    """Connect to the broker, once here so that a mistake is told at once; the task goes on until done."""
    try:
        await _connect(settings, node, create=create)
    except Unavailable as error:
        log.warning("the broker does not answer yet", code=error.code)
        return asyncio.create_task(_keep_meeting(settings, node, create=create))
    return asyncio.create_task(_met())


async def _met() -> None: ...


async def _connect(settings: Settings, node: Node, *, create: bool) -> None:
    if create:  # where this node may: demos and small set-ups; an area's account in production may not
        with_node = [area for area in node.network.areas if not node.network.external(area)]
        await declare(uplink.addresses(settings)[0], with_node, identity=uplink.identity(settings))
    await node.transport.start()


async def _keep_meeting(settings: Settings, node: Node, *, create: bool) -> None:
    while True:
        await asyncio.sleep(node.pace.poll)
        try:
            return await _connect(settings, node, create=create)
        except GatewayError as error:
            log.warning("the broker does not answer yet", code=error.code)


@dataclass(frozen=True, slots=True)
class Serving:
    """A node that is up and answers HTTP. ``url`` is where; the port is the real one when 0 was asked for.
    A worker answers nobody: ""."""

    node: Node
    url: str
    metrics: str


@asynccontextmanager
async def serving(
    settings: Settings, *, transport: Transport | None = None, role: Duty = Duty.ALL
) -> AsyncIterator[Serving]:
    """:func:`started` with the HTTP API (unless ``role`` is WORKER), and the metrics on their own bind."""
    context = tls(settings.api)
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(started(settings, transport=transport, role=role))
        spare_collections()
        api, metrics = settings.api, settings.metrics
        counters = Metrics()
        url = watched = ""
        if role is not Duty.WORKER:
            app = build(node, metrics=counters, options=Options(data=settings.data))
            port = await _listen(stack, app, api.host, api.port, context)
            url = f"{'https' if context else 'http'}://{api.host}:{port}"
        if metrics.port is not None:
            seen = await _listen(stack, build_metrics(node, counters), metrics.host, metrics.port, None)
            watched = f"http://{metrics.host}:{seen}/metrics"
        yield Serving(node, url, watched)


async def _listen(
    stack: AsyncExitStack, app: web.Application, host: str, port: int, context: ssl.SSLContext | None
) -> int:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        await web.TCPSite(runner, host, port, ssl_context=context).start()
    except OSError as error:
        raise Misconfigured(
            f"cannot listen on {host}:{port}: {error.strerror}",
            code="no_listen",
            field="/api/port",
            remedy="choose a free port, or stop what uses this one",
        ) from error
    return int(runner.addresses[0][1])


def tls(api: Api) -> ssl.SSLContext | None:
    """The server's TLS (1.2 or newer), or None on loopback and behind a proxy. Raises Misconfigured when
    plaintext would leave this machine."""
    if api.certificate and api.key:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(api.certificate, api.key)
        return context
    if not (api.behind_proxy or _loopback(api.host)):
        raise Misconfigured(
            "the API would listen without TLS on an address that others reach",
            code="no_tls",
            field="/api/certificate",
            remedy="set certificate and key, or behind_proxy = true when a proxy in front speaks TLS",
        )
    return None


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
