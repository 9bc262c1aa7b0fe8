"""Evidence bundles (8), with the judgement that the network's fingerprint alone must lead to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .good_envelopes import pair, receipt, receipts_envelope
from .log_files import cosignature, path, root
from .network import (
    B_NODE,
    B_POLICE,
    BARKING,
    BEXLEY,
    DIRECTORIES,
    H_NODE,
    HACKNEY,
    NET,
    NOW,
    REVOKED,
    ROOT,
    SIGNERS,
    directory,
    log_signer,
    origin,
    random,
)
from .plain import b64, canonical, fingerprint, sha256, signed, text_of
from .sealing import Sealing, sections
from .vector import File, Files, case, file

MESSAGE = pair("evidence")
FINGERPRINT = fingerprint(NET)


def said(state: str, before: bytes = b"", *, by: str = B_POLICE, **more: Any) -> bytes:
    prev = b64(sha256(text_of(before))) if before else b64(bytes(32))
    return receipt(by, MESSAGE, state, prev=prev, **more)


RECEIVED = said("received", by=B_NODE)
OPENED = said("opened", parts=[2])
TAKEN = said("acknowledged", OPENED)
ACCEPTED = said("accepted", TAKEN)
ANSWERS = [RECEIVED, OPENED, TAKEN, ACCEPTED]


def bundle(
    *,
    roots: Sequence[bytes] = (ROOT,),
    listed: bytes = DIRECTORIES["7"],
    message: Sealing = MESSAGE,
    shown: Sequence[int] = (0, 1, 2),
    receipts: Sequence[bytes] = ANSWERS,
    **more: Any,
) -> dict[str, Any]:
    return {
        "v": 1,
        "roots": [b64(one) for one in roots],
        "directory": b64(listed),
        "envelope": b64(message.envelope),
        "keys": {str(number): b64(message.keys[number]) for number in shown},
        "receipts": [one.decode() for one in receipts],
        **more,
    }


def judged(
    name: str, verdict: str, comment: str, body: Any, attacks: Sequence[int] = (), known: str = FINGERPRINT
) -> File:
    written = body if isinstance(body, bytes) else canonical(body)
    shared = {"bundle": written.decode(), "fingerprint": known}
    return file(
        f"evidence/{verdict.lower()}-{name}", "evidence", comment, [case(verdict, "")], attacks, **shared
    )


def files() -> Files:
    yield from _valid()
    yield from _invalid()
    yield from _cannot_tell()
    yield from _logged()
    yield from _silent()


def _valid() -> Files:
    yield judged("whole", "VALID", "Everything disclosed, and all that was answered", bundle())
    yield judged("no-content", "VALID", "The statement and the routing table alone", bundle(shown=(0, 1)))
    yield judged("statement", "VALID", "The statement alone", bundle(shown=(0,), receipts=[]))
    yield judged("shuffled", "VALID", "Receipts in another order", bundle(receipts=ANSWERS[::-1]))
    later = b64(directory(version=11))
    yield judged("later", "VALID", "A later directory that still lists the sender's key", bundle(later=later))


def _invalid() -> Files:
    wrong = fingerprint(sha256(b"another"))
    yield judged("fingerprint", "INVALID", "Another network than the one read aloud", bundle(), [100], wrong)
    yield judged("not-canonical", "INVALID", "The file in another spelling", b" " + canonical(bundle()), [65])
    yield judged("field-unknown", "INVALID", "A field that nobody knows", bundle(x=1), [48])
    changed = bundle()
    changed["envelope"] = b64(MESSAGE.envelope[:-1] + bytes((MESSAGE.envelope[-1] ^ 1,)))
    yield judged("envelope-changed", "INVALID", "A byte of the envelope was changed", changed, [1])
    swapped = bundle()
    swapped["keys"] = {**swapped["keys"], "2": swapped["keys"]["1"]}
    yield judged("another-key", "INVALID", "Another part's key", swapped, [29])
    beyond = bundle()
    beyond["keys"] = {**beyond["keys"], "7": b64(bytes(32))}
    yield judged("no-such-part", "INVALID", "A key to a part that is not there", beyond)
    spelled = bundle()
    spelled["keys"] = {**spelled["keys"], "02": spelled["keys"]["2"]}
    yield judged("part-number", "INVALID", "A part number in another spelling", spelled)
    other = receipt(B_POLICE, pair("another message"), "opened")
    yield judged(
        "another-receipt", "INVALID", "A receipt for another message", bundle(receipts=[other]), [80]
    )
    changed_note = ACCEPTED.replace(b'"accepted"', b'"rejected"')
    yield judged(
        "receipt-changed",
        "INVALID",
        "A receipt was changed",
        bundle(receipts=[OPENED, TAKEN, changed_note]),
        [85],
    )
    fork = said("rejected", TAKEN)
    yield judged(
        "fork", "INVALID", "Accepted and rejected after one receipt", bundle(receipts=[*ANSWERS, fork]), [85]
    )
    early = said("accepted")
    yield judged(
        "never-acknowledged", "INVALID", "Accepted without being acknowledged", bundle(receipts=[early]), [85]
    )
    before = said("opened", at=MESSAGE.created - 121)
    yield judged(
        "before-its-message", "INVALID", "A receipt dated before its message", bundle(receipts=[before]), [87]
    )
    origins = receipt(f"{HACKNEY}/police", MESSAGE, "opened")
    yield judged(
        "by-the-origin", "INVALID", "A receipt by an agency of the origin", bundle(receipts=[origins]), [82]
    )
    young = directory(created=NOW, expires=NOW + 86_400)
    late = bundle(listed=young, message=pair("too old", created=NOW - 3600), receipts=[])
    yield judged("another-day", "INVALID", "Sent before its directory was signed", late, [91])


def _cannot_tell() -> Files:
    yield judged("no-statement-key", "CANNOT_TELL", "Without the key to the statement", bundle(shown=(1, 2)))
    other = bundle(listed=directory(version=6))
    yield judged("another-directory", "CANNOT_TELL", "With another version of the directory", other)
    yield judged(
        "gap", "CANNOT_TELL", "A receipt between the others is missing", bundle(receipts=[OPENED, ACCEPTED])
    )
    stranger = bundle(listed=DIRECTORIES["8"])
    yield judged("revoked", "CANNOT_TELL", "With a directory that revokes the sender's key", stranger, [37])
    half = bundle(listed=directory("d1"))
    yield judged("directory-1-of-2", "CANNOT_TELL", "A directory with one signature of two", half, [93])


# --- the sender's log -------------------------------------------------------------------------------


def logged(
    facts: Sequence[dict[str, Any]], *witnesses: tuple[str, int], shown: Sequence[int] = ()
) -> dict[str, Any]:
    """The log part: these leaves among others, under a checkpoint with cosignatures."""
    others = [canonical({"at": NOW, "mid": f"{n:032x}", "t": "sent"}).decode() for n in range(5)]
    leaves = [others[0], *(canonical(fact).decode() for fact in facts), *others[1:]]
    said_of = [origin(HACKNEY), str(len(leaves)), b64(root(leaves))]
    note = signed("".join(f"{one}\n" for one in said_of).encode(), log_signer(HACKNEY))
    lines = b"".join(cosignature(area, note, at) for area, at in witnesses)
    places = shown or range(1, 1 + len(facts))
    told = [
        {"index": at, "leaf": leaves[at], "proof": [b64(one) for one in path(at, leaves)]} for at in places
    ]
    return {"checkpoint": (note + lines).decode(), "leaves": told}


SENT = {
    "t": "sent",
    "at": MESSAGE.created,
    "mid": MESSAGE.mid.hex(),
    "stmt": b64(MESSAGE.stmt),
    "env": b64(sha256(MESSAGE.envelope)),
}


def fact(note: bytes, by: str, state: str) -> dict[str, Any]:
    return {
        "t": "receipt",
        "at": NOW,
        "mid": MESSAGE.mid.hex(),
        "by": by,
        "state": state,
        "receipt": b64(sha256(text_of(note))),
    }


FACTS = [
    SENT,
    fact(RECEIVED, B_NODE, "received"),
    fact(OPENED, B_POLICE, "opened"),
    fact(TAKEN, B_POLICE, "acknowledged"),
    fact(ACCEPTED, B_POLICE, "accepted"),
]


def _logged() -> Files:
    whole = logged(FACTS, (BEXLEY, NOW), (BARKING, NOW + 60))
    yield judged(
        "log", "VALID", "All of it in the sender's log, which two boroughs have cosigned", bundle(log=whole)
    )
    yield judged(
        "log-alone",
        "VALID",
        "In a log that nobody else has seen: its owner's word",
        bundle(log=logged(FACTS)),
    )
    yield judged(
        "log-other-leaf",
        "CANNOT_TELL",
        "No leaf is about the message",
        bundle(log=logged(FACTS[1:], (BEXLEY, NOW))),
    )
    yield judged(
        "log-no-answer",
        "CANNOT_TELL",
        "No leaf is about the last answer",
        bundle(log=logged(FACTS[:-1], (BEXLEY, NOW))),
    )
    wrong = logged(FACTS, (BEXLEY, NOW))
    wrong["leaves"][0] = {**wrong["leaves"][0], "leaf": canonical({**SENT, "at": 0}).decode()}
    yield judged("log-leaf-changed", "INVALID", "A leaf was changed", bundle(log=wrong), [105])
    moved = logged(FACTS, (BEXLEY, NOW))
    moved["leaves"][0] = {**moved["leaves"][0], "index": 2}
    yield judged("log-leaf-moved", "INVALID", "A leaf at another place", bundle(log=moved), [105])
    forged = logged(FACTS)
    other = logged(FACTS[1:])["checkpoint"].encode()
    forged["checkpoint"] += cosignature(BEXLEY, other, NOW).decode()
    yield judged(
        "log-cosignature", "INVALID", "A cosignature for another checkpoint", bundle(log=forged), [109]
    )
    later = b64(directory(version=11, revoked=[REVOKED]))
    seen = logged(FACTS, (BEXLEY, REVOKED["at"] - 1))
    yield judged(
        "revoked-since",
        "VALID",
        "The key was revoked since; another borough had seen the message before",
        bundle(later=later, log=seen),
        [37],
    )
    after = logged(FACTS, (BEXLEY, REVOKED["at"]))
    yield judged(
        "revoked-unseen",
        "CANNOT_TELL",
        "The key was revoked since; nobody had seen the message before",
        bundle(later=later, log=after),
        [37],
    )
    yield judged(
        "revoked-no-log",
        "CANNOT_TELL",
        "The key was revoked since, and no log is shown",
        bundle(later=later),
        [37],
    )
    retiring = bundle(
        listed=DIRECTORIES["10"],
        message=pair("evidence while retiring", directory=10),
        receipts=[],
        later=b64(directory(version=11, revoked=[REVOKED])),
    )
    yield judged(
        "revoked-retiring",
        "CANNOT_TELL",
        "The key that signed was retiring then, and was revoked since",
        retiring,
        [37],
    )
    older = b64(directory(version=6, created=NOW - 2 * 86_400, expires=NOW + 86_400))
    yield judged(
        "later-is-older", "CANNOT_TELL", "The later directory is an older one", bundle(later=older), [89]
    )


# --- silence ----------------------------------------------------------------------------------------

STREAM = random("bexley speaks", 16).hex()
TO_HACKNEY = {
    "signer": SIGNERS[B_NODE],
    "to": HACKNEY.encode(),
    "readers": ((H_NODE, (1,)),),
    "stream": STREAM,
}


def spoken(seq: int, before: Sealing | None, at: int, *notes: bytes, **more: Any) -> Sealing:
    """What Bexley's node said to Hackney's: receipts, or a heartbeat."""
    prev = before.stmt if before else more.pop("prev", bytes(32))
    place = {"seq": seq, "prev": prev, "created": at, **TO_HACKNEY, **more}
    if notes:
        return receipts_envelope(f"spoken {seq} {at}", *notes, **place)
    content = (sections(heartbeat={}),)
    return Sealing(f"beat {seq} {at}", **{"kind": 3, "context": "bx/1/control", "contents": content, **place})


def link(sealing: Sealing, *, part: bool | None = None) -> dict[str, Any]:
    found = {"note": sealing.statement.decode()}
    if part if part is not None else sealing.kind == 2:
        found |= {"part": b64(sealing.parts[1]), "key": b64(sealing.keys[1])}
    return found


def _silent() -> Files:
    until = NOW + 86_400
    begin = spoken(7, None, MESSAGE.created - 300, prev=random("before"))
    told = spoken(8, begin, MESSAGE.created + 60, RECEIVED, OPENED)
    end = spoken(9, told, until + 30)
    answered = spoken(8, begin, MESSAGE.created + 60, RECEIVED, OPENED, TAKEN)
    after = spoken(9, answered, until + 30)
    elsewhere = {"receipts": [RECEIVED, OPENED]}

    def silence(*links: Sealing, by: str = B_POLICE, when: int = until) -> dict[str, Any]:
        return {"by": by, "until": when, "links": [link(one) for one in links]}

    def shown(
        name: str, verdict: str, comment: str, *links: Sealing, attacks: Sequence[int] = (), **more: Any
    ) -> File:
        return judged(
            f"silence-{name}", verdict, comment, bundle(**elsewhere, silence=silence(*links, **more)), attacks
        )

    yield shown(
        "kept", "VALID", "The police had opened it, and not acknowledged it by then", begin, told, end
    )
    first = spoken(1, None, MESSAGE.created + 60, RECEIVED)
    second = spoken(2, first, until + 30)
    yield shown("from-the-first", "VALID", "A stream that began after the message", first, second)
    yield shown("broken", "INVALID", "The acknowledgement is among what was said", begin, answered, after)
    yield shown("hole", "INVALID", "One in the middle is missing", begin, end)
    yield shown(
        "another-agency",
        "INVALID",
        "The silence of somebody of another area",
        begin,
        told,
        end,
        by=f"{BARKING}/police",
    )
    yield shown("too-short", "CANNOT_TELL", "The last word is older than the time in question", begin, told)
    yield shown("begins-late", "CANNOT_TELL", "It begins after the message was sent", told, end)
    announced = sections(stream={"v": 1})
    new = spoken(1, None, MESSAGE.created + 60, contents=(announced,))
    later = spoken(2, new, until + 30)
    body = {"by": B_POLICE, "until": until, "links": [link(new, part=True), link(later)]}
    yield judged(
        "silence-new-stream",
        "CANNOT_TELL",
        "The stream was begun anew after a restore",
        bundle(**elsewhere, silence=body),
        [58],
    )
    hidden = {"by": B_POLICE, "until": until, "links": [link(begin), link(told, part=False), link(end)]}
    yield judged(
        "silence-hidden",
        "INVALID",
        "What a link of receipts says is not shown",
        bundle(**elsewhere, silence=hidden),
    )
