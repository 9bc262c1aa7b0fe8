"""Bad envelopes, attacks 1 to 24: bytes changed on the way, spliced, stripped, reordered."""

from __future__ import annotations

from collections.abc import Callable

from .bad import BASE, EXPIRES, HEADER, KIND, MAGIC, NPARTS, NSLOTS, PRIORITY, SLOT, SUITE, TO, bad, flip, put
from .good_envelopes import four, lone, pair, receipt, receipts_envelope
from .network import (
    B_HOUSING,
    B_POLICE,
    B_PROBATION,
    H_NODE,
    NOW,
)
from .plain import b64
from .sealing import glue, leg, routing
from .vector import Files, case, file


def files() -> Files:
    yield from _outer_bytes()
    yield from _headers()
    yield from _splices()


# --- 1 to 12: bytes that the broker sees -------------------------------------------------------------


def _outer_bytes() -> Files:
    data = BASE.envelope
    lens = HEADER + 2 * SLOT
    first = lens + 12
    second = first + len(BASE.parts[0])
    for name, at, node, police in (
        ("magic", MAGIC, "magic", "magic"),
        ("message-id", 9, "slot", "slot"),
        ("expiry", EXPIRES + 7, "slot", "slot"),
        ("destination", TO + 8, "area", "area"),
        ("ml-kem-ciphertext", HEADER + 100, "slot", "slots"),
        ("x25519-ciphertext", HEADER + 1100, "slot", "slots"),
        ("bag", HEADER + 1130, "slot", "slots"),
        ("bag-tag", HEADER + SLOT - 1, "slot", "slots"),
        ("other-slot", HEADER + SLOT + 500, "slots", "slot"),
        ("part-length", lens + 3, "truncated", "truncated"),
        ("commitment-of-statement", first, "commitment", "commitment"),
        ("statement", first + 40, "part", "part"),
        ("statement-tag", second - 1, "part", "part"),
        ("routing-part", second + 40, "part_hash", "part_hash"),
        ("content-part", len(data) - 1, "part_hash", "part_hash"),
    ):
        yield bad(1, f"flip-{name}", f"One bit flipped: {name}", flip(data, at), node, police=police)
    for name, size in (
        ("nothing", 0),
        ("in-fixed-header", 20),
        ("before-destination", TO),
        ("in-slots", HEADER + 1200),
        ("in-lengths", lens + 5),
        ("in-parts", first + 100),
        ("last-byte", len(data) - 1),
    ):
        yield bad(
            2,
            f"cut-{name}",
            f"Cut short: {name}, {size} bytes left",
            data[:size],
            "truncated",
            police="truncated",
        )
    yield bad(3, "zero-appended", "One byte more", data + b"\0", "trailing", police="trailing")
    yield bad(3, "envelope-appended", "Itself once more", data + data, "trailing")
    filled = {"envelope_filled": (1 << 20) + 1}
    yield bad(
        4, "over-1-mib", "One byte over 1 MiB, before any cryptography", data, "envelope_size", **filled
    )
    yield bad(
        4,
        "just-1-mib",
        "Exactly 1 MiB: long enough to be parsed, and refused for its end",
        data,
        "trailing",
        envelope_filled=1 << 20,
    )
    for count in (0, 17, 255):
        yield bad(5, f"slots-{count}", f"{count} slots", put(data, NSLOTS, count), "slots")
    for count in (0, 65, 255):
        yield bad(6, f"parts-{count}", f"{count} parts", put(data, NPARTS, count), "parts")
    yield bad(
        7,
        "part-of-4-gib",
        "The first part is said to have 2^32-1 bytes",
        put(data, lens, *b"\xff" * 4),
        "truncated",
    )
    yield bad(
        7, "part-of-0", "The first part is said to have no bytes", put(data, lens, *bytes(4)), "part_size"
    )
    yield bad(
        7,
        "part-of-559",
        "The first part is said to have one byte less than the least",
        put(data, lens, 0, 0, 2, 47),
        "part_size",
    )


def _headers() -> Files:
    """Sealed and signed by the sender under just this header, so that only the parser can refuse it."""
    for name, at, value, code in (
        ("magic", 3, ord("2"), "magic"),
        ("suite-3", SUITE, 3, "suite"),
        ("kind-0", KIND, 0, "kind"),
        ("kind-4", KIND, 4, "kind"),
        ("priority-10", PRIORITY, 10, "priority"),
        ("priority-255", PRIORITY, 255, "priority"),
        ("expiry-beyond-json", EXPIRES, 255, "expires"),
        ("expiry-2-to-53", EXPIRES + 1, 32, "expires"),
    ):
        changed = lone(f"header {name}", header=_patched(at, value))
        yield bad(8, name, f"Signed for: {name}", changed, code)
    for name, to in (
        ("small-letter", b"e09000004"),
        ("blank", b"E0900000 "),
        ("cyrillic", "Е0900000".encode()),
        ("path", b"../E09000"),
        ("line-feed", b"E09000004\n"),
        ("empty", b""),
        ("long", b"E" * 200),
        ("principal", b"E09000004/node"),
        ("other-digit", "E090000\u0664".encode()),
    ):
        yield bad(
            9, f"to-{name}", "Signed for: a destination that is no area code", lone(f"to {name}", to=to), "to"
        )
    yield bad(10, "suite-1", "Suite lowered on the way", put(BASE.envelope, SUITE, 1), "suite")
    yield bad(
        10,
        "suite-1-signed",
        "Suite lowered by the sender",
        pair("suite 1", header=_patched(SUITE, 1)),
        "suite",
    )
    yield bad(11, "message-as-receipts", "Kind swapped on the way", put(BASE.envelope, KIND, 2), "slot")
    yield bad(11, "message-as-control", "Kind swapped on the way", put(BASE.envelope, KIND, 3), "slot")
    yield bad(
        11, "four-slots-as-receipts", "Receipts have two slots", put(four("kind").envelope, KIND, 2), "slots"
    )
    yield bad(12, "priority-raised", "Priority raised on the way", put(BASE.envelope, PRIORITY, 9), "slot")
    later = put(BASE.envelope, EXPIRES + 6, BASE.envelope[EXPIRES + 6] + 1)
    yield bad(12, "expiry-extended", "Expiry extended on the way", later, "slot")


def _patched(at: int, value: int) -> Callable[[bytes], bytes]:
    return lambda header: put(header, at, value)


# --- 13 to 24: splice, strip, reorder ----------------------------------------------------------------


def _splices() -> Files:
    one, two, wide = pair("splice one"), pair("splice two"), four("splice wide")
    head, slots, parts = one.head_bytes, one.slots, one.parts
    yield bad(
        13,
        "section-of-another",
        "The content of another message of the same sender",
        glue(head, slots, [*parts[:2], two.parts[2]]),
        "part_hash",
        police="part_hash",
    )
    yield bad(
        14,
        "statement-of-another",
        "The statement of another message",
        glue(head, slots, [two.parts[0], *parts[1:]]),
        "commitment",
    )
    reused = one.part(0, two.statement)
    yield bad(
        14,
        "statement-of-another-resealed",
        "The same, sealed under this message's key by a reader",
        glue(head, slots, [reused, *parts[1:]]),
        "head",
    )
    yield bad(
        15,
        "slots-of-another",
        "The slots of another message",
        glue(head, two.slots, parts),
        "slot",
        police="slot",
    )
    yield bad(
        15,
        "slot-of-another",
        "The police's slot of another message",
        glue(head, [slots[0], two.slots[1]], parts),
        "slots",
        police="slot",
    )
    swapped = [wide.parts[number] for number in (0, 1, 3, 2, 4)]
    yield bad(
        16,
        "parts-swapped",
        "Two contents swapped",
        glue(wide.head_bytes, wide.slots, swapped),
        "part_hash",
        police="part_hash",
    )
    yield bad(
        16,
        "statement-swapped",
        "Statement and routing table swapped",
        glue(head, slots, [parts[1], parts[0], parts[2]]),
        "commitment",
    )
    turned = [wide.slots[index] for index in (0, 2, 1, 3)]
    yield bad(
        17,
        "agency-slots-swapped",
        "Two agencies' slots swapped",
        glue(wide.head_bytes, wide.slots[:0] + turned, wide.parts),
        "slots",
        police="slot",
    )
    yield bad(
        17,
        "node-slot-swapped",
        "The node's slot swapped with the police's",
        glue(head, slots[::-1], parts),
        "slot",
    )
    yield file(
        "envelopes/bad/018-another-slot",
        "envelope",
        "A good envelope, read in somebody else's slot",
        [
            case("slot", "the police in housing's slot", reader=B_POLICE, slot=2),
            case("slot", "housing in the police's slot", reader=B_HOUSING, slot=1),
            case("slot", "an agency in the node's slot", reader=B_PROBATION, slot=0),
            case("slot_number", "a slot that is not there", reader=B_POLICE, slot=4),
        ],
        [18],
        envelope_b64=b64(wide.envelope),
        now=NOW,
    )
    table = routing(leg(2, B_POLICE))
    other = four("routed wrongly", contents=(table, *wide.contents[1:]))
    yield bad(
        18,
        "routing-names-another-slot",
        "The routing table names housing's slot for the police",
        other,
        "rekey",
    )
    yield bad(19, "section-stripped", "The last part is gone", glue(head, slots, parts[:2]), "?truncated")
    yield bad(
        19,
        "section-stripped-counted",
        "And the count with it",
        glue(put(head, NPARTS, 2), slots, parts[:2]),
        "?slot",
    )
    yield bad(
        20,
        "slot-stripped",
        "A slot is gone, and the count with it",
        glue(put(head, NSLOTS, 1), slots[:1], parts),
        "slot",
    )
    yield bad(
        21,
        "slot-added",
        "A slot more, and the count with it",
        glue(put(head, NSLOTS, 3), [*slots, slots[1]], parts),
        "slot",
    )
    yield bad(
        22,
        "part-doubled",
        "One content in the place of another",
        glue(wide.head_bytes, wide.slots, [*wide.parts[:3], wide.parts[2], wide.parts[4]]),
        "part_hash",
    )
    yield bad(
        22,
        "part-doubled-counted",
        "A part more, and the count with it",
        glue(put(head, NPARTS, 4), slots, [*parts, parts[2]]),
        "?slot",
    )
    yield bad(
        24,
        "receipts-under-kind-1",
        "A receipts statement in a message",
        pair("kind 1", context="bx/1/receipts"),
        "note_context",
        police="note_context",
    )
    wrong = receipts_envelope("kind 2", receipt(H_NODE, BASE, "received"), context="bx/1/message")
    yield bad(24, "message-under-kind-2", "A message's statement in receipts", wrong, "note_context")
