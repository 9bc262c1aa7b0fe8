"""Whether a document may be sent by this node, now: everything that is asked before anything is kept.

Order: shape -> who may ask -> who is named and can be reached -> rules -> audiences. It leaves out sealing
and storing (:mod:`gateway.flows.submit`), and keeps no trace of a document, whatever becomes of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from gateway.core import policy
from gateway.core.audience import Part, Reader, cut
from gateway.core.drills import check as check_invented
from gateway.core.encoding import JsonObject
from gateway.core.places import AddressCheck, address_check
from gateway.core.trust import Network, Principal
from gateway.errors import InvalidDocument, NotAllowed, Problem, UnknownRecipient
from gateway.flows import destinations, drills, outgoing
from gateway.flows.node import Caller, Node
from gateway.ports import LegRow
from schemas.base import ShapeError
from schemas.handover import HandoverNotification, parse_notification, to_document


@dataclass(frozen=True, slots=True)
class Judged:
    """A document that would be accepted: every recipient resolved, every field with its audience."""

    document: HandoverNotification
    destination: str
    readers: Sequence[tuple[Reader, Principal]]
    parts: Sequence[Part]
    tiers: Sequence[Judged] = ()
    """Of a two-tier destination: what each tier gets, in a message of its own."""
    address: AddressCheck = AddressCheck.NO_ADDRESS

    @property
    def messages(self) -> Sequence[Judged]:
        """One for each area that is written to."""
        return self.tiers or (self,)

    def reads(self, leg: LegRow) -> bool:
        return any(principal.name == leg.principal for _, principal in self.readers)


def read(body: bytes) -> HandoverNotification:
    """Raises InvalidDocument with every problem of shape found."""
    try:
        return parse_notification(body)
    except ShapeError as error:
        problems = [Problem(p.pointer, p.message, p.remedy) for p in error.problems]
        raise InvalidDocument(
            "the document is not a handover notification of this version",
            problems=problems,
            remedy="correct the fields named; `gateway schema show handover` prints the shape",
        ) from None


def judge(node: Node, body: bytes, *, now: int, caller: Caller | None = None) -> Judged:
    """Everything that is asked of a document that is handed in. Raises Rejected of any kind."""
    document = read(body)
    check_origin(node, document, caller)
    network = node.network
    destination = check_destination(network, node.area, document)
    areas = destinations.areas_of(document)
    for area in areas:
        check_reachable(network, area, now)
    destinations.check(network, document, areas)
    readers = resolve(network, document, now)
    content: JsonObject = to_document(document)
    check_invented(content, network.env)
    drills.check_readers(content, readers)
    lookup = node.places.area_of if node.places else None
    entitlements = node.entitlements
    policy.check(
        document,
        now=now,
        entitlements=entitlements,
        content=content,
        registers=node.registers,
        lookup=lookup,
    )
    each = [_cut(document, content, area, readers, entitlements) for area in areas]
    address = address_check(document, lookup)
    if len(each) == 1 and areas[0] == destination:
        return replace(each[0], address=address)
    return Judged(document, destination, readers, (), tuple(each), address)


def _cut(
    document: HandoverNotification,
    content: JsonObject,
    area: str,
    readers: Sequence[tuple[Reader, Principal]],
    entitlements: Mapping[str, AbstractSet[str]],
) -> Judged:
    """What the agencies of one area get of a document that was held against the rules."""
    there = [(reader, principal) for reader, principal in readers if principal.area == area]
    parts = cut(content, [reader for reader, _ in there], entitlements, judged=True)
    return Judged(document, area, there, parts)


def check_origin(node: Node, document: HandoverNotification, caller: Caller | None) -> None:
    """The document must be ours to send, and the caller's to hand in."""
    authority, origin = document.message.authorised_by, document.routing.origin.area_code
    problems = []
    if origin != node.area:
        problems.append(_mismatch("/routing/origin/area_code", f"this node serves {node.area}"))
    if authority.area != node.area:
        problems.append(_mismatch("/message/authorised_by/area", f"this node serves {node.area}"))
    if not document.message.handover_id.startswith(f"HO-{node.area}-"):
        problems.append(_mismatch("/message/handover_id", f"references of this area begin HO-{node.area}-"))
    if caller and caller.agency != authority.agency:
        problems.append(_mismatch("/message/authorised_by/agency", f"this token belongs to {caller.agency}"))
    if problems:
        raise NotAllowed("this node may not send this document", code="not_ours", problems=problems)


def check_destination(network: Network, area: str, document: HandoverNotification) -> str:
    destination = document.routing.destination.area_code
    if destination == area:
        problem = _mismatch("/routing/destination/area_code", "a handover goes to another area")
        raise NotAllowed("origin and destination are one area", code="same_area", problems=[problem])
    if destination not in network.areas:
        raise UnknownRecipient(
            "the destination area is not in the directory",
            code="unknown_area",
            field="/routing/destination/area_code",
            remedy="check the ONS code; `gateway directory show` lists the areas of this network",
        )
    return destination


def check_reachable(network: Network, destination: str, now: int) -> None:
    """The destination's node must have a key to seal to, and our directory be in date. Raises
    UnknownRecipient, Unavailable."""
    outgoing.check_sendable(network, now)
    try:
        network.sealing_key(network.node(destination).name, now)
    except UnknownRecipient as error:
        raise UnknownRecipient(
            f"the destination's node cannot be written to: {error.message}",
            code=error.code,
            field="/routing/destination/area_code",
            remedy=error.remedy,
        ) from None


def resolve(network: Network, document: HandoverNotification, now: int) -> Sequence[tuple[Reader, Principal]]:
    """The principal behind every recipient, each with a key to seal to. Raises UnknownRecipient; NotAllowed
    for two entries that come to one agency, which has one slot and one leg."""
    found: list[tuple[Reader, Principal]] = []
    for index, recipient in enumerate(document.routing.recipients):
        try:
            area = destinations.area_for(document.routing.destination, recipient, index)
            principal = network.find(area, recipient.agency, recipient.organisation)
            network.sealing_key(principal.name, now)
        except UnknownRecipient as error:
            raise UnknownRecipient(
                error.message,
                code=error.code,
                field=f"/routing/recipients/{index}/agency",
                remedy=error.remedy,
            ) from None
        if any(principal == other for _, other in found):
            raise NotAllowed(
                "two recipients are one and the same agency",
                code="recipient_twice",
                field=f"/routing/recipients/{index}",
                remedy="name each agency once, with all its sections in one entry",
            )
        found.append((Reader(principal.name, principal.agency, index), principal))
    return found


def _mismatch(field: str, what: str) -> Problem:
    return Problem(field, "does not fit this node or caller", what)
