"""What an agency signs and seals on its side: its receipts in their chain, and the words of an answer.

Which receipts an answer takes is the same table as at a node (:func:`gateway.core.states.path`). The words
are sealed here to the counterpart at the origin: the agency's own node takes a place in the stream for them
and signs the statement, and is never given the key to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from gateway.client.opening import AgencyKeys
from gateway.core.encoding import JsonObject
from gateway.core.envelope import MAX_LIFE, Kind, Recipient, prepare
from gateway.core.presealed import pack_presealed
from gateway.core.receipts import ZERO, About, Receipt, make_receipt
from gateway.core.recipients import ROUTING
from gateway.core.states import RECEIPT_OF, LegState, advance_leg
from gateway.core.trust import Network
from gateway.flows.acknowledge import names_words, reply_routing, reply_section, steps_of
from gateway.flows.node import PRIORITY, area_of
from gateway.flows.vault import write_sections
from gateway.ports import LegRow
from schemas.acknowledgement import Acknowledgement

LIFE = MAX_LIFE - 300
"""Seconds: the longest that a message may live, less what this clock and the node's may differ by."""


class Link(Protocol):
    """What of a signed receipt the next one and its bringer need; a ``core.receipts.Receipt`` is one."""

    @property
    def state(self) -> str: ...
    @property
    def hash(self) -> bytes: ...
    @property
    def note(self) -> bytes: ...


def sign(
    keys: AgencyKeys,
    net: bytes,
    about: About,
    state: str,
    *,
    at: int,
    prev: Link | None = None,
    code: str = "",
    parts: Sequence[int] = (),
    reply: bytes | None = None,
) -> Receipt:
    """The next receipt of this agency for one message, after ``prev``."""
    return make_receipt(
        keys.signer,
        net=net,
        about=about,
        at=at,
        state=state,
        code=code,
        parts=parts,
        prev=prev.hash if prev else ZERO,
        reply=reply,
    )


def state_of(chain: Sequence[Link]) -> LegState:
    """Where a leg stands by its agency's own receipts. Raises Conflict for a chain that no table allows."""
    state = LegState.DELIVERED
    for receipt in chain:
        state = advance_leg(state, receipt.state)
    return state


def answer_notes(
    keys: AgencyKeys,
    net: bytes,
    about: About,
    chain: Sequence[Link],
    answer: Acknowledgement,
    *,
    at: int,
    reply: bytes | None,
) -> list[Receipt]:
    """The receipts that an answer takes, with the steps it implies. Raises Conflict when the table has no
    such step from where the leg stands."""
    target, last = RECEIPT_OF[answer.state], (chain[-1] if chain else None)
    fresh: list[Receipt] = []
    for step in steps_of(state_of(chain), answer):
        receipt = sign(
            keys,
            net,
            about,
            step,
            at=at,
            prev=fresh[-1] if fresh else last,
            code=answer.reason_code.value if answer.reason_code and step == target else "",
            reply=reply if names_words(step, answer) else None,
        )
        fresh.append(receipt)
    return fresh


def seal_words(network: Network, leg: LegRow, answer: Acknowledgement, now: int) -> JsonObject:
    """The words of an answer, sealed to the counterpart; what the node is given to finish and send.

    Raises UnknownRecipient when the counterpart has no valid key: the codes still go.
    """
    to = area_of(leg.counterpart)
    node = network.node(to).name
    addressed = replace(leg, principal=leg.counterpart, counterpart=leg.principal)
    draft = prepare(
        net=network.net,
        kind=Kind.MESSAGE,
        priority=PRIORITY[leg.urgency],
        to=to,
        expires=now + LIFE,
        recipients=[
            Recipient(node, network.sealing_key(node, now), {ROUTING}),
            Recipient(leg.counterpart, network.sealing_key(leg.counterpart, now), {ROUTING + 1}),
        ],
        contents=[
            reply_routing(addressed, answer),
            write_sections({"reply": reply_section(leg, answer)}),
        ],
    )
    return pack_presealed(draft)
