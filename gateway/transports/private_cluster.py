"""Three private brokers that are one cluster: children in a folder, on free loopback ports.

Duty: form it, load definitions into it once it has formed, and tell who leads a queue, so that a test can
kill just that one. For tests, benchmarks and trials. Left out: one broker's start, kill, freeze and restart
(``private_broker``), and what the definitions say (``definitions``).

How (each point was needed; broker.md):

- All share one epmd, one Erlang cookie and one password. The first starts alone and the others join it:
  three that start at once on empty folders may each form a cluster of its own.
- Definitions are imported AFTER it has formed: quorum queues made while it forms have one member and die
  with it. Whatever has too few is grown.
- What was just declared is flushed (``sync``) on every node, or kill -9 within two seconds loses it.
- ``pause_minority``: a node that the others cannot see stops serving, so nothing is confirmed twice over.

Example::

    cluster = PrivateCluster()
    cluster.start(folder)                       # 15 s on two cores
    cluster.load(hub(["E09000012", "E09000004"]))
    leader = cluster.leader("gw.in.E09000004")
    leader.kill(); leader.restart()
    cluster.close()
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from gateway.errors import Unavailable
from gateway.transports.definitions import VHOST
from gateway.transports.private_broker import (
    READY_WITHIN,
    Child,
    Membership,
    PrivateBroker,
    free_ports,
    start_epmd,
)

SIZE: Final = 3

TICK: Final = 8
"""Seconds after which a node that says nothing is taken for gone. 60 by default: a frozen one would hold the
others up for as long."""

_POLL: Final = 0.2


class PrivateCluster:
    """``size`` brokers with ``plugins``. Blocking calls: from asyncio, use ``asyncio.to_thread``."""

    def __init__(self, *plugins: str, size: int = SIZE) -> None:
        self._plugins = plugins
        self._size = size
        self._folder = Path()
        self._epmd: Child | None = None
        self._areas: Sequence[str] = ()
        self.members: Sequence[PrivateBroker] = ()

    def start(self, folder: Path) -> None:
        """Return when all of them run as one. Raises Misconfigured, Unavailable as one broker does."""
        self._folder = folder
        (port,) = free_ports(1)
        self._epmd = start_epmd(port, folder)
        shared = Membership(epmd=port)
        self.members = [self._member(shared, number) for number in range(1, self._size + 1)]
        try:
            self._begin(self.members[0])
            with ThreadPoolExecutor(self._size) as pool:
                list(pool.map(self._begin, self.members[1:]))
            self.whole()
        except BaseException:
            self.close()
            raise

    def _begin(self, member: PrivateBroker) -> None:
        folder = self._folder / member.node.partition("@")[0]
        folder.mkdir()
        member.start(folder)

    def _member(self, shared: Membership, number: int) -> PrivateBroker:
        settings = (
            "cluster_formation.peer_discovery_backend = classic_config",
            "cluster_formation.classic_config.nodes.1 = gateway1@localhost",
            "cluster_partition_handling = pause_minority",
            f"net_ticktime = {TICK}",
        )
        one = Membership(f"gateway{number}@localhost", shared.epmd, shared.password, shared.cookie, settings)
        return PrivateBroker(*self._plugins, member=one)

    def load(self, definitions: Mapping[str, Any], *, password: str = "") -> None:
        """Import ``definitions``, with ``password`` for each account, and return when each of its queues has
        a member on every node and all of it would survive a kill."""
        self.members[0].load(definitions, VHOST, password=password)
        self._grow()
        with ThreadPoolExecutor(self._size) as pool:
            list(pool.map(lambda member: member.sync(), self.members))

    def _grow(self) -> None:
        short = {name for name, members in self.replicas().items() if len(members) < self._size}
        for member in self.members if short else ():
            member.queues("grow", member.node, "all", "--vhost-pattern", VHOST)
        self._until(
            lambda: all(len(members) == self._size for members in self.replicas().values()),
            "some quorum queues have fewer members than the cluster has nodes",
        )

    def url(self, member: PrivateBroker, account: str = "", password: str = "") -> str:
        """Where a node is reached; by default with an account that may do everything."""
        base = member.url.removesuffix("%2F") + VHOST
        return f"amqp://{account}:{password}@{base.rpartition('@')[2]}" if account else base

    def urls(self, account: str = "", password: str = "") -> list[str]:
        return [self.url(member, account, password) for member in self.members]

    def running(self) -> Sequence[str]:
        """The nodes that see each other, asked of one that answers."""
        said = json.loads(self._any().ctl("cluster_status", "--formatter", "json"))
        return list(said["running_nodes"])

    def whole(self) -> None:
        """Return when all of them run as one. One that was frozen may have to be restarted for it."""
        self._until(lambda: len(self.running()) == self._size, "the nodes do not form a cluster")

    def replicas(self) -> Mapping[str, Sequence[str]]:
        """Queue -> the nodes that hold it."""
        return {row["name"]: row["members"] for row in self._queues("members")}

    def waiting(self) -> Mapping[str, int]:
        """Queue -> messages in it, delivered and unsettled ones among them."""
        return {row["name"]: int(row["messages"]) for row in self._queues("messages")}

    def leader(self, queue: str) -> PrivateBroker:
        """Who leads ``queue`` now. Raises Unavailable while nobody does."""
        leaders = {row["name"]: row["leader"] for row in self._queues("leader")}
        for member in self.members:
            if member.node == leaders.get(queue):
                return member
        raise Unavailable(f"nobody leads {queue}", code="private_broker")

    def _queues(self, column: str) -> list[dict[str, Any]]:
        said = self._any().ctl("list_queues", "-p", VHOST, "name", column, "--formatter", "json")
        found: list[dict[str, Any]] = json.loads(said)
        return found

    def _any(self) -> PrivateBroker:
        for member in self.members:
            if member.alive and not member.frozen:
                return member
        raise Unavailable("no node of the private cluster runs", code="private_broker")

    def _until(self, true: Callable[[], bool], complaint: str) -> None:
        deadline = time.monotonic() + READY_WITHIN
        while not true():
            if time.monotonic() > deadline:
                raise Unavailable(complaint, code="private_broker")
            time.sleep(_POLL)

    def close(self) -> None:
        """Kill everything."""
        for member in self.members:
            member.close()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd = None
