"""An agency's own part of a request to join: exactly what it signed is what the directory can come to say."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from gateway.core.agency_part import make_part, read_part
from gateway.core.ceremony import (
    Bundle,
    Member,
    Roles,
    add_member,
    empty_directory,
    make_card,
    make_directory,
    make_request,
    make_root,
    open_request,
)
from gateway.core.encoding import b64, encode
from gateway.core.keys import KemKey, fingerprint
from gateway.core.notes import sign_note, text_hash
from gateway.core.root import network_id
from gateway.core.trust import Network
from gateway.errors import Forged, GatewayError, Malformed, Untrusted

HACKNEY = "E09000012"
NODE, POLICE, GILES = f"{HACKNEY}/node", f"{HACKNEY}/police", f"{HACKNEY}/st_giles"


def raises(kind, code, call, *args, **more):
    with pytest.raises(GatewayError) as caught:
        call(*args, **more)
    assert (type(caught.value), caught.value.code) == (kind, code)


@pytest.fixture
def root(trust):
    keys = [{key.name: key.public for key in found} for found in (trust.roots[:1], trust.keepers[:1])]
    dates = {"created": trust.NOW - 5, "expires": trust.NOW + 300 * trust.DAY}
    return make_root("prod", Roles(keys[0], 1, keys[1], 1), **dates, signers=trust.roots[:1])


@pytest.fixture
def subkey(trust):
    return KemKey.generate(trust.NOW, trust.NOW + 1000)


@pytest.fixture
def note(trust, root, subkey):
    return part_of(trust, root, subkey)


def part_of(trust, root, subkey, name=POLICE, **more):
    signer, net = trust.key(name), network_id(root)
    card = make_card(signer, [subkey], net=net, version=1)
    return make_part(signer, **{"agency": "POLICE", "card": card, "net": net, **more})


@pytest.fixture
def members(trust):
    return [Member(NODE, "NODE", trust.key(NODE), trust.key(f"{NODE}#log"))]


def test_the_whole_way(trust, root, members, note, subkey):
    part = read_part(note)
    data = make_request(HACKNEY, "Hackney", members, [], parts=[part])
    request = open_request(data)
    body = add_member(empty_directory(root, {}), request)
    directory = make_directory(body, now=trust.NOW, signers=trust.keepers[:1])
    bundle = Bundle([root], directory, request.cards)
    network = Network.build(bundle.roots, bundle.directory, bundle.cards, now=trust.NOW)
    assert not network.principal(POLICE).hosted
    assert network.principal(NODE).sign == trust.key(NODE).public
    assert network.sealing_key(POLICE, trust.NOW) == subkey.public
    assert part.fingerprint == fingerprint(text_hash(note))


def test_without_its_part_its_key_has_not_signed(trust, members, note):
    part = read_part(note)
    data = json.loads(make_request(HACKNEY, "Hackney", members, [], parts=[part]))
    del data["parts"]
    raises(Untrusted, "request_unsigned", open_request, encode(data))


def _entry(**changes):
    return lambda body: body["principals"][POLICE].update(changes)


CHANGES = {
    "that the node holds the key": _entry(hosted=True),
    "another type": _entry(agency="HOUSING"),
    "another name": _entry(organisation="Somebody else"),
    "another key": lambda body: body["principals"][POLICE].update(sign=body["principals"][NODE]["sign"]),
    "another card": lambda body: body.update(cards=[]),
    "nothing of it": lambda body: body["principals"].pop(POLICE),
}


@pytest.mark.parametrize("what", CHANGES)
def test_the_request_lists_exactly_what_the_agency_has_signed(trust, members, note, what):
    data = json.loads(make_request(HACKNEY, "Hackney", members, [], parts=[read_part(note)]))
    body = json.loads(data["request"][0].splitlines()[1])
    CHANGES[what](body)
    signers = [key for member in members for key in (member.signer, member.log)]
    data["request"] = [sign_note("bx/1/request", body, signers).decode()]
    with pytest.raises(GatewayError) as caught:
        open_request(encode(data))
    assert caught.value.code == "request_part"


def test_a_part_of_another_area_or_agency_does_not_count(trust, root, members, subkey, note):
    """Bexley's police have signed; Hackney's have not, whatever stands in the request."""
    bexley = part_of(trust, root, subkey, "E09000004/police")
    data = json.loads(make_request(HACKNEY, "Hackney", members, [], parts=[read_part(note)]))
    data["parts"] = [bexley.decode()]
    raises(Untrusted, "request_part", open_request, encode(data))


def test_nobody_stands_in_a_request_twice(trust, members, note):
    part, twice = read_part(note), Member(POLICE, "POLICE", trust.key(POLICE))
    raises(Malformed, "request_part", make_request, HACKNEY, "Hackney", [*members, twice], [], parts=[part])


def test_parts_are_bounded(trust, members, note):
    data = json.loads(make_request(HACKNEY, "Hackney", members, [], parts=[read_part(note)]))
    data["parts"] *= 33
    raises(Malformed, "request_form", open_request, encode(data))


def test_the_organisation_is_signed_too(trust, root, subkey):
    part = read_part(part_of(trust, root, subkey, GILES, agency="VOLUNTARY_SECTOR", organisation="St Giles"))
    assert part.entry["organisation"] == "St Giles"


def test_a_card_of_another_network_or_of_somebody_else_makes_no_part(trust, root, subkey):
    signer, net = trust.key(POLICE), network_id(root)
    other = make_card(signer, [subkey], net=bytes(32), version=1)
    raises(Forged, "card_net", make_part, signer, agency="POLICE", card=other, net=net)
    housing = make_card(trust.key(f"{HACKNEY}/housing"), [subkey], net=net, version=1)
    raises(Untrusted, "unknown_key", make_part, signer, agency="POLICE", card=housing, net=net)


BODIES = {
    "a node": {"agency": "NODE"},
    "a hosted agency": {"hosted": True},
    "a log key": {"log": b64(bytes(32))},
    "a key that retires": {"retiring": [{"key": b64(bytes(32)), "until": 9}]},
}


@pytest.mark.parametrize("what", BODIES)
def test_a_part_is_of_an_agency_with_one_key_of_its_own(trust, note, what):
    body = json.loads(note.splitlines()[1])
    body["entry"] |= BODIES[what]
    with pytest.raises(Malformed) as caught:
        read_part(sign_note("bx/1/agency", body, [trust.key(POLICE)]))
    assert caught.value.code in {"part_entry", "node_entry", "field_value", "weak_key"}


def test_a_part_signed_by_another_or_changed_is_none(trust, note):
    body = json.loads(note.splitlines()[1])
    raises(Untrusted, "unknown_key", read_part, sign_note("bx/1/agency", body, [trust.key(NODE)]))
    raises(
        Malformed,
        "note_single",
        read_part,
        sign_note("bx/1/agency", body, [trust.key(POLICE), trust.key(NODE)]),
    )
    raises(Forged, "note_context", read_part, sign_note("bx/1/request", body, [trust.key(POLICE)]))
    raises(Forged, "signature", read_part, note.replace(b'"agency":"POLICE"', b'"agency":"HOUSING"'))


def test_what_is_read_is_what_was_made(note):
    part = read_part(note)
    assert replace(part, note=b"") != part
    assert part.note == note
