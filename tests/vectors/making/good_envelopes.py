"""Good envelopes, each with the readings of those it is for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .network import B_HOUSING, B_NODE, B_POLICE, B_PROBATION, H_NODE, NEW_NODE, NOW, SIGNERS, random
from .plain import b64, note, sha256
from .sealing import Sealing, leg, routing, sections
from .vector import File, Files, case, file

FOUR = (
    routing(leg(1, B_POLICE), leg(2, B_HOUSING), leg(3, B_PROBATION)),
    sections(core={"note": "for all three"}, actions=[{"action_id": "AC10", "text": "shared"}]),
    sections(actions=[{"action_id": "AC2", "text": "police"}]),
    sections(actions=[{"action_id": "AC10", "more": "probation"}], move={"new_address": "probation"}),
)
READERS = ((B_NODE, (1,)), (B_POLICE, (2, 3)), (B_HOUSING, (2,)), (B_PROBATION, (2, 4)))


def four(name: str = "four readers", **changes: Any) -> Sealing:
    """The envelope most vectors are about: a node, two agencies, and one that may see other parts and whose
    key the node does not have."""
    return Sealing(name, **{"readers": READERS, "contents": FOUR, "nslots": 4, **changes})


def pair(name: str, **changes: Any) -> Sealing:
    """The smallest message: a node and its police."""
    return Sealing(name, **changes)


def lone(name: str, **changes: Any) -> Sealing:
    """Half as long: one slot and no content. For what is refused before anybody looks for them."""
    return Sealing(name, **{"readers": ((B_NODE, (1,)),), "contents": (routing(),), "nslots": 1, **changes})


def said(sealing: Sealing) -> dict[str, Any]:
    return {"from": sealing.signer.name, "mid": sealing.mid.hex(), "stmt_b64": b64(sealing.stmt)}


def view(*contents: bytes) -> Any:
    """Of parts that do not overlap; what overlaps is written out in `encoding/merging`."""
    found: dict[str, Any] = {}
    for content in contents:
        found |= json.loads(content)["sections"]
    return found


def parts(sealing: Sealing, *numbers: int) -> dict[str, str]:
    return {str(number): sealing.contents[number - 1].decode() for number in numbers}


def reading(
    expect: str, comment: str, reader: str, slot: int, gives: Mapping[str, Any] | None = None, **more: Any
) -> dict[str, Any]:
    return case(expect, comment, gives=gives, reader=reader, slot=slot, **more)


def sealed_with(sealing: Sealing) -> dict[str, Any]:
    """What a sealer needs to come to the same bytes: chance, in the order of section 4.2."""
    dummies = range(len(sealing.readers), sealing.nslots)
    return {
        "part_keys_b64": [b64(key) for key in sealing.keys],
        "commitments_of_dummies_b64": [b64(sealing.to_commitments[index]) for index in dummies],
        "readers": [[principal, sorted({0, *numbers})] for principal, numbers in sealing.readers],
    }


def good(name: str, comment: str, sealing: Sealing, cases: list[dict[str, Any]], **more: Any) -> File:
    shared = {"envelope_b64": b64(sealing.envelope), "now": NOW, "sealed_with": sealed_with(sealing), **more}
    return file(f"envelopes/good/{name}", "envelope", comment, cases, **shared)


def as_node(sealing: Sealing, comment: str = "the node", **more: Any) -> dict[str, Any]:
    gives = {**said(sealing), "parts": parts(sealing, 1)}
    return reading("good", comment, B_NODE, 0, gives, **more)


def as_police(sealing: Sealing, comment: str = "the police", **more: Any) -> dict[str, Any]:
    gives = {**said(sealing), "parts": parts(sealing, 2), "view": view(sealing.contents[1])}
    return reading("good", comment, B_POLICE, 1, gives, **more)


def files() -> Files:
    yield _four()
    yield from _edges()
    yield from _times()
    yield from _other_kinds()


def _four() -> File:
    one = four()
    shared = {"core": {"note": "for all three"}}
    police = [{"action_id": "AC2", "text": "police"}, {"action_id": "AC10", "text": "shared"}]
    probation = [{"action_id": "AC10", "text": "shared", "more": "probation"}]
    return good(
        "four-readers",
        "A node, two agencies, and one that may see other parts: what each opens, and its view",
        one,
        [
            reading(
                "good",
                "the node: the routing table, nothing else",
                B_NODE,
                0,
                {**said(one), "parts": parts(one, 1)},
            ),
            reading(
                "good",
                "the police",
                B_POLICE,
                1,
                {**said(one), "parts": parts(one, 2, 3), "view": {**shared, "actions": police}},
            ),
            reading(
                "good",
                "housing",
                B_HOUSING,
                2,
                {**said(one), "parts": parts(one, 2), "view": view(one.contents[1])},
            ),
            reading(
                "good",
                "probation, which keeps its own key",
                B_PROBATION,
                3,
                {
                    **said(one),
                    "parts": parts(one, 2, 4),
                    "view": {**shared, "actions": probation, "move": {"new_address": "probation"}},
                },
            ),
        ],
    )


def _edges() -> Files:
    one = pair("two readers")
    yield good(
        "two-readers", "The smallest message: two slots, three parts", one, [as_node(one), as_police(one)]
    )
    one = pair("older subkey", subkey=1)
    yield good("older-subkey", "Sealed to the older of two subkeys", one, [as_node(one), as_police(one)])
    one = pair("with dummies", nslots=8, priority=9)
    yield good(
        "with-dummies", "Six of eight slots are for nobody; urgent", one, [as_node(one), as_police(one)]
    )
    wrong = pair("odd slots", nslots=3)
    yield good(
        "odd-slots",
        "No sender of this release pads to three slots; read all the same",
        wrong,
        [as_node(wrong), as_police(wrong)],
    )
    full = pair("most slots", nslots=16, priority=4)
    yield good("most-slots", "16 slots", full, [as_node(full), as_police(full)])
    nothing = pair("nothing for housing", readers=(*pair("x").readers, (B_HOUSING, ())), nslots=4)
    yield good(
        "nothing-to-read",
        "A bag with the key of the statement alone: a reader who learns who wrote, no more",
        nothing,
        [
            as_node(nothing),
            reading("good", "housing", B_HOUSING, 2, {**said(nothing), "parts": {}, "view": {}}),
        ],
    )
    many = tuple(sections(part={str(number): number}) for number in range(2, 64))
    most = pair("most parts", contents=(routing(), *many), readers=((B_NODE, (1,)), (B_POLICE, range(2, 64))))
    whole = {"part": {str(number): number for number in range(2, 64)}}
    gives = {**said(most), "view": whole}
    yield good(
        "most-parts", "64 parts", most, [as_node(most), reading("good", "the police", B_POLICE, 1, gives)]
    )
    large = pair("larger part", contents=(routing(), sections(core={"note": "x" * 1500})))
    yield good("larger-part", "A part beyond the least size", large, [as_node(large), as_police(large)])
    other = "EXAMPLE Zoë Łukasz 李 🏠"
    letters = pair("other letters", contents=(routing(), sections(core={"note": other})))
    yield good("other-letters", "Content beyond ASCII", letters, [as_node(letters), as_police(letters)])
    later = pair(
        "later in stream",
        seq=17,
        prev=random("before"),
        seen={"seq": 4, "stream": random("theirs", 16).hex()},
    )
    yield good(
        "later-in-stream", "Number 17 of its stream, with `seen`", later, [as_node(later), as_police(later)]
    )
    next_key = pair("after replacement", signer=NEW_NODE, directory=9)
    yield good(
        "after-replacement",
        "Signed with the sender's new key, under the directory that lists it",
        next_key,
        [as_node(next_key), as_police(next_key)],
        directory_version="9",
    )
    while_retiring = pair("while retiring", directory=10, life=7200)
    yield good(
        "while-retiring",
        "Signed with the key before, while it still counts",
        while_retiring,
        [as_node(while_retiring), as_node(while_retiring, "a second before its end", now=NOW + 3599)],
        directory_version="10",
    )
    over = pair("suspension over")
    yield good(
        "suspension-over",
        "The suspension of the sender's key is over",
        over,
        [as_node(over, now=NOW + 3000), reading("suspended", "a second before", B_NODE, 0, now=NOW + 2999)],
        suspended=["node"],
    )
    back = pair("via its own exchange")
    yield good("via", "The broker names the sender's own area", back, [as_node(back, via="E09000012")])


def _times() -> Files:
    one = pair("on time", created=NOW, life=3600)
    end = NOW + 3600
    yield good(
        "on-time",
        "Two honest clocks may differ by 120 seconds",
        one,
        [
            as_node(one, "120 s before it was made", now=NOW - 120),
            as_node(one, "119 s before it was made", now=NOW - 119),
            as_node(one, "119 s after its end", now=end + 119),
            as_police(one, "119 s after its end", now=end + 119),
            reading("future", "121 s before it was made", B_NODE, 0, now=NOW - 121),
            reading("expired", "120 s after its end", B_NODE, 0, now=end + 120),
            reading("expired", "121 s after its end, an agency", B_POLICE, 1, now=end + 121),
        ],
    )
    long = pair("longest life", created=NOW, life=72 * 3600)
    yield good("longest-life", "72 hours, the longest life", long, [as_node(long), as_police(long)])
    short = pair("shortest life", created=NOW, life=1)
    yield good("shortest-life", "One second, the shortest life", short, [as_node(short)])


def receipt(by: str, message: Sealing, state: str, **more: Any) -> bytes:
    """A receipt of Bexley's for an envelope; as section 5 says but for ``more``."""
    signer = more.pop("signer", SIGNERS.get(by))
    body = {
        "about": {
            "env": b64(sha256(message.envelope)),
            "from": H_NODE,
            "mid": message.mid.hex(),
            "stmt": b64(message.stmt),
        },
        "at": NOW,
        "by": by,
        "code": "",
        "net": b64(message.net),
        "parts": [],
        "prev": b64(bytes(32)),
        "state": state,
        "v": 1,
        **more,
    }
    return note("bx/1/receipt", body, signer)


def receipts_envelope(name: str, *notes: bytes, **changes: Any) -> Sealing:
    """Kind 2, from Hackney's node to Bexley's."""
    content = sections(receipts=[one.decode() for one in notes])
    shape = {"kind": 2, "context": "bx/1/receipts", "priority": 4, "readers": ((B_NODE, (1,)),)}
    return Sealing(name, **{**shape, "contents": (content,), **changes})


def _other_kinds() -> Files:
    answered = receipt(H_NODE, pair("their message"), "received", parts=[0, 1])
    one = receipts_envelope("receipts", answered)
    yield good("receipts", "Kind 2: receipts, for the node alone", one, [as_node(one)])
    empty = receipts_envelope("no receipts")
    yield good("receipts-none", "Kind 2 with an empty list", empty, [as_node(empty)])
    told = sections(something_new={"v": 1})
    control = Sealing(
        "control", kind=3, context="bx/1/control", priority=9, readers=((B_NODE, (1,)),), contents=(told,)
    )
    yield good(
        "control",
        "Kind 3, with a section that this release does not know: ignored",
        control,
        [as_node(control)],
    )
