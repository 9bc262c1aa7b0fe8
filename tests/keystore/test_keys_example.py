"""The demo keys: they work at once, for everybody, and in production not at all (protocol 7; case 113)."""

from __future__ import annotations

import stat

import pytest

from gateway.core import kem
from gateway.core.entitlements import ENTITLEMENTS
from gateway.core.trust import Network
from gateway.errors import Misconfigured
from gateway.keystore import KeyStore
from keys_example import AGENCIES, AREAS, HERE, PASSPHRASE, demo_network, install, principals
from keys_example.make_keys import main, make

NOW = 1_800_000_000
DAY = 86_400


def build(now: int) -> Network:
    made = demo_network(now, ENTITLEMENTS)
    return Network.build(made.roots, made.directory, list(made.cards.values()), now=now)


def test_two_boroughs_and_the_seven_agencies_of_the_case_study():
    network = build(NOW)
    assert dict(network.areas) == {"E09000012": "Hackney", "E09000004": "Bexley"}
    assert network.env == "demo"
    assert network.entitlements == {group: frozenset(who) for group, who in ENTITLEMENTS.items()}
    for area in AREAS:
        assert {p.agency for p in network.agencies(area)} == {
            "COMMUNITY_SAFETY", "POLICE", "PROBATION", "LEAVING_CARE", "HOUSING", "DWP", "VOLUNTARY_SECTOR",
        }  # fmt: skip
        assert network.find(area, "VOLUNTARY_SECTOR", "St Giles").name == f"{area}/st_giles"
        assert network.node(area).log is not None


@pytest.mark.parametrize("now", [NOW, NOW + 400 * DAY, NOW - NOW % DAY, NOW - NOW % DAY - 1])
@pytest.mark.parametrize("slow", [0, 3000])
def test_it_is_good_at_any_moment_and_on_a_slow_clock(now, slow):
    made = demo_network(now, ENTITLEMENTS)
    network = Network.build(made.roots, made.directory, list(made.cards.values()), now=now - slow)
    network.check_sendable(now + 20 * DAY)
    for area in AREAS:
        for name in principals(area):
            network.sealing_key(name, now - slow)


def test_every_borough_opens_what_is_sealed_to_it_and_signs_as_listed(tmp_path):
    network = build(NOW)
    for area in AREAS:
        install(area, tmp_path / area)
        store = KeyStore.open(tmp_path / area, PASSPHRASE, "demo")
        assert set(store.principals()) == set(principals(area))
        assert store.log_signer(area).public == network.node(area).log
        for name in principals(area):
            assert [store.signer(name).public] == list(network.keyring(name))
            public = network.sealing_key(name, NOW)
            secret, ciphertext = kem.encapsulate(public)
            assert store.opener(name).decapsulate(public, ciphertext) == secret


def test_one_day_one_directory_and_the_next_may_follow():
    day = NOW - NOW % DAY + 2 * 3600
    one, two = demo_network(day, ENTITLEMENTS), demo_network(day + 20 * 3600, ENTITLEMENTS)
    assert one.directory == two.directory
    build(day).check_successor(build(day + DAY))


def test_installed_files_are_the_owners_alone(tmp_path):
    install("E09000012", tmp_path / "keys")
    install("E09000012", tmp_path / "keys")
    files = list((tmp_path / "keys").iterdir())
    assert len(files) == 2 * (len(AGENCIES) + 1) + 1
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_production_refuses_keys_and_network(tmp_path):
    install("E09000012", tmp_path / "keys")
    with pytest.raises(Misconfigured) as caught:
        KeyStore.open(tmp_path / "keys", PASSPHRASE, "prod")
    assert caught.value.code == "key_environment"
    with pytest.raises(Misconfigured) as caught:
        build(NOW).require_env("prod")
    assert caught.value.code == "network_env"


def test_they_can_be_made_anew(tmp_path):
    make(tmp_path, NOW)
    assert {path.name for path in tmp_path.iterdir()} == {"root.note", "network", *AREAS}
    for name in ("network", *AREAS):
        made = sorted(path.name for path in (tmp_path / name).iterdir())
        assert made == sorted(path.name for path in (HERE / name).iterdir())
        KeyStore.open(tmp_path / name, PASSPHRASE, "demo")
    assert (tmp_path / "root.note").read_bytes() != (HERE / "root.note").read_bytes()


def test_nothing_is_replaced_without_force(capsys):
    before = (HERE / "root.note").read_bytes()
    assert main([]) == 2
    assert "--force" in capsys.readouterr().err
    assert (HERE / "root.note").read_bytes() == before
