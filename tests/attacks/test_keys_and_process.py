"""Attacks 112 to 120: key files, what a process shows, floods, poison, fuzzing, and erasure."""

from __future__ import annotations

import dataclasses
import io
import json
import pickle
import secrets
import traceback
import tracemalloc
from contextlib import redirect_stdout, suppress

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core import (
    ceremony,
    directory,
    encoding,
    envelope,
    kem,
    keys,
    merkle,
    notes,
    receipts,
    request,
    root,
)
from gateway.core.examination import judge_evidence
from gateway.core.judgement import Verdict
from gateway.core.keys import CHEAP, Cost, IdentityKey, KemKey, KeyFile, SubkeyOpener
from gateway.core.receipts import open_receipt
from gateway.core.shred import Epoch
from gateway.errors import GatewayError, Misconfigured, NotFound, Refused
from gateway.flows import logbook, opening, receive, shred, vault
from gateway.flows.evidence import gather
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
    (before,) = attack.dump()["held"].values()
    for _ in range(3):  # a proven sender's bad message is held once, however often it comes
        await attack.publish(lie)
    (held,) = attack.dump()["held"].values()
    assert held == dataclasses.replace(before, count=4)


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


async def _answered(attack):
    """Example 1, delivered and accepted by all seven; Bexley's row of the message as a backup holds it."""
    row = await attack.delivered()
    ref = row.ref
    for role, leg in (await attack.world.bexley.legs(ref)).items():
        await attack.world.bexley.answer(role, leg.id)
    await attack.world.settle()
    return row


async def test_120_an_erased_section_leaves_log_receipts_and_evidence_verifying(attack):
    """One section, then the whole handover, at both ends: every hash, receipt and leaf stands, evidence is
    VALID, and the row as an old backup has it opens nothing of what was destroyed."""
    backup = await _answered(attack)
    ref, by = backup.ref, shred.Person("dpo-0007")
    before = {
        reader: open_for(attack.node, backup, reader)
        for reader in vault.secrets_of(attack.node, backup).readers
    }
    assert any("support" in view for view in before.values())
    for section in ("support", None):
        for borough in attack.world.boroughs:
            checkpoint = await logbook.checkpoint(borough.node)
            await shred.shred(borough.node, by, ref, section=section, justification="ERASURE_REQUEST")
            attack.world.clock.advance(2)
            await _verifies(borough, ref, checkpoint)
        if section:
            for reader, view in before.items():
                left = {name: value for name, value in view.items() if name != section}
                assert open_for(attack.node, backup, reader) == left
    for reader in before:
        with attack.refused(NotFound, "shredded"):
            open_for(attack.node, backup, reader)
    parsed = envelope.split(backup.body)
    for number in range(2, len(parsed.parts)):
        assert number not in vault.secrets_of(attack.node, backup).keys


async def _verifies(borough, ref, earlier):
    """Receipts, log and, at the origin, evidence."""
    node = borough.node
    row, *_ = [one for one in await node.store.read(lambda tx: tx.envelopes_of(ref)) if len(one.body) > 9000]
    assert envelope.split(row.body).digest == row.digest
    notes = await node.store.read(lambda tx: tx.receipts(mid=row.mid))
    assert len(notes) > 20
    for note in notes:
        told = open_receipt(note.note, net=node.network.net, keyring=node.network.keyring).about
        assert (told.env, told.stmt) == (row.digest, row.statement)
    (*_, (index, last)) = await node.store.read(
        lambda tx: [x for x in tx.log_of(row.mid) if b'"shredded"' in x[1]]
    )
    assert encoding.decode_object(last)["parts"]
    signed = await logbook.checkpoint(node)
    assert signed.size > earlier.size
    (proven,) = await logbook.prove(node, signed, [index])
    merkle.verify_inclusion(merkle.leaf_hash(last), index, signed.size, proven.proof, signed.root)
    proof = await logbook.consistency(node, earlier.size, signed.size)
    merkle.verify_consistency(earlier.size, earlier.root, signed.size, signed.root, proof)
    if row.side is Side.ORIGIN:
        found = await gather(node, borough.caller("community_safety"), ref, None, (), "")
        finding = judge_evidence(found.evidence.pack(), node.network.fingerprint)
        assert finding.verdict is Verdict.VALID, finding.checks
        assert finding.statement.mid == row.mid


async def test_120_an_erased_month_opens_nothing_of_an_old_backup(attack):
    backup = await _answered(attack)
    attack.world.clock.advance(40 * 86_400)
    by = shred.Person("dpo-0007")
    await shred.shred_epoch(attack.node, by, backup.epoch, justification="RETENTION_END")
    for reader in vault.secrets_of(attack.node, backup).readers:
        with attack.refused(NotFound, "shredded"):
            open_for(attack.node, backup, reader)


async def test_120_until_its_subkeys_are_destroyed_a_received_envelope_opens_by_its_own_slots(attack):
    """The limit that is stated openly: a backup of the database TOGETHER with the agencies' subkeys."""
    backup = await _answered(attack)
    plan = await shred.shred(
        attack.node, shred.Person("dpo-0007"), backup.ref, justification="ERASURE_REQUEST"
    )
    assert [piece.slots for piece in plan.pieces if piece.row.mid == backup.mid] == [True]
    parsed, net = envelope.split(backup.body), attack.node.network.net
    keys_of_police = attack.node.keys.opener(attack.POLICE)
    opened = [index for index in range(1, len(parsed.slots)) if _opens(parsed, index, net, keys_of_police)]
    assert len(opened) == 1
    nobody = SubkeyOpener(attack.POLICE, [KemKey.generate(0, 1)])  # rotation has destroyed theirs
    assert not any(_opens(parsed, index, net, nobody) for index in range(1, len(parsed.slots)))


def _opens(parsed, index, net, opener):
    with suppress(GatewayError):
        envelope.open_slot(parsed, index, net=net, opener=opener)
        return True
    return False
