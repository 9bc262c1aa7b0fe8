"""Why a message has not left, in words: from the code of its outbox row to where it is, whose turn it is and
what to do.

Duty: the words of `gateway handover why` and `GET /v1/handovers/{ref}/why` for what the broker, or the line
to it, refused. It decides nothing: what is refused is tried again with growing pauses, and the sender's own
timer (:mod:`gateway.flows.undelivered`) tells the agency, whatever the broker's queues do meanwhile.

Example::

    where, turn, fix = words("queue_full", "E09000004")
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

OURS: Final = "this node's operator"
THEIRS: Final = "the node of {area}"
BROKER: Final = "the broker's operator"

_LINE: Final = ("the broker does not answer", OURS, "does the broker run, and is it reached? /readyz says")
_SETTING: Final = "`gateway config check` names what to mend; docs/operations.md, The broker"

_WORDS: Final[Mapping[str, tuple[str, str, str]]] = {
    "queue_full": (
        "the broker does not take it, for the queue of {area} there is full or has no leader",
        THEIRS,
        "telephone {area}: its node fetches nothing; else our broker's operator looks at that queue",
    ),
    "unroutable": (
        "the broker has no queue for {area}",
        BROKER,
        "load the output of `gateway broker definitions`; `gateway broker check` names what is missing",
    ),
    "broker_lost": _LINE,
    "broker_timeout": _LINE,
    "broker_certificate": (
        "TLS with the broker fails",
        OURS,
        "see the certificate in `gateway doctor`, renew it",
    ),
    "broker_account": ("the broker refuses this node's account", OURS, _SETTING),
    "broker_permission": ("the broker forbids this node to publish", BROKER, _SETTING),
    "broker_topology": ("the broker does not hold this node's exchange or queues", BROKER, _SETTING),
    "broker_vhost": ("the broker does not hold this network's virtual host", BROKER, _SETTING),
}


def words(code: str, area: str) -> tuple[str, str, str]:
    """(where it is, whose turn, what to do) of what could not be sent for ``code``; "": nothing failed."""
    if not code:
        return "in our outbox", "this node", "nothing: it goes out by itself"
    why, turn, fix = _WORDS.get(
        code, ("it could not be sent", OURS, f"the log of `gateway run` has {code} with what to do")
    )
    said = (f"in our outbox: {why}", turn, f"{fix}; it is tried again by itself")
    where, whose, what = (each.format(area=area) for each in said)
    return where, whose, what


def again(code: str, area: str) -> str:
    """What to do about a message that the broker took once, when sending it again fails with ``code``."""
    first = f"if this lasts, ask the operators of {area} whether their node runs"
    return f"{first}; sent again it fails: {words(code, area)[0].partition(': ')[2]}" if code else first
