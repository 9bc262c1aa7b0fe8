"""A message that an agency sealed and its node signs: what is handed over, and what makes none."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from gateway.core.encoding import b64, unb64
from gateway.core.envelope import Kind, Position, Recipient, Seen, open_part, open_statement, prepare, split
from gateway.core.keys import IdentityKey, KemKey, SubkeyOpener
from gateway.core.presealed import open_presealed, pack_presealed
from gateway.core.receipts import ZERO
from gateway.errors import Forged, GatewayError, Malformed, Unsupported

NET, NOW = b"n" * 32, 1_800_000_000
NODE, POLICE = "E09000012/node", "E09000012/police"


@pytest.fixture(scope="module")
def sealed():
    keys = {name: KemKey.generate(0, NOW * 2) for name in (NODE, POLICE)}
    readers = [Recipient(NODE, keys[NODE].public, {1}), Recipient(POLICE, keys[POLICE].public, {2})]
    draft = prepare(
        net=NET, kind=Kind.MESSAGE, priority=4, to="E09000012", expires=NOW + 3600, recipients=readers,
        contents=[b"routing", b"words"],
    )  # fmt: skip
    return SimpleNamespace(draft=draft, keys=keys, body=json.loads(json.dumps(pack_presealed(draft))))


def test_the_node_finishes_what_the_readers_open(sealed):
    """By somebody else's hands: the statement is the node's, the words are the agency's."""
    handed = open_presealed(sealed.body, net=NET)
    assert handed.routing == b"routing"
    signer = IdentityKey.generate("E09000004/node")
    done = handed.draft.finish(
        signer, created=NOW, directory=1, position=Position("ab" * 16, 1, ZERO), seen=Seen()
    )
    parsed = split(done.envelope)
    for index, (name, words) in enumerate(((NODE, b"routing"), (POLICE, b"words"))):
        statement, slot = open_statement(
            parsed,
            net=NET,
            opener=SubkeyOpener(name, [sealed.keys[name]]),
            area="E09000012",
            keyring=lambda name: [signer.public] if name == signer.name else [],
            now=NOW,
            index=index,
        )
        assert statement.sender == signer.name
        assert open_part(parsed, index + 1, slot.keys[index + 1], net=NET) == words


def test_no_key_to_the_words_is_handed_over(sealed):
    handed = open_presealed(sealed.body, net=NET)
    secret = sealed.draft.part_keys[2]
    assert [unb64(key) for key in sealed.body["keys"]] == list(sealed.draft.part_keys[:2])
    assert secret.hex() not in json.dumps(sealed.body).encode().hex()
    assert b64(secret) not in json.dumps(sealed.body)
    assert handed.draft.part_keys[2] == ZERO
    assert "part_keys" not in repr(handed)
    assert "routing'" not in repr(handed)


def moved(body, count):
    """``count`` bytes from the slots to the header, or back: the same envelope, cut elsewhere."""
    header, slots = unb64(body["header"]), unb64(body["slots"])
    whole, at = header + slots, len(header) + count
    return {**body, "header": b64(whole[:at]), "slots": b64(whole[at:])}


CHANGES = {
    "cut later": (lambda b: moved(b, 1), Malformed, "slots"),
    "cut earlier": (lambda b: moved(b, -1), Malformed, "slots"),
    "no slots": (lambda b: {**b, "slots": ""}, Malformed, "truncated"),
    "a slot more": (lambda b: {**b, "slots": b64(unb64(b["slots"]) * 2)}, GatewayError, None),
    "a part less": (lambda b: {**b, "parts": b["parts"][:1]}, Malformed, "truncated"),
    "no parts": (lambda b: {**b, "parts": []}, Malformed, "field_type"),
    "no list of parts": (lambda b: {**b, "parts": [1]}, Malformed, "field_type"),
    "a commitment less": (lambda b: {**b, "to": b["to"][:1]}, Malformed, "field_value"),
    "a key more": (lambda b: {**b, "keys": [*b["keys"], b["keys"][0]]}, Malformed, "field_value"),
    "the wrong key": (lambda b: {**b, "keys": b["keys"][:1] * 2}, Forged, "commitment"),
    "another magic": (lambda b: {**b, "header": b64(b"X" + unb64(b["header"])[1:])}, Unsupported, "magic"),
    "a later version": (lambda b: {**b, "v": 2}, Unsupported, "version"),
    "a field more": (lambda b: {**b, "more": 1}, Malformed, "field_unknown"),
    "no object": (lambda _: [], Malformed, "json_object"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_makes_no_message_is_refused(sealed, what):
    change, kind, code = CHANGES[what]
    with pytest.raises(kind) as refused:
        open_presealed(change(sealed.body), net=NET)
    assert code in (None, refused.value.code)


def test_another_network_opens_nothing(sealed):
    with pytest.raises(Forged):
        open_presealed(sealed.body, net=bytes(32))
