"""Bad envelopes, attacks 25 to 46 and 111: readers who were not meant, signers who were not sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .bad import BASE, bad, flip
from .good_envelopes import four, lone, pair
from .network import (
    B_HOUSING,
    B_NODE,
    B_POLICE,
    BARKING,
    H_NODE,
    H_POLICE,
    NEW_NODE,
    NOW,
    SIGNERS,
    X_NODE,
    random,
)
from .plain import Signer, b64, canonical, line, note, sha256, signed
from .sealing import Sealing, glue, sections
from .tables import LOW_ORDER
from .vector import File, Files, case, file


def files() -> Files:
    yield from _recipients()
    yield from _identity()


# --- 25 to 33: recipients and insiders ---------------------------------------------------------------


def _recipients() -> Files:
    one, wide = pair("forwarded"), four("shared")
    forwarded = Sealing(
        "forwarded on", to=BARKING.encode(), readers=((X_NODE, (1,)),), note=lambda *_: one.statement
    )
    where = {"reader": X_NODE, "slot": 0}
    yield file(
        "envelopes/bad/025-forwarded",
        "envelope",
        "The reader of a message seals its signed statement to another borough",
        [case("head", "the other borough", **where)],
        [25],
        envelope_b64=b64(forwarded.envelope),
        now=NOW,
    )
    yield file(
        "envelopes/bad/025-sent-on",
        "envelope",
        "A message as it was, at another borough",
        [case("area", "the other borough", **where)],
        [25],
        envelope_b64=b64(one.envelope),
        now=NOW,
    )
    bag = b"".join(one.keys)
    slipped, _ = one.slot(1, B_HOUSING, bag)
    data = glue(one.head_bytes, [one.slots[0], slipped], one.parts)
    yield file(
        "envelopes/bad/026-unlisted-agency",
        "envelope",
        "The node seals the police's slot to housing",
        [case("slots", "housing", reader=B_HOUSING, slot=1)],
        [26],
        envelope_b64=b64(data),
        now=NOW,
    )
    misnamed = pair("misnamed", readers=((B_NODE, (1,)), (B_HOUSING, (2,))), named={1: B_POLICE})
    yield file(
        "envelopes/bad/026-named-another",
        "envelope",
        "The statement names the police for housing's slot",
        [case("recipient", "housing", reader=B_HOUSING, slot=1)],
        [26],
        envelope_b64=b64(misnamed.envelope),
        now=NOW,
    )
    rewritten = wide.part(2, sections(core={"note": "rewritten"}))
    parts = [*wide.parts[:2], rewritten, *wide.parts[3:]]
    yield bad(
        27,
        "section-rewritten",
        "An agency seals a shared section anew, under its key",
        glue(wide.head_bytes, wide.slots, parts),
        "part_hash",
        police="part_hash",
    )
    poorer, _ = wide.slot(1, B_POLICE, b"".join([wide.keys[0], bytes(32), wide.keys[2], bytes(64)]))
    slots = [wide.slots[0], poorer, *wide.slots[2:]]
    yield bad(
        28,
        "slot-rewrapped",
        "The node takes a key out of the police's slot",
        glue(wide.head_bytes, slots, wide.parts),
        "slots",
        police="slots",
    )
    yield bad(
        29,
        "two-keys",
        "The police's bag has another key to the shared part than housing's",
        pair("two keys", bag=_other_key(1, 2)),
        "commitment",
        police="commitment",
    )
    yield bad(
        29,
        "two-keys-statement",
        "The police's bag has another key to the statement",
        pair("two keys 0", bag=_other_key(1, 0)),
        police="commitment",
    )
    yield bad(
        30,
        "bag-longer",
        "A bag of one key more",
        pair("bag longer", bag=lambda index, bag: bag + bytes(32)),
        "?truncated",
    )
    yield bad(
        30,
        "bag-shorter",
        "A bag of one key less",
        pair("bag shorter", bag=lambda index, bag: bag[:-32]),
        "?truncated",
    )
    yield bad(
        31,
        "no-statement-key",
        "The node's bag lacks the key to the statement",
        pair("no key 0", bag=_without(0, 0)),
        "bag",
    )
    yield bad(
        31,
        "no-routing-key",
        "The node's bag lacks the key to the routing table",
        pair("no key 1", bag=_without(0, 1)),
        "routing",
    )
    yield bad(
        31,
        "agency-no-statement-key",
        "The police's bag lacks the key to the statement",
        pair("no key 0 police", bag=_without(1, 0)),
        "bag",
        police="bag",
    )
    empty = pair("dummy claimed", readers=((B_NODE, (1,)),))
    yield bad(
        33,
        "dummy-claimed",
        "The routing table gives the police a slot that is nobody's",
        empty,
        "rekey",
        police="slot",
    )
    unnamed = pair("unnamed", body=lambda body: {**body, "to": [body["to"][0], b64(random("a dummy's"))]})
    yield bad(
        33,
        "real-slot-unnamed",
        "The police's slot is real, and its commitment a dummy's",
        unnamed,
        "recipient",
        police="recipient",
    )
    nobody = pair("nobody", body=lambda body: {**body, "to": [b64(random("a dummy's")), body["to"][1]]})
    yield bad(33, "node-unnamed", "The node's commitment is a dummy's", nobody, "recipient")


def _other_key(index: int, part: int) -> Callable[[int, bytes], bytes]:
    at = 32 * part
    return lambda slot, bag: bag[:at] + random("another key") + bag[at + 32 :] if slot == index else bag


def _without(index: int, part: int) -> Callable[[int, bytes], bytes]:
    at = 32 * part
    return lambda slot, bag: bag[:at] + bytes(32) + bag[at + 32 :] if slot == index else bag


# --- 34 to 46: identity ------------------------------------------------------------------------------


def _identity() -> Files:
    node, barking = SIGNERS[H_NODE], SIGNERS[X_NODE]
    lied = pair("lied", body=lambda body: {**body, "from": X_NODE})
    yield bad(
        34, "says-another", "Hackney's key, and Barking in the statement", lied, "signer", police="signer"
    )
    stolen = pair("stolen", note=lambda context, body: _with_line(context, body, X_NODE, node))
    yield bad(34, "line-says-another", "Hackney's key under Barking's name", stolen, "unknown_key")
    agency = lone("agency", signer=SIGNERS[H_POLICE])
    yield bad(34, "an-agency-sends", "An agency's key: only a node sends", agency, "field_value")
    log = lone("log key", signer=Signer(H_NODE, f"identity log {H_NODE.partition('/')[0]}"))
    yield bad(111, "log-key", "The log key for the identity key", log, "unknown_key")
    decoy = pair(
        "decoy", note=lambda context, body: note(context, body, node) + line(X_NODE, bytes(32), bytes(64))
    )
    yield bad(
        35,
        "decoy-line",
        "A second line, of a key that nobody knows",
        decoy,
        "note_single",
        police="note_single",
    )
    both = lone("both", note=lambda context, body: note(context, body, node, barking))
    yield bad(35, "two-members", "Two members have signed", both, "note_single")
    unknown = pair("unknown", signer=Signer("E09000033/node"))
    yield bad(36, "stranger", "A stranger, well formed", unknown, "unknown_key", police="unknown_key")
    yield bad(
        37,
        "revoked",
        "A good message, under the directory that revokes the sender's key",
        BASE,
        "unknown_key",
        police="unknown_key",
        directory_version="8",
    )
    yield bad(
        37, "replaced", "The same, where the key has a successor", BASE, "unknown_key", directory_version="9"
    )
    early = pair("early", signer=NEW_NODE)
    yield bad(37, "not-yet", "The successor's key, under the directory of before", early, "unknown_key")
    yield bad(38, "suspended", "The sender's key is suspended", BASE, "suspended", suspended=["node"])
    yield bad(
        38,
        "two-suspensions",
        "Of two suspensions the longer counts",
        BASE,
        "suspended",
        suspended=["node", "node, soon over"],
        now=NOW + 59,
    )
    yield bad(
        37,
        "retired",
        "The key before, after its overlap",
        pair("retired", life=7200),
        "unknown_key",
        directory_version="10",
        now=NOW + 3600,
    )
    yield bad(
        39,
        "other-network",
        "Sealed and signed for another network",
        pair("other net", net=sha256(b"another network")),
        "slot",
        police="slot",
    )
    lying = pair("lying net", body=lambda body: {**body, "net": b64(sha256(b"another network"))})
    yield bad(39, "net-field", "The statement names another network", lying, "net", police="net")
    for context in ("bx/1/receipt", "bx/1/directory", "bx/1/messages"):
        wrong = lone(f"context {context}", context=context)
        yield bad(
            40, f"context-{context.rpartition('/')[2]}", f"A note of context {context}", wrong, "note_context"
        )
    yield from _lines(node)
    yield bad(
        43,
        "s-plus-l",
        "S + L in the signature",
        pair("s plus l", note=_malleable),
        "signature",
        police="signature",
    )
    for name, point in LOW_ORDER.items():
        wrong = lone(
            "low order",
            ciphertext=lambda index, found, point=point: found[:1088] + point,
        )
        yield bad(
            44,
            f"low-order-{name.replace(' ', '-').replace(',', '')}",
            f"X25519 point of low order in the node's slot: {name}",
            wrong,
            "kem_low_order",
        )
    agencys = pair(
        "low order police",
        ciphertext=lambda index, found: found[:1088] + (bytes(32) if index else found[1088:]),
    )
    yield bad(
        44,
        "low-order-agency",
        "The same in the police's slot",
        agencys,
        "kem_low_order",
        police="kem_low_order",
    )
    corrupt = pair("corrupt", ciphertext=lambda index, found: flip(found, 7))
    yield bad(
        45,
        "ml-kem-corrupted",
        "Signed for: an ML-KEM ciphertext with a bit flipped",
        corrupt,
        "slot",
        police="slot",
    )


def _with_line(context: str, body: Any, name: str, signer: Signer) -> bytes:
    text = context.encode() + b"\n" + canonical(body) + b"\n"
    return text + b"\n" + line(name, signer.public, signer.sign(text))


def _malleable(context: str, body: Any) -> bytes:
    text, node = context.encode() + b"\n" + canonical(body) + b"\n", SIGNERS[H_NODE]
    signature = node.sign(text)
    order = 2**252 + 27742317777372353535851937790883648493
    scalar = int.from_bytes(signature[32:], "little") + order
    return text + b"\n" + line(node.name, node.public, signature[:32] + scalar.to_bytes(32, "little"))


def _lines(node: Signer) -> Files:
    """41: what the note of a statement may not be."""

    def written(name: str, comment: str, change: Callable[[bytes], bytes], code: str) -> File:
        sealing = lone(f"lines {name}", note=lambda context, body: change(note(context, body, node)))
        return bad(41, name, comment, sealing, code)

    yield written(
        "no-line", "No signature line", lambda found: found[: found.rfind(b"\n\n") + 2], "note_unsigned"
    )
    yield written("no-empty-line", "No empty line", lambda found: found.replace(b"\n\n", b"\n"), "note_form")
    yield written(
        "line-twice", "One line twice", lambda found: found + found.partition(b"\n\n")[2], "note_repeated"
    )
    many = b"".join(line(f"n{n}", bytes(32), bytes(64)) for n in range(16))
    yield written("seventeen-lines", "17 lines", lambda found: found + many, "note_lines")
    yield written("crlf", "CR LF at the end of the line", lambda found: found[:-1] + b"\r\n", "note_line")
    empty = lone(
        "lines empty",
        note=lambda context, body: signed(context.encode() + b"\n" + canonical(body) + b"\n\n", node),
    )
    yield bad(41, "empty-line-in-body", "An empty line more, signed as it is", empty, "json_canonical")
    middle = lone(
        "lines middle",
        note=lambda context, body: note(context, canonical(body).replace(b",", b",\n\n", 1), node),
    )
    yield bad(
        41, "empty-line-in-json", "An empty line inside the JSON, signed as it is", middle, "json_canonical"
    )
