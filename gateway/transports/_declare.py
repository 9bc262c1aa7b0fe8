"""Creating a topology on a broker with an account that may: for demos and tests.

Left out: policies and permissions (they need the management API), and production, which loads definitions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from aiormq.abc import ArgumentsType

from gateway.transports import topology
from gateway.transports._errors import translated
from gateway.transports._session import Session, Timeouts, open_session
from gateway.transports.certificates import Identity


async def declare(
    url: str, areas: Iterable[str], *, patience: float = 60.0, identity: Identity | None = None
) -> None:
    """Create the topology of ``areas`` with the account of ``url``: for demos and tests, not for production.

    Production loads definitions, where dead-lettering is a policy that an operator can change. Setting a
    policy needs the management API, which a fresh broker does not offer; so here the same rules become queue
    arguments, and quarantine works at once. What is there already with the same properties is left alone.

    Quorum queues can be lost, with confirmed messages, when the broker is killed within about 2 s of this
    (RabbitMQ 3.10 and 4.0): `rabbitmqctl eval '[dets:sync(T) || T <- dets:all()].'` closes that window.

    Raises Misconfigured (account without the right to configure; other properties), Unavailable.
    """
    plan = topology.topology(areas)
    timeouts = Timeouts()
    session = await open_session(url, name="gateway declare", timeouts=timeouts, identity=identity)
    try:
        with translated("create the topology"):
            async with asyncio.timeout(patience):
                await _create(session, plan)
    finally:
        await session.close(timeouts.close)


async def _create(session: Session, plan: topology.Topology) -> None:
    channel = session.channel
    for exchange in plan.exchanges:
        await channel.exchange_declare(
            exchange.name, exchange_type=exchange.kind, durable=True, internal=exchange.internal
        )
    # A queue's arguments never change, and a release that declares others finds them contradicted on a broker
    # that the one before set up. What was added since the first release is the operator's policy alone.
    rules = {
        f"x-{name}": value
        for name, value in topology.intake_policy().definition.items()
        if not name.startswith("max-length")
    }
    for queue in plan.queues:
        arguments: ArgumentsType = {"x-queue-type": "quorum", **(rules if queue.intake else {})}
        await channel.queue_declare(queue.name, durable=True, arguments=arguments)
    for binding in plan.bindings:
        await channel.queue_bind(
            binding.queue, binding.source, routing_key=binding.key, arguments=dict(binding.arguments)
        )
