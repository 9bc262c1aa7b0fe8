"""Receipts: what one says, who may say it, and every way it can be another's (protocol 5; attacks 80-87)."""

from __future__ import annotations

import hashlib

import pytest

from gateway.core.receipts import STATES, ZERO, About, make_receipt, open_receipt
from gateway.errors import Forged, Malformed, Refused, Unsupported, Untrusted

ABOUT = About(env=b"\1" * 32, sender="E09000012/node", mid="ab" * 16, stmt=b"\2" * 32)
OTHER_HASH = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
FIELDS = ["about", "at", "by", "code", "net", "parts", "prev", "state", "v"]
NODE_STATES = {"received", "refused"}


@pytest.fixture(scope="module")
def police(kit):
    return kit.Signer("E09000004/police")


@pytest.fixture(scope="module")
def node(kit):
    return kit.Signer("E09000004/node")


@pytest.fixture(scope="module")
def ring(kit, police, node):
    return kit.keyring(police, node)


@pytest.fixture
def make(kit, police):
    def _make(signer=police, **terms):
        given = {"net": kit.NET, "about": ABOUT, "at": kit.NOW, "state": "opened", "parts": [1, 2]}
        return make_receipt(signer, **given | terms)

    return _make


@pytest.fixture
def attempt(kit, police, ring):
    """Sign a body after ``change``, with no help from make_receipt, and open it."""

    def _attempt(change=lambda body: None, *, signers=(police,), context="bx/1/receipt", net=kit.NET):
        body = {
            "about": {
                "env": kit.b64(ABOUT.env),
                "from": ABOUT.sender,
                "mid": ABOUT.mid,
                "stmt": kit.b64(ABOUT.stmt),
            },
            "at": kit.NOW,
            "by": police.name,
            "code": "",
            "net": kit.b64(kit.NET),
            "parts": [1, 2],
            "prev": kit.b64(ZERO),
            "state": "opened",
            "v": 1,
        }
        change(body)
        return open_receipt(kit.note(context, body, *signers), net=net, keyring=ring)

    return _attempt


def _with(name, value):
    return lambda body: body.update({name: value})


def test_the_bytes_are_those_of_the_protocol(kit, make, attempt):
    assert make() == attempt()


def test_what_is_made_opens_as_the_same(kit, make, ring):
    receipt = make(state="rejected", code="WRONG_AREA", parts=[0, 2, 63], prev=b"\3" * 32, reply=b"\4" * 32)
    opened = open_receipt(receipt.note, net=kit.NET, keyring=ring)

    assert opened == receipt
    assert (opened.by, opened.about, opened.at) == ("E09000004/police", ABOUT, kit.NOW)
    assert (opened.state, opened.code, opened.parts) == ("rejected", "WRONG_AREA", (0, 2, 63))
    assert (opened.prev, opened.reply) == (b"\3" * 32, b"\4" * 32)
    assert opened.hash == hashlib.sha256(receipt.note[: receipt.note.index(b"\n\n") + 1]).digest()


def test_without_a_reply_there_is_no_field(make):
    receipt = make()
    assert receipt.reply is None
    assert b"reply" not in receipt.note
    assert receipt.prev == ZERO == bytes(32)


def test_the_states_are_those_of_the_protocol():
    words = "received opened acknowledged accepted rejected declined returned info_requested in_progress"
    assert set(STATES) == {*words.split(), "completed", "not_done", "closed", "refused"}


@pytest.mark.parametrize("state", sorted(STATES))
def test_the_node_answers_for_bytes_and_an_agency_for_content(kit, make, police, node, ring, state):
    right, wrong = (node, police) if state in NODE_STATES else (police, node)

    assert open_receipt(make(right, state=state).note, net=kit.NET, keyring=ring).state == state
    with kit.refused(Malformed, "receipt_role") as caught:
        make(wrong, state=state)
    assert caught.value.field == "/state"


def test_a_node_cannot_sign_an_agencys_answer(kit, attempt, node):
    with kit.refused(Forged, "signer") as caught:
        attempt(signers=[node])
    assert caught.value.field == "/by"
    with kit.refused(Malformed, "receipt_role"):
        attempt(_with("by", node.name), signers=[node])


def test_a_receipt_by_an_unknown_key_is_untrusted(kit, attempt):
    with kit.refused(Untrusted, "unknown_key"):
        attempt(_with("by", "E09000004/housing"), signers=[kit.Signer("E09000004/housing")])


def test_a_receipt_of_another_network_is_refused(kit, attempt, make, ring):
    with kit.refused(Forged, "net") as caught:
        attempt(net=b"\1" * 32)
    assert caught.value.field == "/net"
    with kit.refused(Forged, "net"):
        open_receipt(make(net=b"\1" * 32).note, net=kit.NET, keyring=ring)
    with kit.refused(Forged, "net"):
        attempt(net=b"")


@pytest.mark.parametrize("context", ["bx/1/message", "bx/1/receipts", "bx/1/section"])
def test_a_note_of_another_context_is_no_receipt(kit, attempt, context):
    with kit.refused(Forged, "note_context"):
        attempt(context=context)


def test_two_signers_are_refused(kit, attempt, police, node):
    with kit.refused(Malformed, "note_single"):
        attempt(signers=[police, node])


def test_another_message_gives_another_about_and_hash(make):
    one = make()
    for change in (
        {"env": b"\5" * 32},
        {"stmt": b"\5" * 32},
        {"mid": "cd" * 16},
        {"sender": "E09000033/node"},
    ):
        other = make(about=About(**{name: getattr(ABOUT, name) for name in ABOUT.__slots__} | change))
        assert other.about != one.about
        assert other.hash != one.hash


def test_a_flip_of_every_byte_and_every_truncation_are_refused(kit, make, ring):
    note = make(code="WRONG_AREA").note
    for at in range(len(note)):
        flipped = bytearray(note)
        flipped[at] ^= 1
        for bad in (bytes(flipped), note[:at]):
            with pytest.raises(Refused):
                open_receipt(bad, net=kit.NET, keyring=ring)


@pytest.mark.parametrize("name", FIELDS)
def test_a_missing_or_null_field_is_refused(kit, attempt, name):
    with kit.refused(Malformed, "field_missing") as caught:
        attempt(lambda body: body.pop(name))
    assert caught.value.field == f"/{name}"
    with kit.refused(Malformed, "field_type") as caught:
        attempt(_with(name, None))
    assert caught.value.field == f"/{name}"


def test_an_unknown_field_is_refused(kit, attempt):
    with kit.refused(Malformed, "field_unknown"):
        attempt(_with("remark", "words"))
    with kit.refused(Malformed, "field_unknown"):
        attempt(lambda body: body["about"].update(remark="words"))


def test_a_later_version_is_unsupported(kit, attempt):
    with kit.refused(Unsupported, "version"):
        attempt(lambda body: body.update(v=2, extra=1))


@pytest.mark.parametrize(
    ("name", "value", "code", "place"),
    [
        ("state", "invented", "field_value", "/state"),
        ("state", "opened\n", "field_value", "/state"),
        ("state", "OPENED", "field_value", "/state"),
        ("state", "", "field_value", "/state"),
        ("code", "a person's words", "field_value", "/code"),
        ("code", "WRONG_AREA\n", "field_value", "/code"),
        ("code", "_X", "field_value", "/code"),
        ("code", "C" * 65, "field_value", "/code"),
        ("at", -1, "field_value", "/at"),
        ("at", True, "field_type", "/at"),
        ("by", "E09000004", "field_value", "/by"),
        ("prev", "AQE=", "base64_size", "/prev"),
        ("reply", "AQE=", "base64_size", "/reply"),
        ("reply", None, "field_type", "/reply"),
        ("net", "AQE=", "base64_size", "/net"),
        ("parts", [2, 1], "field_value", "/parts"),
        ("parts", [1, 1], "field_value", "/parts"),
        ("parts", [-1], "field_value", "/parts"),
        ("parts", [64], "field_value", "/parts"),
        ("parts", [True], "field_value", "/parts"),
        ("parts", ["1"], "field_value", "/parts"),
        ("parts", [1, None], "field_value", "/parts"),
    ],
)
def test_a_field_without_its_form_is_refused(kit, attempt, name, value, code, place):
    with kit.refused(Malformed, code) as caught:
        attempt(_with(name, value))
    assert caught.value.field == place


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("env", "AQE=", "base64_size"),
        ("stmt", "AQE=", "base64_size"),
        ("env", 1, "field_type"),
        ("mid", "AB" * 16, "field_value"),
        ("from", "E09000012/police", "field_value"),
    ],
)
def test_about_has_a_form(kit, attempt, name, value, code):
    with kit.refused(Malformed, code) as caught:
        attempt(lambda body: body["about"].update({name: value}))
    assert caught.value.field == f"/about/{name}"


@pytest.mark.parametrize(
    ("terms", "place"),
    [
        ({"state": "invented"}, "/state"),
        ({"code": "two words"}, "/code"),
        ({"parts": [2, 1]}, "/parts"),
        ({"prev": b""}, "/prev"),
        ({"reply": b""}, "/reply"),
        ({"net": b""}, "/net"),
        ({"at": -1}, "/at"),
        ({"about": About(b"", "E09000012/node", "ab" * 16, bytes(32))}, "/about/env"),
    ],
)
def test_what_a_peer_would_refuse_is_not_signed(make, terms, place):
    with pytest.raises(Malformed) as caught:
        make(**terms)
    assert caught.value.field == place


@pytest.mark.parametrize("code", ["", "WRONG_AREA", "rekey", "C" * 64])
def test_codes_that_are_taken(make, code):
    assert make(code=code).code == code
