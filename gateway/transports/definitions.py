"""A broker's ``definitions.json`` for a network, as a pure function of its area codes.

Duty: the topology in the broker's own words, with an account an area, its permissions and its limits. An
operator loads it at boot (``load_definitions``) or with ``rabbitmqctl import_definitions``; importing it
again changes only what differs.

Left out: talking to a broker (:mod:`gateway.transports.inspection` compares a live one).

Rules
-----
- An area may write to its own exchange, read its own queues, and configure nothing.
- An account has no password here: it logs in by its TLS certificate (EXTERNAL), whose common name is the
  account's name, or an operator sets one with ``rabbitmqctl change_password``. No secret is in the file.
- What an operator may want to change is a policy or a limit, never an argument of a queue.

Example::

    definitions = hub(["E09000012", "E09000004"])
    definitions["permissions"][0]["write"]              # '^gw\\.out\\.E09000004$'
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from gateway.ports import Lane
from gateway.transports import topology
from gateway.transports.topology import Policy, Topology

VHOST: Final = "handover"
Definitions = dict[str, Any]

MAX_CONNECTIONS: Final = 40
"""Of one area's account. A node has six; workers side by side and a restart that overlaps have a few times
that. More is a fault, and must not take the broker from the others."""

MAX_CHANNELS: Final = 100
"""Of one area's account: two or three a connection."""

QUARANTINE_LENGTH: Final = 100_000
"""Messages kept for a person; beyond it the broker keeps new dead letters at their source."""

SHELF_DELIVERIES: Final = 1_000_000
"""Times that such a message may be fetched in vain, by nodes that died with it in hand. Without a limit of
its own a queue of RabbitMQ 4 throws it away after 20."""

SHOVEL_PREFETCH: Final = 256
"""Messages a shovel holds unconfirmed: enough for a link of some 50 ms."""

RECONNECT: Final = 5
"""Seconds until a shovel tries a peer's broker again."""

_NOTHING: Final = "^$"


def account(area: str) -> str:
    """The name of an area's account, and the common name of its certificate."""
    return area


def hub(areas: Iterable[str], *, vhost: str = VHOST) -> Definitions:
    """For one broker or one cluster that serves all ``areas``: keys as in RabbitMQ's export."""
    codes = sorted(set(areas))
    plan = topology.topology(codes)
    return {
        "vhosts": [{"name": vhost}],
        "users": [user(area) for area in codes],
        "permissions": [permission(area, vhost) for area in codes],
        **objects(plan, vhost),
    }


def mesh(me: str, peers: Mapping[str, str], *, vhost: str = VHOST, local: str = "") -> Definitions:
    """For ``me``'s own broker, where every area has one. ``peers``: area -> the address of its broker, from
    which a shovel of ours fetches. ``local``: our own address as the shovels reach it; empty: within the
    broker itself. A peer's account may take what waits for it, and do nothing else.

    A shovel acknowledges at the peer once our broker has confirmed, so a message is at worst brought twice.
    """
    plan = topology.mesh(me, peers)
    fetchers = [{**user(peer), "name": account(peer)} for peer in sorted(peers)]
    return {
        "vhosts": [{"name": vhost}],
        "users": [user(me), *fetchers],
        "permissions": [
            permission(me, vhost),
            *(_fetching(peer, vhost) for peer in sorted(peers)),
        ],
        **objects(plan, vhost),
        "parameters": [
            shovel(me, peer, lane, peers[peer], local or f"amqp:///{vhost}", vhost)
            for peer in sorted(peers)
            for lane in Lane
        ],
    }


def _fetching(peer: str, vhost: str) -> Definitions:
    return {
        "user": account(peer),
        "vhost": vhost,
        "configure": _NOTHING,
        "write": _NOTHING,
        "read": whole(topology.relay(peer, lane) for lane in Lane),
    }


def shovel(me: str, peer: str, lane: Lane, source: str, local: str, vhost: str) -> Definitions:
    """One dynamic shovel. It keeps the routing key, so what it brings lands in the lane it was sent on."""
    return {
        "component": "shovel",
        "vhost": vhost,
        "name": f"{topology.arriving(peer)}.{lane.value}",
        "value": {
            "src-protocol": "amqp091",
            "src-uri": source,
            "src-queue": topology.relay(me, lane),
            "src-prefetch-count": SHOVEL_PREFETCH,
            "src-delete-after": "never",
            "dest-protocol": "amqp091",
            "dest-uri": local,
            "dest-exchange": topology.arriving(peer),
            "ack-mode": "on-confirm",
            "reconnect-delay": RECONNECT,
        },
    }


def user(area: str) -> Definitions:
    # An empty hash lets nobody in by password: "password_hash" is required of every user (RabbitMQ, access
    # control), and only EXTERNAL or a password set later opens the account.
    return {
        "name": account(area),
        "password_hash": "",
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": [],
        "limits": {"max-connections": MAX_CONNECTIONS, "max-channels": MAX_CHANNELS},
    }


def permission(area: str, vhost: str) -> Definitions:
    """Regular expressions, whole names: RabbitMQ searches with them, so an anchor that is missing would let
    an area into another's queue that merely begins like its own."""
    return {
        "user": account(area),
        "vhost": vhost,
        "configure": _NOTHING,
        "write": whole([topology.outgoing(area)]),
        "read": whole(readable(area)),
    }


def readable(area: str) -> Sequence[str]:
    """The queues that an area, and nobody else, takes from."""
    return (
        *(topology.intake(area, lane) for lane in Lane),
        topology.quarantine(area),
        topology.returned(area),
    )


def whole(names: Iterable[str]) -> str:
    escaped = [re.escape(name) for name in names]
    return f"^({'|'.join(escaped)})$" if len(escaped) > 1 else f"^{escaped[0]}$"


def objects(plan: Topology, vhost: str) -> Definitions:
    """Exchanges, queues, bindings and policies of a plan."""
    return {
        "exchanges": [
            {
                "name": exchange.name,
                "vhost": vhost,
                "type": exchange.kind,
                "durable": True,
                "auto_delete": False,
                "internal": exchange.internal,
                "arguments": {"alternate-exchange": exchange.alternate} if exchange.alternate else {},
            }
            for exchange in plan.exchanges
        ],
        "queues": [
            {
                "name": queue.name,
                "vhost": vhost,
                "durable": True,
                "auto_delete": False,
                "arguments": {"x-queue-type": "quorum"},
            }
            for queue in plan.queues
        ],
        "bindings": [
            {
                "source": binding.source,
                "vhost": vhost,
                "destination": binding.queue,
                "destination_type": "queue",
                "routing_key": binding.key,
                "arguments": dict(binding.arguments),
            }
            for binding in plan.bindings
        ],
        "policies": [policy(one, vhost) for one in (*plan.policies, dead_letter_policy())],
    }


def policy(one: Policy, vhost: str) -> Definitions:
    return {
        "vhost": vhost,
        "name": one.name,
        "pattern": one.pattern,
        "apply-to": "queues",
        "priority": 0,
        "definition": dict(one.definition),
    }


def dead_letter_policy() -> Policy:
    """What waits for a person is bounded. ``reject-publish``: when it is full the newest stay where they are,
    for dead-lettering is at least once, and the oldest are not thrown away."""
    return Policy(
        name="gw-dead-letters",
        pattern=r"^gw\.(quarantine|returned)\.",
        definition={
            "overflow": "reject-publish",
            "max-length": QUARANTINE_LENGTH,
            "delivery-limit": SHELF_DELIVERIES,
        },
    )
