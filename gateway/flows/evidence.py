"""Gather the evidence for one handover out of the store: the message as sent, and every answer to it.

Disclosing content is a disclosure in law: it is on record, with its sections, before the keys to them leave.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from gateway.core.envelope import open_part, read_statement, split
from gateway.core.evidence import MAX_NOTICES, ROUTING, STATEMENT, Evidence, Exhibit, disclosable
from gateway.core.silence import Silence
from gateway.errors import GatewayError, NotAllowed, NotFound
from gateway.flows import accounts, show
from gateway.flows.accounts import access
from gateway.flows.node import Caller, Node
from gateway.flows.pinned import pinned
from gateway.flows.silence import silence
from gateway.flows.vault import Secrets, read_sections, secrets_of
from gateway.ports import EnvelopeRow, ReceiptRow, Side, Transaction, TrustRow

MANY = 10_000
"""Entries of one handover's access log that are looked through."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """``withheld``: sections that were asked for and stand only in parts together with others. ``shredded``:
    sections that were asked for and are destroyed, in whole or in part."""

    evidence: Evidence
    withheld: Sequence[str]
    shredded: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class _Found:
    envelope: EnvelopeRow
    receipts: Sequence[ReceiptRow]
    recipients: Collection[str]
    roots: Sequence[TrustRow]
    directories: Sequence[TrustRow]
    erased: frozenset[str] = frozenset()
    notices: Sequence[tuple[EnvelopeRow, Sequence[ReceiptRow]]] = ()


@dataclass(frozen=True, slots=True)
class Unanswered:
    """That this agency (``principal``) had not acknowledged it by then (unix seconds) is to be shown."""

    principal: str
    until: int


async def gather(
    node: Node,
    caller: Caller,
    ref: str,
    version: int | None,
    sections: Collection[str],
    justification: str,
    unanswered: Unanswered | None = None,
) -> Gathered:
    """The bundle of one handover that this agency's area sent. ``sections`` may be empty: then nobody's
    data is disclosed, only who sent what to whom and who answered.

    Raises NotFound when it is not the caller's, NotAllowed when it came from another area: evidence of a
    disclosure is its discloser's to give. What ``flows.silence`` raises when silence cannot be shown.
    """
    found = await node.store.read(lambda tx: _find(tx, caller, ref, version))
    secrets = secrets_of(node, found.envelope)
    holding = _holding(node, found.envelope, secrets)
    shown = disclosable(holding, sections)
    if shown:
        now = node.clock.now()
        named = sorted({name for number in shown for name in holding[number]})
        await node.store.write(lambda tx: _account(tx, caller, ref, version, named, justification, now))
    keys = {number: secrets.keys[number] for number in (STATEMENT, ROUTING, *shown)}
    kept_back = {name for number, names in holding.items() if number not in shown for name in names}
    directory = _directory(node, found, keys[STATEMENT])
    newest = found.directories[-1].note
    evidence = Evidence(
        [row.note for row in found.roots],
        directory,
        found.envelope.body,
        keys,
        [row.note for row in found.receipts],
        later=newest if newest != directory else b"",
        log=await pinned(node, found.envelope.mid),
        silence=await _silence(node, found, unanswered),
        notices=_notices(node, found),
    )
    erased = found.erased.intersection(sections) if secrets.shredded else ()
    return Gathered(evidence, sorted(kept_back.intersection(sections)), sorted(erased))


def _notices(node: Node, found: _Found) -> Sequence[Exhibit]:
    """What was said about it afterwards, by either side, and who took it in: codes, never words."""
    shown = []
    for envelope, receipts in found.notices[-MAX_NOTICES:]:
        try:
            held = secrets_of(node, envelope).keys
            keys = {number: held[number] for number in (STATEMENT, ROUTING)}
        except (GatewayError, KeyError):  # purged: nothing of it is held but the hash of its statement
            continue
        directory = _directory_of(node, envelope, keys[STATEMENT], found.directories)
        notes = [row.note for row in receipts]
        shown.append(Exhibit(directory, envelope.body, keys, notes))
    return shown


async def _silence(node: Node, found: _Found, unanswered: Unanswered | None) -> Silence | None:
    if unanswered is None:
        return None
    if unanswered.principal not in found.recipients:
        raise NotFound(
            "this handover was not for that agency",
            code="no_leg",
            remedy="`gateway handover show` lists its agencies",
        )
    sent = found.envelope.created
    return await silence(node, by=unanswered.principal, sent=sent, until=unanswered.until)


def _find(tx: Transaction, caller: Caller, ref: str, version: int | None) -> _Found:
    standing = show.find(tx, ref, caller.principal, version)
    if standing.handover.side is not Side.ORIGIN:
        raise NotAllowed(
            "evidence is given by the area that sent the handover",
            code="not_origin",
            remedy=f"ask {standing.handover.origin}; your own receipts are at /receipts",
        )
    envelope = tx.envelope(standing.legs[0].mid)
    if envelope is None:
        raise NotFound("the message of this handover is gone", code="no_message")
    recipients = {leg.principal for leg in standing.legs}
    receipts = tx.receipts(mid=envelope.mid)
    erased = {
        name
        for row in tx.accesses(ref=ref, limit=MANY)
        if (row.operation, row.version) == ("ERASURE", standing.handover.version)
        for name in row.sections
    }
    return _Found(
        envelope,
        receipts,
        recipients,
        tx.trust("root"),
        tx.trust("directory"),
        frozenset(erased),
        _said(tx, ref),
    )


def _said(tx: Transaction, ref: str) -> Sequence[tuple[EnvelopeRow, Sequence[ReceiptRow]]]:
    sent = [(tx.envelope(row.mid), tx.receipts(mid=row.mid)) for row in tx.notices(ref=ref) if row.mid]
    return [(envelope, receipts) for envelope, receipts in sent if envelope is not None and envelope.secrets]


def _holding(node: Node, envelope: EnvelopeRow, secrets: Secrets) -> Mapping[int, Sequence[str]]:
    """Which sections each part holds fields of. PLAINTEXT is looked at and let go."""
    parsed, net = split(envelope.body), node.network.net
    return {
        number: sorted(read_sections(open_part(parsed, number, key, net=net)))
        for number, key in secrets.keys.items()
        if number > ROUTING
    }


def _account(
    tx: Transaction,
    caller: Caller,
    ref: str,
    version: int | None,
    sections: Sequence[str],
    justification: str,
    now: int,
) -> None:
    for leg in show.find(tx, ref, caller.principal, version).legs[:1]:
        accounts.record(tx, access(caller, leg, "DISCLOSURE", justification, now, sections=sections))


def _directory(node: Node, found: _Found, key: bytes) -> bytes:
    """The version that the statement names: the one whose keys its receipts were verified with."""
    return _directory_of(node, found.envelope, key, found.directories)


def _directory_of(node: Node, envelope: EnvelopeRow, key: bytes, known: Sequence[TrustRow]) -> bytes:
    statement = read_statement(split(envelope.body), key, net=node.network.net, keyring=node.network.keyring)
    named = [row.note for row in known if row.version == statement.directory]
    return named[0] if named else known[-1].note
