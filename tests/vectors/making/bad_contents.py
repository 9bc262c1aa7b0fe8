"""Bad envelopes whose sender is proven: the routing table, receipts, and what an agency opens."""

from __future__ import annotations

from typing import Any

from .bad import bad
from .good_envelopes import pair, receipts_envelope
from .network import (
    B_HOUSING,
    B_NODE,
    B_POLICE,
    BARKING,
    BEXLEY,
    H_POLICE,
)
from .plain import canonical
from .sealing import leg, routing, sections
from .vector import Files


def files() -> Files:
    yield from _content()


# --- the node's part and the sections, after the sender is proven -------------------------------------


def _content() -> Files:
    good = sections(core={"note": "EXAMPLE"})
    for name, comment, content, code in (
        ("no-utf8", "No UTF-8", b'{"sections":{"core":"\xff"},"v":1}', "json_syntax"),
        ("gzip", "Compressed", bytes.fromhex("1f8b08000000000002ff") + bytes(30), "json_syntax"),
        ("blank", "Not canonical", b'{"sections": {},"v":1}', "json_canonical"),
        ("no-sections", "No sections", canonical({"v": 1}), "part_form"),
        ("more-fields", "A field more", canonical({"v": 1, "sections": {}, "x": 1}), "part_form"),
        ("version-2", "Version 2", canonical({"v": 2, "sections": {}}), "part_form"),
        ("list", "Sections in a list", canonical({"v": 1, "sections": []}), "part_form"),
    ):
        sealing = pair(f"content {name}", contents=(routing(), content))
        yield bad(73, f"content-{name}", f"The police's part: {comment}", sealing, "", police=code)
    clash = (routing(), sections(core={"note": "one"}), sections(core={"note": "two"}))
    sealing = pair("clash", contents=clash, readers=((B_NODE, (1,)), (B_POLICE, (2, 3))))
    yield bad(
        27,
        "parts-contradict",
        "Two parts give one place different values",
        sealing,
        "",
        police="part_conflict",
    )
    for name, comment, table, code in (
        ("missing", "No routing table", sections(), "json_object"),
        ("type", "A type of message that nobody speaks", routing(type="ERASE_EVERYTHING"), "message_type"),
        ("urgency", "No such urgency", routing(urgency="SOON"), "urgency"),
        ("no-legs", "No legs", sections(routing=_table(legs=[])), "routing"),
        ("slot-twice", "One slot for two agencies", routing(leg(1, B_POLICE), leg(1, B_HOUSING)), "routing"),
        (
            "principal-twice",
            "One agency twice",
            routing(leg(1, B_POLICE), leg(2, B_POLICE, leg="ab" * 16)),
            "routing",
        ),
        (
            "leg-twice",
            "One leg id twice",
            routing(leg(1, B_POLICE, leg="ab" * 16), leg(2, B_HOUSING, leg="ab" * 16)),
            "routing",
        ),
        ("slot-0", "The node's own slot", routing(leg(0, B_POLICE)), "field_value"),
        ("slot-beyond", "A slot that is not there", routing(leg(9, B_POLICE)), "routing"),
        ("other-area", "A leg for another area's agency", routing(leg(1, H_POLICE)), "leg_area"),
        ("node-leg", "A leg for the node", routing(leg(1, B_NODE)), "leg_agency"),
        (
            "unknown-agency",
            "A leg for an agency that the directory does not hold",
            routing(leg(1, f"{BEXLEY}/dwp")),
            "not_hosted",
        ),
        (
            "reply-elsewhere",
            "Answers would go to another area",
            routing(leg(1, B_POLICE, reply_to=f"{BARKING}/police")),
            "reply_to",
        ),
        (
            "handover-of-another",
            "Another area's handover",
            routing(handover=f"HO-{BARKING}-2027-000001"),
            "handover_area",
        ),
        ("handover-form", "A handover without its form", routing(handover="HO-1"), "field_value"),
        ("version-0", "Version 0 of a handover", routing(version=0), "field_value"),
        ("field-unknown", "A field that nobody knows", routing(note="x"), "field_unknown"),
    ):
        sealing = pair(f"routing {name}", contents=(table, good))
        yield bad(33, f"routing-{name}", f"The routing table: {comment}", sealing, code)
    for name, comment, content, code in (
        ("none", "No receipts in it", sections(), "receipts"),
        ("no-list", "One receipt, not in a list", sections(receipts="x"), "receipts"),
        ("too-many", "65 receipts", sections(receipts=["x"] * 65), "receipts"),
    ):
        sealing = receipts_envelope(f"receipts {name}", contents=(content,))
        yield bad(88, f"receipts-{name}", f"A receipts envelope: {comment}", sealing, code)


def _table(**changes: Any) -> dict[str, Any]:
    import json  # noqa: PLC0415

    found: dict[str, Any] = json.loads(routing())["sections"]["routing"]
    return {**found, **changes}
