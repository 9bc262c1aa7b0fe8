"""Judge a bundle of evidence offline, by nothing but the network's fingerprint (protocol 5).

Duty: every check, with its reason, and the verdict. It leaves out the form of the bundle
(:mod:`gateway.core.evidence`).

Rules:

- INVALID: something in the file contradicts itself or its signatures. CANNOT_TELL: the file may be good, but
  what would show it is not in it.
- Documents of trust are judged as of the day of the statement: evidence outlives the directory it was made
  under. Where the bundle holds a later directory that revokes the sender's key, it stands only if another
  borough had cosigned the sender's log with this message in it before.
- The log part pins the message and its answers to the sender's log; who has cosigned it is told, and a log
  that nobody else has seen is its owner's word alone.

Example::

    found = judge_evidence(path.read_bytes(), "abcd-efgh-...")
    found.verdict, [check for check in found.checks if check.verdict is not Verdict.VALID]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from gateway.core.encoding import JsonObject, b64, decode_object
from gateway.core.envelope import Statement, open_part, read_statement, split
from gateway.core.evidence import ROUTING, STATEMENT, Evidence, Exhibit, unpack
from gateway.core.judgement import Verdict
from gateway.core.layout import Parsed
from gateway.core.logged import Pinned, check_logged
from gateway.core.notes import open_note, peek_body
from gateway.core.notices import Block, advance_reader, read_block
from gateway.core.receipts import ZERO, Receipt, open_receipt
from gateway.core.root import SKEW
from gateway.core.silence import check_silence
from gateway.core.statement import CONTEXTS
from gateway.core.states import LegState, advance_leg
from gateway.core.trust import Network
from gateway.errors import Forged, GatewayError, Malformed, Refused, Unsupported, Untrusted

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. ``what`` and ``reason`` are for people and hold no value out of a document."""

    what: str
    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """A notice about the handover: sent by ``by`` (a node) at ``at``, and what each reader signed of it."""

    notice: Block
    by: str
    at: int
    readers: Mapping[str, tuple[Receipt, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Finding:
    """The judgement of a bundle. ``legs``: principal -> the states it signed, in order. ``sections`` is
    PLAINTEXT: what the bundle discloses, part by part. ``witnesses``: area -> when it cosigned the sender's
    log with this in it. ``silent``: who had not answered by when, if that was proven. ``notices``: what was
    said about it afterwards, oldest first."""

    checks: Sequence[Check]
    statement: Statement | None = None
    legs: Mapping[str, tuple[Receipt, ...]] = field(default_factory=dict)
    sections: Sequence[JsonObject] = field(default=(), repr=False)
    witnesses: Mapping[str, int] = field(default_factory=dict)
    silent: tuple[str, int] | None = None
    notices: Sequence[Told] = ()

    @property
    def verdict(self) -> Verdict:
        """The worst of all checks."""
        found = {check.verdict for check in self.checks}
        return next((v for v in (Verdict.INVALID, Verdict.CANNOT_TELL) if v in found), Verdict.VALID)


def judge_evidence(data: bytes, fingerprint: str) -> Finding:
    """Judge a bundle by nothing but the network's ``fingerprint``. Never raises for what the bundle holds."""
    checks: list[Check] = []
    try:
        return _judge(unpack(data), fingerprint, checks)
    except _Stop:
        return Finding(checks)
    except Refused as error:
        return Finding([_failed("the file is an evidence bundle", error)])


class _Stop(Exception):
    """Nothing after this check can be judged."""


def _judge(bundle: Evidence, fingerprint: str, checks: list[Check]) -> Finding:
    network = _need(checks, "the network is the one expected", lambda: _network(bundle, fingerprint))
    parsed = _need(checks, "the envelope is whole", lambda: split(bundle.envelope))
    statement = _need(checks, "its sender signed it", lambda: _statement(bundle, parsed, network))
    _try(checks, "the directory is of its day", lambda: _of_its_day(network, statement))
    sections = []
    for number in sorted(bundle.keys):
        if number == STATEMENT:
            continue
        content = _try(
            checks, f"part {number} is what was sent", partial(_part, bundle, parsed, network, number)
        )
        sections += [content] if content is not None else []
    legs = _receipts(checks, bundle, parsed, statement, network)
    witnesses = _logged(checks, bundle, parsed, statement, network, legs)
    if bundle.later:
        what = "its sender's key was good"
        _try(checks, what, lambda: _key_was_good(bundle, statement, network, witnesses))
    silent = _silent(checks, bundle, parsed, statement, network)
    told = [
        found
        for place, one in enumerate(bundle.notices)
        if (found := _told(checks, bundle, sections, fingerprint, one, f"notice {place}")) is not None
    ]
    return Finding(checks, statement, legs, sections, witnesses, silent, told)


def _told(
    checks: list[Check],
    bundle: Evidence,
    sections: Sequence[JsonObject],
    fingerprint: str,
    one: Exhibit,
    what: str,
) -> Told | None:
    """One notice, judged as the handover is: whole, signed, of its day, about this handover, and answered."""
    alone = Evidence(bundle.roots, one.directory, one.envelope, one.keys, one.receipts)
    inner: list[Check] = []
    try:
        return _judge_notice(alone, sections, fingerprint, inner)
    except _Stop:
        return None
    finally:
        checks += [replace(check, what=f"{what}: {check.what}") for check in inner]


def _judge_notice(
    alone: Evidence, sections: Sequence[JsonObject], fingerprint: str, checks: list[Check]
) -> Told:
    network = _need(checks, "the network is the one expected", lambda: _network(alone, fingerprint))
    parsed = _need(checks, "the envelope is whole", lambda: split(alone.envelope))
    statement = _need(checks, "its sender signed it", lambda: _statement(alone, parsed, network))
    _try(checks, "the directory is of its day", lambda: _of_its_day(network, statement))
    part = _need(checks, "its codes are what was sent", lambda: _part(alone, parsed, network, ROUTING))
    block = _need(checks, "it is a notice about this handover", lambda: _about(part, sections))
    readers = _receipts(checks, alone, parsed, statement, network, _way_of_a_reader)
    return Told(block, statement.sender, statement.created, readers)


def _about(part: JsonObject, sections: Sequence[JsonObject]) -> Block:
    block = read_block(part.get("notice"))
    if _handover(part) != _handover(*sections):
        raise Forged("a notice about another handover", code="notice_party")
    return block


def _handover(*sections: JsonObject) -> str:
    tables = [one["routing"] for one in sections if isinstance(one.get("routing"), dict)]
    named = [table.get("handover") for table in tables if isinstance(table, dict)]
    return str(named[0]) if named else ""


def _need(checks: list[Check], what: str, work: Callable[[], T]) -> T:
    found = _try(checks, what, work)
    if found is None:
        raise _Stop
    return found


def _try(checks: list[Check], what: str, work: Callable[[], T]) -> T | None:
    try:
        found = work()
    except GatewayError as error:
        checks.append(_failed(what, error))
        return None
    checks.append(Check(what, Verdict.VALID))
    return found


def _failed(what: str, error: GatewayError) -> Check:
    """An unknown key or version is no contradiction: somebody with more documents may be able to tell."""
    unknown = isinstance(error, (Untrusted, Unsupported)) and error.code != "fingerprint"
    return Check(what, Verdict.CANNOT_TELL if unknown else Verdict.INVALID, error.message)


def _network(bundle: Evidence, fingerprint: str) -> Network:
    """As of the day the directory was signed: it may have run out long before somebody asks."""
    moment = _created(bundle.directory)
    return Network.build(bundle.roots, bundle.directory, (), now=moment, expect=fingerprint)


def _created(directory: bytes) -> int:
    """What an unverified directory says of its day: only to build the view that then verifies it."""
    signed = peek_body(directory).get("created")
    return signed if isinstance(signed, int) else 0


def _statement(bundle: Evidence, parsed: Parsed, network: Network) -> Statement:
    if STATEMENT not in bundle.keys:
        raise Untrusted("the key to the statement is not in the bundle", code="no_statement_key")
    return read_statement(parsed, bundle.keys[STATEMENT], net=network.net, keyring=network.keyring)


def _of_its_day(network: Network, statement: Statement) -> bool:
    if statement.directory != network.version:
        raise Untrusted("the bundle holds another version of the directory", code="directory_version")
    if not network.created - SKEW <= statement.created < network.expires:
        raise Forged("sent when this directory was not in force", code="directory_time")
    return True


def _part(bundle: Evidence, parsed: Parsed, network: Network, number: int) -> JsonObject:
    body = decode_object(open_part(parsed, number, bundle.keys[number], net=network.net))
    sections = body.get("sections")
    if not isinstance(sections, dict):
        raise Malformed("a part without sections", code="part_form")
    return sections


def _receipts(
    checks: list[Check],
    bundle: Evidence,
    parsed: Parsed,
    statement: Statement,
    network: Network,
    way: Callable[[Sequence[Receipt]], None] | None = None,
) -> Mapping[str, tuple[Receipt, ...]]:
    """Every receipt by itself, then each signer's chain, then its way along the table of states: a leg's, or
    ``way``."""
    found: dict[str, list[Receipt]] = {}
    for place, note in enumerate(bundle.receipts):
        what = f"receipt {place} is for this message"
        receipt = _try(checks, what, partial(_receipt, note, parsed, statement, network))
        if receipt is not None:
            found.setdefault(receipt.by, []).append(receipt)
    chains = {}
    for signer, receipts in found.items():
        chain = _try(
            checks, f"{signer} answered in one chain", partial(_chain, receipts, way or _way_of_a_leg)
        )
        chains[signer] = chain or ()
    return chains


def _receipt(note: bytes, parsed: Parsed, statement: Statement, network: Network) -> Receipt:
    receipt = open_receipt(note, net=network.net, keyring=network.keyring)
    told = receipt.about
    if (told.env, told.stmt, told.mid) != (parsed.digest, statement.hash, statement.mid):
        raise Forged("a receipt for another message", code="receipt_about")
    if told.sender != statement.sender or not receipt.by.startswith(f"{parsed.to}/"):
        raise Forged("a receipt by somebody this message was not for", code="receipt_by")
    if receipt.at < statement.created - SKEW:
        raise Forged("a receipt dated before its message", code="receipt_date")
    return receipt


def _way_of_a_leg(receipts: Sequence[Receipt]) -> None:
    """Raises Conflict."""
    state = LegState.DELIVERED
    for receipt in receipts:
        state = advance_leg(state, receipt.state)


def _way_of_a_reader(receipts: Sequence[Receipt]) -> None:
    """Raises Conflict."""
    state = "DELIVERED"
    for receipt in receipts:
        if receipt.state != "received":  # the node's, for all readers of its area
            state = advance_reader(state, receipt.state)


def _chain(receipts: Sequence[Receipt], way: Callable[[Sequence[Receipt]], None]) -> tuple[Receipt, ...]:
    """In the order of ``prev``, from the first; and a way that the table of states allows."""
    by_prev = {receipt.prev: receipt for receipt in receipts}
    if len(by_prev) != len(receipts):
        raise Forged("two receipts after one", code="receipt_fork")
    ordered, head = [], ZERO
    while head in by_prev:
        ordered.append(by_prev.pop(head))
        head = ordered[-1].hash
    if by_prev:
        raise Untrusted("a receipt whose predecessor is not in the bundle", code="receipt_gap")
    way(ordered)
    return tuple(ordered)


def _logged(
    checks: list[Check],
    bundle: Evidence,
    parsed: Parsed,
    statement: Statement,
    network: Network,
    legs: Mapping[str, Sequence[Receipt]],
) -> Mapping[str, int]:
    """Who has cosigned the sender's log with the message in it; nobody where that is not shown."""
    if bundle.log is None:
        return {}
    area, logged = statement.sender.partition("/")[0], bundle.log
    pinned = _try(checks, "the leaves are in its sender's log", lambda: check_logged(logged, area, network))
    if pinned is None:
        return {}
    _try(checks, "the log holds the message", lambda: _message_logged(pinned, parsed, statement))
    for signer, chain in legs.items():
        _try(checks, f"the log holds what {signer} answered", partial(_answers_logged, pinned, chain))
    return pinned.seen if pinned.holds(t="sent", stmt=b64(statement.hash)) else {}


def _message_logged(pinned: Pinned, parsed: Parsed, statement: Statement) -> bool:
    if not pinned.holds(t="sent", mid=statement.mid, stmt=b64(statement.hash), env=b64(parsed.digest)):
        raise Untrusted("no leaf shown is about this message", code="log_leaf")
    return True


def _answers_logged(pinned: Pinned, chain: Sequence[Receipt]) -> bool:
    if not all(pinned.holds(t="receipt", receipt=b64(receipt.hash)) for receipt in chain):
        raise Untrusted("no leaf shown is about one of its receipts", code="log_leaf")
    return True


def _key_was_good(
    bundle: Evidence, statement: Statement, network: Network, witnesses: Mapping[str, int]
) -> bool:
    """Not revoked since; or somebody else had seen the message in the log before it was."""
    moment = _created(bundle.later)
    later = Network.build(bundle.roots, bundle.later, (), now=moment)
    network.check_successor(later)
    # The key that did sign: it may have been a retiring one, which the entry has beside its successor.
    signed = open_note(statement.note, CONTEXTS[statement.kind], network.keyring, single=True)
    revoked = next((later.directory.revoked.get(key.public) for key in signed.keys), None)
    if revoked is not None and not any(at < revoked for at in witnesses.values()):
        raise Untrusted(
            "its sender's key was revoked since, and no other borough had seen the message before",
            code="sender_revoked",
        )
    return True


def _silent(
    checks: list[Check], bundle: Evidence, parsed: Parsed, statement: Statement, network: Network
) -> tuple[str, int] | None:
    silence = bundle.silence
    if silence is None:
        return None

    def work() -> tuple[str, int]:
        check_silence(
            silence,
            mid=statement.mid,
            sent=statement.created,
            sender=statement.sender,
            peer=parsed.to,
            net=network.net,
            keyring=network.keyring,
        )
        return silence.by, silence.until

    return _try(checks, f"{silence.by} had not acknowledged it by then", work)
