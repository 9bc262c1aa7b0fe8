"""One signer stops a key, for three days at most (protocol 6; attack cases 38, 102)."""

from __future__ import annotations

import pytest

from gateway.core.encoding import b64
from gateway.core.notes import Stopped, cosign, open_note, sign_note
from gateway.core.suspension import MAX_SUSPENSION, make_suspension
from gateway.core.trust import Network
from gateway.errors import Expired, Forged, GatewayError, Malformed, UnknownRecipient, Unsupported, Untrusted

POLICE = "E09000004/police"
NODE = "E09000012/node"
HOUR = 3600


def note(trust, of=POLICE, by=None, *, created=None, hours=24, change=lambda _: None, context="bx/1/suspend"):
    created = trust.NOW if created is None else created
    body = {
        "v": 1,
        "net": b64(trust.net),
        "key": b64(trust.key(of).public),
        "created": created,
        "until": created + hours * HOUR,
        "reason": "suspected_theft",
    }
    change(body)
    return sign_note(context, body, by or [trust.keepers[0]])


def network(trust, *notes, now=None, directory=None, cards=None, roots=None):
    now = trust.NOW if now is None else now
    cards = [trust.card()] if cards is None else cards
    return Network.build(
        roots or [trust.first], directory or trust.directory(), cards, now=now, suspensions=notes
    )


def refused(kind, code, work, *args, **more):
    with pytest.raises(GatewayError) as caught:
        work(*args, **more)
    assert (type(caught.value), caught.value.code) == (kind, code)
    return caught.value


def signed(trust, *names, body=None):
    return sign_note("bx/1/receipt", body or {"v": 1}, [trust.key(name) for name in names])


# --- the note ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("keeper", [0, 1])
def test_any_one_directory_signer_stops_a_key(trust, keeper):
    signer = trust.keepers[keeper]
    found = trust.build().open_suspension(note(trust, by=[signer]), trust.NOW)
    assert (found.key, found.by, found.reason) == (trust.key(POLICE).public, signer.name, "suspected_theft")
    assert found.until - found.created == 24 * HOUR
    assert len(found.hash) == 32


def test_a_key_stops_itself_be_it_an_identity_or_a_log_key(trust):
    own = note(trust, by=[trust.key(POLICE)])
    assert trust.build().open_suspension(own, trust.NOW).by == POLICE
    log = trust.key(f"{NODE}#log")
    found = trust.build().open_suspension(note(trust, f"{NODE}#log", by=[log]), trust.NOW)
    assert (found.key, found.by) == (log.public, NODE)


def test_attack_102_nobody_else_does(trust):
    view = trust.build()
    stranger = [trust.key("dir-1#2")]
    refused(Untrusted, "unknown_key", view.open_suspension, note(trust, by=stranger), trust.NOW)
    refused(Untrusted, "unknown_key", view.open_suspension, note(trust, by=[trust.roots[0]]), trust.NOW)
    for member in (NODE, "E09000004/node", f"{NODE}#log", "E09000004/st_giles"):
        told = note(trust, by=[trust.key(member)])
        refused(Untrusted, "suspension_signer", view.open_suspension, told, trust.NOW)
    both = note(trust, by=[trust.keepers[0], trust.key(NODE)])
    refused(Malformed, "note_single", view.open_suspension, both, trust.NOW)


def test_a_directory_signer_whose_key_was_revoked_stops_nobody(trust):
    def revoking(body):
        item = {"key": b64(trust.keepers[0].public), "at": trust.NOW, "reason": "stolen"}
        body.update(revoked=[item])

    view = trust.build(trust.directory(revoking))
    refused(Untrusted, "unknown_key", view.open_suspension, note(trust), trust.NOW)
    assert view.open_suspension(note(trust, by=[trust.keepers[1]]), trust.NOW)


def test_no_signer_of_root_or_directory_and_no_stranger_is_stopped(trust):
    for name in ("dir-2", "root-1", "E09000033/node"):
        told = note(trust, name)
        refused(Untrusted, "suspension_key", trust.build().open_suspension, told, trust.NOW)


def test_attack_102_three_days_and_not_a_second_more(trust):
    view = trust.build()
    assert MAX_SUSPENSION == 72 * HOUR
    assert view.open_suspension(note(trust, hours=72), trust.NOW)

    def longer(body):
        body["until"] += 1

    told = note(trust, hours=72, change=longer)
    refused(Expired, "suspension_life", view.open_suspension, told, trust.NOW)
    refused(Malformed, "suspension_time", view.open_suspension, note(trust, hours=0), trust.NOW)
    facts = {"net": trust.net, "key": trust.key(POLICE).public, "created": 0, "reason": "lost"}
    until = 72 * HOUR + 1
    refused(Expired, "suspension_life", make_suspension, trust.keepers[0], until=until, **facts)


def test_from_the_future_and_over(trust):
    view, now = trust.build(), trust.NOW
    assert view.open_suspension(note(trust, created=now + 120), now)
    refused(Expired, "suspension_future", view.open_suspension, note(trust, created=now + 121), now)
    assert view.open_suspension(note(trust, hours=1), now + HOUR - 1)
    refused(Expired, "suspension_over", view.open_suspension, note(trust, hours=1), now + HOUR)


@pytest.mark.parametrize(
    ("change", "kind", "code"),
    [
        ({"v": 2}, Unsupported, "version"),
        ({"net": b64(bytes(32))}, Forged, "suspension_net"),
        ({"key": b64(bytes(31))}, Malformed, "base64_size"),
        ({"reason": "because the sergeant said so"}, Malformed, "field_value"),
        ({"reason": ""}, Malformed, "field_value"),
        ({"until": "soon"}, Malformed, "field_type"),
        ({"extra": 1}, Malformed, "field_unknown"),
    ],
)
def test_each_field(trust, change, kind, code):
    told = note(trust, change=lambda body: body.update(change))
    refused(kind, code, trust.build().open_suspension, told, trust.NOW)


@pytest.mark.parametrize("name", ["v", "net", "key", "created", "until", "reason"])
def test_each_missing_field(trust, name):
    told = note(trust, change=lambda body: body.pop(name))
    refused(Malformed, "field_missing", trust.build().open_suspension, told, trust.NOW)


def test_a_note_of_another_context_and_a_changed_one(trust):
    view = trust.build()
    told = note(trust, context="bx/1/directory")
    refused(Forged, "note_context", view.open_suspension, told, trust.NOW)
    changed = note(trust).replace(b"suspected_theft", b"suspected_thief")
    refused(Forged, "signature", view.open_suspension, changed, trust.NOW)


def test_made_and_opened(trust):
    key, now = trust.key(POLICE).public, trust.NOW
    facts = {"net": trust.net, "key": key, "reason": "lost"}
    made = make_suspension(trust.keepers[1], created=now, until=now + 60, **facts)
    assert trust.build().open_suspension(made, trust.NOW).until == trust.NOW + 60


# --- what it does -----------------------------------------------------------------------------------


def test_attack_038_what_a_stopped_key_signs_is_refused_as_such_until_it_is_over(trust):
    view, end = network(trust, note(trust)), trust.NOW + 24 * HOUR
    told = signed(trust, POLICE)
    for now in (trust.NOW, end - 1):
        error = refused(Untrusted, "suspended", open_note, told, "bx/1/receipt", view.keyring_at(now))
        assert "telephone" in error.remedy
    assert open_note(told, "bx/1/receipt", view.keyring_at(end)).signer == POLICE
    assert open_note(signed(trust, NODE), "bx/1/receipt", view.keyring_at(trust.NOW)).signer == NODE


def test_only_what_the_stopped_key_really_signed_is_told_apart(trust):
    view = network(trust, note(trust))
    ring = view.keyring_at(trust.NOW)
    stranger = sign_note("bx/1/receipt", {"v": 1}, [trust.key(f"{POLICE}#2")])
    refused(Untrusted, "unknown_key", open_note, stranger, "bx/1/receipt", ring)
    broken = signed(trust, POLICE).replace(b'"v":1', b'"v":2')
    refused(Forged, "signature", open_note, broken, "bx/1/receipt", ring)
    assert list(ring(POLICE)) == [trust.key(POLICE).public]
    assert [type(key) for key in ring(POLICE)] == [Stopped]
    assert [type(key) for key in ring(NODE)] == [bytes]


def test_a_stopped_key_beside_others_counts_for_nothing(trust):
    ring = network(trust, note(trust)).keyring_at(trust.NOW)
    both = cosign(signed(trust, NODE), trust.key(POLICE))
    assert {key.name for key in open_note(both, "bx/1/receipt", ring).keys} == {NODE}


def test_nothing_is_sealed_to_a_stopped_principal_and_it_may_not_send(trust):
    view, end = network(trust, note(trust)), trust.NOW + 24 * HOUR
    error = refused(UnknownRecipient, "suspended", view.sealing_key, POLICE, trust.NOW)
    assert "telephone" in error.remedy
    refused(Untrusted, "suspended", view.check_sendable, trust.NOW, sender=POLICE)
    view.check_sendable(trust.NOW, sender=NODE)
    view.check_sendable(trust.NOW)
    view.check_sendable(end, sender=POLICE)
    assert view.sealing_key(POLICE, end) == trust.build(cards=[trust.card()]).sealing_key(POLICE, end)
    assert view.suspended(POLICE, end - 1)
    assert not view.suspended(POLICE, end)
    assert not view.suspended(NODE, trust.NOW)
    assert not view.suspended("E09000033/node", trust.NOW)


def test_it_works_on_receipt_whatever_the_clock_says(trust):
    view = network(trust, note(trust))
    assert view.suspended(POLICE, trust.NOW - 9 * trust.DAY)
    assert network(trust, note(trust), now=trust.NOW - 3600).suspended(POLICE, trust.NOW)


def test_of_several_the_one_that_lasts_longest_counts(trust):
    long, short = note(trust, hours=48), note(trust, created=trust.NOW + 60, hours=1, by=[trust.key(POLICE)])
    for notes in ([long, short], [short, long]):
        view = network(trust, *notes)
        assert view.suspension(trust.key(POLICE).public, trust.NOW).until == trust.NOW + 48 * HOUR


def test_a_suspension_that_is_not_admitted_today_is_left_out_and_a_broken_one_is_not(trust):
    outsider = note(trust, by=[trust.key("dir-1#2")])
    assert not network(trust, outsider).suspensions
    assert not network(trust, note(trust, "E09000033/node")).suspensions
    broken = note(trust).replace(b"suspected_theft", b"suspected_thief")
    refused(Forged, "signature", network, trust, broken)


def test_the_day_of_the_directory_knows_no_suspension(trust):
    view = network(trust, note(trust))
    assert open_note(signed(trust, POLICE), "bx/1/receipt", view.keyring).signer == POLICE


def test_whose_key_it_is(trust):
    view = trust.build()
    assert view.owner(trust.key(POLICE).public).name == POLICE
    assert view.owner(trust.key(f"{NODE}#log").public).name == NODE
    refused(UnknownRecipient, "unknown_principal", view.owner, bytes(32))
