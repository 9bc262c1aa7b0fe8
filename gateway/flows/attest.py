"""Sign what was destroyed, after having tried whether anything still opens; keep what peers sign (F3).

A node attests with its own key that the content of one version is gone: from its database, and from its key
store, so that no older copy of the database opens with the keys that it holds now. It does not take its own
word for it: :func:`probe` takes the stored rows and the key store as a thief would, and only what that cannot
open is attested. The same probe is the audit (``gateway retention audit``): a node that has kept a copy, or
put an old key file back, fails it.

Attestations go from the node that received a handover to the one that sent it, in the control section
``purged`` (protocol 4.3); where one is overdue the origin asks with the section ``attest``, and people hear
of it. What nobody can attest: what agencies were given, and copies of the KEY FOLDER (docs/operations.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from gateway.core import attestation
from gateway.core.attestation import Attestation
from gateway.core.durations import DAY
from gateway.core.encoding import Json, b64, fields, integer, text
from gateway.core.layout import MAX_PARTS
from gateway.core.merkle import leaf_hash
from gateway.core.notes import text_hash
from gateway.core.retention import BY_NOTICE, Why
from gateway.core.states import HandoverState
from gateway.errors import Forged, GatewayError, Malformed, NotFound
from gateway.flows import control
from gateway.flows.alarms import settle, sound
from gateway.flows.control import Came
from gateway.flows.facts import HANDOVER
from gateway.flows.node import Node, area_of, log_leaf
from gateway.flows.parcels import spared
from gateway.flows.purge_clock import ATTEST, name, named
from gateway.flows.retention import leaf_of, main_message
from gateway.flows.shred_plan import Shredder
from gateway.flows.timers import set_timer
from gateway.flows.vault import ROUTING, record_name, secrets_of
from gateway.ports import EnvelopeRow, HandoverRow, PurgeRow, Side, TaskRow, TimerRow, Transaction

BATCH: Final = 50
"""Attestations signed in one look of the housekeeping."""

MAX_NOTES: Final = 16
"""Attestations in one section ``purged``, and questions in one section ``attest``."""

SECTION, ASK = "purged", "attest"
ATTESTED: Final = "attested"
"""The leaf of the log: the hash of the note."""

READABLE: Final = "purge_readable"
"""The alarm: what is recorded as purged still opens here."""

OVERDUE: Final = "attestation_overdue"
"""The alarm: a peer has not attested what it should have purged."""

PATIENCE: Final = 3 * DAY
"""Seconds after our own purge until a peer's attestation is overdue: a message lives as long."""


def probe(tx: Transaction, node: Shredder, row: PurgeRow) -> Sequence[str]:
    """The messages (ids) of what was purged then that this node can still open, or could with an older copy
    of its database. None, if the purge was one."""
    rows = tx.envelopes_of(row.ref, row.version)
    meant = [one for one in rows if not _stays(tx, row, one.mid)]
    # What came in the very second of the purge may have come after it, and goes in its turn (`late`).
    return [one.mid for one in meant if one.created < row.at and _opens(node, one)]


def _stays(tx: Transaction, row: PurgeRow, mid: str) -> bool:
    """Whether that purge left this message: the notice that asked for it, or one about a superseded version,
    which its agencies have still to read."""
    if row.why == Why.SUPERSEDED:
        return tx.notice_of(mid) is not None
    return row.why in BY_NOTICE and spared(tx, mid)


def _opens(node: Shredder, row: EnvelopeRow) -> bool:
    try:
        if row.secrets and any(number > ROUTING for number in secrets_of(node, row).keys):
            return True
        if not row.epoch:
            return False
        content = range(ROUTING + 1, MAX_PARTS)
        return bool(node.keys.epoch(row.epoch).leaves(record_name(row.mid, row.side), content))
    except GatewayError:  # no key, no epoch: nothing opens
        return False


async def audit(node: Shredder) -> Sequence[tuple[PurgeRow, Sequence[str]]]:
    """Every purge of ours, with the messages that still open. An alarm stands for each of these."""
    ours = await node.store.read(lambda tx: tx.purges(area=node.area))
    found = [(row, await node.store.read(partial(probe, node=node, row=row))) for row in ours]
    for row, open_ in found:
        if open_:
            await node.store.write(partial(_alarm, node=node, row=row))
    return found


def _alarm(tx: Transaction, *, node: Shredder, row: PurgeRow) -> None:
    subject = name(row.ref, row.version)
    sound(tx, READABLE, peer=node.area, at=node.clock.now(), subject=subject)


# --- ours -------------------------------------------------------------------------------------------


async def sign_waiting(node: Node) -> int:
    """Attest what was purged since, once the key store has forgotten it. Returns how many."""
    waiting = await node.store.read(lambda tx: () if tx.punctures() else tx.unattested(node.area, BATCH))
    return sum([await node.store.write(partial(_sign, node=node, row=row)) for row in waiting])


def _sign(tx: Transaction, *, node: Node, row: PurgeRow) -> bool:
    if probe(tx, node, row):
        _alarm(tx, node=node, row=row)
        return False
    now = node.clock.now()
    note = attestation.make(node.keys.signer(node.principal), told(tx, row), net=node.network.net)
    if not tx.attest_purge(row.id, note):
        return False
    log_leaf(tx, ATTESTED, now, mid=main_message(tx, row), note=b64(text_hash(note)))
    settle(tx, READABLE, peer=node.area, at=now, why="purged", about=name(row.ref, row.version))
    _pass_on(tx, node, row, note, now)
    return True


def _pass_on(tx: Transaction, node: Node, row: PurgeRow, note: bytes, now: int) -> None:
    """To the node that sent it; there the wait for the others begins."""
    handover = tx.handover(row.ref, row.version)
    if handover is None:
        return
    if handover.side is Side.DESTINATION:
        control.tell(tx, node, handover.origin, {SECTION: [note.decode()]}, now)
    elif missing(tx, handover):
        set_timer(tx, ATTEST, name(row.ref, row.version), row.at + PATIENCE)


def told(tx: Transaction, row: PurgeRow) -> Attestation:
    """What is to be signed of one purge."""
    epochs = [entry.split(":") for entry in row.epochs.split()]
    return Attestation(
        ref=row.ref,
        version=row.version,
        at=row.at,
        why=row.why,
        messages=row.messages,
        parts=row.parts,
        files=row.files,
        unanswered=row.unanswered,
        slots=row.slots,
        epochs={month: int(count) for month, count in epochs},
        leaf=leaf_hash(leaf_of(tx, row)),
    )


# --- a peer's ---------------------------------------------------------------------------------------


def hear(tx: Transaction, node: Node, came: Came, value: Json) -> None:
    """Section ``purged``: signed notes, of the peer's own purges. Raises Malformed, Forged, Untrusted."""
    for note in _listed(value):
        if not isinstance(note, str):
            raise Malformed("an attestation is a signed note", code="purged")
        take(tx, node, came.peer, note.encode(), came.now)


def take(tx: Transaction, node: Node, peer: str, note: bytes, now: int) -> bool:
    """Keep a peer's attestation about a handover between it and us; False for one that is here already.

    Raises Malformed, Forged, Untrusted, NotFound.
    """
    found = attestation.read(note, net=node.network.net, keyring=node.network.keyring)
    row = tx.handover(found.ref, found.version)
    if area_of(found.by) != peer:
        raise Forged("an attestation by another node than the one that brings it", code="attested_by")
    if row is None or peer not in {row.origin, *_areas(tx, row)}:
        raise Forged("an attestation about a handover that this peer has no part in", code="attested_ref")
    months = " ".join(f"{month}:{count}" for month, count in sorted(found.epochs.items()))
    kept = PurgeRow(
        found.ref,
        found.version,
        peer,
        found.at,
        found.why,
        found.messages,
        found.parts,
        found.files,
        found.unanswered,
        months,
        found.slots,
        note,
    )
    if not tx.put_purge(kept):
        return False
    log_leaf(tx, ATTESTED, now, mid=main_message(tx, kept), note=b64(text_hash(note)))
    settle(tx, OVERDUE, peer=peer, at=now, why="attested", about=name(found.ref, found.version))
    return True


def missing(tx: Transaction, row: HandoverRow) -> Sequence[str]:
    """The areas that got this version and have not attested that it is gone there."""
    attested = {one.area for one in tx.purges(row.ref) if one.version == row.version and one.note}
    return sorted(_areas(tx, row) - attested)


def _areas(tx: Transaction, row: HandoverRow) -> set[str]:
    return {area_of(leg.principal) for leg in tx.legs(row.ref, row.version)}


def overdue(tx: Transaction, node: Node, timer: TimerRow, now: int) -> Sequence[TaskRow]:
    """A clock of the origin: who has not attested is asked every day, and people are told."""
    row = tx.handover(*named(timer.subject))
    late = missing(tx, row) if row and row.state == HandoverState.PURGED else ()
    for area in late:
        sound(tx, OVERDUE, peer=area, at=now, subject=timer.subject)
        if row and not node.network.external(area):
            question: Json = [{"handover": row.ref, "version": row.version}]
            control.tell(tx, node, area, {ASK: question}, now)
    if late:
        set_timer(tx, ATTEST, timer.subject, now + DAY, timer.step + 1)
    return ()


def asked(tx: Transaction, node: Node, came: Came, value: Json) -> None:
    """Section ``attest``: the origin asks for what we have attested of its handovers. Raises Malformed."""
    notes: list[Json] = []
    for one in _listed(value):
        body = fields(one, {"handover": str, "version": int})
        ref, version = text(body, "handover", HANDOVER), integer(body, "version", low=1)
        row = tx.handover(ref, version)
        if row is not None and row.origin == came.peer:
            ours = [own for own in tx.purges(ref, area=node.area) if own.version == version and own.note]
            notes += [own.note.decode() for own in ours]
    if notes:
        control.tell(tx, node, came.peer, {SECTION: notes[:MAX_NOTES]}, came.now)


def _listed(value: Json) -> Sequence[Json]:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_NOTES:
        raise Malformed("no attestation, or too many at once", code="purged")
    return value


def notes_of(tx: Transaction, ref: str) -> Sequence[PurgeRow]:
    """Every attestation about a handover that is here, ours and our peers'. Raises NotFound."""
    found = [row for row in tx.purges(ref) if row.note]
    if not found:
        raise NotFound(
            "nothing is attested about this handover",
            code="no_attestation",
            remedy="`gateway retention show REF` says when it is purged; the node signs a moment after",
        )
    return found
