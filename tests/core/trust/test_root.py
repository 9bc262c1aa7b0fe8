"""The chain of roots: who founds a network, who hands it on (protocol 6; attack cases 95, 97, 100, 101)."""

from __future__ import annotations

import hashlib

import pytest

from gateway.core.encoding import b64
from gateway.core.keys import fingerprint
from gateway.core.notes import cosign, sign_note
from gateway.core.root import ROOT_LIFE, network_id, parse_root, verify_roots
from gateway.errors import Expired, Forged, GatewayError, Malformed, Unsupported, Untrusted


def refused(trust, kind, code, *notes, now=None, expect=None):
    with pytest.raises(GatewayError) as caught:
        verify_roots(notes, now=trust.NOW if now is None else now, expect=expect)
    assert (type(caught.value), caught.value.code) == (kind, code)
    return caught.value


def test_a_first_root_founds_a_network(trust):
    root = verify_roots([trust.first], now=trust.NOW, expect=fingerprint(trust.net))
    assert (root.env, root.version, root.net) == ("prod", 1, trust.net)
    assert (root.root.threshold, root.directory.threshold) == (2, 2)
    assert root.root.keys == {key.name: key.public for key in trust.roots}
    assert root.keys() == {key.public for key in (*trust.roots, *trust.keepers)}


def test_the_network_id_is_the_hash_of_the_signed_text_alone(trust):
    text = trust.first.partition(b"\n\n")[0] + b"\n"
    assert trust.net == hashlib.sha256(b"bx/1/network" + text).digest()
    assert network_id(cosign(trust.first, trust.roots[2])) == trust.net


@pytest.mark.parametrize("spoken", [str.upper, lambda text: f" {text}\n"])
def test_a_fingerprint_is_accepted_as_it_is_read_aloud(trust, spoken):
    verify_roots([trust.first], now=trust.NOW, expect=spoken(fingerprint(trust.net)))


def test_another_fingerprint_is_refused(trust):
    wrong = fingerprint(hashlib.sha256(trust.net).digest())
    assert "read it out" in refused(trust, Untrusted, "fingerprint", trust.first, expect=wrong).remedy


def test_an_empty_fingerprint_is_not_no_fingerprint(trust):
    refused(trust, Untrusted, "fingerprint", trust.first, expect="")


def test_no_root_at_all(trust):
    refused(trust, Untrusted, "root_none")


@pytest.mark.parametrize(
    ("change", "kind", "code"),
    [
        (("v", 2), Unsupported, "version"),
        (("version", 0), Malformed, "field_value"),
        (("env", "test"), Malformed, "field_value"),
        (("env", "prod\n"), Malformed, "field_value"),
        (("net", b64(bytes(32))), Malformed, "root_net_form"),
        (("extra", 1), Malformed, "field_unknown"),
        (("created", True), Malformed, "field_type"),
        (("roles/root/threshold", 0), Malformed, "field_value"),
        (("roles/root/threshold", 4), Malformed, "field_value"),
        (("roles/directory/threshold", 3), Malformed, "field_value"),
        (("roles/directory/threshold", 0), Malformed, "field_value"),
        (("roles/root/keys", {}), Malformed, "field_value"),
        (("roles/root/keys/Root One", b64(bytes(32))), Malformed, "field_value"),
        (("roles/root/keys/root-1", b64(bytes(31))), Malformed, "base64_size"),
        (("roles/root/keys/root-1", b64(bytes(32))), Malformed, "weak_key"),
        (("roles/root/keys/root-1", b64(b"\x01" + bytes(31))), Malformed, "weak_key"),
        (("roles/log", {}), Malformed, "field_unknown"),
    ],
)
def test_each_field_of_a_first_root(trust, change, kind, code):
    refused(trust, kind, code, trust.root(trust.put(*change)))


@pytest.mark.parametrize(
    "field", ["v", "version", "created", "expires", "env", "roles", "roles/root", "roles/directory/keys"]
)
def test_each_missing_field_is_named(trust, field):
    error = refused(trust, Malformed, "field_missing", trust.root(trust.drop(field)))
    assert error.field == f"/{field}"


@pytest.mark.parametrize("twin", ["roles/root/keys/root-9", "roles/directory/keys/dir-9"])
def test_a_key_has_one_name_and_one_role(trust, twin):
    change = trust.put(twin, b64(trust.roots[0].public))
    refused(trust, Malformed, "key_twice", trust.root(change))


def test_dates(trust):
    now, day = trust.NOW, trust.DAY
    for created, kind in ((now + 120, None), (now + 121, "root_future")):
        note = trust.root(trust.put("created", created))
        if kind is None:
            verify_roots([note], now=now)
        else:
            refused(trust, Expired, kind, note)
    end = now + 300 * day
    verify_roots([trust.first], now=end - 1)
    refused(trust, Expired, "root_expired", trust.first, now=end)
    refused(trust, Malformed, "root_time", trust.root(trust.put("expires", now - 10 * day)))


@pytest.mark.parametrize("env", ["prod", "demo"])
def test_the_life_of_a_root_is_bounded(trust, env):
    created = trust.NOW - 10 * trust.DAY

    def lasting(seconds):
        return trust.root(lambda body: body.update(env=env, expires=created + seconds))

    verify_roots([lasting(ROOT_LIFE[env])], now=trust.NOW)
    refused(trust, Expired, "root_life", lasting(ROOT_LIFE[env] + 1))


def test_the_threshold_counts_distinct_keys(trust):
    one, two, three = trust.roots
    for by in ([one], [two]):
        refused(trust, Untrusted, "root_threshold", trust.root(by=by))
    refused(trust, Untrusted, "root_threshold", trust.root(by=[one, *trust.keepers]))
    refused(trust, Untrusted, "unknown_key", trust.root(by=trust.keepers))
    for by in ([one, three], [one, two, three]):
        verify_roots([trust.root(by=by)], now=trust.NOW)


def test_every_byte_of_a_root_counts(trust):
    expect = fingerprint(trust.net)
    for at in range(0, len(trust.first), 7):
        changed = bytearray(trust.first)
        changed[at] ^= 1
        with pytest.raises((Forged, Malformed, Untrusted, Unsupported)):
            verify_roots([bytes(changed)], now=trust.NOW, expect=expect)


def test_a_root_of_another_context_is_refused(trust):
    note = sign_note("bx/1/directory", trust.root_body(), trust.roots)
    refused(trust, Forged, "note_context", note)


# --- succession -------------------------------------------------------------------------------------


def test_a_successor_may_change_the_keepers(trust):
    new = [trust.key("root-8"), trust.key("root-9")]
    change = trust.put("roles/root/keys", {key.name: b64(key.public) for key in new})
    note = trust.root(change, version=2, by=[*trust.roots[:2], *new])
    root = verify_roots([trust.first, note], now=trust.NOW, expect=fingerprint(trust.net))
    assert (root.version, root.net) == (2, trust.net)
    assert set(root.root.keys) == {"root-8", "root-9"}


def test_a_successor_needs_old_and_new_thresholds(trust):
    new = [trust.key("root-8"), trust.key("root-9")]
    change = trust.put("roles/root/keys", {key.name: b64(key.public) for key in new})

    def by(*signers):
        return trust.root(change, version=2, by=signers)

    one, two, _ = trust.roots
    refused(trust, Untrusted, "unknown_key", trust.first, by(*new))
    refused(trust, Untrusted, "root_threshold_old", trust.first, by(one, *new))
    refused(trust, Untrusted, "unknown_key", trust.first, by(one, two))
    refused(trust, Untrusted, "root_threshold_new", trust.first, by(one, two, new[0]))


def test_a_raised_threshold_holds_for_the_root_that_raises_it(trust):
    change = trust.put("roles/root/threshold", 3)
    refused(trust, Untrusted, "root_threshold_new", trust.first, trust.root(change, version=2))
    verify_roots([trust.first, trust.root(change, version=2, by=trust.roots)], now=trust.NOW)


def test_a_root_is_neither_skipped_nor_repeated(trust):
    refused(trust, Untrusted, "root_version", trust.first, trust.first)
    refused(trust, Untrusted, "root_version", trust.first, trust.root(version=3))
    second = trust.root(version=2)
    refused(trust, Untrusted, "root_version", trust.first, second, second)


def test_a_chain_starts_at_one(trust):
    # Version 2 names the network it belongs to, which no first root can know of itself.
    refused(trust, Forged, "root_net", trust.root(version=2))


def test_net_and_env_never_change(trust):
    other = trust.put("net", b64(bytes(32)))
    refused(trust, Forged, "root_net", trust.first, trust.root(other, version=2))
    refused(trust, Malformed, "root_net_form", trust.first, trust.root(trust.drop("net"), version=2))
    demo = trust.put("env", "demo")
    refused(trust, Forged, "root_env", trust.first, trust.root(demo, version=2))


def test_only_the_newest_root_must_be_in_date(trust):
    now, day = trust.NOW, trust.DAY
    later = now + 350 * day

    def renew(body):
        body.update(created=now + 200 * day, expires=now + 500 * day)

    second = trust.root(renew, version=2)
    assert verify_roots([trust.first, second], now=later).version == 2
    refused(trust, Expired, "root_future", trust.first, second)
    refused(trust, Expired, "root_expired", trust.first, second, now=now + 500 * day)


def test_a_bad_signature_of_a_known_key_refuses_the_note(trust):
    stranger = trust.key("root-3#2")  # another key under the name, with the honest lines beside it
    verify_roots([trust.root(by=[*trust.roots[:2], stranger])], now=trust.NOW)
    swapped = trust.root(trust.put("created", trust.NOW)).rpartition("— root-2".encode())[2]
    spliced = trust.first.rpartition("— root-2".encode())
    refused(trust, Forged, "signature", spliced[0] + spliced[1] + swapped)


def test_parsing_alone_gives_no_digest_it_was_not_told(trust):
    assert parse_root(trust.root_body(), trust.net, b"told").hash == b"told"


def test_a_root_lives_a_year_and_a_demo_root_ten():
    assert ROOT_LIFE == {"prod": 366 * 86_400, "demo": 3660 * 86_400}
