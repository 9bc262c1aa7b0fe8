"""What monitoring may see: how much lies where, and how often what happened. Numbers, states and codes only.

Two kinds of figures. Gauges come out of one :meth:`Transaction.counts` at the moment of asking, so that they
are right after a restart and the same whichever process is asked. Counters live in this process. No label
ever holds a reference, a principal, an address or a path: labels come from closed lists in the code, so that
monitoring learns nothing about a person and its database does not grow with traffic.

Example::

    metrics = Metrics()
    metrics.answered(422, "invalid_document")
    text = await metrics.page(node)                  # Prometheus text format
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.errors import GatewayError
from gateway.flows.node import Node

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_FAMILIES: Final[Mapping[str, tuple[str, str]]] = {
    "outbox": ("gateway_outbox_messages", "Messages for other areas by state"),
    "task": ("gateway_tasks", "Parcels for agencies by state"),
    "held": ("gateway_held_messages", "Messages put aside for a person"),
    "held_by": ("gateway_held", "The same by place and code"),
    "alarm": ("gateway_alarms", "Alarms that nobody has cleared"),
    "leg": ("gateway_legs", "Legs by state"),
    "log": ("gateway_log_leaves", "Leaves of the node's log"),
}
"""Name of a count up to its dot -> name and help of the gauge; what is not listed is not shown."""

_LABELS: Final[Mapping[str, tuple[str, ...]]] = {"held_by": ("place", "code")}
"""What stands behind the dot, where it is not one state."""


class Metrics:
    """The counters of one process, and the page that shows them beside the node's gauges."""

    def __init__(self) -> None:
        self._counts: Mapping[str, int] = {}
        self._until = 0.0
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._answers = Counter(
            "gateway_api_answers", "Answers of the HTTP API by status", ["status"], registry=self._registry
        )
        self._problems = Counter(
            "gateway_api_problems", "Refusals of the HTTP API by code", ["code"], registry=self._registry
        )

    def answered(self, status: int, code: str = "") -> None:
        """Count one answer; ``code`` is the problem's stable code, "" when there was none."""
        self._answers.labels(str(status)).inc()
        if code:
            self._problems.labels(code).inc()

    async def page(self, node: Node) -> bytes:
        """Everything in Prometheus text format. A store that does not answer shows as a gauge of 0, not as an
        error: the counters are needed most when something is broken."""
        gauges = CollectorRegistry()
        gauges.register(
            _Fixed(
                [
                    *await _stored(node, self._count),
                    *_trust(node),
                    *_certificates(node),
                    *_room(node),
                    _tasks(),
                ]
            )
        )
        return generate_latest(self._registry) + generate_latest(gauges)

    async def _count(self, node: Node) -> Mapping[str, int]:
        """Raises GatewayError."""
        clock = asyncio.get_running_loop().time
        began = clock()
        if began >= self._until:
            self._counts = await node.store.read(lambda tx: tx.counts())
            took = clock() - began
            self._until = clock() + took * SPARED if took > QUICK else 0.0
        return self._counts


class _Fixed(Collector):
    """Figures that were gathered already: prometheus-client collects without waiting, the store does not."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = tuple(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


SPARED = 20
"""A count is used again for so many times as long as it took, where it took more than :data:`QUICK`: with a
million rows waiting, a scrape a second must not be most of what the database does."""

QUICK = 0.1


async def _stored(node: Node, count: Callable[[Node], Awaitable[Mapping[str, int]]]) -> list[Metric]:
    try:
        peers = await node.store.read(lambda tx: tx.witnesses())
        counts = await count(node)
    except GatewayError:
        return [_single("gateway_store_up", "Whether the database answers", 0)]
    followed = max((peer.size for peer in peers), default=0)
    return [
        _single("gateway_store_up", "Whether the database answers", 1),
        _single("gateway_log_cosigned_leaves", "Leaves of the node's log that a peer has cosigned", followed),
        *families(counts),
    ]


def families(counts: Mapping[str, int]) -> list[Metric]:
    """Gauges out of counts by table and state (``leg.ACCEPTED``); a count without a state has no label."""
    found: dict[str, GaugeMetricFamily] = {}
    for name, value in sorted(counts.items()):
        table, _, state = name.partition(".")
        if table not in _FAMILIES:
            continue
        title, text = _FAMILIES[table]
        names = _LABELS.get(table, ("state",)) if state else ()
        family = found.setdefault(table, GaugeMetricFamily(title, text, labels=names))
        family.add_metric(state.split(".", len(names) - 1) if state else [], value)
    return list(found.values())


def _trust(node: Node) -> list[Metric]:
    network = node.network
    return [
        _single("gateway_directory_version", "Version of the signed directory in use", network.version),
        _single("gateway_directory_expires", "When that directory expires, unix seconds", network.expires),
    ]


def _tasks() -> Metric:
    """A task that never ends and is made again and again is a leak that shows here long before in memory."""
    return _single("gateway_asyncio_tasks", "Tasks of this process's event loop", len(asyncio.all_tasks()))


def _room(node: Node) -> list[Metric]:
    """None where nobody has said what must stay free."""
    if node.room is None:
        return []
    return [
        _single("gateway_disk_free_bytes", "Free on the fullest disk of database and keys", node.room.free())
    ]


def _certificates(node: Node) -> list[Metric]:
    family = GaugeMetricFamily(
        "gateway_broker_certificate_expires_seconds",
        "When a certificate of the line to the broker expires, unix seconds",
        labels=["whose"],
    )
    for whose, ends in sorted(node.certificates().items()):
        family.add_metric([whose], ends)
    return [family]


def _single(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)
