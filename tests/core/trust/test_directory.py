"""The directory: who may list whom (protocol 6; attack cases 42, 91-94, 99, 112)."""

from __future__ import annotations

import pytest

from gateway.core.directory import DIRECTORY_LIFE
from gateway.core.encoding import b64
from gateway.core.notes import sign_note
from gateway.errors import Expired, Forged, GatewayError, Malformed, Unsupported, Untrusted

HACKNEY, BEXLEY = "E09000012", "E09000004"
POLICE = f"members/{BEXLEY}/principals/{BEXLEY}~police"
NODE = f"members/{BEXLEY}/principals/{BEXLEY}~node"


def refused(trust, kind, code, directory, **more):
    with pytest.raises(GatewayError) as caught:
        trust.build(directory, **more)
    assert (type(caught.value), caught.value.code) == (kind, code)
    return caught.value


def test_what_a_directory_says(trust):
    network = trust.build()
    assert dict(network.areas) == {HACKNEY: "Hackney", BEXLEY: "Bexley"}
    assert network.entitlements["orders"] == {"POLICE", "PROBATION"}
    assert (network.version, network.min_suite) == (7, 2)
    assert (network.created, network.expires) == (trust.NOW - trust.DAY, trust.NOW + 20 * trust.DAY)
    police = network.principal(f"{BEXLEY}/police")
    assert (police.area, police.role, police.agency, police.hosted) == (BEXLEY, "police", "POLICE", True)
    assert (police.sign, police.log) == (trust.key(police.name).public, None)
    assert network.principal(f"{BEXLEY}/safer").hosted is False
    assert network.node(BEXLEY).log == trust.key(f"{BEXLEY}/node#log").public


@pytest.mark.parametrize(
    ("path", "value", "kind", "code"),
    [
        ("v", 2, Unsupported, "version"),
        ("extra", 1, Malformed, "field_unknown"),
        ("version", 0, Malformed, "field_value"),
        ("version", True, Malformed, "field_type"),
        ("net", b64(bytes(32)), Forged, "directory_net"),
        ("net", b64(bytes(31)), Malformed, "base64_size"),
        ("min_suite", 3, Unsupported, "min_suite"),
        ("min_suite", 0, Malformed, "field_value"),
        # areas and principals
        ("members/e09000012", {}, Malformed, "field_value"),
        ("members/E0900001", {}, Malformed, "field_value"),
        ("members/E09000012 ", {}, Malformed, "field_value"),
        (f"members/{BEXLEY}/extra", 1, Malformed, "field_unknown"),
        (f"members/{BEXLEY}/name", "", Malformed, "field_value"),
        (f"members/{BEXLEY}/name", " Bexley", Malformed, "field_value"),
        (f"members/{BEXLEY}/name", "Bex\u202eley", Malformed, "field_value"),
        (f"members/{BEXLEY}/name", "Bex\u200bley", Malformed, "field_value"),
        (f"members/{BEXLEY}/name", "Bexley\n", Malformed, "field_value"),
        (f"members/{BEXLEY}/name", "B" * 81, Malformed, "field_value"),
        (f"{POLICE}/extra", 1, Malformed, "field_unknown"),
        (f"{POLICE}/hosted", 1, Malformed, "field_type"),
        (f"{POLICE}/agency", "police", Malformed, "field_value"),
        (f"{POLICE}/agency", "NODE", Malformed, "node_entry"),
        (f"{POLICE}/log", b64(b"\x58" + b"\x66" * 31), Malformed, "node_entry"),
        (f"{POLICE}/organisation", "", Malformed, "field_value"),
        (f"{POLICE}/organisation", "a\x00b", Malformed, "field_value"),
        (f"{POLICE}/sign", b64(bytes(32)), Malformed, "weak_key"),
        (f"{POLICE}/sign", b64(b"\xff" * 32), Malformed, "weak_key"),
        (f"{POLICE}/sign", b64(bytes(31)), Malformed, "base64_size"),
        (f"{NODE}/log", b64(bytes(32)), Malformed, "weak_key"),
        (f"{NODE}/agency", "POLICE", Malformed, "node_entry"),
        # entitlements
        ("entitlements/orders", ["POLICE", "POLICE"], Malformed, "field_value"),
        ("entitlements/orders", ["PROBATION", "POLICE"], Malformed, "field_value"),
        ("entitlements/orders", ["police"], Malformed, "field_value"),
        ("entitlements/orders", [1], Malformed, "field_value"),
        ("entitlements/orders", "POLICE", Malformed, "field_type"),
        ("entitlements/Orders", [], Malformed, "field_value"),
        # revocations
        ("revoked", [{"key": b64(bytes(32)), "at": 1}], Malformed, "field_missing"),
        ("revoked", [{"key": "x", "at": 1, "reason": "lost"}], Malformed, "base64"),
        ("revoked", [{"key": b64(bytes(32)), "at": 1, "reason": "She left."}], Malformed, "field_value"),
        ("revoked", [{"key": b64(bytes(32)), "at": 1, "reason": "lost"}] * 2, Malformed, "key_twice"),
        ("revoked", {}, Malformed, "field_type"),
    ],
)
def test_each_field(trust, path, value, kind, code):
    refused(trust, kind, code, trust.directory(trust.put(path, value)))


@pytest.mark.parametrize(
    "path",
    [
        "v", "net", "version", "created", "expires", "min_suite", "members", "entitlements", "revoked",
        f"members/{BEXLEY}/name", f"members/{BEXLEY}/principals",
        f"{POLICE}/agency", f"{POLICE}/hosted", f"{POLICE}/sign",
    ],
)  # fmt: skip
def test_each_missing_field_is_named(trust, path):
    error = refused(trust, Malformed, "field_missing", trust.directory(trust.drop(path)))
    assert error.field == "/" + path.replace("~", "~1")


def test_a_node_has_a_log_key(trust):
    refused(trust, Malformed, "node_entry", trust.directory(trust.drop(f"{NODE}/log")))


def test_every_area_has_one_node(trust):
    refused(trust, Malformed, "node_missing", trust.directory(trust.drop(NODE)))
    bare = trust.put(f"members/{BEXLEY}/principals", {})
    refused(trust, Malformed, "node_missing", trust.directory(bare))


@pytest.mark.parametrize(
    "name",
    [
        f"{HACKNEY}/housing",
        f"{BEXLEY}housing",
        f"{BEXLEY}/Housing",
        f"{BEXLEY}/h\u043eusing".encode("ascii", "ignore").decode() + "\n",
        f"{BEXLEY}/../x",
        f"{BEXLEY}/h",
    ],
)
def test_an_area_lists_its_own_principals_only(trust, name):
    def change(body):
        body["members"][BEXLEY]["principals"][name] = trust.entry("other", "HOUSING")

    refused(trust, Malformed, "foreign_principal", trust.directory(change))


def test_a_name_outside_ascii_cannot_even_be_signed(trust):
    with pytest.raises(Malformed):
        trust.directory(
            lambda body: body["members"][BEXLEY]["principals"].update({f"{BEXLEY}/p\u043elice": {}})
        )


@pytest.mark.parametrize("field", ["sign", "log"])
def test_a_key_stands_in_the_network_once(trust, field):
    taken = {
        "another principal": trust.key(f"{HACKNEY}/police"),
        "a node's identity": trust.key(f"{HACKNEY}/node"),
        "a log": trust.key(f"{HACKNEY}/node#log"),
        "a root key": trust.roots[2],
        "a directory key": trust.keepers[0],
    }
    for key in taken.values():
        refused(trust, Malformed, "key_twice", trust.directory(trust.put(f"{NODE}/{field}", b64(key.public))))


def test_a_nodes_log_key_is_not_its_identity(trust):
    same = trust.put(f"{NODE}/log", b64(trust.key(f"{BEXLEY}/node").public))
    refused(trust, Malformed, "key_twice", trust.directory(same))


def test_the_threshold_counts_distinct_directory_keys(trust):
    one, two = trust.keepers
    refused(trust, Untrusted, "directory_threshold", trust.directory(by=[one]))
    refused(trust, Untrusted, "directory_threshold", trust.directory(by=[two, *trust.roots]))
    refused(trust, Untrusted, "unknown_key", trust.directory(by=trust.roots))
    # The same key once more under another name: its line is of nobody the root knows.
    alias = trust.key("dir-1")
    alias.name = "dir-2"
    refused(trust, Untrusted, "directory_threshold", trust.directory(by=[one, alias]))
    trust.build(trust.directory(by=[two, one, trust.key("stranger")]))


def test_another_context_is_refused(trust):
    refused(trust, Forged, "note_context", trust.directory(context="bx/1/root"))


def test_every_byte_counts(trust):
    note = trust.directory()
    for at in range(0, len(note), 11):
        changed = bytearray(note)
        changed[at] ^= 1
        with pytest.raises((Forged, Malformed, Untrusted, Unsupported)):
            trust.build(bytes(changed))


def test_dates(trust):
    now = trust.NOW
    trust.build(trust.directory(trust.put("created", now + 120)))
    refused(trust, Expired, "directory_future", trust.directory(trust.put("created", now + 121)))
    refused(trust, Malformed, "directory_time", trust.directory(trust.put("expires", now - trust.DAY)))
    start = now - trust.DAY
    trust.build(trust.directory(trust.put("expires", start + DIRECTORY_LIFE)))
    too_long = trust.directory(trust.put("expires", start + DIRECTORY_LIFE + 1))
    refused(trust, Expired, "directory_life", too_long)


def test_a_revoked_key_is_nobodys(trust):
    key = trust.key(f"{BEXLEY}/police")
    revoke = trust.put("revoked", [{"key": b64(key.public), "at": trust.NOW, "reason": "lost"}])
    network = trust.build(trust.directory(revoke))
    assert list(network.keyring(key.name)) == []
    assert list(trust.build().keyring(key.name)) == [key.public]
    assert network.principal(key.name).sign == key.public


def test_messages_repeat_no_value(trust):
    secret = "Zebedee"
    note = trust.directory(trust.put(f"{POLICE}/{secret}", secret))
    with pytest.raises(GatewayError) as caught:
        trust.build(note)
    error = caught.value
    assert secret not in f"{error} {error.field} {error.remedy} {error.code}"


def test_a_note_signed_by_hand_over_the_same_body_is_the_same(trust):
    assert trust.build(sign_note("bx/1/directory", trust.directory_body(), trust.keepers)).version == 7


@pytest.mark.parametrize("name", ["B", "B" * 80])
def test_the_shortest_and_the_longest_name(trust, name):
    assert trust.build(trust.directory(trust.put(f"members/{BEXLEY}/name", name))).areas[BEXLEY] == name


def test_a_network_may_still_allow_an_older_suite(trust):
    assert trust.build(trust.directory(trust.put("min_suite", 1))).min_suite == 1


def test_a_directory_lives_thirty_days_at_most():
    assert DIRECTORY_LIFE == 30 * 86_400
