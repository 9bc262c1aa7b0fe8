"""Founding, admitting, signing, publishing, joining: the steps that must be refused, and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.cli.output import Exit
from gateway.clock import SystemClock
from gateway.core.ceremony import Bundle, pack
from gateway.core.encoding import b64, decode_object, encode, unb64
from gateway.core.entitlements import ENTITLEMENTS
from keys_example import PASSPHRASE, demo_network, install


def signer(gateway, folder: str, name: str, purpose: str, environment: str = "demo") -> dict:
    there = Path(folder, "pass")
    option = "--passphrase-file" if there.exists() else "--generate-passphrase"
    done = gateway(
        "keys", "generate", "--name", name, "--purpose", purpose, "--folder", f"{folder}/keys",
        "--environment", environment, option, str(there), "--json",
    )  # fmt: skip
    assert done.code == 0, done.out
    return done.json


def founded(gateway, *, root_threshold: int = 1, directory_threshold: int = 1) -> str:
    """A draft network.json of alice (root, directory) and bob (both too). Returns its fingerprint."""
    for person in ("alice", "bob"):
        signer(gateway, person, f"{person}_r", "root")
        signer(gateway, person, person, "directory")
    done = gateway(
        "directory", "create", "--root", "alice/keys/alice_r.root.pub", "--root", "bob/keys/bob_r.root.pub",
        "--directory", "alice/keys/alice.directory.pub", "--directory", "bob/keys/bob.directory.pub",
        "--root-threshold", str(root_threshold), "--directory-threshold", str(directory_threshold),
        "--keys", "alice/keys", "--passphrase-file", "alice/pass", "--json",
    )  # fmt: skip
    assert done.code == 0, done.out
    return done.json["fingerprint"]


def node(gateway, area: str, *more: str, environment: str = "demo") -> str:
    """A node and its request to join; returns the request's fingerprint."""
    done = gateway(
        "init", "--area", area, "--data", area, "--broker", "amqp://127.0.0.1:1/none", "--environment",
        environment, "--generate-passphrase", f"{area}.pass", "--agency", "police", "--json", *more,
    )  # fmt: skip
    assert done.code == 0, done.out
    done = gateway(
        "directory", "request", "--config", f"{area}/gateway.toml", "--out", f"{area}.request", "--json"
    )
    assert done.code == 0, done.out
    return done.json["fingerprint"]


def sign(gateway, person: str, *more: str, name: str = ""):
    return gateway(
        "directory", "sign", "--keys", f"{person}/keys", "--passphrase-file", f"{person}/pass",
        "--name", name or person, "--json", *more,
    )  # fmt: skip


@pytest.fixture
def joined(gateway) -> str:
    """Hackney, in a network of its own. Returns the network's fingerprint."""
    network = founded(gateway)
    added = gateway("directory", "add", "hackney.request", "--expect", node(gateway, "hackney"), "--json")
    assert added.code == 0, added.out
    assert sign(gateway, "alice").code == 0
    assert gateway("directory", "publish").code == 0
    done = gateway(
        "join", "network.bundle", "--expect", network, "--config", "hackney/gateway.toml", "--json"
    )
    assert done.code == 0, done.out
    return network


def test_it_takes_every_threshold_to_publish(gateway) -> None:
    network = founded(gateway, root_threshold=2, directory_threshold=2)
    print_ = node(gateway, "hackney")
    assert gateway("directory", "add", "hackney.request", "--expect", print_).code == 0

    assert gateway("directory", "publish", "--json").error == "draft_unsigned"
    first = sign(gateway, "alice")
    assert first.json["signatures"]["directory"] == {"by": ["alice"], "needed": 2, "complete": False}
    assert gateway("directory", "publish", "--json").code == Exit.VERIFICATION_FAILED
    assert sign(gateway, "bob", "--expect", "aaaa-" * 7 + "aaaa").error == "text_fingerprint"
    second = sign(gateway, "bob", "--expect", first.json["text"])
    assert second.json["text"] == first.json["text"]
    assert gateway("directory", "publish", "--json").error == "root_threshold"
    assert sign(gateway, "bob", name="bob_r").json["signatures"]["root"]["by"] == ["alice_r", "bob_r"]
    done = gateway("directory", "publish", "--json")
    assert (done.code, done.json["fingerprint"]) == (0, network)
    shown = gateway("directory", "show", "--network", "network.bundle", "--json").json
    assert list(shown["areas"]) == ["E09000012"]


def test_nobody_signs_twice_or_from_outside(gateway) -> None:
    founded(gateway, directory_threshold=2)
    assert sign(gateway, "alice").code == 0
    assert sign(gateway, "alice").code == Exit.VERIFICATION_FAILED
    signer(gateway, "eve", "eve", "directory")
    assert sign(gateway, "eve").error == "not_a_signer"
    assert sign(gateway, "alice", name="nobody").error == "key_missing"


def test_an_area_comes_in_under_its_fingerprint_alone(gateway) -> None:
    founded(gateway)
    print_ = node(gateway, "hackney")
    before = Path("network.json").read_bytes()
    done = gateway("directory", "add", "hackney.request", "--expect", "aaaa-" * 7 + "aaaa", "--json")
    assert (done.code, done.error) == (Exit.VERIFICATION_FAILED, "request_fingerprint")
    assert Path("network.json").read_bytes() == before
    assert gateway("directory", "add", "hackney.request", "--expect", print_.upper()).code == 0

    again = gateway("directory", "add", "hackney.request", "--expect", print_, "--json")
    assert (again.code, again.error) == (Exit.CONFLICT, "area_listed")
    assert gateway("directory", "add", "hackney.request", "--expect", print_, "--replace").code == 0


def test_a_request_is_for_one_network(gateway) -> None:
    founded(gateway)
    print_ = node(gateway, "hackney")
    Path("network.json").rename("first.json")
    founded_again = gateway(
        "directory", "create", "--root", "bob/keys/bob_r.root.pub", "--directory",
        "bob/keys/bob.directory.pub", "--keys", "bob/keys", "--passphrase-file", "bob/pass",
    )  # fmt: skip
    assert founded_again.code == 0
    done = gateway("directory", "add", "hackney.request", "--expect", print_, "--json")
    assert (done.code, done.error) == (Exit.VERIFICATION_FAILED, "card_net")
    wrong = gateway("directory", "request", "--config", "hackney/gateway.toml", "--expect", "aaaa", "--json")
    assert wrong.error == "fingerprint"


def test_a_draft_that_is_being_signed_is_not_changed(gateway) -> None:
    founded(gateway, directory_threshold=2)
    assert sign(gateway, "alice").code == 0
    print_ = node(gateway, "hackney")
    done = gateway("directory", "add", "hackney.request", "--expect", print_, "--json")
    assert (done.code, done.error) == (Exit.CONFLICT, "draft_signed")
    assert sign(gateway, "alice", "--renew").error == "draft_signed"


def test_a_directory_whose_signature_was_forged_is_not_built_upon(gateway, joined: str) -> None:
    body = decode_object(Path("network.bundle").read_bytes())
    note = unb64(str(body["directory"])).replace(b'"Hackney"', b'"Hockney"')
    Path("network.json").write_bytes(encode({**body, "directory": b64(note)}))
    assert sign(gateway, "alice", "--renew").code == Exit.VERIFICATION_FAILED


def test_a_network_is_joined_by_its_fingerprint(gateway) -> None:
    network = founded(gateway)
    print_ = node(gateway, "hackney")
    gateway("directory", "add", "hackney.request", "--expect", print_)
    sign(gateway, "alice")
    gateway("directory", "publish")
    config = ("--config", "hackney/gateway.toml", "--json")

    assert gateway("agency", "token", "create", "police", "--label", "x", *config).error == "not_joined"
    missing = gateway("join", "network.bundle", *config)
    assert (missing.code, missing.error) == (Exit.USAGE, "expect_missing")
    wrong = gateway("join", "network.bundle", "--expect", print_, *config)
    assert (wrong.code, wrong.error) == (Exit.VERIFICATION_FAILED, "fingerprint")
    assert gateway("join", "network.bundle", *config).error == "expect_missing"  # nothing was kept
    assert gateway("join", "network.bundle", "--expect", network, *config).json["fingerprint"] == network


def test_a_renewed_directory_is_taken_up_and_an_old_one_is_not(gateway, joined: str) -> None:
    first = Path("network.bundle").read_bytes()
    renewed = sign(gateway, "alice", "--renew")
    assert renewed.json["version"] == 2
    assert gateway("directory", "publish").code == 0
    config = ("--config", "hackney/gateway.toml", "--json")
    assert gateway("join", "network.bundle", *config).json["version"] == 2
    Path("old.bundle").write_bytes(first)
    done = gateway("join", "old.bundle", *config)
    assert (done.code, done.error) == (Exit.VERIFICATION_FAILED, "directory_rollback")


def test_key_cards_travel_by_themselves(gateway, joined: str) -> None:
    config = ("--config", "hackney/gateway.toml", "--json")
    assert len(gateway("keys", "generate", "--purpose", "kem", *config).json["keys"]) == 2
    made = gateway("keys", "card", "--out", "cards.json", *config)
    assert [card["principal"] for card in made.json["cards"]] == ["E09000012/node", "E09000012/police"]
    again = gateway("join", "cards.json", *config)
    assert again.json == {"joined": "cards", "cards": made.json["cards"]}

    body = json.loads(Path("cards.json").read_text())
    Path("cards.json").write_text(
        json.dumps({"cards": [body["cards"][0][:-8] + "AAAAAAA="]}, separators=(",", ":"))
    )
    assert gateway("join", "cards.json", *config).code == Exit.VERIFICATION_FAILED


def test_production_refuses_the_keys_that_everybody_has(gateway) -> None:
    node_made = gateway(
        "init", "--area", "hackney", "--broker", "amqp://127.0.0.1:1/none", "--generate-passphrase", "pass"
    )
    assert node_made.code == 0
    for file in Path("hackney/keys").iterdir():
        file.unlink()
    install("E09000012", Path("hackney/keys"))
    Path("pass").write_bytes(PASSPHRASE)
    for command in (("keys", "generate", "--purpose", "kem"), ("run",)):
        done = gateway(*command, "--config", "hackney/gateway.toml", "--json")
        assert done.code == Exit.NOT_READY
    assert (
        gateway("keys", "generate", "--purpose", "kem", "--config", "hackney/gateway.toml", "--json").error
        == "key_environment"
    )


def test_production_refuses_the_network_that_everybody_has(gateway) -> None:
    made = gateway(
        "init", "--area", "hackney", "--broker", "amqp://127.0.0.1:1/none", "--generate-passphrase", "pass"
    )
    assert made.code == 0
    network = demo_network(SystemClock().now(), ENTITLEMENTS)
    Path("demo.bundle").write_bytes(
        pack(Bundle(network.roots, network.directory, tuple(network.cards.values())))
    )
    print_ = gateway("directory", "show", "--network", "demo.bundle", "--json").json["fingerprint"]
    config = ("--config", "hackney/gateway.toml", "--json")
    done = gateway("join", "demo.bundle", "--expect", print_, *config)
    assert (done.code, done.error) == (Exit.NOT_READY, "network_env")
    assert gateway("agency", "token", "create", "police", "--label", "x", *config).error == "not_joined"
    asked = gateway("directory", "request", "--network", "demo.bundle", *config)
    assert asked.error == "network_env"


# --- when a key is lost, and when the signers change -------------------------------------------------

POLICE = "E09000012/police"


def suspend(gateway, person: str, wanted: str, *more: str):
    return gateway(
        "directory", "suspend", wanted, "--reason", "lost", "--keys", f"{person}/keys", "--name", person,
        "--passphrase-file", f"{person}/pass", "--json", *more,
    )  # fmt: skip


def taken(gateway, name: str):
    return gateway("join", name, "--config", "hackney/gateway.toml", "--json")


def published(gateway) -> dict:
    done = gateway("directory", "publish", "--json")
    assert done.code == 0, done.out
    return taken(gateway, "network.bundle").json


def test_one_signer_suspends_and_a_node_takes_it_up(gateway, joined: str) -> None:
    made = suspend(gateway, "bob", POLICE, "--hours", "3")
    assert made.code == 0, made.out
    assert (made.json["by"], made.json["reason"], made.json["file"]) == ("bob", "lost", "suspension.note")
    assert Path("suspension.note").read_text().startswith("bx/1/suspend\n")
    done = taken(gateway, "suspension.note")
    assert done.json == {"joined": "suspension", **{k: v for k, v in made.json.items() if k != "file"}}
    assert taken(gateway, "suspension.note").code == 0
    shown = gateway("directory", "show", "--json").json["areas"]["E09000012"]["principals"][POLICE]["key"]
    assert made.json["key"] == shown
    assert suspend(gateway, "bob", shown).code == 0


def test_nobody_else_suspends_and_nothing_else_is_suspended(gateway, joined: str) -> None:
    signer(gateway, "eve", "eve", "directory")
    assert suspend(gateway, "eve", POLICE).error == "not_a_signer"
    assert suspend(gateway, "bob", "E09000033/police").error == "no_such_key"
    assert suspend(gateway, "bob", POLICE, "--hours", "73").code == Exit.USAGE
    assert not Path("suspension.note").exists()
    assert suspend(gateway, "bob", POLICE).code == 0
    note = Path("suspension.note").read_bytes()
    Path("suspension.note").write_bytes(note.replace(b'"lost"', b'"lust"'))
    done = taken(gateway, "suspension.note")
    assert (done.code, done.error) == (Exit.VERIFICATION_FAILED, "signature")


def test_a_node_that_has_not_joined_takes_no_suspension(gateway, joined: str) -> None:
    assert suspend(gateway, "bob", POLICE).code == 0
    node(gateway, "bexley")
    done = gateway("join", "suspension.note", "--config", "bexley/gateway.toml", "--json")
    assert (done.code, done.error) == (Exit.NOT_READY, "not_joined")


def test_a_revoked_key_is_shown_and_does_not_come_back(gateway, joined: str) -> None:
    made = gateway("directory", "revoke", POLICE, "--reason", "stolen", "--json")
    assert made.code == 0, made.out
    assert "REVOKED" in gateway("directory", "show").out
    assert (
        gateway("directory", "revoke", made.json["revoked"], "--reason", "lost", "--json").error
        == "key_revoked"
    )
    assert gateway("directory", "revoke", "somebody", "--reason", "lost", "--json").error == "no_such_key"
    assert gateway("directory", "revoke", POLICE, "--reason", "It was lost", "--json").code != 0
    assert sign(gateway, "alice").code == 0
    assert published(gateway)["version"] == 2
    again = gateway(
        "directory", "replace-key", "hackney.request", "--expect",
        gateway("directory", "show", "--network", "hackney.request", "--json").json["fingerprint"], "--json",
    )  # fmt: skip
    assert again.error == "key_revoked"


def test_a_member_changes_its_keys_and_the_old_ones_go_on_counting(gateway, joined: str) -> None:
    same = gateway("directory", "show", "--network", "hackney.request", "--json").json["fingerprint"]
    replace = ("directory", "replace-key", "hackney.request", "--json", "--expect")
    assert gateway(*replace, same).error == "nothing_replaced"
    made = gateway(
        "init", "--area", "hackney", "--data", "anew", "--broker", "amqp://127.0.0.1:1/none", "--environment",
        "demo", "--generate-passphrase", "anew.pass", "--agency", "police",
    )  # fmt: skip
    assert made.code == 0, made.out
    asked = gateway(
        "directory", "request", "--config", "anew/gateway.toml", "--out", "hackney.request", "--json"
    )
    assert gateway(*replace, same).error == "request_fingerprint"
    assert gateway(*replace, asked.json["fingerprint"], "--overlap", "31").code == Exit.USAGE
    old = gateway("directory", "show", "--json").json["areas"]["E09000012"]["principals"]
    done = gateway(*replace, asked.json["fingerprint"], "--overlap", "3")
    assert done.code == 0, done.out
    new = done.json["areas"]["E09000012"]["principals"]
    for name, entry in new.items():
        assert entry["key"] != old[name]["key"]
        assert entry["retiring"]["key"] == old[name]["key"]
    assert "counts until" in gateway("directory", "show").out
    assert sign(gateway, "alice").code == 0
    assert published(gateway)["version"] == 2


def hand_on(gateway, person: str, *more: str):
    return gateway(
        "directory",
        "root",
        "--keys",
        f"{person}/keys",
        "--passphrase-file",
        f"{person}/pass",
        "--json",
        *more,
    )


def test_the_root_is_handed_on_by_keepers_of_both(gateway) -> None:
    network = founded(gateway, root_threshold=2)
    assert sign(gateway, "bob", name="bob_r").code == 0
    gateway("directory", "add", "hackney.request", "--expect", node(gateway, "hackney"))
    assert sign(gateway, "alice").code == 0
    gateway("directory", "publish")
    gateway("join", "network.bundle", "--expect", network, "--config", "hackney/gateway.toml")

    signer(gateway, "carol", "carol_r", "root")
    change = ("--remove-signer", "alice_r", "--add-signer", "carol/keys/carol_r.root.pub")
    made = hand_on(gateway, "bob", *change)
    assert made.code == 0, made.out
    assert made.json["root"]["version"] == 2
    assert made.json["signatures"]["root"] == {"by": ["bob_r"], "needed": 2, "complete": False, "owed": 1}
    assert gateway("directory", "publish", "--json").error == "root_threshold_old"
    assert hand_on(gateway, "bob", *change).error == "draft_signed"
    assert suspend(gateway, "bob", POLICE).error == "draft_signed"
    wrong = sign(gateway, "carol", "--expect", made.json["fingerprint"], name="carol_r")
    assert wrong.error == "text_fingerprint"
    second = sign(gateway, "carol", "--expect", made.json["root"]["text"], name="carol_r")
    assert second.json["signatures"]["root"]["owed"] == 1
    assert "1 more by keepers of the root before" in gateway("directory", "show").out
    assert sign(gateway, "alice", name="alice_r").json["signatures"]["root"]["complete"]
    done = published(gateway)
    assert (done["fingerprint"], done["version"]) == (network, 1)
    shown = gateway("directory", "show", "--network", "network.bundle", "--json").json
    assert sorted(shown["signers"]["root"]) == ["bob_r", "carol_r"]


def test_directory_signers_change_with_the_root_and_sign_anew(gateway, joined: str) -> None:
    signer(gateway, "carol", "carol", "directory")
    made = hand_on(
        gateway, "alice", "--remove-signer", "alice", "--add-signer", "carol/keys/carol.directory.pub"
    )
    assert made.code == 0, made.out
    assert made.json["signatures"]["root"]["complete"]
    assert not made.json["signed"]
    assert sign(gateway, "alice").error == "not_a_signer"
    assert sign(gateway, "carol").code == 0
    assert published(gateway)["version"] == 2


def test_a_threshold_falls_only_when_somebody_says_so(gateway) -> None:
    founded(gateway, root_threshold=2, directory_threshold=2)
    assert sign(gateway, "bob", name="bob_r").code == 0
    less = hand_on(gateway, "alice", "--remove-signer", "bob_r")
    assert (less.code, less.error) == (Exit.USAGE, "threshold")
    assert hand_on(gateway, "alice", "--root-threshold", "3").error == "threshold"
    assert hand_on(gateway, "alice", "--remove-signer", "nobody").error == "signer"
    assert hand_on(gateway, "alice", "--add-signer", "bob/keys/bob.directory.pub").error == "signer"
    made = hand_on(gateway, "alice", "--remove-signer", "bob_r", "--root-threshold", "1")
    assert made.code == 0, made.out
    assert made.json["signatures"]["root"]["owed"] == 1
    assert sign(gateway, "bob", name="bob_r").json["signatures"]["root"]["complete"]


def test_who_holds_no_root_key_hands_nothing_on(gateway, joined: str) -> None:
    signer(gateway, "eve", "eve_r", "root")
    assert hand_on(gateway, "eve").error == "not_a_signer"
    signer(gateway, "mallory", "bob_r", "root")
    assert hand_on(gateway, "mallory").error == "not_a_signer"
    signer(gateway, "prod", "prod_r", "root", environment="prod")
    assert hand_on(gateway, "alice", "--add-signer", "prod/keys/prod_r.root.pub").error == "environment"
