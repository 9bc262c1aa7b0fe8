"""Files beside a section: where they may stand, what they may be called, and that nothing else is written."""

from __future__ import annotations

import json

import pytest

from schemas.attachments import MAX_ATTACHMENTS, MAX_FILE_NAME, MAX_SIZE, MediaType, name_flaw
from schemas.handover import parse_notification, to_document

BLOB = "0f" * 16


def item(**changes):
    return {"blob": BLOB, "name": "order.pdf", "media_type": "application/pdf", "size": 9} | changes


PLACES = (
    ("orders", 0),
    ("history", 0),
    ("risk_to",),
    ("risk_from",),
    ("safeguarding",),
    ("support",),
    ("actions", 0),
)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: str(place[0]))
def test_a_section_takes_attachments_and_keeps_them_as_they_came(adult, urgent, place):
    document = urgent if place == ("safeguarding",) else adult
    section = document
    for step in place:
        section = section[step]
    section["attachments"] = [item(), item(blob="1f" * 16, name="list.csv", media_type="text/csv")]
    assert to_document(parse_notification(json.dumps(document).encode())) == document


@pytest.mark.parametrize("place", ["core", "contacts", "message", "routing", "transparency"])
def test_other_sections_take_none(adult, refused, place):
    section = adult[place][0] if isinstance(adult[place], list) else adult[place]
    section["attachments"] = [item()]
    assert [p.pointer for p in refused(adult)] == [
        f"/{place}/0/attachments" if isinstance(adult[place], list) else f"/{place}/attachments"
    ]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"blob": BLOB.upper()}, "blob"),
        ({"blob": BLOB[:-1]}, "blob"),
        ({"blob": BLOB + "\n"}, "blob"),
        ({"media_type": "application/zip"}, "media_type"),
        ({"media_type": "image/jpeg"}, "media_type"),
        ({"size": 0}, "size"),
        ({"size": MAX_SIZE + 1}, "size"),
        ({"size": True}, "size"),
        ({"name": "../order.pdf"}, "name"),
        ({"name": "x" * (MAX_FILE_NAME + 1)}, "name"),
        ({"key": "a2V5"}, "key"),
        ({"hash": "aGFzaA=="}, "hash"),
        ({"visible_to": ["POLICE"]}, "visible_to"),
    ],
)
def test_anything_else_in_an_item_is_refused_by_its_place(adult, refused, changes, field):
    """Key and hash are the node's to write; who reads it is the section's to say."""
    adult["orders"][0]["attachments"] = [item(**changes)]
    assert [p.pointer for p in refused(adult)] == [f"/orders/0/attachments/0/{field}"]


def test_too_many_are_refused(adult, refused):
    adult["risk_to"]["attachments"] = [item()] * (MAX_ATTACHMENTS + 1)
    assert [p.pointer for p in refused(adult)] == ["/risk_to/attachments"]


GOOD = ("order.pdf", "Order (final), 2026-11-24.PDF", "Übergabe 1.pdf", "a.b.pdf", "1.pdf", "конец.pdf")

BAD = (
    "", ".pdf", "pdf", "../order.pdf", "..\\order.pdf", "/etc/order.pdf", "a/b.pdf", "a\\b.pdf",
    "C:order.pdf", "order.pdf:stream", "a*.pdf", "a?.pdf", 'a".pdf', "a<.pdf", "a>.pdf", "a|.pdf", "-rf.pdf",
    "=1+1.pdf", "@a.pdf", " a.pdf", "a.pdf ", "a.pdf.", "a\x00.pdf", "a\n.pdf", "a\x7f.pdf", "a\u202egpj.pdf",
    "a\u200b.pdf", "a\u2028.pdf", "a\xa0.pdf", "a\ud800.pdf", "CON.pdf", "nul.pdf", "com1.pdf", "AUX .pdf",
    "order.exe", "order.pdf.exe", "order.txt", "order", "Cafe\u0301.pdf", "x" * MAX_FILE_NAME + ".pdf",
    "\ufeffa.pdf", "~a.pdf", "%2e%2e%2fa.pdf",
)  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_a_name_is_a_name(name):
    assert name_flaw(name, MediaType.PDF) == ""


@pytest.mark.parametrize("name", BAD, ids=ascii)
def test_a_path_or_what_nobody_sees_is_no_name(name):
    flaw = name_flaw(name, MediaType.PDF)
    assert flaw
    assert not name or name not in flaw


@pytest.mark.parametrize("name", [bad for bad in BAD if "\ud800" not in bad], ids=ascii)
def test_such_a_name_is_refused_in_a_document_and_not_quoted(adult, refused, name):
    adult["orders"][0]["attachments"] = [item(name=name)]
    (problem,) = refused(adult)
    assert problem.pointer == "/orders/0/attachments/0/name"
    assert name in {"", "pdf", ".pdf", "order"} or name not in problem.message + problem.remedy


def test_the_ending_decides_what_opens_a_file():
    for media_type, ending in (("application/pdf", "pdf"), ("text/plain", "txt"), ("text/csv", "csv")):
        assert name_flaw(f"a.{ending}", media_type) == ""
        assert all(name_flaw(f"a.{other}", media_type) for other in {"pdf", "txt", "csv"} - {ending})
    assert name_flaw("a.zip", "application/zip")
