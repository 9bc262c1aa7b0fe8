"""The view: key cards, who is found, what may replace it (protocol 6; cases 89-90, 96, 103)."""

from __future__ import annotations

import hashlib
import time

import pytest

from gateway.core import kem
from gateway.core.directory import open_card
from gateway.core.encoding import b64, unb64
from gateway.core.keys import fingerprint
from gateway.core.notes import open_note, sign_note
from gateway.core.root import network_id
from gateway.core.trust import Network
from gateway.errors import (
    Expired,
    Forged,
    GatewayError,
    Malformed,
    Misconfigured,
    UnknownRecipient,
    Unsupported,
    Untrusted,
)

HACKNEY, BEXLEY = "E09000012", "E09000004"
POLICE = f"{BEXLEY}/police"


def raises(kind, code, call, *args, **more):
    with pytest.raises(GatewayError) as caught:
        call(*args, **more)
    assert (type(caught.value), caught.value.code) == (kind, code)
    return caught.value


# --- key cards --------------------------------------------------------------------------------------


def test_sealing_takes_the_newest_valid_subkey(trust):
    network = trust.build(cards=[trust.card()])
    new, old = (unb64(trust.subkey(f"{POLICE} {which}")["pk"]) for which in ("new", "old"))
    assert network.sealing_key(POLICE, trust.NOW) == new
    assert network.sealing_key(POLICE, trust.NOW - 2 * trust.DAY) == old
    assert network.sealing_key(POLICE, trust.NOW - trust.DAY) == new
    assert network.sealing_key(POLICE, trust.NOW + 13 * trust.DAY - 1) == new


@pytest.mark.parametrize("days", [13, -9])
def test_an_expired_or_future_card_matters_only_when_sealing(trust, days):
    network = trust.build(cards=[trust.card()])
    error = raises(
        UnknownRecipient, "no_valid_key", network.sealing_key, POLICE, trust.NOW + days * trust.DAY
    )
    assert error.remedy
    assert network.principal(POLICE).name == POLICE


def test_a_missing_card_matters_only_when_sealing(trust):
    network = trust.build()
    raises(UnknownRecipient, "no_valid_key", network.sealing_key, POLICE, trust.NOW)
    raises(UnknownRecipient, "unknown_principal", network.sealing_key, f"{BEXLEY}/nobody", trust.NOW)


def test_the_highest_version_wins_in_any_order(trust):
    newer = trust.card(change=lambda body: body.update(version=4, subkeys=[trust.subkey("fresh")]))
    fresh = unb64(trust.subkey("fresh")["pk"])
    for cards in ([trust.card(), newer], [newer, trust.card()], [newer, newer]):
        assert trust.build(cards=cards).sealing_key(POLICE, trust.NOW) == fresh


def test_two_cards_of_one_version_are_refused(trust):
    other = trust.card(change=trust.put("subkeys", [trust.subkey("other")]))
    raises(Forged, "card_equivocation", trust.build, cards=[trust.card(), other])


@pytest.mark.parametrize(
    ("path", "value", "kind", "code"),
    [
        ("v", 2, None, ""),  # of a later release: left aside, not fatal
        ("extra", 1, Malformed, "field_unknown"),
        ("net", b64(bytes(32)), Forged, "card_net"),
        ("version", 0, Malformed, "field_value"),
        ("principal", f"{HACKNEY}/police", Forged, "card_principal"),
        ("principal", "police", Malformed, "field_value"),
        ("subkeys", [], Malformed, "field_value"),
        ("subkeys", {}, Malformed, "field_type"),
        ("subkeys/0/suite", 0, Malformed, "field_value"),
        ("subkeys/0/suite", 256, Malformed, "field_value"),
        ("subkeys/0/extra", 1, Malformed, "field_unknown"),
        ("subkeys/0/pk", b64(bytes(1215)), Malformed, "base64_size"),
        ("subkeys/0/pk", b64(b"\xff" * 1216), Malformed, "kem_public"),
        ("subkeys/0/until", 1, Malformed, "subkey_time"),
        ("subkeys/0/from", -1, Malformed, "field_value"),
    ],
)
def test_each_field_of_a_card(trust, path, value, kind, code):
    card = trust.card(change=trust.put(path, value))
    if kind is None:
        raises(UnknownRecipient, "no_valid_key", trust.build(cards=[card]).sealing_key, POLICE, trust.NOW)
    else:
        raises(kind, code, trust.build, cards=[card])


@pytest.mark.parametrize("field", ["suite", "pk", "from", "until"])
def test_each_missing_field_of_a_subkey_is_named(trust, field):
    error = raises(
        Malformed, "field_missing", trust.build, cards=[trust.card(change=trust.drop(f"subkeys/1/{field}"))]
    )
    assert error.field == f"/subkeys/1/{field}"


@pytest.mark.parametrize("point", [bytes(32), b"\x01" + bytes(31), b"\xff" * 31 + b"\x7f"])
def test_a_low_order_x25519_half_is_refused_when_the_card_is_loaded(trust, point):
    good = unb64(trust.subkey("x")["pk"])
    weak = b64(good[:-32] + point)
    if point == b"\xff" * 31 + b"\x7f":
        point = (2**255 - 19).to_bytes(32, "little")  # zero, spelt without reduction
        weak = b64(good[:-32] + point)
    raises(
        Malformed, "kem_low_order", trust.build, cards=[trust.card(change=trust.put("subkeys/1/pk", weak))]
    )


def test_seventeen_subkeys_are_refused_and_sixteen_are_not(trust):
    keys = [trust.subkey(f"many {number}") for number in range(17)]
    trust.build(cards=[trust.card(change=trust.put("subkeys", keys[:16]))])
    raises(Malformed, "field_value", trust.build, cards=[trust.card(change=trust.put("subkeys", keys))])


def test_one_subkey_twice_is_refused(trust):
    card = trust.card(change=trust.put("subkeys", [trust.subkey("a"), trust.subkey("a", trust.NOW - 1)]))
    raises(Malformed, "key_twice", trust.build, cards=[card])


def test_a_subkey_of_a_later_suite_is_left_out(trust):
    card = trust.card(
        change=trust.put("subkeys/0", {"suite": 3, "pk": "AAAA", "from": 1, "until": trust.NOW * 2})
    )
    old = unb64(trust.subkey(f"{POLICE} old")["pk"])
    assert trust.build(cards=[card]).sealing_key(POLICE, trust.NOW) == old


def test_a_subkey_below_min_suite_is_never_sealed_to(trust):
    card = trust.card(change=trust.put("subkeys/1/suite", 1))
    network = trust.build(cards=[card])
    raises(UnknownRecipient, "no_valid_key", network.sealing_key, POLICE, trust.NOW)


def test_a_card_is_its_principals_alone(trust):
    node, mine = trust.key(f"{BEXLEY}/node"), trust.key(POLICE)
    raises(Forged, "card_principal", trust.build, cards=[trust.card(by=[node])])
    raises(Malformed, "note_single", trust.build, cards=[trust.card(by=[mine, node])])
    raises(Forged, "note_context", trust.build, cards=[trust.card(context="bx/1/receipt")])


@pytest.mark.parametrize("signer", [f"{POLICE}#2", "E09000033/police"])
def test_a_card_that_the_directory_left_behind_is_not_used(trust, signer):
    # An identity key was replaced, or the area has left: its stored cards must not stop the node.
    network = trust.build(cards=[trust.card(by=[trust.key(signer)]), trust.card(f"{BEXLEY}/node")])
    raises(UnknownRecipient, "no_valid_key", network.sealing_key, POLICE, trust.NOW)
    network.sealing_key(f"{BEXLEY}/node", trust.NOW)


def test_the_card_of_a_revoked_key_is_not_used(trust):
    public = b64(trust.key(POLICE).public)
    revoke = trust.put("revoked", [{"key": public, "at": trust.NOW, "reason": "lost"}])
    network = trust.build(trust.directory(revoke), [trust.card()])
    raises(UnknownRecipient, "no_valid_key", network.sealing_key, POLICE, trust.NOW)


def test_every_byte_of_a_card_counts(trust):
    card = trust.card()
    for at in range(0, len(card), 37):
        changed = bytearray(card)
        changed[at] ^= 1
        try:
            network = trust.build(cards=[bytes(changed)])
        except (Forged, Malformed):
            continue
        raises(UnknownRecipient, "no_valid_key", network.sealing_key, POLICE, trust.NOW)


def test_a_key_of_the_card_opens_what_is_sealed_to_it(trust):
    secret, ciphertext = kem.encapsulate(trust.build(cards=[trust.card()]).sealing_key(POLICE, trust.NOW))
    assert kem.decapsulate(hashlib.sha256(f"kem {POLICE} new".encode()).digest(), ciphertext) == secret


# --- who is who -------------------------------------------------------------------------------------


def test_agencies_are_sorted_and_without_the_node(trust):
    names = [principal.name for principal in trust.build().agencies(BEXLEY)]
    assert names == [f"{BEXLEY}/police", f"{BEXLEY}/safer", f"{BEXLEY}/st_giles"]


def test_find(trust):
    network = trust.build()
    assert network.find(BEXLEY, "POLICE").name == POLICE
    for spelt in ("St Giles", "st giles"):
        assert network.find(BEXLEY, "VOLUNTARY_SECTOR", spelt).name == f"{BEXLEY}/st_giles"


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ((BEXLEY, "DWP"), "unknown_agency"),
        ((BEXLEY, "NODE"), "unknown_agency"),
        ((BEXLEY, "VOLUNTARY_SECTOR", "Nobody"), "unknown_agency"),
        ((BEXLEY, "VOLUNTARY_SECTOR", ""), "unknown_agency"),
        ((BEXLEY, "POLICE", "St Giles"), "unknown_agency"),
        ((BEXLEY, "VOLUNTARY_SECTOR"), "ambiguous_agency"),
        (("E09000033", "POLICE"), "unknown_area"),
    ],
)
def test_a_recipient_is_never_guessed(trust, wanted, code):
    assert raises(UnknownRecipient, code, trust.build().find, *wanted).remedy


def test_unknown_names(trust):
    network = trust.build()
    raises(UnknownRecipient, "unknown_principal", network.principal, f"{BEXLEY}/dwp")
    raises(UnknownRecipient, "unknown_area", network.node, "E09000033")
    raises(UnknownRecipient, "unknown_area", network.agencies, "E09000033")
    assert list(network.keyring("E09000033/node")) == []


def test_the_keyring_holds_identity_keys_only(trust):
    network = trust.build()
    name = f"{BEXLEY}/node"
    assert list(network.keyring(name)) == [trust.key(name).public]
    note = sign_note("bx/1/receipt", {"v": 1}, [trust.key(f"{name}#log")])
    raises(Untrusted, "unknown_key", open_note, note, "bx/1/receipt", network.keyring)


# --- the view as a whole ----------------------------------------------------------------------------


def test_the_fingerprint_is_of_the_network(trust):
    network = trust.build(expect=fingerprint(trust.net))
    assert network.fingerprint == fingerprint(trust.net)
    assert (network.env, network.net) == ("prod", trust.net)
    raises(Untrusted, "fingerprint", trust.build, expect="aaaa-bbbb")


def test_an_expired_directory_opens_but_does_not_send(trust):
    end = trust.NOW + 20 * trust.DAY
    network = trust.build(now=end)
    network.check_sendable(end - 1)
    assert raises(Expired, "directory_expired", network.check_sendable, end).remedy
    assert network.keyring(POLICE)


def test_an_expired_root_stops_sending_too(trust):
    root = trust.root(trust.put("expires", trust.NOW + 5))
    directory = trust.directory(trust.put("net", b64(network_id(root))))
    network = trust.build(directory, roots=[root])
    assert network.expires == trust.NOW + 5
    raises(Expired, "root_expired", network.check_sendable, trust.NOW + 5)


def test_an_operator_is_warned_a_fortnight_before(trust):
    network, warn = trust.build(), trust.NOW + 6 * trust.DAY
    assert not network.expires_soon(warn - 1)
    assert network.expires_soon(warn)


def test_the_environment_must_be_the_configured_one(trust):
    network = trust.build()
    network.require_env("prod")
    assert raises(Misconfigured, "network_env", network.require_env, "demo").remedy


def test_a_demo_network_is_refused_by_production(trust):
    root = trust.root(trust.put("env", "demo"))
    directory = trust.directory(trust.put("net", b64(network_id(root))))
    raises(Misconfigured, "network_env", trust.build(directory, roots=[root]).require_env, "prod")


def test_another_networks_directory_is_refused(trust):
    other = trust.root(trust.put("created", trust.NOW - 9 * trust.DAY))
    raises(Forged, "directory_net", trust.build, roots=[other])


def version(trust, number):
    return trust.build(trust.directory(trust.put("version", number)))


def test_what_may_follow(trust):
    old = trust.build()
    old.check_successor(trust.build())
    old.check_successor(version(trust, 8))
    old.check_successor(version(trust, 7 + 10_000))


def test_what_may_not_follow(trust):
    old = trust.build()
    raises(Untrusted, "directory_rollback", old.check_successor, version(trust, 6))
    raises(Untrusted, "directory_jump", old.check_successor, version(trust, 7 + 10_001))
    other = trust.build(trust.directory(trust.put("expires", trust.NOW + 1)))
    raises(Forged, "directory_equivocation", old.check_successor, other)


def test_roots_do_not_go_back_or_fork(trust):
    second = trust.root(version=2)
    forked = trust.root(trust.put("expires", trust.NOW + 50 * trust.DAY), version=2)
    newer = trust.build(roots=[trust.first, second])
    trust.build().check_successor(newer)
    raises(Untrusted, "root_rollback", newer.check_successor, trust.build())
    raises(Forged, "root_equivocation", newer.check_successor, trust.build(roots=[trust.first, forked]))


def test_another_network_does_not_follow(trust):
    root = trust.root(trust.put("created", trust.NOW - 9 * trust.DAY))
    directory = trust.directory(trust.put("net", b64(network_id(root))))
    other = trust.build(directory, roots=[root])
    raises(Untrusted, "other_network", trust.build().check_successor, other)


def test_more_signatures_are_the_same_document(trust):
    stranger = trust.key("stranger")
    trust.build().check_successor(trust.build(trust.directory(by=[*trust.keepers, stranger])))


def test_a_view_cannot_be_changed(trust):
    network = trust.build()
    for mapping in (network.areas, network.entitlements, network.directory.principals, network.cards):
        with pytest.raises(TypeError):
            mapping["x"] = "y"
    with pytest.raises(AttributeError):
        network.cards = {}


def test_the_repr_is_short(trust):
    assert len(repr(trust.build(cards=[trust.card()]))) < 200


def test_building_is_quick(trust):
    """All of London with its cards in well under a second: measured in processor time of this process."""

    def london(body):
        for number in range(1, 34):
            code = f"E090{number:05d}"
            roles = [f"role{n}" for n in range(7)]
            listed = {f"{code}/{r}": trust.entry(f"{code}/{r}", "HOUSING") for r in roles}
            listed[f"{code}/node"] = trust.entry(f"{code}/node", "NODE")
            body["members"][code] = {"name": "Area", "principals": listed}

    note = trust.directory(london)
    names = [f"E090{number:05d}/role0" for number in range(1, 34)]
    cards = [trust.card(name) for name in names]
    started = time.process_time()
    network = Network.build([trust.first], note, cards, now=trust.NOW)
    assert time.process_time() - started < 2
    assert len(network.cards) == 33


def test_unsupported_is_what_open_card_says_of_a_weaker_suite(trust):
    network = trust.build()
    card = trust.card(change=trust.put("subkeys/1/suite", 1))
    raises(Unsupported, "card_suite", open_card, card, net=trust.net, min_suite=2, keyring=network.keyring)
    later = trust.card(change=trust.put("v", 2))
    raises(Unsupported, "version", open_card, later, net=trust.net, min_suite=2, keyring=network.keyring)
