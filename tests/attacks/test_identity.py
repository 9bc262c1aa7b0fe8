"""Attacks 34 to 46 (and 111): who signed. Every one comes from somebody who can seal to Bexley perfectly."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

from gateway.core import directory, kem, notes
from gateway.core.keys import IdentityKey
from gateway.core.suspension import make_suspension
from gateway.errors import (
    Forged,
    Malformed,
    NotForUs,
    Refused,
    Unavailable,
    UnknownRecipient,
    Untrusted,
)
from gateway.flows.trust import refresh_trust, take_suspension
from gateway.testing.boroughs import HACKNEY
from keys_example import SIGNER, unlocked

VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "ed25519-edge-cases.json"
ORDER = 2**252 + 27742317777372353535851937790883648493
NODE = f"{HACKNEY}/node"
LOW_ORDER = bytes(31) + b"\x80", bytes(32), b"\x01" + bytes(31)
WEAK = {
    "identity": "01" + "00" * 31,
    "zero": "00" * 32,
    "mixed_order": "10eb7c3acfb2bed3e0d6ab89bf5a3d6afddd1176ce4812e38d9fd485058fdb1f",
    "non_canonical": "ed" + "ff" * 30 + "7f",
    "short": "00" * 31,
}


class Signature:
    """A signer whose signature is made of the honest one, or of nothing."""

    def __init__(self, name, public, make):
        self.name, self.public, self.sign = name, public, make


@pytest.fixture
def directory_says(world):
    """Bexley takes up a directory that says otherwise of somebody."""

    def says(name=NODE, *, revoked=(), **changes):
        network = world.bexley.node.network
        listed = network.directory
        principals = {**listed.principals, name: replace(listed.principals[name], **changes)}
        newer = replace(
            listed,
            principals=MappingProxyType(principals),
            revoked=MappingProxyType({key: world.clock.now() for key in revoked}),
        )
        world.bexley.node.trust.network = replace(network, directory=newer)

    return says


async def test_034_signed_by_a_member_under_anothers_name(attack):
    police = attack.world.hackney.node.keys.signer(f"{HACKNEY}/police")
    lie = attack.insider(signer=police, statement=lambda body: body.update({"from": NODE}))
    await attack.garbage(lie.seal(), Forged, "signer")
    await attack.garbage(attack.insider(signer=police).seal(), Malformed, "field_value")
    masked = Signature(NODE, police.public, police.sign)
    await attack.garbage(attack.insider(signer=masked).seal(), Untrusted, "unknown_key")
    other = attack.node.keys.signer(attack.NODE)
    stolen = attack.insider(signer=other, statement=lambda body: body.update({"from": NODE}))
    await attack.garbage(stolen.seal(), Forged, "signer")


@pytest.mark.parametrize("decoy", ["E09000033/node", NODE])
async def test_035_a_decoy_signature_line(attack, decoy):
    insider = attack.insider()
    insider.note = lambda context, body: notes.cosign(
        insider.sign(context, body), IdentityKey.generate(decoy)
    )
    await attack.garbage(insider.seal(), Malformed, "note_single")


@pytest.mark.parametrize("name", ["E09000033/node", NODE, "somebody"])
async def test_036_unknown_sender(attack, name):
    await attack.garbage(attack.insider(signer=IdentityKey.generate(name)).seal(), Untrusted, "unknown_key")


@pytest.mark.row("SIGNATURE")
async def test_037_a_revoked_and_a_replaced_key(attack, directory_says):
    """Whatever ``created`` says: what arrives after the revocation is refused."""
    key = attack.insider().signer
    early = attack.insider()
    early.created = early.now - 3000
    for changes in ({"revoked": [key.public]}, {"sign": IdentityKey.generate(NODE).public}):
        directory_says(**changes)
        await attack.garbage(attack.insider().seal(), Untrusted, "unknown_key")
        await attack.garbage(early.seal(), Untrusted, "unknown_key")


async def stop(borough, name, *, hours=1, signer=None):
    """One directory signer's suspension of a principal has come to this borough's node."""
    node, now = borough.node, borough.node.clock.now()
    note = make_suspension(
        signer or unlocked("network").named_signer(SIGNER, "directory"),
        net=node.network.net,
        key=node.network.principal(name).sign,
        created=now,
        until=now + hours * 3600,
        reason="suspected_theft",
    )
    found = await node.store.write(lambda tx: take_suspension(tx, note, now))
    assert await refresh_trust(node, lambda _: None)
    return found


async def test_038_what_a_suspended_key_signed_is_held_and_counts_when_it_is_over(attack):
    """Its sender is told nothing and sends it again; the same bytes are taken after the suspension."""
    world, node = attack.world, attack.node
    found = await stop(world.bexley, NODE)
    alarms = await node.store.read(lambda tx: tx.alarms())
    assert [(row.code, row.peer, row.subject) for row in alarms] == [
        ("key_suspended", HACKNEY, found.key.hex())
    ]
    envelope = attack.insider().seal()
    await attack.evidence(envelope, "suspended")
    assert not world.broker.quarantined(attack.node.area)
    await attack.garbage(attack.insider(signer=IdentityKey.generate(NODE)).seal(), Untrusted, "unknown_key")
    world.clock.advance(3599)
    before = attack.dump()["envelopes"]
    await attack.publish(envelope)
    assert attack.dump()["envelopes"] == before
    world.clock.advance(1)
    await attack.welcome(envelope)


async def test_038_a_real_handover_waits_out_its_senders_suspension(attack):
    world = attack.world
    await stop(world.bexley, NODE)
    ref = (await world.hackney.submit(attack.example())).ref
    await world.settle()
    assert {leg.state for leg in (await world.hackney.legs(ref)).values()} == {"TRANSMITTED"}
    assert not attack.handed()
    for _ in range(10):  # the outbox sends it again with growing pauses
        world.clock.advance(900)
        await world.settle()
    assert {leg.state for leg in (await world.hackney.legs(ref)).values()} == {"DELIVERED"}
    held = await attack.node.store.read(lambda tx: tx.held(99))
    assert [row.code for row in held] == ["suspended"]
    mid = (await world.hackney.legs(ref))["police"].mid
    assert await attack.answers(mid) == [("received", "")]


async def test_038_nothing_is_sealed_to_a_suspended_principal(attack):
    hackney, world = attack.world.hackney, attack.world
    for principal, field in (
        (attack.POLICE, "/routing/recipients/"),
        (attack.NODE, "/routing/destination/area_code"),
    ):
        await stop(hackney, principal)
        before = attack.dump(hackney)
        with attack.refused(UnknownRecipient, "suspended") as caught:
            await hackney.submit(attack.example())
        assert caught.value.field.startswith(field)
        assert "telephone" in caught.value.remedy
        assert attack.dump(hackney) == before
        world.clock.advance(3600)
    assert (await hackney.submit(attack.example())).ref


async def test_038_a_node_that_is_suspended_sends_nothing(attack):
    hackney = attack.world.hackney
    await stop(hackney, NODE)
    with attack.refused(Unavailable, "suspended"):
        await hackney.submit(attack.example())
    assert not attack.dump(hackney)["outbox"]
    attack.world.clock.advance(3600)
    assert (await hackney.submit(attack.example())).ref


async def test_038_an_agencys_answers_wait_out_its_suspension(attack):
    """Sent now they would be refused, and the next in their chain would wait for them for ever."""
    world, told = attack.world, await attack.delivered()
    await stop(world.bexley, attack.POLICE)
    leg = (await world.hackney.legs(told.ref))["police"].id
    await world.bexley.answer("police", leg)
    await world.settle()
    assert (await world.hackney.legs(told.ref))["police"].state == "DELIVERED"
    world.clock.advance(3600)
    await world.settle()
    assert (await world.hackney.legs(told.ref))["police"].state == "ACCEPTED"


async def test_038_a_receipt_by_a_suspended_key_moves_nothing(attack):
    told = await attack.delivered()
    hackney = attack.world.hackney
    await stop(hackney, attack.POLICE)
    before = attack.dump(hackney)
    notes = []
    for role in ("police", "housing"):
        chain = await hackney.node.store.read(
            lambda tx, r=role: tx.receipts(mid=told.mid, by=f"{attack.node.area}/{r}")
        )
        notes.append(attack.receipt(told, by=role, prev=chain[-1].hash))
    await attack.send_receipts(*notes)
    after = attack.dump(hackney)
    fresh = [row for key, row in after["receipts"].items() if key not in before["receipts"]]
    assert [row.by for row in fresh] == [attack.HOUSING]
    legs = await hackney.legs(told.ref)
    assert (legs["police"].state, legs["housing"].state) == ("DELIVERED", "RECEIVED")


async def test_038_a_members_suspension_of_another_stops_nobody(attack):
    """Hackney's node, in bad hands, stops Bexley's police with its own key."""
    node = attack.world.hackney.node
    before = attack.dump()
    with attack.refused(Untrusted, "suspension_signer"):
        await stop(attack.world.bexley, attack.POLICE, signer=node.keys.signer(node.principal))
    assert attack.dump() == before


async def test_039_another_network_and_a_lying_net_field(attack):
    await attack.garbage(attack.insider(net=b"\x07" * 32).seal(), NotForUs, "slot")
    lie = attack.insider(statement=lambda body: body.update(net=body["prev"]))
    await attack.garbage(lie.seal(), Forged, "net")


@pytest.mark.parametrize("context", ["bx/1/receipt", "bx/1/keycard", "bx/1/message ", "bx/2/message"])
async def test_040_a_note_of_another_context(attack, context):
    insider = attack.insider()
    insider.note = lambda _, body: _note(insider, context, body)
    await attack.garbage(insider.seal(), Forged, "note_context")


def _note(insider, context, body):
    insider.context = context
    return insider.sign_text(notes.encode(body))


async def test_041_signature_lines_that_are_none_too_many_or_not_lines(attack):
    """Also: carriage returns, and an empty line in the body, which must not end the signed text early."""
    line = attack.line
    cases = {
        "zero": (lambda text, key: text + b"\n", "note_unsigned"),
        "no empty line": (lambda text, key: text + line(key, text), "note_form"),
        "duplicate": (lambda text, key: text + b"\n" + line(key, text) * 2, "note_repeated"),
        "extra": (
            lambda text, key: text + b"\n" + b"".join(line(key, text, name=f"n{i}") for i in range(17)),
            "note_lines",
        ),
        "a word more": (lambda text, key: text + b"\n" + line(key, text)[:-1] + b" x\n", "note_line"),
        "no end": (lambda text, key: text + b"\n" + line(key, text)[:-1], "note_unsigned"),
        "CRLF": (lambda text, key: (text + b"\n" + line(key, text)).replace(b"\n", b"\r\n"), "note_form"),
        "CRLF at the line": (
            lambda text, key: text + b"\n" + line(key, text)[:-1] + b"\r\n", "note_line"
        ),
        "empty line": (
            lambda text, key: text + b"\n{}\n\n" + line(key, text + b"\n{}\n"), "json_syntax"
        ),
        "hidden text": (
            lambda text, key: text + b"\n" + line(key, text) + b"\n" + line(key, text), "signature"
        ),
    }  # fmt: skip
    for name, (make, code) in cases.items():
        insider = attack.insider()
        insider.note = lambda context, body, make=make, insider=insider: make(
            context.encode() + b"\n" + notes.encode(body) + b"\n", insider.signer
        )
        error = Forged if code == "signature" else Malformed
        try:
            await attack.garbage(insider.seal(), error, code)
        except AssertionError as failed:
            raise AssertionError(name) from failed


@pytest.mark.parametrize("public", WEAK.values(), ids=WEAK)
async def test_042_a_weak_ed25519_key(attack, directory_says, public):
    """No directory with it is taken up; and were it in the directory, it still signs nothing."""
    weak = bytes.fromhex(public)
    directory_says(sign=weak)
    blank = Signature(NODE, weak, lambda text: bytes(64))
    await attack.garbage(attack.insider(signer=blank).seal(), Untrusted, "weak_key")
    encoded = base64.b64encode(weak).decode()
    with pytest.raises(Malformed) as caught:
        directory.parse_principal(NODE, {"agency": "NODE", "hosted": False, "sign": encoded, "log": encoded})
    assert caught.value.code == ("base64_size" if len(weak) != 32 else "weak_key")


async def test_043_a_signature_with_the_order_added(attack):
    honest = attack.insider().signer

    def malleated(text):
        good = honest.sign(text)
        return good[:32] + (int.from_bytes(good[32:], "little") + ORDER).to_bytes(32, "little")

    lie = Signature(NODE, honest.public, malleated)
    await attack.garbage(attack.insider(signer=lie).seal(), Forged, "signature")


def card_with(attack, public):
    police = attack.node.keys.signer(attack.POLICE)
    now = attack.world.clock.now()
    subkey = {"suite": 2, "pk": base64.b64encode(public).decode(), "from": now, "until": now + 9}
    net = base64.b64encode(attack.node.network.net).decode()
    body = {"v": 1, "net": net, "principal": attack.POLICE, "version": now, "subkeys": [subkey]}
    return notes.sign_note("bx/1/keycard", body, [police])


def open_card(attack, card):
    network = attack.node.network
    return directory.open_card(card, net=network.net, min_suite=2, keyring=network.keyring)


@pytest.mark.parametrize("point", LOW_ORDER)
async def test_044_a_low_order_x25519_point_in_a_slot_and_in_a_card(attack, point):
    mine = attack.insider()
    mine.seal()
    for index in (0, 1):
        slots = list(mine.slots)
        slots[index] = slots[index][: kem.CIPHERTEXT - 32] + point + slots[index][kem.CIPHERTEXT :]
        envelope = attack.glue(mine.head_bytes, slots, mine.parts)
        error, code = (Malformed, "kem_low_order") if index == 0 else (Forged, "slots")
        await attack.garbage(envelope, error, code)
    public = attack.node.network.sealing_key(attack.POLICE, attack.world.clock.now())
    assert open_card(attack, card_with(attack, public)).principal == attack.POLICE
    with attack.refused(Malformed, "kem_low_order"):
        open_card(attack, card_with(attack, public[:-32] + point))


async def test_045_an_invalid_ml_kem_key_and_a_corrupted_ciphertext(attack):
    """A changed ciphertext decapsulates to another secret (FIPS 203 6.3): the bag does not open."""
    public = attack.node.network.sealing_key(attack.POLICE, attack.world.clock.now())
    for bad, code in ((b"\xff" * 1184 + public[-32:], "kem_public"), (public[:-1], "base64_size")):
        with attack.refused(Malformed, code):
            open_card(attack, card_with(attack, bad))
    mine = attack.insider()
    mine.seal()
    for place in (0, 500, 1087, 1088):
        slot = bytearray(mine.slots[0])
        slot[place] ^= 1
        envelope = attack.glue(mine.head_bytes, [bytes(slot), mine.slots[1]], mine.parts)
        await attack.garbage(envelope, NotForUs, "slot")


def test_046_every_edge_case_has_one_verdict():
    """libsodium's, and the same at every door: there is one verification in the gateway, that of notes."""
    cases = json.loads(VECTORS.read_text()) if VECTORS.exists() else []
    for case in cases:
        public, signature = bytes.fromhex(case["key"]), bytes.fromhex(case["sig"])
        line = notes._Line("edge", notes.key_id("edge", public), signature)
        try:
            notes._verify(case["msg"].encode(), line, lambda _, public=public: [public])
        except Refused as error:
            verdict = error.code
        else:
            verdict = "good"
        assert verdict == _libsodium(case), case["number"]
    sources = Path(notes.__file__).parents[1].rglob("*.py")
    callers = [path for path in sources if "VerifyKey" in path.read_text()]
    assert [path.name for path in callers] == ["notes.py"]


def _libsodium(case):
    public = bytes.fromhex(case["key"])
    if not notes.crypto_core_ed25519_is_valid_point(public):
        return "weak_key"
    try:
        VerifyKey(public).verify(case["msg"].encode(), bytes.fromhex(case["sig"]))
    except CryptoError:
        return "signature"
    return "good"


async def test_111_a_log_key_used_as_an_identity_key(attack):
    log = unlocked(HACKNEY).log_signer(HACKNEY)
    await attack.garbage(attack.insider(signer=log).seal(), Untrusted, "unknown_key")
    entry = attack.node.network.principal(attack.NODE)
    with attack.refused(Malformed, "key_twice"):
        directory._check_keys({entry.name: replace(entry, log=entry.sign)}, 0)
