"""How a live broker or cluster stands: what no export of its definitions says.

Duty: read what ``rabbitmqctl`` prints as JSON (``list_queues name type members``, ``cluster_status``,
``status``) and name what threatens messages, each with how to mend it. Pure, and for RabbitMQ 3.10 and 4.x
alike. It leaves out the definitions (:mod:`gateway.transports.inspection`).

Rules
-----
- A quorum queue has a member on every node: one that was declared while the cluster formed has a single one,
  and is gone with that node (RabbitMQ 3.10 and 4.0).
- A disk that is really full stops a quorum queue until the broker is restarted; a limit stops publishers
  before, and lets them go on by itself.
- A feature flag that is off keeps the next release from starting.

Example::

    members(json.loads(listed), nodes=3)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.transports.inspection import PREFIX, Difference

LIMIT: Final = 1_000_000_000
"""Bytes of disk below which the broker is to stop publishers; the broker's own 50 MB come too late."""


def members(queues: Sequence[Mapping[str, Any]], *, nodes: int) -> Sequence[Difference]:
    """Of each queue of ours on a cluster of ``nodes``."""
    found = []
    for queue in sorted(queues, key=lambda one: str(one["name"])):
        held = len(queue.get("members") or ())
        if str(queue["name"]).startswith(PREFIX) and held < nodes:
            found.append(
                Difference(
                    f"the queue {queue['name']} has {held} of {nodes} members",
                    "on each node that lacks it: rabbitmq-queues grow NODE all --queue-pattern '^gw\\.'",
                )
            )
    return found


def cluster(status: Mapping[str, Any], *, nodes: int) -> Sequence[Difference]:
    """``nodes``: how many there should be."""
    found, running = [], len(status.get("running_nodes", ()))
    if running < nodes:
        found.append(
            Difference(f"{running} of {nodes} nodes run", "start the others; rabbitmqctl cluster_status")
        )
    if status.get("partitions"):
        found.append(
            Difference(
                "the nodes do not see each other", "mend the network, then restart the smaller side's nodes"
            )
        )
    found += [_alarm(alarm) for alarm in status.get("alarms", ())]
    off = [
        str(flag["name"])
        for flag in status.get("feature_flags", ())
        if flag.get("stability") != "experimental" and flag.get("state") == "disabled"
    ]
    if off:
        found.append(
            Difference(
                f"feature flags are off: {', '.join(sorted(off))}",
                "rabbitmqctl enable_feature_flag all, when every node runs the same release",
            )
        )
    return found


def _alarm(alarm: object) -> Difference:
    what = str(alarm.get("resource", "")) if isinstance(alarm, Mapping) else ""
    return Difference(
        f"the broker stops publishers for want of {what or 'resources'}",
        "make room (disk), or give it more (memory); they go on by themselves",
    )


def disk(status: Mapping[str, Any]) -> Sequence[Difference]:
    limit = status.get("disk_free_limit")
    if isinstance(limit, int) and limit >= LIMIT:
        return []
    return [
        Difference(
            "the broker's disk limit is under 1 GB",
            "disk_free_limit.absolute = 2GB in rabbitmq.conf; now: rabbitmqctl set_disk_free_limit 2GB",
        )
    ]
