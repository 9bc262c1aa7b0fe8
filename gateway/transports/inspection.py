"""What a live broker has that its definitions do not say, and the other way round.

Duty: compare two ``definitions.json``: the one that this release makes for a network, and the one that a
broker exports (``rabbitmqctl export_definitions``, or the management API). It leaves out everything that is
not the gateway's: other virtual hosts, queues and policies of other names, accounts that are no area's.

Rules
-----
- What is missing stops messages, or a rule that keeps areas apart: it is named with what to do.
- What is there beyond the definitions and could let one area into another's queues is named, too: a wider
  permission, a foreign binding, an account with a tag of an administrator.
- The order of anything does not matter, and an operator's other limits are the operator's business.
- No export names an internal exchange: whether it is there shows in its bindings.

Example::

    for difference in differences(hub(areas), json.loads(exported)):
        print(difference.what, difference.remedy)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Definitions = Mapping[str, Any]
Entry = Mapping[str, Any]

IMPORT: Final = "load the output of `gateway broker definitions` (`rabbitmqctl import_definitions FILE`)"
PREFIX: Final = "gw."


@dataclass(frozen=True, slots=True)
class Difference:
    """``what`` names one object of the broker; ``remedy`` says how to mend it."""

    what: str
    remedy: str


def differences(expected: Definitions, found: Definitions) -> Sequence[Difference]:
    """Everything in which a broker differs from the ``expected`` definitions."""
    vhost = expected["vhosts"][0]["name"]
    return [
        *_vhost(vhost, found),
        *_permissions(expected, found, vhost),
        *_accounts(expected, found),
        *_named(expected, found, vhost, "exchanges", ("type", "durable")),
        *_named(expected, found, vhost, "queues", ("durable", "type")),
        *_bindings(expected, found, vhost),
        *_policies(expected, found, vhost),
        *_shovels(expected, found, vhost),
    ]


def _vhost(vhost: str, found: Definitions) -> Iterator[Difference]:
    if vhost not in {entry["name"] for entry in found.get("vhosts", ())}:
        yield Difference(f"the virtual host {vhost} is missing", IMPORT)


def _permissions(expected: Definitions, found: Definitions, vhost: str) -> Iterator[Difference]:
    held = {entry["user"]: entry for entry in _of(found, vhost, "permissions")}
    for wanted in expected["permissions"]:
        name, mine = wanted["user"], held.get(wanted["user"])
        if mine is None:
            yield Difference(f"the account {name} has no permissions here", IMPORT)
            continue
        for right in ("configure", "write", "read"):
            if mine[right] != wanted[right]:
                command = f"rabbitmqctl set_permissions -p {vhost} {name}"
                rights = " ".join(f"'{wanted[each]}'" for each in ("configure", "write", "read"))
                yield Difference(f"the account {name} may {right} other than its own", f"{command} {rights}")


def _accounts(expected: Definitions, found: Definitions) -> Iterator[Difference]:
    held = {entry["name"]: entry for entry in found.get("users", ())}
    for wanted in expected["users"]:
        name, mine = wanted["name"], held.get(wanted["name"])
        if mine is None:
            yield Difference(f"the account {name} is missing", IMPORT)
            continue
        if _tags(mine):
            yield Difference(f"the account {name} has tags", f"rabbitmqctl set_user_tags {name}")
        for limit, value in wanted["limits"].items():
            if mine.get("limits", {}).get(limit, -1) < 0:
                limits = json.dumps({limit: value})
                yield Difference(
                    f"the account {name} has no limit {limit}",
                    f"rabbitmqctl set_user_limits {name} '{limits}'",
                )


def _tags(user: Entry) -> Sequence[str]:
    """A list, or in exports of older brokers one text with commas."""
    tags = user.get("tags", ())
    listed = tags.split(",") if isinstance(tags, str) else tags
    return [tag for tag in listed if tag]


def _named(
    expected: Definitions, found: Definitions, vhost: str, kind: str, facts: Sequence[str]
) -> Iterator[Difference]:
    held = {entry["name"]: entry for entry in _of(found, vhost, kind)}
    one = kind.removesuffix("s")
    for wanted in expected[kind]:
        name, mine = wanted["name"], held.pop(wanted["name"], None)
        if wanted.get("internal"):
            continue
        if mine is None:
            yield Difference(f"the {one} {name} is missing", IMPORT)
            continue
        for fact in facts:
            if _fact(mine, fact) != _fact(wanted, fact):
                yield Difference(
                    f"the {one} {name} has another {fact}",
                    f"stop the nodes that use it, delete the {one} when it is empty, and {IMPORT}",
                )
    for name in held:
        if name.startswith(PREFIX):
            yield Difference(
                f"the {one} {name} is none of this network's",
                "delete it when it is empty, or make the definitions with all areas of the directory",
            )


def _fact(entry: Entry, fact: str) -> Any:
    if fact == "type" and "type" not in entry:  # of queues an export of 3.10 has it among the arguments only
        return entry.get("arguments", {}).get("x-queue-type", "classic")
    return entry.get(fact)


def _bindings(expected: Definitions, found: Definitions, vhost: str) -> Iterator[Difference]:
    wanted = {_binding(entry) for entry in expected["bindings"]}
    held = {_binding(entry) for entry in _of(found, vhost, "bindings")}
    for source, queue, key, _ in sorted(wanted - held):
        yield Difference(f"the binding {source} -> {queue} {key}".rstrip() + " is missing", IMPORT)
    for source, queue, key, _ in sorted(held - wanted):
        if source.startswith(PREFIX) or queue.startswith(PREFIX):
            yield Difference(
                f"the binding {source} -> {queue} {key}".rstrip() + " is none of this network's",
                "find out who made it: messages go to a place where they do not belong; then delete it",
            )


def _binding(entry: Entry) -> tuple[str, str, str, str]:
    arguments = json.dumps(entry.get("arguments", {}), sort_keys=True)
    return entry["source"], entry["destination"], entry["routing_key"], arguments


def _policies(expected: Definitions, found: Definitions, vhost: str) -> Iterator[Difference]:
    held = {entry["name"]: entry for entry in _of(found, vhost, "policies")}
    for wanted in expected["policies"]:
        name, mine = wanted["name"], held.get(wanted["name"])
        if mine is None:
            yield Difference(f"the policy {name} is missing", IMPORT)
        elif mine["pattern"] != wanted["pattern"] or (
            lost := _lost(mine["definition"], wanted["definition"])
        ):
            what = ", ".join(lost) if mine["pattern"] == wanted["pattern"] else "its pattern"
            yield Difference(f"the policy {name} has lost a rule that messages depend on: {what}", IMPORT)


_SHOVEL: Final = ("src-queue", "src-delete-after", "dest-exchange", "ack-mode")
"""What makes a shovel lose nothing and keep areas apart. Its addresses hold secrets and are not compared."""


def _shovels(expected: Definitions, found: Definitions, vhost: str) -> Iterator[Difference]:
    held = {
        entry["name"]: entry["value"]
        for entry in _of(found, vhost, "parameters")
        if entry.get("component") == "shovel"
    }
    for wanted in expected.get("parameters", ()):
        name, mine = wanted["name"], held.get(wanted["name"])
        if mine is None:
            yield Difference(f"the shovel {name} is missing: nothing is fetched there", IMPORT)
            continue
        for fact in _SHOVEL:
            if mine.get(fact) != wanted["value"][fact]:
                yield Difference(f"the shovel {name} has another {fact}", IMPORT)


_ESSENTIAL: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "dead-letter-exchange": lambda mine, wanted: bool(mine == wanted),
    "dead-letter-strategy": lambda mine, wanted: bool(mine == wanted),
    "overflow": lambda mine, wanted: bool(mine == wanted),
    # The envelope's own deadline must come before the broker's: a shorter one would lose it unseen.
    "message-ttl": lambda mine, wanted: isinstance(mine, int) and mine >= wanted,
    # How many is the operator's business; without any, RabbitMQ 4 takes 20, and a full disk ends the rest.
    "delivery-limit": lambda mine, _: isinstance(mine, int),
    "max-length": lambda mine, _: isinstance(mine, int),
    "max-length-bytes": lambda mine, _: isinstance(mine, int),
}
"""What an operator may not take away: without these a message can be lost. The rest is the operator's."""


def _lost(mine: Entry, wanted: Entry) -> Sequence[str]:
    due = [rule for rule in _ESSENTIAL if rule in wanted]
    return [rule for rule in due if rule not in mine or not _ESSENTIAL[rule](mine[rule], wanted[rule])]


def _of(definitions: Definitions, vhost: str, kind: str) -> Sequence[Entry]:
    """A whole export names the virtual host of every entry; that of one virtual host leaves it out."""
    entries: Sequence[Entry] = definitions.get(kind, ())
    return [entry for entry in entries if entry.get("vhost", vhost) == vhost]
