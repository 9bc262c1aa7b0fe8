"""Attacks 112 to 120: key files, what a process shows, floods, poison, fuzzing, and erasure."""

from __future__ import annotations

import io
import json
import pickle
import secrets
import traceback
import tracemalloc
from contextlib import redirect_stdout, suppress
from dataclasses import replace

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import ceremony, directory, encoding, envelope, kem, keys, notes, receipts, request, root
from gateway.core.keys import CHEAP, Cost, IdentityKey, KemKey, KeyFile, SubkeyOpener
from gateway.core.receipts import open_receipt
from gateway.core.shred import Epoch
from gateway.errors import GatewayError, Misconfigured, NotFound, Refused
from gateway.flows import opening, receive, vault
from gateway.flows.vault import open_for
from gateway.keystore import KeyStore, read_private
from gateway.ports import Side

NODE = "E09000012/node"
WORDS = b"words that nobody guesses"


@pytest.fixture
def folder(tmp_path):
    """A key store of one identity key, sealed as cheaply as a demo may."""
    store = KeyStore.create(tmp_path / "keys", WORDS, "demo")
    store.add_identity(NODE)
    return store.folder


def refuses(folder, code, *, words=WORDS, env="demo"):
    with pytest.raises(Misconfigured) as caught:
        KeyStore.open(folder, words, env)
    assert caught.value.code == code
    assert caught.value.remedy


def rewritten(folder, **changes):
    """The one key file with other header fields, still canonical."""
    (path,) = folder.glob("*.key")
    body = {**json.loads(path.read_bytes()), **changes}
    path.write_bytes(encoding.encode(body))
    return folder


def test_112_wrong_passphrase(folder):
    assert KeyStore.open(folder, WORDS, "demo").signer(NODE).name == NODE
    refuses(folder, "key_file", words=b"other words")
    refuses(folder, "no_passphrase", words=b"")


@pytest.mark.parametrize("field", ["name", "purpose", "since", "until", "ct", "nonce", "salt"])
def test_112_changed_header(folder, field):
    (path,) = folder.glob("*.key")
    value = json.loads(path.read_bytes())[field]
    other = value + 1 if isinstance(value, int) else ("B" if value[0] == "A" else "A") + value[1:]
    refuses(rewritten(folder, **{field: other}), "key_file")


@pytest.mark.parametrize(
    "cost",
    [{"ops": 0}, {"ops": 21}, {"mem": CHEAP.mem - 1}, {"mem": 4 * 1024**3 + 1}, {"mem": 2**53 - 1}],
    ids=str,
)
def test_112_derivation_cost_out_of_bounds_is_never_paid(folder, cost, monkeypatch):
    monkeypatch.setattr(keys.pwhash.argon2id, "kdf", lambda *_, **__: pytest.fail("the cost was paid"))
    refuses(rewritten(folder, **cost), "key_cost")


def test_112_a_production_key_file_may_not_be_cheap():
    with pytest.raises(Misconfigured) as caught:
        keys.check_cost(Cost(CHEAP.ops, CHEAP.mem), "prod")
    assert caught.value.code == "key_cost"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_112_a_file_that_others_can_read(folder, mode):
    (path,) = folder.glob("*.key")
    path.chmod(mode)
    refuses(folder, "key_mode")


def test_112_a_symlink_in_its_place(folder):
    (path,) = folder.glob("*.key")
    path.rename(folder / "elsewhere")
    path.symlink_to(folder / "elsewhere")
    refuses(folder, "key_unreadable")
    with pytest.raises(Misconfigured):
        read_private(path)


def test_112_wrong_purpose(folder):
    """The purpose is authenticated, and a store asked for another purpose has no such key."""
    refuses(rewritten(folder, purpose="root"), "key_file")
    store = KeyStore.create(folder / "more", WORDS, "demo")
    store.add_identity("root-1", purpose="root")
    with pytest.raises(Misconfigured) as caught:
        store.named_signer("root-1", "directory")
    assert caught.value.code == "key_missing"


def test_113_a_demo_key_and_a_demo_network_in_production(folder, attack):
    refuses(folder, "key_environment", env="prod")
    refuses(rewritten(folder, env="prod"), "key_cost", env="prod")
    with pytest.raises(Misconfigured) as caught:
        attack.node.network.require_env("prod")
    assert caught.value.code == "network_env"


async def test_114_secrets_in_repr_log_and_traceback(attack, folder):
    """Every holder of a secret, shown in every way a fault could show it."""
    seed = secrets.token_bytes(32)
    holders = [
        IdentityKey("n", seed), KemKey(seed, 0, 1), kem.DecapsulationKey(seed),
        SubkeyOpener("n", [KemKey(seed, 0, 1)]), KeyFile("n", "identity", "demo", seed),
        KeyStore.open(folder, WORDS, "demo"), vault.Secrets({1: seed}, {}),
        vault.RecordKey(seed, Epoch(seed, {"": seed}), "2026-11", "m"), vault.Wrapped(seed, "2026-11"),
        Epoch(seed, {"": seed}),
        envelope.Slot(0, bytes(32), (seed, seed)),
        envelope.Sealed(seed, "m", bytes(32), bytes(32), 0, (seed,)),
        envelope.Recipient("n", seed),
    ]  # fmt: skip
    shown = io.StringIO()
    with redirect_stdout(shown):
        for holder in holders:
            structlog.get_logger("attack").error("fault", what=holder)
            print(f"{holder} {holder!r} {[holder]}", *traceback.format_exception(ValueError(holder)))
    insider = attack.insider()
    parsed = envelope.split(insider.seal())
    opened, slot = opening.prove(attack.node, parsed.raw, attack.world.clock.now())
    print_all = repr((parsed, opened, slot, opening.read(attack.node, opened, slot, 0)))
    for secret in (seed, *insider.keys):
        for spelling in (repr(secret)[2:-1], secret.hex(), encoding.b64(secret), repr(list(secret))):
            assert spelling not in shown.getvalue()
            assert spelling not in print_all
    for holder in holders[:3]:
        if holder.__class__ is not kem.DecapsulationKey:
            with pytest.raises(TypeError):
                pickle.dumps(holder)


async def test_116_a_poison_message_cannot_loop(attack):
    """Bad bytes are taken once; what the store cannot take now comes again, and is then taken."""
    bad = attack.insider().seal()[:-1] + b"x"
    for body in (bad, b"", b"BXB1", b"BXB1\0\1" + (5).to_bytes(4, "big") + b"short"):
        await attack.publish(body)
    assert attack.world.broker.quarantined(attack.node.area) == [
        bad, b"", b"BXB1", b"BXB1\0\1" + (5).to_bytes(4, "big") + b"short"
    ]  # fmt: skip
    assert not attack.world.broker.waiting(attack.node.area, "n")
    await attack.world.settle()
    assert len(attack.world.broker.quarantined(attack.node.area)) == 4
    lie = attack.insider(contents=(b"{}", attack.section())).seal()
    await attack.told(lie, "part_form")
    held = attack.dump()["held"]
    for _ in range(3):  # a proven sender's bad message is held once, however often it comes
        await attack.publish(lie)
    assert attack.dump()["held"] == held


class Counting:
    """An opener that counts what it is made to do."""

    def __init__(self, opener):
        self.opener, self.principal, self.count = opener, opener.principal, 0

    def publics(self):
        return self.opener.publics()

    def decapsulate(self, public, ciphertext):
        self.count += 1
        return self.opener.decapsulate(public, ciphertext)


async def test_117_a_flood_of_garbage_costs_one_decapsulation_each_and_no_memory(attack, monkeypatch):
    """500 of each of four kinds. Then the honest message behind them is taken."""
    counting = Counting(attack.node.keys.opener(attack.NODE))
    opener = attack.node.keys.opener
    monkeypatch.setattr(
        attack.node.keys, "opener", lambda name: counting if name == attack.NODE else opener(name)
    )
    honest, before = attack.insider().seal(), attack.dump()
    makers = {
        "noise": lambda: secrets.token_bytes(700),
        "cut": lambda: honest[: 100 + secrets.randbelow(2000)],
        "header": lambda: honest[:9] + secrets.token_bytes(16) + honest[25:],
        "end": lambda: honest[:-1] + bytes((honest[-1] ^ 1,)),
    }
    await _flood(attack, makers, 20)  # caches fill once
    counting.count, spent = 0, {}
    tracemalloc.start()
    start, _ = tracemalloc.get_traced_memory()
    for name, make in makers.items():
        await _flood(attack, {name: make}, 500)
        spent[name], counting.count = counting.count, 0
    now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert spent == {"noise": 0, "cut": 0, "header": 500, "end": 500}
    assert now - start < 256 * 1024  # bytes; some 5 MB went through
    assert peak - start < 1024 * 1024
    assert attack.dump() == before
    await attack.welcome(honest)


async def _flood(attack, makers, count):
    for make in makers.values():
        for _ in range(count):
            with suppress(Refused):
                await receive.accept(attack.node, make())
                pytest.fail("garbage was taken")


def _keyring(name):
    return [IdentityKey("n", bytes(32)).public]


PARSERS = {
    "split": envelope.split,
    "unbundle": envelope.unbundle,
    "decode": encoding.decode,
    "open_note": lambda data: notes.open_note(data, "bx/1/receipt", _keyring),
    "peek_body": notes.peek_body,
    "text_hash": notes.text_hash,
    "open_receipt": lambda data: open_receipt(data, net=bytes(32), keyring=_keyring),
    "roots": lambda data: root.verify_roots([data], now=0),
    "card": lambda data: directory.open_card(data, net=bytes(32), min_suite=2, keyring=_keyring),
    "request": request.open_request,
    "bundle": ceremony.unpack,
    "cards": ceremony.unpack_cards,
    "key file": lambda data: keys.open_key_file(data, bytes(32)),
    "derivation": lambda data: keys.derivation_of(data, "demo"),
    "sections": vault.read_sections,
    "unb64": lambda data: encoding.unb64(data.decode("latin-1")),
    "kem": lambda data: kem.decapsulate(bytes(32), data),
    "kem public": kem.check_public,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
BYTES = (
    st.binary(max_size=3000)
    | st.binary(max_size=200).map(lambda tail: b"BXE1\2\1\0\2\3" + tail)
    | st.binary(max_size=200).map(lambda tail: b"BXB1\0\2" + tail)
    | JSON.map(lambda value: json.dumps(value, sort_keys=True, separators=(",", ":")).encode())
    | JSON.map(lambda value: b"bx/1/receipt\n" + json.dumps(value).encode() + b"\n\n" + "— n AA==\n".encode())
)


@pytest.mark.parametrize("parser", PARSERS)
@given(data=BYTES)
@settings(max_examples=150, deadline=None)
def test_118_fuzzing_the_parsers(parser, data):
    """Only the one error escapes: a refusal of a peer, or what the operator is told of a key file."""
    with suppress(Refused, Misconfigured):
        PARSERS[parser](data)


@given(value=JSON)
@settings(max_examples=300, deadline=None)
def test_118_fuzzing_the_readers_of_values(value):
    """The same for what reads JSON that is canonical and signed, by somebody with a key."""
    body = value if isinstance(value, dict) else {"v": 1, "x": value}
    for read in (
        opening.read_routing,
        directory.parse_directory,
        lambda found: directory.parse_card(found, net=bytes(32), min_suite=2),
        lambda found: root.parse_root(found, bytes(32), b""),
        lambda found: receipts._read(found, b"", b""),
    ):
        with suppress(Refused):
            read(body)


async def test_120_an_erased_section_leaves_log_and_receipts_verifying(attack):
    """Without its record key the content is gone for good; every hash, receipt and log leaf stands."""
    row = await attack.delivered()
    tables = attack.node.store.memory.tables
    assert open_for(attack.node, row, attack.POLICE)
    log = list(tables.log)
    erased = _erased(tables, row)
    with attack.refused(NotFound, "shredded"):
        open_for(attack.node, erased, attack.POLICE)
    network = attack.node.network
    for note in [one.note for one in tables.receipts.values()]:
        told = open_receipt(note, net=network.net, keyring=network.keyring).about
        assert (told.env, told.stmt) == (erased.digest, erased.statement) or told.mid != row.mid
    assert list(tables.log) == log
    parsed = envelope.split(erased.body)
    assert parsed.digest == row.digest
    for number in range(1, len(parsed.parts)):
        with pytest.raises(GatewayError):
            envelope.open_part(parsed, number, bytes(32), net=network.net)


def _erased(tables, row):
    gone = replace(row, secrets=b"")
    tables.envelopes[row.mid, Side.DESTINATION] = gone
    return gone
