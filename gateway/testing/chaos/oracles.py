"""What must hold after any history, judged from what every party has on record.

Duty: one function an oracle; each gives a list of what is wrong, in words that name ids and codes alone, and
an empty one when it holds. It leaves out gathering the records (:mod:`gateway.testing.chaos.records`). Each
has a test of its own that shows it can fail (tests/faults/test_oracles.py).

Rules
-----
- A node is not believed about itself: what the origin says of an answer is held against the agency's signed
  receipt and the destination's rows; a root is reckoned again from the leaves.
- What a node REPORTED (an ended leg with its reason, an alarm) is accounted for. Silence is not.

Example::

    wrong = accounted(client.accepted.values(), origin, destination)
    assert wrong == []
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from gateway.core.judgement import Verdict, judge
from gateway.core.merkle import Head, leaf_hash
from gateway.core.notices import NoticeKind, resolved
from gateway.core.states import ANSWERED, LEG, TERMINAL, LegState
from gateway.core.trust import Network
from gateway.testing.chaos.load import Accepted
from gateway.testing.chaos.records import Party, Row
from gateway.testing.histories import OVERLAY

Wrong = list[str]

DECIDED: Final = frozenset({"accepted", "rejected", "returned", "declined"})
FIRST: Final = {"origin": LegState.QUEUED, "destination": LegState.DELIVERED}
"""Where a leg's history begins, by the side that keeps it."""
LOG_ALARMS: Final = frozenset(
    {"log_rollback", "log_shrunk", "log_proof", "log_split", "log_fork", "log_forked"}
)
RESTORED: Final = "restored"
"""The node's own alarm, by the mark beside its keys. Where no peer keeps a later checkpoint nobody else can
know; where one does, this alone is not enough."""

BLOCK: Final = 1 << 20


def accounted(
    accepted: Iterable[Accepted], origin: Party, destination: Party, restored: Collection[str] = ()
) -> Wrong:
    """Every handover that was accepted is answered by its agencies' receipts, or reported. ``restored``: the
    areas whose database was put back: what they signed since the backup is with their peers alone."""
    wrong, signers = [], None if destination.area in restored else destination
    for one in accepted:
        legs = [row for row in origin.where("legs", ref=one.ref) if row["side"] == "origin"]
        if sorted(row["agency"] for row in legs) != sorted(one.agencies):
            wrong.append(f"{one.ref}: accepted for {len(one.agencies)} agencies, {len(legs)} legs on record")
        wrong += [f"{one.ref}: {found}" for leg in legs for found in _leg(leg, origin, signers)]
    return wrong


def _leg(leg: Row, origin: Party, destination: Party | None) -> Iterator[str]:
    state = LegState(leg["state"])
    if state in TERMINAL:
        if not any(
            event["after"] == state and event["event"] for event in origin.where("leg_events", leg=leg["id"])
        ):
            yield f"leg {leg['id']} is {state} and nobody has said why"
        return
    if state not in ANSWERED:
        if not _reported(leg, origin):
            yield f"leg {leg['id']} is {state}: not answered and not reported"
        return
    receipts = [
        row for row in origin.where("receipts", mid=leg["mid"], by=leg["principal"]) if not row["ours"]
    ]
    said = {row["state"] for row in receipts}
    if not said & {event for (before, event), after in LEG.items() if after == state != before}:
        yield f"leg {leg['id']} is {state} without a receipt that says so"
    if len(said & DECIDED) > 1:
        yield f"leg {leg['id']} was decided more than once"
    if destination is None:
        return
    signed = {row["hash"] for row in destination.where("receipts", mid=leg["mid"], by=leg["principal"])}
    if not {row["hash"] for row in receipts} <= signed:
        yield f"leg {leg['id']}: receipts at the origin that the destination has not on record"


def _reported(leg: Row, origin: Party) -> bool:
    """A standing alarm that names it, its message or its handover."""
    about = {leg["id"], leg["mid"], leg["ref"]} - {""}
    standing = [str(alarm["subject"]) for alarm in origin.where("alarms", cleared=0)]
    return any(name in subject for subject in standing for name in about)


def decided(
    accepted: Iterable[Accepted], origin: Party, destination: Party, decision: Callable[[str], str]
) -> Wrong:
    """What stands at either side of an answered leg is what its own agency decided. ``decision``: by the
    destination's leg."""
    wrong = []
    for one in accepted:
        ours = {row["principal"]: row["state"] for row in origin.where("legs", ref=one.ref, side="origin")}
        for leg in destination.where("legs", ref=one.ref, side="destination"):
            wanted = decision(leg["id"])
            for area, state in ((destination.area, leg["state"]), (origin.area, ours.get(leg["principal"]))):
                if state in ANSWERED and state != wanted:
                    wrong.append(f"{area}: leg {leg['id']} is {state}, and its agency said {wanted}")
    return wrong


def noticed(notices: Iterable[Accepted], origin: Party) -> Wrong:
    """Every notice that was accepted has reached its readers' agencies and is answered."""
    wrong = []
    for one in notices:
        readers = origin.where("notice_legs", notice=one.notice)
        open_ = [row["principal"] for row in readers if not resolved(NoticeKind.CORRECTION, row["state"])]
        if not readers:
            wrong.append(f"notice {one.notice}: no reader on record")
        wrong += [f"notice {one.notice}: not answered by {principal}" for principal in open_]
    return wrong


def calls(journal: Sequence[Mapping[str, Any]], restored: Collection[str] = ()) -> Wrong:
    """The same key always carries the same bytes to the same agency; the same parcel never has two keys.
    ``restored``: where a database was put back an agency has answered twice, so the same words come twice."""
    wrong = []
    by_key: dict[str, set[tuple[str, str]]] = defaultdict(set)
    by_parcel: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for call in journal:
        by_key[call["key"]].add((call["principal"], call["digest"]))
        by_parcel[_parcel(call)].add(call["key"])
    for key, found in by_key.items():
        if len({principal for principal, _ in found}) > 1:
            wrong.append(f"key {key}: given to more than one agency")
        elif len(found) > 1:
            wrong.append(f"key {key}: {len(found)} different contents")
    wrong += [
        f"{parcel}: given under {len(keys)} keys"
        for parcel, keys in by_parcel.items()
        if len(keys) > 1 and not (restored and parcel[0] == "handover.reply")
    ]
    return wrong


def _parcel(call: Mapping[str, Any]) -> tuple[str, ...]:
    """What the agency sees as one thing. News and replies have no id of their own but their content."""
    kind, principal = call["kind"], call["principal"]
    if kind == "handover.notification":
        return kind, principal, call["leg"]
    if kind == "handover.notice":
        return kind, principal, call["notice"]
    return kind, principal, call["leg"], call["digest"]


def repeated(journal: Sequence[Mapping[str, Any]]) -> int:
    """Calls beyond the first of each key."""
    return len(journal) - len({call["key"] for call in journal})


def given(accepted: Iterable[Accepted], journal: Sequence[Mapping[str, Any]], destination: Party) -> Wrong:
    """What the destination says an agency has opened, that agency's own journal has."""
    refs = {one.ref for one in accepted}
    had = {(call["principal"], call["leg"]) for call in journal if not call["refused"]}
    return [
        f"{row['ref']}: {row['principal']} is said to have leg {row['id']}, and was never called"
        for row in destination.where("legs", side="destination")
        if row["ref"] in refs and row["opened"] and (row["principal"], row["id"]) not in had
    ]


def legal(party: Party) -> Wrong:
    """Every leg's history is a path of the table of states, and ends where the leg stands."""
    wrong = []
    histories: dict[str, list[Row]] = defaultdict(list)
    for event in party.table("leg_events"):
        histories[event["leg"]].append(event)
    for leg in party.table("legs"):
        steps = histories[leg["id"]]
        wrong += [
            f"{party.area}, leg {leg['id']}: {found}"
            for found in _steps(steps, FIRST[leg["side"]], leg["state"])
        ]
    return wrong


def _steps(steps: Sequence[Row], first: str, state: str) -> Iterator[str]:
    if (began := steps[0]["before"] if steps else state) != first:
        yield f"begins {began} instead of {first}"
    for step in steps:
        before, after, event = step["before"], step["after"], step["event"]
        expected = before if OVERLAY.match(event) else LEG.get((LegState(before), event))
        if after != expected:
            yield f"{before} --{event}--> {after}"
    for one, two in pairwise(steps):
        if one["after"] != two["before"]:
            yield f"ends {one['after']} and goes on from {two['before']}"
    if steps and steps[-1]["after"] != state:
        yield f"ends {steps[-1]['after']} and stands at {state}"


def behind(origin: Party, destination: Party) -> Wrong:
    """The origin is never ahead: each receipt it holds of the other area was signed there."""
    signed = {row["hash"] for row in destination.table("receipts") if row["ours"]}
    return [
        f"{origin.area}: receipt {row['state']} by {row['by']} that {destination.area} never signed"
        for row in origin.table("receipts")
        if not row["ours"] and row["hash"] not in signed
    ]


Seen = tuple[str, int, bytes]
"""What somebody saw of a log: origin, size, root."""


def checkpoints(parties: Iterable[Party]) -> list[Seen]:
    """Every checkpoint and cosignature that any node keeps, of its own log and of others'."""
    return [
        (row["origin"], row["size"], row["root"])
        for party in parties
        for name in ("checkpoints", "cosignatures")
        for row in party.table(name)
    ]


def logs(parties: Sequence[Party], seen: Iterable[Seen], restored: Collection[str] = ()) -> Wrong:
    """Whatever root anybody ever saw of a log is the root of the first leaves it has now. Of a database that
    was put back it is not, and then somebody has raised the alarm: about the log where a peer keeps what
    contradicts it, about the database where only a passer-by was shown that, who tells no node."""
    codes = {alarm["code"] for party in parties for alarm in party.table("alarms")}
    wanted = _by_size(seen)
    unknown = wanted.keys() - {party.area for party in parties}
    wrong = [f"a checkpoint of a log that nobody keeps, of {area!r}" for area in sorted(unknown)]
    for party in parties:
        found = [*_log(party, wanted[party.area])]
        if found and party.area in restored:
            peers = _by_size(checkpoints(other for other in parties if other is not party))
            provable = any(True for _ in _log(party, peers[party.area]))
            if codes & (LOG_ALARMS if provable else LOG_ALARMS | {RESTORED}):
                continue
        wrong += [f"{party.area}: {one}" for one in found]
    return wrong


def _by_size(seen: Iterable[Seen]) -> dict[str, dict[int, set[bytes]]]:
    """Area -> size -> the roots that were seen of it."""
    roots: dict[str, dict[int, set[bytes]]] = defaultdict(lambda: defaultdict(set))
    for origin, size, root in seen:
        roots[origin.rpartition("/")[2]][size].add(root)
    return roots


def _log(party: Party, roots: Mapping[int, set[bytes]]) -> Iterator[str]:
    leaves, head = party.table("log"), Head()
    yield from (f"leaf {at} is not in its place" for at, row in enumerate(leaves) if row["n"] != at)
    yield from (
        f"a checkpoint of {size} leaves, and there are {len(leaves)}" for size in roots if size > len(leaves)
    )
    for size in range(len(leaves) + 1):
        if size:
            head.append(leaf_hash(leaves[size - 1]["leaf"]))
        if roots.get(size, {head.root}) != {head.root}:
            yield f"another root was shown for {size} leaves"


def receipts(parties: Iterable[Party], network: Network) -> Wrong:
    """Every receipt on record verifies offline, with nothing but the network's documents."""
    return [
        f"{party.area}: receipt {row['state']} by {row['by']} does not verify"
        for party in parties
        for row in party.table("receipts")
        if judge(network, row["note"]).verdict is not Verdict.VALID
    ]


def sequences(parties: Sequence[Party]) -> Wrong:
    """No number of a stream stands for two different statements, whoever kept them; nor has a receiver proven
    it of what it then did not keep."""
    found: dict[tuple[str, str, int], set[bytes]] = defaultdict(set)
    for party in parties:
        for row in party.table("envelopes"):
            sender = party.area if row["side"] == "origin" else row["peer"]
            if row["stream"]:
                found[sender, row["stream"], row["seq"]].add(row["digest"])
    twice = [
        f"{sender}: number {number} of stream {stream} stands for {len(digests)} statements"
        for (sender, stream, number), digests in found.items()
        if len(digests) > 1
    ]
    proven = [
        f"{alarm['peer']}: two statements in one place, proven by {party.area}"
        for party in parties
        for alarm in party.where("alarms", code="equivocation")
    ]
    return [*twice, *proven]


def canary(needle: bytes, folders: Iterable[Path], allowed: Path) -> Wrong:
    """No byte of a document outside the agencies' own folder, nor its base64; there it must be, or this
    searches in vain."""
    wrong, held = [], False
    pattern = re.compile(b"|".join(map(re.escape, _disguises(needle))))
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink() and _holds(path, pattern, 2 * len(needle)):
                if path.is_relative_to(allowed):
                    held = True
                else:
                    wrong.append(f"the canary is in {path.relative_to(folder)}")
    return wrong if held else [*wrong, "the canary is nowhere, not even where it belongs"]


def _disguises(needle: bytes) -> list[bytes]:
    """As it is, and as it stands in base64 of a text in which it begins at any place."""
    shifted = (b64encode(bytes(at) + needle)[(4 * at + 2) // 3 : -4] for at in range(3))
    return [needle, *shifted]


def _holds(path: Path, pattern: re.Pattern[bytes], overlap: int) -> bool:
    """Read in blocks that overlap: a broker's segment may be large."""
    tail = b""
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                if pattern.search(tail + block):
                    return True
                tail = block[-overlap:]
    except OSError:
        return False  # it has gone meanwhile: a broker tidies up
    return False
