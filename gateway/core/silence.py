"""Proof that an agency had NOT acknowledged a message by a certain time (protocol 5, evidence).

Nobody can sign that he did not answer, and a missing receipt may be one that the origin withholds. But all
that one node tells another stands in one stream: every statement names the hash of the one before (protocol
4.3). So the origin shows every statement of the receiver's node from before the message was sent until after
the time in question (a heartbeat comes every 10 minutes), with the receipts of those that carried receipts,
and anybody can see that none of them is the answer.

Duty: the links of such a chain, and their judgement. It leaves out where they come from
(:mod:`gateway.flows.evidence`).

Rules:

- The chain has no hole, and its ends lie around the whole time. Every link is signed by the receiver's node,
  so the origin can neither leave one out nor make one up; what the receiver's agency signed and its node
  never sent is no answer.
- A chain may also begin with the first number of a stream: then that area had said nothing before. Unless it
  is a stream begun after a restore, whose first envelope is a control envelope that says so; so one is shown.
- A link of receipts is shown with part 1, which its statement commits to; one that holds an acknowledgement
  or a decision of that agency about that message breaks the silence. `opened` is no acknowledgement: a
  mailbox took it in.
- Receipts about other messages of the pair are shown as well: hashes, codes and times, nobody's data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Final

from gateway.core.encoding import (
    PRINCIPAL,
    Json,
    JsonObject,
    b64,
    decode_object,
    fields,
    integer,
    text,
    unb64,
)
from gateway.core.envelope import Statement, open_part
from gateway.core.layout import Kind, Parsed
from gateway.core.notes import Keyring
from gateway.core.receipts import Receipt, open_receipt
from gateway.core.statement import read_alone
from gateway.errors import Forged, Malformed, Refused, Untrusted

MAX_LINKS: Final = 20_000
"""Statements in one proof: four months of heartbeats, some 25 MB."""

NO_ANSWER: Final = frozenset({"received", "refused", "opened"})
"""What a node signs, and what an adapter's success signs: no person has taken anything on."""

ANNOUNCEMENT: Final = "stream"
"""The section of a control envelope by which a restored node says that it begins a new stream."""

_NODE_PART: Final = 1  # the one part of receipts and control envelopes


@dataclass(frozen=True, slots=True)
class Link:
    """One statement of the receiver's node; ``part`` and ``key``: part 1 of an envelope of receipts (and of
    a control envelope that begins a stream) as it was sent, and the key to it."""

    note: bytes = field(repr=False)
    part: bytes = field(repr=False, default=b"")
    key: bytes = field(repr=False, default=b"")

    def body(self) -> JsonObject:
        shown: JsonObject = {"note": self.note.decode()}
        if self.part:
            shown |= {"part": b64(self.part), "key": b64(self.key)}
        return shown


@dataclass(frozen=True, slots=True)
class Silence:
    """``by`` (a principal) had not answered at ``until`` (unix seconds): the ``links`` show it."""

    by: str
    until: int
    links: Sequence[Link]

    def body(self) -> JsonObject:
        return {"by": self.by, "until": self.until, "links": [link.body() for link in self.links]}


def read_silence(value: Json) -> Silence:
    """Raises Malformed. Nothing in it is verified yet."""
    body = fields(value, {"by": str, "until": int, "links": list})
    links = body["links"]
    if not isinstance(links, list) or not 1 <= len(links) <= MAX_LINKS:
        raise Malformed(f"a proof of silence has 1 to {MAX_LINKS} links", code="silence_links")
    return Silence(text(body, "by", PRINCIPAL), integer(body, "until"), [_link(link) for link in links])


def check_silence(
    silence: Silence, *, mid: str, sent: int, sender: str, peer: str, net: bytes, keyring: Keyring
) -> None:
    """Raise unless the chain shows that ``silence.by`` had not answered the message ``mid`` of the node
    ``sender``, created at ``sent``, when its area ``peer`` last spoke at ``silence.until`` or later.

    Forged: a broken chain, another area's, or the answer is in it. Untrusted: the chain does not reach.
    """
    if silence.by.partition("/")[0] != peer:
        raise Forged("the silence of somebody this message was not for", code="silence_by")
    before: Statement | None = None
    for link in silence.links:
        statement, head = read_alone(link.note, net=net, keyring=keyring)
        _check_follows(before, statement, peer)
        if before is None and statement.created > sent:
            _check_first(link, statement, head, net)
        if statement.kind is Kind.RECEIPTS:
            for receipt in _receipts(_sections(link, statement, head, net), net, keyring):
                _check_no_answer(receipt, silence.by, mid, sender)
        before = statement
    if before is None or before.created < silence.until:
        raise Untrusted(
            "that area's last word in the chain is older than the time in question", code="silence_end"
        )


def _check_first(link: Link, first: Statement, head: bytes, net: bytes) -> None:
    """A chain that begins after the message was sent: nothing may have been said before."""
    if first.seq != 1:
        raise Untrusted("the chain begins after the message was sent", code="silence_start")
    if first.kind is Kind.CONTROL and ANNOUNCEMENT in _sections(link, first, head, net):
        raise Untrusted("that area began a new stream in between", code="silence_start")


def _check_follows(before: Statement | None, statement: Statement, peer: str) -> None:
    if statement.sender != f"{peer}/node":
        raise Forged("a statement of another node", code="silence_node")
    if before is None:
        return
    place, wanted = (statement.stream, statement.seq), (before.stream, before.seq + 1)
    if place != wanted or not compare_digest(statement.prev, before.hash):
        raise Forged("the chain of statements has a hole", code="silence_chain")


def _sections(link: Link, statement: Statement, head: bytes, net: bytes) -> JsonObject:
    """What part 1 of a link says. Raises Forged for another part than the statement commits to."""
    if not statement.parts or not compare_digest(hashlib.sha256(link.part).digest(), statement.parts[0]):
        raise Forged("another part than the statement commits to", code="part_hash")
    parsed = Parsed(
        kind=statement.kind,
        priority=0,
        to="",
        mid=statement.mid,
        expires=statement.expires,
        head=head,
        slots=(),
        parts=(b"", link.part),
        raw=b"",
    )
    sections = decode_object(open_part(parsed, _NODE_PART, link.key, net=net)).get("sections")
    return sections if isinstance(sections, dict) else {}


def _receipts(sections: JsonObject, net: bytes, keyring: Keyring) -> Sequence[Receipt]:
    """Those that verify: the origin's node takes no other."""
    notes = sections.get("receipts")
    found = []
    for note in notes if isinstance(notes, list) else ():
        try:
            found.append(open_receipt(str(note).encode(), net=net, keyring=keyring))
        except Refused:
            continue
    return found


def _check_no_answer(receipt: Receipt, by: str, mid: str, sender: str) -> None:
    about = (receipt.by, receipt.about.mid, receipt.about.sender)
    if about == (by, mid, sender) and receipt.state not in NO_ANSWER:
        raise Forged("it had answered by then", code="silence_broken")


def _link(value: Json) -> Link:
    body = fields(value, {"note": str, "part": str, "key": str}, optional=("part", "key"))
    part, key = (unb64(str(body[name])) if name in body else b"" for name in ("part", "key"))
    return Link(str(body["note"]).encode(), part, key)
