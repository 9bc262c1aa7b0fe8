"""The signed statement: each field, each binding, and time (protocol 4.3; attacks 34-41, 47-52)."""

from __future__ import annotations

import base64
import hashlib
import json

import pytest

from gateway.core.envelope import MAX_LIFE, SKEW, open_statement, split
from gateway.core.statement import read_alone
from gateway.errors import Expired, Forged, Malformed, Unsupported, Untrusted

FIELDS = ["created", "dir", "expires", "from", "head", "mid", "net", "parts", "prev", "seen", "seq", "slots"]
FIELDS += ["stream", "to", "v"]
OTHER_HASH = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="


@pytest.fixture(scope="module")
def node(kit):
    return kit.Opener("E09000004/node")


@pytest.fixture(scope="module")
def hackney(kit):
    return kit.Signer("E09000012/node")


@pytest.fixture
def attempt(kit, node, hackney):
    """Seal with a forger's changes, then open as Bexley's node; gives the statement."""

    def _attempt(*, now=None, ring=None, net=kit.NET, signer=hackney, **changes):
        envelope = kit.Forger(signer, **changes).seal(
            [(node.principal, node.publics()[0], {1})], [b"routing"]
        )
        return open_statement(
            split(envelope),
            net=net,
            opener=node,
            area=kit.BEXLEY,
            keyring=ring
            or kit.keyring(hackney, kit.Signer("E09000012/police"), kit.Signer("E09000033/node")),
            now=kit.NOW if now is None else now,
        )[0]

    return _attempt


def _with(name, value):
    def change(body):
        assert name in body
        body[name] = value

    return change


def test_nothing_changed_is_accepted(attempt, hackney):
    assert attempt().sender == hackney.name


@pytest.mark.parametrize("name", FIELDS)
def test_a_missing_field_is_refused(kit, attempt, name):
    with kit.refused(Malformed, "field_missing") as caught:
        attempt(change=lambda body: body.pop(name))
    assert caught.value.field == f"/{name}"


@pytest.mark.parametrize("value", [None, True, "", "1", [], {}, -1], ids=repr)
@pytest.mark.parametrize("name", FIELDS[:-1])
def test_a_field_of_another_type_or_form_is_refused(kit, attempt, name, value):
    with pytest.raises(Malformed) as caught:
        attempt(change=_with(name, value))
    assert caught.value.field.startswith(f"/{name}")


@pytest.mark.parametrize("value", [True, "1", [1], {}], ids=repr)
def test_a_version_that_is_no_number_is_refused(kit, attempt, value):
    with kit.refused(Malformed, "field_type"):
        attempt(change=_with("v", value))


@pytest.mark.parametrize("name", FIELDS)
def test_null_is_a_wrong_type(kit, attempt, name):
    with kit.refused(Malformed, "field_type"):
        attempt(change=_with(name, None))


def test_an_unknown_field_is_refused(kit, attempt):
    with kit.refused(Malformed, "field_unknown"):
        attempt(change=lambda body: body.update(canary=1))
    with kit.refused(Malformed, "field_unknown"):
        attempt(change=lambda body: body["seen"].update(canary=1))


def test_a_later_version_is_unsupported_whatever_else_it_holds(kit, attempt):
    with kit.refused(Unsupported, "version"):
        attempt(change=lambda body: body.update(v=2, extra=1))


@pytest.mark.parametrize(
    ("name", "value", "code", "place"),
    [
        ("from", "E09000012", "field_value", "/from"),
        ("from", "E09000012/police", "field_value", "/from"),
        ("from", "E09000012/node\n", "field_value", "/from"),
        ("mid", "AB" * 16, "field_value", "/mid"),
        ("mid", "ab" * 15, "field_value", "/mid"),
        ("stream", "AB" * 16, "field_value", "/stream"),
        ("seq", 0, "field_value", "/seq"),
        ("prev", "AQE=", "base64_size", "/prev"),
        ("seen", {"seq": 1, "stream": ""}, "field_value", "/seen/stream"),
        ("seen", {"seq": -1, "stream": "ab" * 16}, "field_value", "/seen/seq"),
        ("seen", {"seq": 0}, "field_missing", "/seen/stream"),
        ("seen", {"seq": True, "stream": ""}, "field_type", "/seen/seq"),
        ("seen", {"seq": 0, "stream": "xy"}, "field_value", "/seen/stream"),
        ("to", [OTHER_HASH], "field_value", "/to"),
        ("to", [OTHER_HASH] * 3, "field_value", "/to"),
        ("to", [OTHER_HASH, 1], "field_type", "/to/1"),
        ("parts", [], "field_value", "/parts"),
        ("parts", [OTHER_HASH] * 2, "field_value", "/parts"),
        ("head", OTHER_HASH.rstrip("="), "base64", "/head"),
        ("net", OTHER_HASH.replace("A", "-"), "base64", "/net"),
    ],
)
def test_a_field_without_its_form_is_refused(kit, attempt, name, value, code, place):
    with kit.refused(Malformed, code) as caught:
        attempt(change=_with(name, value))
    assert caught.value.field == place


def test_seen_may_name_a_stream_of_which_nothing_is_whole_yet(attempt):
    seen = attempt(change=_with("seen", {"seq": 0, "stream": "cd" * 16})).seen
    assert (seen.stream, seen.seq) == ("cd" * 16, 0)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("head", OTHER_HASH, "head"),
        ("net", OTHER_HASH, "net"),
        ("slots", OTHER_HASH, "slots"),
        ("mid", "cd" * 16, "mid"),
        ("expires", 1_800_000_000 + MAX_LIFE - 1, "expires"),
        ("parts", [OTHER_HASH], "part_hash"),
        ("to", [OTHER_HASH] * 2, "recipient"),
    ],
)
def test_a_binding_that_does_not_hold_is_refused(kit, attempt, name, value, code):
    with kit.refused(Forged, code) as caught:
        attempt(change=_with(name, value))
    assert caught.value.field.startswith(f"/{name}")


@pytest.mark.parametrize(
    ("error", "code", "shift"),
    [
        (None, "", -SKEW),
        (Expired, "future", -SKEW - 1),
        (None, "", -119),
        (Expired, "future", -121),
        (None, "", MAX_LIFE + 119),
        (Expired, "expired", MAX_LIFE + SKEW),
        (Expired, "expired", MAX_LIFE + 121),
    ],
)
def test_time_is_given_the_skew_and_no_more(kit, attempt, error, code, shift):
    if error is None:
        assert attempt(now=kit.NOW + shift)
        return
    with kit.refused(error, code):
        attempt(now=kit.NOW + shift)


@pytest.mark.parametrize("life", [0, -1, MAX_LIFE + 1, 10 * MAX_LIFE])
def test_a_life_beyond_three_days_or_none_is_refused(kit, attempt, life):
    with kit.refused(Expired, "life") as caught:
        attempt(life=life)
    assert caught.value.field == "/expires"


@pytest.mark.parametrize("life", [1, MAX_LIFE])
def test_a_life_within_three_days_is_accepted(attempt, kit, life):
    assert attempt(life=life).expires == kit.NOW + life


@pytest.mark.parametrize("context", ["bx/1/receipts", "bx/1/control", "bx/1/receipt", "bx/1/directory"])
def test_a_statement_of_another_context_is_refused(kit, attempt, context):
    with kit.refused(Forged, "note_context"):
        attempt(context=context)


@pytest.mark.parametrize("kind", [2, 3])
def test_a_message_statement_under_another_kind_is_refused(kit, attempt, kind):
    with kit.refused(Forged, "note_context"):
        attempt(kind=kind)


def test_signed_by_a_member_in_another_members_name(kit, attempt):
    with kit.refused(Forged, "signer") as caught:
        attempt(signer=kit.Signer("E09000033/node"), change=_with("from", "E09000012/node"))
    assert caught.value.field == "/from"


def test_an_agency_cannot_send(kit, attempt):
    with kit.refused(Malformed, "field_value") as caught:
        attempt(signer=kit.Signer("E09000012/police"))
    assert caught.value.field == "/from"


def test_an_agency_cannot_send_as_its_node(kit, attempt):
    with kit.refused(Forged, "signer"):
        attempt(signer=kit.Signer("E09000012/police"), change=_with("from", "E09000012/node"))


def test_an_unknown_or_revoked_sender_is_untrusted(kit, attempt):
    with kit.refused(Untrusted, "unknown_key"):
        attempt(ring=lambda name: [])


def test_two_signature_lines_are_refused_even_if_both_are_good(kit, attempt, hackney):
    second = kit.Signer("E09000033/node")
    with kit.refused(Malformed, "note_single"):
        attempt(make_note=lambda context, body: kit.note(context, body, hackney, second))


def test_the_signature_is_checked_before_any_binding(kit, attempt, hackney):
    def break_it(context, body):
        return kit.note(context, body, hackney).replace(b'"dir":7', b'"dir":8')

    with kit.refused(Forged, "signature"):
        attempt(make_note=break_it, now=0)


def test_bindings_are_checked_before_time(kit, attempt):
    with kit.refused(Forged, "slots"):
        attempt(change=_with("slots", OTHER_HASH), now=0)


# --- Without its envelope -------------------------------------------------------------------------------


@pytest.fixture
def alone(kit, attempt, hackney):
    """The statement of a good envelope, changed, signed again and read by itself; beside it the whole one."""
    whole = attempt()

    def _alone(change=lambda body: None, *, context="bx/1/message", signers=(hackney,), net=kit.NET):
        body = json.loads(whole.note.split(b"\n")[1])
        change(body)
        ring = kit.keyring(hackney, kit.Signer("E09000033/node"))
        return read_alone(kit.note(context, body, *signers), net=net, keyring=ring)

    return _alone, whole


@pytest.mark.parametrize(
    ("context", "kind"), [("bx/1/message", 1), ("bx/1/receipts", 2), ("bx/1/control", 3)]
)
def test_a_statement_alone_says_what_it_says_with_its_envelope(alone, hackney, context, kind):
    read, whole = alone
    statement, head = read(context=context)
    assert (statement.kind, statement.sender) == (kind, hackney.name)
    assert base64.b64encode(head).decode() == json.loads(whole.note.split(b"\n")[1])["head"]
    for name in ("stream", "seq", "prev", "seen", "created", "expires", "directory", "mid", "to", "parts"):
        assert getattr(statement, name) == getattr(whole, name)
    assert statement.hash == hashlib.sha256(statement.note[: statement.note.rindex(b"\n\n") + 1]).digest()


@pytest.mark.parametrize("context", ["bx/1/receipt", "bx/1/messages", "bx/1/keycard", "é"])
def test_a_note_of_another_kind_is_no_statement(kit, alone, context):
    read, _ = alone
    with kit.refused(Malformed, "note_context"):
        read(context=context)


@pytest.mark.parametrize("name", FIELDS)
def test_a_statement_alone_has_every_field(kit, alone, name):
    read, _ = alone
    with kit.refused(Malformed, "field_missing") as caught:
        read(lambda body: body.pop(name))
    assert caught.value.field == f"/{name}"


@pytest.mark.parametrize(
    ("name", "value", "error", "code", "place"),
    [
        ("v", 2, Unsupported, "version", "/v"),
        ("canary", 1, Malformed, "field_unknown", ""),
        ("from", "E09000033/node", Forged, "signer", "/from"),
        ("net", OTHER_HASH, Forged, "net", "/net"),
        ("net", "AQE=", Malformed, "base64_size", "/net"),
        ("head", "AQE=", Malformed, "base64_size", "/head"),
        ("to", "", Malformed, "field_type", "/to"),
        ("to", ["AQE="], Malformed, "base64_size", "/to/0"),
        ("parts", [1], Malformed, "field_type", "/parts/0"),
        ("expires", 0, Expired, "life", "/expires"),
    ],
)
def test_a_statement_alone_is_held_to_its_form(kit, alone, name, value, error, code, place):
    read, _ = alone
    with kit.refused(error, code) as caught:
        read(lambda body: body.update({name: value}))
    assert caught.value.field == place


def test_a_statement_alone_has_one_known_signer_of_this_network(kit, alone, hackney):
    read, _ = alone
    with kit.refused(Untrusted, "unknown_key"):
        read(signers=[kit.Signer("E09000001/node")])
    with kit.refused(Malformed, "note_single"):
        read(signers=[hackney, kit.Signer("E09000033/node")])
    with kit.refused(Forged, "net"):
        read(net=bytes(32))
