"""Which slot of a stored message is whose, and opening one later than it came.

On receipt the node takes the keys of every agency it hosts out of its slot (:mod:`gateway.flows.opening`).
Two kinds of slots stay shut then: those of agencies that keep their own key (``hosted: false``), which are
relayed and never opened here, and those of agencies whose key is missing from this node, opened when it
has been restored. Both are found by the routing table in part 1, which the node can always open again.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.core.encoding import JsonObject
from gateway.core.envelope import Parsed, check_slot, open_part, open_slot, read_statement, split
from gateway.core.recipients import STATEMENT
from gateway.errors import Conflict, GatewayError, Misconfigured, NotAllowed, NotFound
from gateway.flows.node import Node
from gateway.flows.opening import Entry, Routing, read_routing
from gateway.flows.vault import ROUTING, Secrets, read_sections, secrets_of, view
from gateway.ports import EnvelopeRow

KEY_MISSING = "key_missing"
"""Why a parcel is held: this node hosts the agency and does not have its key."""


def keeps_own_key(node: Node, principal: str) -> bool:
    """Whether the directory says that this agency keeps its key away from the node. False for a principal
    that it does not hold (any more)."""
    try:
        return not node.network.principal(principal).hosted
    except GatewayError:
        return False


def check_hosted(node: Node, principal: str) -> None:
    """Raise NotAllowed for an agency with a key of its own: nothing is opened or signed for it here."""
    if keeps_own_key(node, principal):
        raise NotAllowed(
            "this agency keeps its own key: the node cannot open or sign for it",
            code="own_key",
            remedy="use `gateway agency-agent` on the agency's side",
        )


def routing_of(node: Node, parsed: Parsed, secrets: Secrets) -> Routing:
    """The routing table of a stored message. Raises NotFound when it was shredded."""
    if ROUTING not in secrets.keys:
        raise NotFound("the content of this message is no longer held", code="shredded")
    content = open_part(parsed, ROUTING, secrets.keys[ROUTING], net=node.network.net)
    return read_routing(read_sections(content).get("routing"))


def entry_of(node: Node, row: EnvelopeRow, principal: str) -> Entry:
    """The line of the routing table that names ``principal``. Raises NotFound."""
    routing = routing_of(node, split(row.body), secrets_of(node, row))
    found = next((entry for entry in routing.entries if entry.principal == principal), None)
    if found is None:
        raise NotFound("nothing in this message is for this agency", code="no_parts")
    return found


def readable(node: Node, row: EnvelopeRow, reader: str) -> Secrets:
    """The part keys of a message with those of ``reader`` among them, its slot opened now where it was shut.

    Raises Conflict while the key is still missing, NotAllowed for an agency with a key of its own, NotFound,
    and Refused of any kind for a slot that is not what the sender signed.
    """
    secrets = secrets_of(node, row)
    if reader in secrets.readers:
        return secrets
    check_hosted(node, reader)
    parsed, net = split(row.body), node.network.net
    entry = entry_of(node, row, reader)
    try:
        slot = open_slot(parsed, entry.slot, net=net, opener=node.keys.opener(reader))
    except Misconfigured:
        raise Conflict(
            "the key of this agency is not in the node's key store",
            code=KEY_MISSING,
            remedy="restore its key files (`gateway keys list` shows what is there), then restart the node",
        ) from None
    check_slot(read_statement(parsed, secrets.keys[STATEMENT], net=net, keyring=node.network.keyring), slot)
    promised = {number: key for number, key in enumerate(slot.keys) if key is not None and number > ROUTING}
    keys = {number: key for number, key in promised.items() if number not in secrets.shredded}
    if promised and not keys:
        raise NotFound("the content of this message is no longer held", code="shredded")
    return replace(secrets, keys={**secrets.keys, **keys}, readers={**secrets.readers, reader: tuple(keys)})


def view_for(node: Node, row: EnvelopeRow, reader: str) -> JsonObject:
    """PLAINTEXT: :func:`gateway.flows.vault.open_for`, also for a slot that is only opened now."""
    return view(node, row, readable(node, row, reader), reader)
