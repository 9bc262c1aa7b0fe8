"""Attacks 64 to 73: a second spelling of the same JSON, and what hides in padding and content.

Each malformed text is signed by the real key and sealed to Bexley, so nothing but its reader can refuse it.
"""

from __future__ import annotations

import pytest

from gateway.core import layout
from gateway.core.encoding import decode_object, encode
from gateway.core.envelope import split
from gateway.errors import Malformed
from gateway.flows.vault import open_for
from gateway.ports import Task


async def spelt(attack, change, code):
    """A statement whose honest bytes are changed before they are signed."""
    insider = attack.insider()
    insider.note = lambda _, body: insider.sign_text(change(encode(body)))
    await attack.garbage(insider.seal(), Malformed, code)


async def test_064_duplicate_keys(attack):
    await spelt(attack, lambda text: text.replace(b'"v":1', b'"v":1,"v":1'), "json_canonical")
    await spelt(attack, lambda text: text.replace(b'"dir":1', b'"dir":2,"dir":1'), "json_canonical")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda text: b"{" + text[text.index(b",") + 1 : -1] + b"," + text[1 : text.index(b",")] + b"}",
         "json_canonical"),
        (lambda text: text.replace(b":", b": ", 1), "json_canonical"),
        (lambda text: text + b" ", "json_canonical"),
        (lambda text: text + b"\n", "json_canonical"),
        (lambda text: text + b"{}", "json_syntax"),
        (lambda text: text + b"\0", "json_syntax"),
        (lambda text: b"\xef\xbb\xbf" + text, "json_syntax"),
        (lambda text: text.decode().encode("utf-16"), "json_syntax"),
    ],
    ids=["order", "space", "trailing space", "trailing line", "trailing object", "NUL", "BOM", "UTF-16"],
)  # fmt: skip
async def test_065_order_space_trailing_bytes_and_bom(attack, change, code):
    await spelt(attack, change, code)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (b"1.0", "json_type"), (b"1e3", "json_type"), (b"-0", "json_canonical"), (b"NaN", "json_type"),
        (b"Infinity", "json_type"), (b"-Infinity", "json_type"), (b"9007199254740993", "json_number"),
        (b"-9007199254740992", "json_number"), (b"9" * 5000, "json_syntax"),
        (b"1" * 400 + b".5", "json_type"),
        (b"01", "json_syntax"), (b"+1", "json_syntax"),
    ],
)  # fmt: skip
async def test_066_numbers_that_two_readers_could_read_differently(attack, number, code):
    await spelt(attack, lambda text: text.replace(b'"dir":1', b'"dir":' + number), code)


@pytest.mark.parametrize(
    ("stream", "code"),
    [
        (rb"\u0063d", "json_canonical"), (rb"\/", "json_canonical"), (rb"\ud800", "json_surrogate"),
        (rb"\udc00\ud800", "json_surrogate"), (b"\xff", "json_syntax"), (b"\xc0\xaf", "json_syntax"),
        (b"\xed\xa0\x80", "json_syntax"), (b"\xe2\x82", "json_syntax"),
    ],
)  # fmt: skip
async def test_067_escapes_surrogates_and_invalid_utf_8(attack, stream, code):
    await spelt(attack, lambda text: text.replace(b"cd" * 16, stream + b"cd" * 15), code)


@pytest.mark.parametrize("key", ["é", "х", "\u200b"])
async def test_068_a_key_that_is_not_ascii(attack, key):
    await spelt(attack, lambda text: text[:-1] + f',"{key}":1'.encode() + b"}", "json_key")


@pytest.mark.parametrize(("depth", "code"), [(10, "json_depth"), (5000, None)])
async def test_069_nested_too_deeply(attack, depth, code):
    """How deep the parser itself goes is Python's affair; either way it is the one error."""
    nested = b"[" * depth + b"]" * depth
    codes = [code] if code else ["json_depth", "json_syntax"]
    insider = attack.insider()
    insider.note = lambda _, body: insider.sign_text(encode(body).replace(b'"dir":1', b'"dir":' + nested))
    with pytest.raises(Malformed) as caught:
        decode_object(b'{"dir":' + nested + b"}")
    assert caught.value.code in codes
    await attack.garbage(insider.seal(), Malformed, caught.value.code)


@pytest.mark.parametrize(
    "spelling",
    [
        lambda text: text[:-2] + "B=",  # an unused bit set
        lambda text: text.rstrip("="),
        lambda text: " " + text,
        lambda text: text[:8] + "\n" + text[8:],
        lambda text: text.replace("A", "-", 1),
        lambda text: text + "=",
        lambda text: "*" + text,
    ],
)
async def test_070_base64_of_another_spelling(attack, spelling):
    insider = attack.insider(statement=lambda body: body.update(prev=spelling(body["prev"])))
    await attack.garbage(insider.seal(), Malformed, "base64")


# --- padding and content ----------------------------------------------------------------------------

PADDING = {
    "fill": lambda honest: honest[:-1] + b"\x01",
    "too long": lambda honest: honest + bytes(512),
    "next bucket": lambda honest: honest + bytes(layout.padded_size(len(honest)) - len(honest)),
    "lying length": lambda honest: (int.from_bytes(honest[:4], "big") - 1).to_bytes(4, "big") + honest[4:],
    "length beyond": lambda honest: b"\xff\xff\xff\xff" + honest[4:],
}


@pytest.mark.parametrize("change", PADDING.values(), ids=PADDING)
@pytest.mark.parametrize("number", [0, 1, 2])
async def test_071_padding_that_no_honest_sender_makes(attack, number, change):
    """In the statement: garbage. In the routing table: refused. In a section: held before its adapter."""

    def pad(at, content):
        honest = layout.pad(content)
        return change(honest) if at == number else honest

    envelope = attack.insider(pad=pad).seal()
    if number == 0:
        await attack.garbage(envelope, Malformed, "padding")
    elif number == 1:
        await attack.told(envelope, "padding")
    else:
        await held_at_the_adapter(attack, envelope, "padding")


CONTENT = {
    "no UTF-8": (b'{"sections":{"core":{"family_name":"\xff"}},"v":1}', "json_syntax"),
    "no JSON": (b"EXAMPLE", "json_syntax"),
    "no canonical JSON": (b'{"v":1,"sections":{}}', "json_canonical"),
    "no sections": (b'{"v":1}', "part_form"),
    "another version": (b'{"sections":{},"v":2}', "part_form"),
    "empty": (b"", "json_syntax"),
}


@pytest.mark.parametrize(("content", "code"), CONTENT.values(), ids=CONTENT)
async def test_073_a_section_that_is_no_utf_8_or_no_section(attack, content, code):
    await held_at_the_adapter(attack, attack.insider(contents=(attack.routing(), content)).seal(), code)


async def held_at_the_adapter(attack, envelope, code):
    """The node may not look into a section: the fault shows when it is unsealed for its agency, on record."""
    await attack.publish(envelope)
    row = await attack.node.store.read(lambda tx: tx.envelope(split(envelope).mid))
    with attack.refused(Malformed, code):
        open_for(attack.node, row, attack.POLICE)
    (task,) = await attack.node.store.read(lambda tx: tx.tasks_of(attack.LEG))
    assert (task.state, task.error) == (Task.HELD, code)
    assert not attack.handed()
    answers = await attack.node.store.read(lambda tx: tx.receipts(mid=row.mid))
    assert [one.state for one in answers] == ["received"]  # and no "opened"
