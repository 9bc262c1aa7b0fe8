"""The ceremony from init to join, and that nobody signs what would be refused (protocol 6; case 102)."""

from __future__ import annotations

import json

import pytest

from gateway.core.ceremony import (
    Bundle,
    Member,
    Roles,
    add_member,
    cosign,
    directory_body,
    empty_directory,
    make_card,
    make_directory,
    make_request,
    make_root,
    open_request,
    pack,
    unpack,
)
from gateway.core.encoding import b64, encode
from gateway.core.keys import IdentityKey, KemKey, fingerprint
from gateway.core.notes import sign_note, text_hash
from gateway.core.root import network_id
from gateway.core.trust import Network
from gateway.errors import Expired, Forged, GatewayError, Malformed, Unsupported, Untrusted

HACKNEY = "E09000012"
GROUPS = {"orders": ["PROBATION", "POLICE", "POLICE"]}


def raises(kind, code, call, *args, **more):
    with pytest.raises(GatewayError) as caught:
        call(*args, **more)
    assert (type(caught.value), caught.value.code) == (kind, code)
    return caught.value


@pytest.fixture
def roles(trust):
    publics = [{key.name: key.public for key in keys} for keys in (trust.roots, trust.keepers)]
    return Roles(publics[0], 2, publics[1], 2)


@pytest.fixture
def root(trust, roles):
    one, two, _ = trust.roots
    dates = {"created": trust.NOW - 5, "expires": trust.NOW + 300 * trust.DAY}
    return cosign(make_root("prod", roles, **dates, signers=[one]), two)


@pytest.fixture
def members(trust):
    node = f"{HACKNEY}/node"
    police = f"{HACKNEY}/police"
    giles = f"{HACKNEY}/st_giles"
    return [
        Member(node, "NODE", trust.key(node), trust.key(f"{node}#log")),
        Member(police, "POLICE", trust.key(police), hosted=False),
        Member(giles, "VOLUNTARY_SECTOR", trust.key(giles), organisation="St Giles"),
    ]


@pytest.fixture
def request_data(members):
    return make_request(HACKNEY, "Hackney", members, [])


def test_the_whole_way(trust, root, members, request_data):
    now, (one, two) = trust.NOW, trust.keepers
    request = open_request(request_data)
    body = add_member(empty_directory(root, GROUPS), request)
    directory = cosign(make_directory(body, now=now, signers=[one]), two)
    key = KemKey.generate(now, now + 1000)
    card = make_card(members[1].signer, [key], net=network_id(root), version=1)
    bundle = unpack(pack(Bundle([root], directory, [card])))
    network = Network.build(
        bundle.roots, bundle.directory, bundle.cards, now=now, expect=fingerprint(network_id(root))
    )
    assert (network.version, network.expires) == (1, now + 30 * trust.DAY)
    assert network.sealing_key(f"{HACKNEY}/police", now) == key.public
    assert network.find(HACKNEY, "VOLUNTARY_SECTOR", "St Giles").hosted
    assert not network.find(HACKNEY, "POLICE").hosted
    assert network.entitlements == {"orders": {"POLICE", "PROBATION"}}
    later = make_directory(directory_body(directory), now=now + 9, signers=[one, two])
    network.check_successor(Network.build([root], later, [], now=now + 9))


def test_one_signature_is_not_enough_until_the_second_has_signed(trust, root, request_data):
    body = add_member(empty_directory(root, {}), open_request(request_data))
    draft = make_directory(body, now=trust.NOW, signers=trust.keepers[:1])
    raises(Untrusted, "directory_threshold", Network.build, [root], draft, [], now=trust.NOW)
    Network.build([root], cosign(draft, trust.keepers[1]), [], now=trust.NOW)


# --- requests ---------------------------------------------------------------------------------------


def test_the_fingerprint_is_the_same_at_both_ends(trust, members, request_data):
    note = json.loads(request_data)["request"][0].encode()
    assert open_request(request_data).fingerprint == fingerprint(text_hash(note))
    assert make_request(HACKNEY, "Hackney", members, []) == request_data
    other = make_request(HACKNEY, "Hackney Wick", members, [])
    assert open_request(other).fingerprint != open_request(request_data).fingerprint


def test_a_request_of_many_keys_is_several_notes_of_one_text(trust, members):
    many = [
        Member(f"{HACKNEY}/role{n}", "HOUSING", trust.key(f"{HACKNEY}/role{n}"), organisation=f"Number {n}")
        for n in range(20)
    ]
    data = make_request(HACKNEY, "Hackney", members + many, [])
    assert len(json.loads(data)["request"]) == 2
    assert len(open_request(data).principals) == 23


def resigned(trust, data, change, signers):
    body = json.loads(json.loads(data)["request"][0].splitlines()[1])
    change(body)
    return encode({"request": [sign_note("bx/1/request", body, signers).decode()]})


def keys_of(members):
    return [key for member in members for key in (member.signer, member.log) if key is not None]


def test_every_key_must_sign_under_its_own_name(trust, members, request_data):
    signers = keys_of(members)
    assert open_request(resigned(trust, request_data, lambda _: None, signers))
    for missing in range(len(signers)):
        some = signers[:missing] + signers[missing + 1 :]
        data = resigned(trust, request_data, lambda _: None, some)
        raises(Untrusted, "request_unsigned", open_request, data)


def test_a_key_listed_twice_signs_twice(trust, members, request_data):
    def alias(body):
        body["principals"][f"{HACKNEY}/police"]["sign"] = b64(members[2].signer.public)

    signers = [key for key in keys_of(members) if key.name != f"{HACKNEY}/police"]
    raises(Untrusted, "request_unsigned", open_request, resigned(trust, request_data, alias, signers))


def test_somebody_elses_key_cannot_be_listed(trust, members, request_data):
    def steal(body):
        body["principals"][f"{HACKNEY}/police"]["sign"] = b64(trust.key("E09000004/police").public)

    data = resigned(trust, request_data, steal, keys_of(members))
    raises(Untrusted, "request_unsigned", open_request, data)


@pytest.mark.parametrize(
    ("path", "value", "kind", "code"),
    [
        ("v", 2, Unsupported, "version"),
        ("area", "hackney", Malformed, "field_value"),
        ("area", "E09000004", Malformed, "foreign_principal"),
        ("name", "Hack\u202eney", Malformed, "field_value"),
        ("extra", 1, Malformed, "field_unknown"),
        ("principals", {}, Malformed, "request_form"),
        ("principals/E09000004~police", {}, Malformed, "foreign_principal"),
        (f"principals/{HACKNEY}~police", 1, Malformed, "json_object"),
        (f"principals/{HACKNEY}~police/sign", b64(bytes(32)), Malformed, "weak_key"),
        (f"principals/{HACKNEY}~police/agency", "NODE", Malformed, "node_entry"),
        (f"principals/{HACKNEY}~police/sign", 5, Malformed, "field_type"),
        ("cards", [1], Malformed, "request_form"),
        ("cards", "x", Malformed, "field_type"),
    ],
)
def test_each_field_of_a_request(trust, members, request_data, path, value, kind, code):
    data = resigned(trust, request_data, trust.put(path, value), keys_of(members))
    raises(kind, code, open_request, data)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{}", b"[]", b'{"request":[]}', b'{"request":[1]}', b'{"request":"x"}', b'{"request":["x"]}',
        b'{"more":1,"request":[]}',
    ],
)  # fmt: skip
def test_what_is_no_request(data):
    with pytest.raises(Malformed):
        open_request(data)


def test_a_request_is_bounded(trust, request_data):
    note = json.loads(request_data)["request"][0]
    open_request(encode({"request": [note] * 8}))
    raises(Malformed, "request_form", open_request, encode({"request": [note] * 9}))


def test_the_notes_of_a_request_say_the_same(trust, members, request_data):
    other = json.loads(make_request(HACKNEY, "Other", members, []))["request"]
    data = encode({"request": json.loads(request_data)["request"] + other})
    raises(Forged, "request_notes", open_request, data)


def test_every_byte_of_a_request_counts(request_data):
    for at in range(0, len(request_data), 13):
        changed = bytearray(request_data)
        changed[at] ^= 1
        with pytest.raises((Malformed, Forged, Untrusted, Unsupported)):
            open_request(bytes(changed))


def test_no_request_is_made_that_would_be_refused(trust, members):
    raises(Malformed, "foreign_principal", make_request, "E09000004", "Bexley", members, [])
    raises(Malformed, "request_form", make_request, HACKNEY, "Hackney", [], [])


def test_a_request_again_replaces_the_area_and_no_other(trust, root, members, request_data):
    body = add_member(empty_directory(root, {}), open_request(request_data))
    fewer = open_request(make_request(HACKNEY, "Hackney", members[:1], []))
    changed = add_member(body, fewer)
    assert list(changed["members"][HACKNEY]["principals"]) == [f"{HACKNEY}/node"]
    assert len(body["members"][HACKNEY]["principals"]) == 3, "the body given is not changed"


# --- nobody signs what is broken --------------------------------------------------------------------


def test_a_root_that_nobody_would_accept_is_not_signed(trust, roles):
    dates = {"created": trust.NOW, "expires": trust.NOW + 9}
    signers = trust.roots[:1]
    raises(Malformed, "field_value", make_root, "test", roles, **dates, signers=signers)
    none = Roles(roles.root, 0, roles.directory, 1)
    raises(Malformed, "field_value", make_root, "prod", none, **dates, signers=signers)
    both = Roles(roles.root, 1, roles.root, 1)
    raises(Malformed, "key_twice", make_root, "prod", both, **dates, signers=signers)
    dates["expires"] = trust.NOW + 10**9
    raises(Expired, "root_life", make_root, "prod", roles, **dates, signers=signers)


def test_a_broken_directory_is_not_signed(trust, root, members):
    body = empty_directory(root, {})
    request = open_request(make_request(HACKNEY, "Hackney", members[1:], []))
    raises(Malformed, "node_missing", make_directory, add_member(body, request), now=9, signers=trust.keepers)
    raises(Malformed, "directory_form", make_directory, body | {"version": "1"}, now=9, signers=trust.keepers)


def test_a_broken_document_is_not_cosigned(trust):
    _, two = trust.keepers
    broken = trust.directory(trust.put("extra", 1), by=trust.keepers[:1])
    raises(Malformed, "field_unknown", cosign, broken, two)
    broken = trust.root(trust.put("roles/root/threshold", 0), by=trust.roots[:1])
    raises(Malformed, "field_value", cosign, broken, trust.roots[1])
    raises(Forged, "note_context", cosign, trust.card(), two)
    raises(Malformed, "note_repeated", cosign, trust.directory(by=[two]), two)


def test_a_later_root_is_cosigned_too(trust):
    note = trust.root(version=2, by=trust.roots[:1])
    chain = [trust.first, cosign(note, trust.roots[1])]
    assert trust.build(roots=chain).root.version == 2


def test_a_broken_card_is_not_signed(trust):
    signer = trust.key(f"{HACKNEY}/police")
    good = KemKey.generate(1, 2)
    raises(Malformed, "field_value", make_card, signer, [], net=trust.net, version=1)
    raises(Malformed, "field_value", make_card, signer, [good], net=trust.net, version=0)
    raises(Malformed, "subkey_time", make_card, signer, [KemKey.generate(2, 2)], net=trust.net, version=1)
    raises(Malformed, "field_value", make_card, IdentityKey.generate("x"), [good], net=trust.net, version=1)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[]", b"{}",
        b'{"cards":[1],"directory":"","roots":[]}', b'{"cards":[],"directory":1,"roots":[]}',
        b'{"cards":[],"directory":"?","roots":[]}', b'{"cards":{},"directory":"","roots":[]}',
    ],
)  # fmt: skip
def test_what_is_no_bundle(data):
    with pytest.raises(Malformed):
        unpack(data)


def test_a_request_carries_the_first_cards(trust, members):
    card = make_card(members[1].signer, [KemKey.generate(1, 2)], net=trust.net, version=1)
    assert list(open_request(make_request(HACKNEY, "Hackney", members, [card])).cards) == [card]
