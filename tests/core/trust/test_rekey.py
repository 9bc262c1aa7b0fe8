"""A principal changes over to another identity key, with overlap or without (protocol 6)."""

from __future__ import annotations

import pytest

from gateway.core.directory import MAX_OVERLAP, open_card
from gateway.core.encoding import b64
from gateway.core.notes import open_note, sign_note
from gateway.core.suspension import make_suspension
from gateway.core.trust import Network
from gateway.errors import Forged, GatewayError, Malformed, UnknownRecipient, Untrusted

POLICE = "E09000004/police"
NEW = f"{POLICE}#2"
PLACE = "members/E09000004/principals/E09000004~police"


def refused(kind, code, work, *args, **more):
    with pytest.raises(GatewayError) as caught:
        work(*args, **more)
    assert (type(caught.value), caught.value.code) == (kind, code)
    return caught.value


def rekeyed(trust, *, until=None, key=None, revoked=(), version=8, **more):
    """A directory in which police has another key, and its old one retires in five days."""
    until = trust.NOW + 5 * trust.DAY if until is None else until

    def change(body):
        trust.put(f"{PLACE}/sign", b64(trust.key(NEW).public))(body)
        old = {"key": key or b64(trust.key(POLICE).public), "until": until}
        trust.put(f"{PLACE}/retiring", more.get("retiring", [old]))(body)
        body["version"] = version
        body["revoked"] = [
            {"key": b64(trust.key(name).public), "at": trust.NOW, "reason": "lost"} for name in revoked
        ]

    return trust.directory(change)


def signed(trust, name):
    return sign_note("bx/1/receipt", {"v": 1}, [trust.key(name)])


def accepts(trust, view, name, now):
    note, ring = signed(trust, name), view.keyring_at(now)
    if trust.key(name).public in ring(POLICE):
        return open_note(note, "bx/1/receipt", ring).signer == POLICE
    refused(Untrusted, "unknown_key", open_note, note, "bx/1/receipt", ring)
    return False


def newer_card(trust, subkey, version=4):
    def change(body):
        body.update(version=version, subkeys=[subkey])

    return trust.card(POLICE, change, by=[trust.key(NEW)])


def test_both_keys_count_until_the_overlap_is_over_and_then_the_new_one_alone(trust):
    view, end = trust.build(rekeyed(trust)), trust.NOW + 5 * trust.DAY
    trust.build().check_successor(view)
    for now in (trust.NOW, end - 1):
        assert accepts(trust, view, POLICE, now)
        assert accepts(trust, view, NEW, now)
    assert not accepts(trust, view, POLICE, end)
    assert accepts(trust, view, NEW, end)


def test_without_an_overlap_the_old_key_ends_with_the_directory(trust):
    def change(body):
        trust.put(f"{PLACE}/sign", b64(trust.key(NEW).public))(body)

    view = trust.build(trust.directory(change))
    assert not accepts(trust, view, POLICE, trust.NOW)
    assert accepts(trust, view, NEW, trust.NOW)


def test_revoking_the_old_key_ends_the_overlap_at_once(trust):
    view = trust.build(rekeyed(trust, revoked=[POLICE]))
    assert not accepts(trust, view, POLICE, trust.NOW)
    assert accepts(trust, view, NEW, trust.NOW)
    other = trust.build(rekeyed(trust, revoked=[NEW]))
    assert accepts(trust, other, POLICE, trust.NOW)
    assert not accepts(trust, other, NEW, trust.NOW)


def test_a_retiring_key_is_stopped_like_any_other(trust):
    note = make_suspension(
        trust.keepers[0], net=trust.net, key=trust.key(POLICE).public, created=trust.NOW,
        until=trust.NOW + 60, reason="lost",
    )  # fmt: skip
    view = Network.build([trust.first], rekeyed(trust), [trust.card()], now=trust.NOW, suspensions=[note])
    ring = view.keyring_at(trust.NOW)
    refused(Untrusted, "suspended", open_note, signed(trust, POLICE), "bx/1/receipt", ring)
    assert accepts(trust, view, NEW, trust.NOW)
    assert not view.suspended(POLICE, trust.NOW)
    refused(UnknownRecipient, "no_valid_key", view.sealing_key, POLICE, trust.NOW)
    assert view.sealing_key(POLICE, trust.NOW + 60)


def test_the_old_card_is_sealed_to_until_the_overlap_is_over(trust):
    view, end = trust.build(rekeyed(trust), [trust.card()]), trust.NOW + 5 * trust.DAY
    assert view.sealing_key(POLICE, end - 1)
    refused(UnknownRecipient, "no_valid_key", view.sealing_key, POLICE, end)
    late = trust.build(rekeyed(trust), [trust.card()], now=end)
    refused(UnknownRecipient, "no_valid_key", late.sealing_key, POLICE, end)


def test_a_card_by_the_new_key_goes_before_any_by_the_old_one(trust):
    fresh, stolen = trust.subkey("fresh"), trust.subkey("stolen")

    def outbids(body):
        body.update(version=2**50, subkeys=[stolen])

    old, new = trust.card(change=outbids), newer_card(trust, fresh)
    for cards in ([old, new], [new, old]):
        view = trust.build(rekeyed(trust), cards)
        assert b64(view.sealing_key(POLICE, trust.NOW)) == fresh["pk"]
    assert b64(trust.build(rekeyed(trust), [old]).sealing_key(POLICE, trust.NOW)) == stolen["pk"]


def test_two_cards_of_one_version_are_a_lie_of_one_key_only(trust):
    one, two = trust.subkey("one"), trust.subkey("two")
    by_old = trust.card()
    assert trust.build(rekeyed(trust), [by_old, newer_card(trust, one, version=3)])
    cards = [newer_card(trust, one), newer_card(trust, two)]
    refused(Forged, "card_equivocation", trust.build, rekeyed(trust), cards)


def test_a_card_tells_which_key_signed_it(trust):
    ring = trust.build(rekeyed(trust)).keyring_at(trust.NOW)
    card = open_card(trust.card(), net=trust.net, min_suite=2, keyring=ring)
    assert card.by == trust.key(POLICE).public


def test_thirty_days_from_the_directory_and_not_a_second_more(trust):
    created = trust.NOW - trust.DAY
    assert MAX_OVERLAP == 30 * trust.DAY
    trust.build(rekeyed(trust, until=created + 30 * trust.DAY))
    late = rekeyed(trust, until=created + 30 * trust.DAY + 1)
    refused(Malformed, "retiring_life", trust.build, late)


def test_a_retiring_key_stands_nowhere_else(trust):
    for name in (NEW, "E09000012/police", "E09000012/node#log", "dir-1", "root-3"):
        twice = rekeyed(trust, key=b64(trust.key(name).public))
        refused(Malformed, "key_twice", trust.build, twice)


def test_the_form_of_the_entry(trust):
    old = {"key": b64(trust.key(POLICE).public), "until": trust.NOW}
    other = {"key": b64(trust.key("x").public), "until": trust.NOW}
    trust.build(rekeyed(trust, retiring=[old]))
    for retiring, code in (
        ([], "field_value"),
        ([old, other], "field_value"),
        ([old | {"why": "x"}], "field_unknown"),
        ([{"key": old["key"]}], "field_missing"),
        ([old | {"key": b64(bytes(32))}], "weak_key"),
        (old, "field_type"),
    ):
        error = refused(Malformed, code, trust.build, rekeyed(trust, retiring=retiring))
        assert error.field.startswith("/members/E09000004/principals/E09000004~1police")


def test_evidence_of_the_day_counts_the_retiring_key(trust):
    view = trust.build(rekeyed(trust), now=trust.NOW + 9 * trust.DAY)
    assert open_note(signed(trust, POLICE), "bx/1/receipt", view.keyring).signer == POLICE
    past = trust.build(rekeyed(trust, until=trust.NOW - trust.DAY))
    refused(Untrusted, "unknown_key", open_note, signed(trust, POLICE), "bx/1/receipt", past.keyring)
