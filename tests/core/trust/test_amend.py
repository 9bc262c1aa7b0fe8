"""Changing a network that stands: the steps between people, each from a draft to a draft."""

from __future__ import annotations

import pytest

from gateway.core import amend, draft
from gateway.core.ceremony import Member, Roles, make_card, make_next_root, make_request, open_request
from gateway.core.encoding import b64, encode
from gateway.core.keys import KemKey, fingerprint_of
from gateway.core.notes import open_note, sign_note
from gateway.core.root import ROOT_LIFE, verify_roots
from gateway.core.trust import Network
from gateway.errors import (
    Conflict,
    Forged,
    GatewayError,
    Malformed,
    NotAllowed,
    NotFound,
    UnknownRecipient,
    Untrusted,
)

AREA = "E09000012"
NODE, POLICE = f"{AREA}/node", f"{AREA}/police"


def refused(kind, code, work, *args, **more):
    with pytest.raises(GatewayError) as caught:
        work(*args, **more)
    assert (type(caught.value), caught.value.code) == (kind, code)


@pytest.fixture
def published(trust):
    return draft.Draft((trust.first,), trust.directory(), (trust.card(),))


def asked(trust, *, node=NODE, police=POLICE, area=AREA):
    """A request of Hackney with these keys (``name#2`` is another key of that name)."""
    members = [
        Member(NODE, "NODE", trust.key(node), trust.key(f"{NODE}#log")),
        Member(POLICE, "POLICE", trust.key(police)),
    ]
    subkey = KemKey(b"\1" * 32, trust.NOW, trust.NOW + trust.DAY)
    cards = [make_card(member.signer, [subkey], net=trust.net, version=9) for member in members]
    return open_request(make_request(area, "Hackney", members, cards))


def signed(trust, changed, by=None):
    for keeper in by or trust.keepers:
        changed = draft.sign(changed, keeper, now=trust.NOW)
    return draft.finish(changed, now=trust.NOW)


def view(trust, bundle):
    return Network.build(bundle.roots, bundle.directory, bundle.cards, now=trust.NOW)


# --- keys -------------------------------------------------------------------------------------------


def test_a_key_is_named_by_its_principal_its_fingerprint_or_itself(trust, published):
    listed = draft.listed(published, trust.NOW)
    public, log = trust.key(POLICE).public, trust.key(f"{NODE}#log").public
    for wanted in (
        POLICE,
        f" {POLICE}\n",
        fingerprint_of(public),
        fingerprint_of(public).upper(),
        b64(public),
    ):
        assert amend.find_key(listed, wanted) == public
    assert amend.find_key(listed, NODE) == trust.key(NODE).public
    assert amend.find_key(listed, fingerprint_of(log)) == log
    for wanted in ("E09000033/node", "police", "", b64(bytes(32))):
        refused(NotFound, "no_such_key", amend.find_key, listed, wanted)


def test_a_revoked_key_counts_for_nothing_once_the_threshold_has_signed(trust, published):
    public = trust.key(POLICE).public
    changed = amend.revoke(published, public, "stolen", now=trust.NOW)
    assert published.body is None
    refused(Untrusted, "directory_threshold", signed, trust, changed, trust.keepers[:1])
    network = view(trust, signed(trust, changed))
    assert network.directory.revoked == {public: trust.NOW}
    assert network.version == 8
    assert list(network.keyring_at(trust.NOW)(POLICE)) == []
    again = amend.revoke(changed, trust.key(NODE).public, "lost", now=trust.NOW)
    assert len(draft.listed(again, trust.NOW).revoked) == 2
    refused(Conflict, "key_revoked", amend.revoke, again, public, "lost", now=trust.NOW)


def test_a_reason_is_a_code(trust, published):
    public = trust.key(POLICE).public
    refused(Malformed, "field_value", amend.revoke, published, public, "it was lost", now=trust.NOW)


def test_a_replaced_key_retires_after_the_overlap(trust, published):
    wanted = asked(trust, police=f"{POLICE}#2")
    changed = amend.replace_keys(
        published, wanted, expect=wanted.fingerprint, now=trust.NOW, overlap=trust.DAY
    )
    network = view(trust, signed(trust, changed))
    entry = network.principal(POLICE)
    assert entry.sign == trust.key(f"{POLICE}#2").public
    assert (entry.retiring.key, entry.retiring.until) == (trust.key(POLICE).public, trust.NOW + trust.DAY)
    assert network.principal(NODE).retiring is None
    assert len(network.keyring_at(trust.NOW)(POLICE)) == 2
    assert network.principal("E09000004/police").sign == trust.key("E09000004/police").public


def test_without_overlap_or_when_it_is_revoked_the_old_key_does_not_retire(trust, published):
    wanted = asked(trust, police=f"{POLICE}#2")
    facts = {"expect": wanted.fingerprint, "now": trust.NOW}
    changed = amend.replace_keys(published, wanted, overlap=0, **facts)
    assert draft.listed(changed, trust.NOW).principals[POLICE].retiring is None
    stolen = amend.revoke(published, trust.key(POLICE).public, "stolen", now=trust.NOW)
    changed = amend.replace_keys(stolen, wanted, overlap=trust.DAY, **facts)
    assert draft.listed(changed, trust.NOW).principals[POLICE].retiring is None


def test_who_is_still_changing_over_goes_on_when_another_key_is_replaced(trust, published):
    first = asked(trust, police=f"{POLICE}#2")
    once = amend.replace_keys(
        published, first, expect=first.fingerprint, now=trust.NOW, overlap=2 * trust.DAY
    )
    second = asked(trust, police=f"{POLICE}#2", node=f"{NODE}#2")
    facts = {"expect": second.fingerprint, "overlap": trust.DAY}
    twice = amend.replace_keys(once, second, now=trust.NOW, **facts)
    listed = draft.listed(twice, trust.NOW).principals
    assert listed[POLICE].retiring.until == trust.NOW + 2 * trust.DAY
    assert listed[NODE].retiring.until == trust.NOW + trust.DAY
    late = amend.replace_keys(once, second, now=trust.NOW + 2 * trust.DAY, **facts)
    assert draft.listed(late, trust.NOW).principals[POLICE].retiring is None


def test_what_replaces_nothing_or_nobody(trust, published):
    same, other = asked(trust), asked(trust, police=f"{POLICE}#2")

    def work(request, now=trust.NOW, **more):
        facts = {"expect": request.fingerprint, "overlap": trust.DAY} | more
        return amend.replace_keys(published, request, now=now, **facts)

    refused(NotAllowed, "nothing_replaced", work, same)
    refused(NotAllowed, "retiring_life", work, other, overlap=30 * trust.DAY + 1)
    refused(NotAllowed, "retiring_life", work, other, overlap=-1)
    refused(Untrusted, "request_fingerprint", work, other, expect=same.fingerprint)
    assert work(other, overlap=30 * trust.DAY)


def test_an_area_that_is_not_there_is_added_not_replaced(trust, published):
    def drop(body):
        del body["members"][AREA]

    alone = draft.Draft((trust.first,), trust.directory(drop), ())
    wanted = asked(trust)
    facts = {"expect": wanted.fingerprint, "now": trust.NOW}
    refused(UnknownRecipient, "unknown_area", amend.replace_keys, alone, wanted, **facts)


def test_a_revoked_key_does_not_come_back(trust, published):
    gone = trust.key(f"{POLICE}#2").public

    def revoked(body):
        body["revoked"] = [{"key": b64(gone), "at": trust.NOW, "reason": "stolen"}]

    before = draft.Draft((trust.first,), trust.directory(revoked), ())
    wanted = asked(trust, police=f"{POLICE}#2")
    facts = {"expect": wanted.fingerprint, "now": trust.NOW}
    refused(NotAllowed, "key_revoked", amend.replace_keys, before, wanted, **facts)


def test_a_request_says_nothing_of_retiring(trust):
    member = Member(POLICE, "POLICE", trust.key(POLICE))
    body = {
        "v": 1, "area": AREA, "name": "Hackney", "cards": [],
        "principals": {POLICE: {
            "agency": "POLICE", "hosted": True, "sign": b64(member.signer.public),
            "retiring": [{"key": b64(trust.key("old").public), "until": 1}],
        }},
    }  # fmt: skip
    note = sign_note("bx/1/request", body, [member.signer])
    refused(Malformed, "field_unknown", open_request, encode({"request": [note.decode()]}))


# --- the root ---------------------------------------------------------------------------------------


def roles(trust, root=("root-1", "root-2", "root-3"), directory=("dir-1", "dir-2"), thresholds=(2, 2)):
    return Roles(
        {name: trust.key(name).public for name in root}, thresholds[0],
        {name: trust.key(name).public for name in directory}, thresholds[1],
    )  # fmt: skip


def rotated(trust, published, wanted, *signers, now=None):
    signers = [trust.key(name) for name in signers]
    now = trust.NOW if now is None else now
    return amend.next_root(published, wanted, now=now, life=ROOT_LIFE["prod"], signers=signers)


def test_the_roles_of_a_root_are_those_to_change(trust):
    assert amend.roles_of(verify_roots([trust.first], now=trust.NOW)) == roles(trust)


def test_keepers_of_both_roots_sign_and_the_directory_stays(trust, published):
    changed = rotated(trust, published, roles(trust, root=("root-1", "root-9")), "root-1")
    assert changed.directory == published.directory
    progress = draft.progress(changed)[0]
    assert (progress.names, progress.threshold, progress.owed) == (("root-1",), 2, 1)
    assert not progress.complete
    refused(Untrusted, "root_threshold_old", draft.finish, changed, now=trust.NOW)
    refused(Conflict, "draft_signed", rotated, trust, changed, roles(trust), "root-1")
    changed = draft.sign(changed, trust.key("root-9"), now=trust.NOW)
    assert not draft.progress(changed)[0].complete
    refused(Untrusted, "root_threshold_old", draft.finish, changed, now=trust.NOW)
    changed = draft.sign(changed, trust.key("root-2"), now=trust.NOW)
    assert draft.progress(changed)[0].complete
    network = view(trust, draft.finish(changed, now=trust.NOW))
    assert (network.root.version, set(network.root.root.keys)) == (2, {"root-1", "root-9"})
    assert network.net == trust.net
    view(trust, draft.finish(published, now=trust.NOW)).check_successor(network)


def test_other_directory_signers_sign_the_directory_anew(trust, published):
    wanted = roles(trust, directory=("dir-1", "dir-9"))
    changed = rotated(trust, published, wanted, "root-1", "root-2")
    assert changed.body is not None
    refused(Untrusted, "draft_unsigned", draft.finish, changed, now=trust.NOW)
    refused(NotAllowed, "not_a_signer", draft.sign, changed, trust.key("dir-2"), now=trust.NOW)
    bundle = signed(trust, changed, [trust.key("dir-1"), trust.key("dir-9")])
    assert view(trust, bundle).version == 8


def test_a_change_that_waits_is_kept_when_the_root_is_handed_on(trust, published):
    changed = amend.revoke(published, trust.key(POLICE).public, "stolen", now=trust.NOW)
    changed = rotated(trust, changed, roles(trust), "root-1", "root-2")
    assert view(trust, signed(trust, changed)).directory.revoked


def test_a_raised_threshold_holds_for_the_root_that_raises_it(trust, published):
    changed = rotated(trust, published, roles(trust, thresholds=(3, 2)), "root-1", "root-2")
    refused(Untrusted, "root_threshold_new", draft.finish, changed, now=trust.NOW)
    changed = draft.sign(changed, trust.key("root-3"), now=trust.NOW)
    assert view(trust, draft.finish(changed, now=trust.NOW)).root.root.threshold == 3


def test_a_key_may_be_replaced_under_its_name(trust, published):
    mine = roles(trust)
    wanted = Roles({**mine.root, "root-2": trust.key("root-2#2").public}, 2, mine.directory, 2)
    changed = rotated(trust, published, wanted, "root-1", "root-2")
    refused(Untrusted, "root_threshold_new", draft.finish, changed, now=trust.NOW)
    changed = draft.sign(changed, trust.key("root-2#2"), now=trust.NOW)
    assert view(trust, draft.finish(changed, now=trust.NOW)).root.version == 2


def test_nobody_else_begins_a_root(trust, published):
    refused(NotAllowed, "not_a_signer", rotated, trust, published, roles(trust))
    refused(NotAllowed, "not_a_signer", rotated, trust, published, roles(trust), "root-7")
    refused(NotAllowed, "not_a_signer", rotated, trust, published, roles(trust), "dir-1")


def test_a_next_root_that_nobody_would_accept_is_not_signed(trust):
    old = verify_roots([trust.first], now=trust.NOW)
    facts = {"created": trust.NOW, "signers": [trust.roots[0]]}
    life = ROOT_LIFE["prod"]
    refused(Malformed, "field_value", make_next_root, old, roles(trust, thresholds=(4, 2)),
            expires=trust.NOW + 9, **facts)  # fmt: skip
    with pytest.raises(GatewayError, match="too long"):
        make_next_root(old, roles(trust), expires=trust.NOW + life + 1, **facts)
    same = roles(trust, directory=("dir-1", "root-1"))
    refused(Malformed, "key_twice", make_next_root, old, same, expires=trust.NOW + 9, **facts)


# --- a chain that leaves out the root which a node has ----------------------------------------------


def fork(trust, version, created):
    return trust.root(trust.put("created", created), version=version)


def test_attack_098_the_first_keepers_cannot_go_round_the_root_that_replaced_them(trust):
    """Their keys were stolen, so a second root replaced them; the thief signs another second, and a third."""
    new = [trust.key("root-8"), trust.key("root-9")]
    keepers = trust.put("roles/root/keys", {key.name: b64(key.public) for key in new})
    second = trust.root(keepers, version=2, by=[*trust.roots[:2], *new])
    node = trust.build(roots=[trust.first, second])
    stolen = [fork(trust, 2, trust.NOW), fork(trust, 3, trust.NOW)]
    thief = trust.build(roots=[trust.first, *stolen])
    assert thief.root.version == 3
    refused(Forged, "root_equivocation", node.check_successor, thief)
    third = trust.root(keepers, version=3, by=new)
    node.check_successor(trust.build(roots=[trust.first, second, third]))
    trust.build().check_successor(trust.build(roots=[trust.first, second, third]))


def test_a_chain_knows_every_root_that_led_to_it(trust):
    second, third = fork(trust, 2, trust.NOW), fork(trust, 3, trust.NOW)
    chain = [verify_roots([trust.first, second, third][:n], now=trust.NOW) for n in (1, 2, 3)]
    assert [len(root.before) for root in chain] == [0, 1, 2]
    for at, root in enumerate(chain):
        assert [root.follows(older) for older in chain] == [place <= at for place in range(3)]


def test_old_directory_signers_are_nobodys_after_the_rotation(trust):
    changed = trust.put("roles/directory/keys", {"dir-8": b64(trust.key("dir-8").public),
                                                 "dir-9": b64(trust.key("dir-9").public)})  # fmt: skip
    second = trust.root(changed, version=2)
    refused(Untrusted, "unknown_key", trust.build, roots=[trust.first, second])
    fresh = trust.directory(by=[trust.key("dir-8"), trust.key("dir-9")])
    network = trust.build(fresh, roots=[trust.first, second])
    note = sign_note("bx/1/receipt", {"v": 1}, [trust.key(POLICE)])
    assert open_note(note, "bx/1/receipt", network.keyring_at(trust.NOW)).signer == POLICE
