"""What a stolen key could open: every section, of every handover kept here, and who has taken each on.

The first question after a theft is whom to warn. This node knows it for what it sent and what it received:
who has which part keys stands beside every message. Parts are opened for a moment to name their sections;
afterwards there are names alone. What was shredded here is counted, not named: its envelope may have been
copied before, and then the stolen key opens it still.

The report is a look at what was disclosed, so it is on record like one (s.62 DPA 2018), for each handover.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from gateway.core.envelope import Kind, split
from gateway.core.suspension import MAX_SUSPENSION, Suspension, make_suspension
from gateway.errors import Conflict, GatewayError
from gateway.flows import accounts, trust
from gateway.flows.shred_plan import Shredder, holding
from gateway.flows.vault import ROUTING, secrets_of
from gateway.ports import AccessRow, EnvelopeRow, HandoverRow, Side, Transaction

PAGE: Final = 200
"""Handovers looked at in one snapshot."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One signed receipt of the key's owner: its state, and when (unix seconds)."""

    state: str
    at: int


@dataclass(frozen=True, slots=True)
class Exposed:
    """One message that the key opens. ``sent``: by us, or received. ``sections``: what its parts hold;
    ``shredded``: how many of its parts are destroyed here; ``state``: of the owner's leg, "" without one."""

    ref: str
    version: int
    mid: str
    sent: bool
    at: int
    sections: tuple[str, ...]
    shredded: int
    state: str
    answers: tuple[Answer, ...]

    @property
    def acknowledged(self) -> int:
        """When a named role took it on, by its signature; 0 if nobody has."""
        return next((one.at for one in self.answers if one.state == "acknowledged"), 0)


async def report(node: Shredder, principal: str, *, actor: str, justification: str) -> Sequence[Exposed]:
    """Everything stored here that the keys of ``principal`` open, the newest handover first.

    Raises UnknownRecipient for a name that the directory does not hold.
    """
    node.network.principal(principal)
    found: list[Exposed] = []
    before = ""
    while page := await node.store.read(partial(_page, principal=principal, before=before)):
        for row in page:
            found += await node.store.read(partial(_exposed, node=node, handover=row, principal=principal))
        before = page[-1].id
    now = node.clock.now()
    await node.store.write(lambda tx: _account(tx, node, principal, found, actor, justification, now))
    return found


def _page(tx: Transaction, *, principal: str, before: str) -> Sequence[HandoverRow]:
    return tx.handovers(side=None, principal=principal, before=before, limit=PAGE)


def _exposed(tx: Transaction, *, node: Shredder, handover: HandoverRow, principal: str) -> list[Exposed]:
    leg = next((leg for leg in tx.legs(handover.ref, handover.version) if leg.principal == principal), None)
    state = leg.state if leg else ""
    rows = [row for row in tx.envelopes_of(handover.ref, handover.version) if row.kind == Kind.MESSAGE]
    seen = [(row, opened) for row in rows if row.secrets and (opened := _seen(node, row, principal))]
    return [
        Exposed(
            ref=handover.ref,
            version=handover.version,
            mid=row.mid,
            sent=row.side is Side.ORIGIN,
            at=row.created,
            sections=sections,
            shredded=shredded,
            state=state,
            answers=tuple(Answer(one.state, one.at) for one in tx.receipts(mid=row.mid, by=principal)),
        )
        for row, (sections, shredded) in seen
    ]


def _seen(node: Shredder, row: EnvelopeRow, principal: str) -> tuple[tuple[str, ...], int] | None:
    """The sections it opens, and how many of its parts are gone; None where it has no slot."""
    secrets = secrets_of(node, row)
    if principal not in secrets.readers:
        return None
    own = [number for number in secrets.readers[principal] if number > ROUTING]
    held = holding(node, split(row.body), secrets)
    names = {name for number in own if number in held for name in held[number]}
    return tuple(sorted(names)), sum(number in secrets.shredded for number in own)


def _account(
    tx: Transaction,
    node: Shredder,
    principal: str,
    found: Sequence[Exposed],
    actor: str,
    justification: str,
    now: int,
) -> None:
    for ref, version in dict.fromkeys((one.ref, one.version) for one in found):
        sections = sorted({name for one in found if one.ref == ref for name in one.sections})
        accounts.record(
            tx,
            AccessRow(
                at=now,
                operation="CONSULTATION",
                principal=f"{node.area}/node",
                actor=actor,
                role="compromise report",
                ref=ref,
                version=version,
                leg="",
                sections=tuple(sections),
                recipients=(principal,),
                justification=justification,
            ),
        )


async def stop(node: Shredder, principal: str, *, reason: str, seconds: int) -> Suspension:
    """The key stops itself: a suspension by its own signature, in force here at once. A running node tells it
    to everybody (:mod:`gateway.flows.documents`).

    Raises Conflict when the key is not here: a directory signer stops it then. Expired for over 72 hours.
    """
    now = node.clock.now()
    listed = node.network.principal(principal).sign
    try:
        signer = node.keys.signer(principal)
    except GatewayError:
        signer = None
    if signer is None or signer.public != listed:
        raise Conflict(
            "the key itself is not in this key store, so it cannot stop itself",
            code="key_elsewhere",
            remedy=f"any one directory signer: gateway directory suspend {principal} --reason {reason}",
        )
    note = make_suspension(
        signer,
        net=node.network.net,
        key=listed,
        created=now,
        until=now + min(seconds, MAX_SUSPENSION),
        reason=reason,
    )
    return await node.store.write(lambda tx: trust.take_suspension(tx, note, now))
