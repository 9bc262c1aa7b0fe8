"""Nodes watch each other's logs: checkpoint and proof out with every envelope of receipts, cosignature back.

One section, ``log``, rides along in whatever is sent to a peer anyway (protocol 8)::

    checkpoint  our newest, signed before (a message never waits for one)
    since       the size that this peer cosigned last, and
    proof         that the newest continues it
    cosigned    the peer's newest checkpoint that we follow, with our cosignature
    wanted      sizes that somebody else was shown of the peer's log: prove that they belong to it
    proofs      what the peer wanted
    others      checkpoints of third logs (:mod:`gateway.flows.gossip`)

Rules:

- Only what continues the checkpoint cosigned last is cosigned, and it takes its place by comparing sizes: of
  two workers one gives way, and nothing ever rolls back.
- Messages overtake each other, so an old checkpoint or a missing proof is no news by itself. It is one when
  the statement says that its sender has SEEN our message with the cosignature it does not go on from.
- A peer may tell us that we have signed more than we have: then this database is older than our log, and the
  node signs no other history over it.

Example::

    sections |= ride(tx, node, peer, now)
    hear(tx, node, came, sections["log"])
    await sign(node)                            # housekeeping: a fresh checkpoint when leaves were added
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import structlog

from gateway.core.encoding import Json, JsonObject, b64, fields, integer
from gateway.core.envelope import SKEW
from gateway.core.log import Checkpoint, log_keyring, open_checkpoint, origin, own_line, peel
from gateway.core.merkle import consistency_proof, root_at, verify_consistency
from gateway.core.witness import Cosigned, attach, make_cosignature, open_cosigned
from gateway.errors import Expired, GatewayError, Refused, Unavailable, Untrusted
from gateway.flows import forks, gossip, logbook
from gateway.flows.alarms import exhibits, sound
from gateway.flows.control import Came
from gateway.flows.node import Node
from gateway.ports import CheckpointRow, CosignatureRow, StreamRow, Transaction, WitnessRow

SECTION: Final = "log"

EVERY: Final = 60
"""Seconds between two checkpoints that housekeeping signs: as fine a clock as any deadline needs, and each
costs every peer that follows us two rows."""

_SPEC: Final = {
    "checkpoint": str,
    "since": int,
    "proof": list,
    "cosigned": str,
    "wanted": list,
    "proofs": list,
    "others": list,
}

log = structlog.get_logger("witness")


async def sign(node: Node) -> None:
    """Sign a fresh checkpoint when leaves were added and the last one is a minute old. A log that may not be
    signed any more is alarmed, and everything else goes on."""
    now = node.clock.now()
    last, size = await node.store.read(lambda tx: (tx.checkpoint(_own(node)), tx.log_size()))
    if not size or (last and 0 <= now - last.at < EVERY):
        return
    try:
        await logbook.checkpoint(node)
    except Unavailable:
        raise
    except GatewayError as error:
        code = error.code
        await node.store.write(lambda tx: sound(tx, code, peer=node.area, at=now, subject=_own(node)))


# --- out --------------------------------------------------------------------------------------------


def ride(tx: Transaction, node: Node, peer: str, now: int) -> JsonObject:
    """The section for one peer; none when there is nothing to say.

    The lock of the stream first: what we say we cosigned and what the statement says we have seen are then of
    one moment, and no other worker's message comes between.
    """
    place = tx.stream(peer, outgoing=True)
    state = tx.witness(peer) or WitnessRow(peer)
    said = {**_shown(tx, node, state), **_returned(tx, node, peer)}
    if asked := gossip.wanted(tx, node, peer, place, now):
        said["wanted"] = asked
    after = _told(tx, node, state, place) if "cosigned" in said else state
    if now - state.gossiped >= gossip.EVERY and (told := gossip.others(tx, node, peer, now)):
        said["others"], after = told, replace(after, gossiped=now)
    if after != state:
        tx.put_witness(after)
    return {SECTION: said} if said else {}


def _shown(tx: Transaction, node: Node, state: WitnessRow) -> JsonObject:
    """Our newest checkpoint and the proofs, unless the peer has cosigned it and wants nothing more."""
    newest = tx.checkpoint(_own(node))
    if newest is None or not newest.size or (newest.size == state.size and not state.wanted):
        return {}
    try:
        proof = _proof(tx, state.size, newest.size) if state.size else []
        proofs: list[Json] = [
            {"size": size, "proof": _proof(tx, size, newest.size)}
            for size in state.wanted
            if size <= newest.size
        ]
    except GatewayError as error:
        log.critical("the log gives no proof", code=error.code)
        return {}
    line = own_line(_checkpoint(newest)).encode()
    tx.put_cosignature(CosignatureRow(newest.origin, newest.size, newest.root, node.area, newest.at, line))
    said: JsonObject = {"checkpoint": newest.note.decode(), "since": state.size, "proof": proof}
    return {**said, "proofs": proofs} if proofs else said


def _proof(tx: Transaction, first: int, second: int) -> list[Json]:
    return [b64(one) for one in consistency_proof(first, second, tx.log_nodes)]


def _returned(tx: Transaction, node: Node, peer: str) -> JsonObject:
    """The peer's newest checkpoint that we follow, with our word on it."""
    row = tx.checkpoint(origin(node.network.net, peer))
    if row is None:
        return {}
    lines = [one.line.decode() for one in tx.cosignatures(row.origin, size=row.size) if one.by == node.area]
    return {"cosigned": attach(row.note, lines).decode()} if lines else {}


def _told(tx: Transaction, node: Node, state: WitnessRow, place: StreamRow | None) -> WitnessRow:
    """Remember the first message that tells the peer how far we follow it: who has seen this one knows."""
    row = tx.checkpoint(origin(node.network.net, state.peer))
    if row is None or place is None or row.size == state.told:
        return state
    return replace(state, told=row.size, our_stream=place.stream, our_seq=place.seq + 1)


# --- in ---------------------------------------------------------------------------------------------


def hear(tx: Transaction, node: Node, came: Came, value: Json) -> None:
    """Take the section of a peer. Its parts stand by themselves. Raises Malformed for another form."""
    said = fields(value, _SPEC, optional=_SPEC)
    tx.stream(came.peer, outgoing=True)  # as in `ride`: two workers must not write one row over each other
    for part in (_cosigned, _followed, _compared):
        try:
            part(tx, node, came, said)
        except Refused as error:
            log.warning("a part of what a peer says of logs was refused", peer=came.peer, code=error.code)


def _compared(tx: Transaction, node: Node, came: Came, said: JsonObject) -> None:
    told = said.get("others")
    if isinstance(told, list):
        gossip.compare(tx, node, came, told)
    gossip.remind(tx, node, came)


def _cosigned(tx: Transaction, node: Node, came: Came, said: JsonObject) -> None:
    """How far the peer follows us, and its cosignature, which is kept."""
    size = _keep(tx, node, came, str(said["cosigned"])) if "cosigned" in said else 0
    before = tx.witness(came.peer) or WitnessRow(came.peer)
    stream, seq = came.statement.stream, came.statement.seq
    if stream == before.their_stream and seq < before.their_seq:
        return  # overtaken by a newer word
    after = replace(before, size=size, wanted=gossip.sizes_of(said.get("wanted", [])))
    if after != before:
        tx.put_witness(replace(after, their_stream=stream, their_seq=seq))


def _keep(tx: Transaction, node: Node, came: Came, note: str) -> int:
    """The size that the peer has cosigned of ours. Raises Refused for what it has not, or not so."""
    found = open_cosigned(note.encode(errors="surrogatepass"), _own(node), node.network)
    one = next((one for one in found.cosignatures if one.by == came.peer), None)
    if one is None or len(peel(note.encode())[1]) != 1:
        raise Untrusted("a checkpoint of ours without the cosignature of who shows it", code="cosignature")
    if one.at > came.now + SKEW:
        raise Expired("a cosignature from the future", code="future")
    signed = found.checkpoint
    if not _is_ours(tx, signed):
        _rolled_back(tx, node, came, found)
    else:
        row = CosignatureRow(signed.origin, signed.size, signed.root, came.peer, one.at, one.line.encode())
        tx.put_cosignature(row)
    return signed.size


def _is_ours(tx: Transaction, signed: Checkpoint) -> bool:
    """Whether our tree was this one when it had that size. Our own key has signed it either way."""
    known = tx.cosignatures(signed.origin, size=signed.size)
    if any(row.root == signed.root for row in known):
        return True  # looked at before
    return signed.size <= tx.log_size() and root_at(signed.size, tx.log_nodes) == signed.root


def _rolled_back(tx: Transaction, node: Node, came: Came, found: Cosigned) -> None:
    """Our key has signed what our database does not hold: an older copy is in place, or somebody has our key.
    What was signed stands, so it becomes the newest: :mod:`logbook` signs no other history over it."""
    signed, last = found.checkpoint, tx.checkpoint(_own(node))
    log.critical("the log is not what was signed", code="log_rollback", peer=came.peer, size=signed.size)
    sound(
        tx, "log_rollback", peer=node.area, at=came.now, subject=signed.origin, evidence=exhibits(signed.note)
    )
    if last is None or last.size < signed.size:
        row = CheckpointRow(signed.origin, signed.size, signed.root, came.now, signed.note)
        tx.put_checkpoint(row, after=last.size if last else None)
    forks.clash(tx, node, signed, now=came.now)


def _followed(tx: Transaction, node: Node, came: Came, said: JsonObject) -> None:
    """The peer's own checkpoint: cosigned when it continues what we follow."""
    if "checkpoint" not in said:
        return
    name = origin(node.network.net, came.peer)
    note = str(said["checkpoint"]).encode(errors="surrogatepass")
    new = open_checkpoint(note, name, log_keyring(node.network))
    if forks.clash(tx, node, new, now=came.now) or forks.is_forked(tx, node.network, name):
        return
    known = tx.checkpoint(name)
    if known is None or known.size < new.size:
        _advance(tx, node, came, new, known, said)
    elif new.size < known.size and _knows(tx, came, known):
        _alarm(tx, "log_shrunk", came, known, new)
    newest = tx.checkpoint(name)
    if newest is not None and (newest.size, newest.root) == (new.size, new.root):
        gossip.join(tx, came, newest, gossip.proofs_of(said.get("proofs", [])))


def _advance(
    tx: Transaction,
    node: Node,
    came: Came,
    new: Checkpoint,
    known: CheckpointRow | None,
    said: JsonObject,
) -> None:
    """Follow a larger tree, if it is proven to continue the one we follow; the first is taken as it is."""
    if not new.size:
        return  # nothing in it to be a witness of
    if known is not None:
        since = integer(said, "since") if "since" in said else 0
        if since != known.size:
            if _knows(tx, came, known):
                _alarm(tx, "log_proof", came, known, new)
            return
        try:
            proof = gossip.hashes(said.get("proof", []))
            verify_consistency(known.size, known.root, new.size, new.root, proof)
        except Refused as error:
            log.warning("a log does not prove that it continues", peer=came.peer, code=error.code)
            _alarm(tx, "log_proof", came, known, new)
            return
    _cosign(tx, node, came, new, known)


def _cosign(tx: Transaction, node: Node, came: Came, new: Checkpoint, known: CheckpointRow | None) -> None:
    bare = peel(new.note)[0]
    row = CheckpointRow(new.origin, new.size, new.root, came.now, bare)
    if not tx.put_checkpoint(row, after=known.size if known else None):
        return  # another worker was quicker: what it took stands, and it has cosigned that
    theirs = CosignatureRow(new.origin, new.size, new.root, came.peer, came.now, own_line(new).encode())
    tx.put_cosignature(theirs)
    line = _line(node, new, came.now)
    if line:
        ours = CosignatureRow(new.origin, new.size, new.root, node.area, came.now, line.encode())
        tx.put_cosignature(ours)


def _line(node: Node, new: Checkpoint, now: int) -> str:
    """Our cosignature; "" when this node does not hold the log key that the directory has for it: no peer
    would count it, and what came must be received all the same."""
    try:
        signer = node.keys.log_signer(node.area)
    except GatewayError as error:
        log.error("no log key to cosign with", code=error.code)
        return ""
    if signer.public != node.network.node(node.area).log:
        log.error("no log key to cosign with", code="log_key")
        return ""
    return make_cosignature(signer, new, net=node.network.net, area=node.area, at=now).line


def _knows(tx: Transaction, came: Came, known: CheckpointRow) -> bool:
    """Whether the sender had been told of ``known`` when it signed this message."""
    state, seen = tx.witness(came.peer), came.statement.seen
    if state is None or state.told != known.size:
        return False
    return seen.stream == state.our_stream and seen.seq >= state.our_seq


def _alarm(tx: Transaction, code: str, came: Came, known: CheckpointRow, new: Checkpoint) -> None:
    both = exhibits(known.note, new.note)
    sound(tx, code, peer=came.peer, at=came.now, subject=new.origin, evidence=both)


def _own(node: Node) -> str:
    return origin(node.network.net, node.area)


def _checkpoint(row: CheckpointRow) -> Checkpoint:
    return Checkpoint(row.origin, row.size, row.root, row.note)
