"""Seal and open: who opens what, and every way bytes can lie about it (protocol 10, 1-33)."""

from __future__ import annotations

import hashlib

import pytest

from gateway.core import envelope as envelopes
from gateway.core import kem
from gateway.core.envelope import (
    MAX_ENVELOPE,
    MAX_LIFE,
    Kind,
    Position,
    Recipient,
    Seen,
    check_slot,
    open_part,
    open_slot,
    open_statement,
    prepare,
    read_statement,
    split,
)
from gateway.core.recipients import _MAX_STATEMENT
from gateway.errors import Expired, Forged, Malformed, NotForUs, Refused, TooLarge, Unsupported, Untrusted

ROLES = ["police", "probation", "housing", "dwp", "health", "education", "spoc", "youth_justice"]
ROLES += ["victim_support", "leaving_care", "adult_social_care", "voluntary", "st_giles", "csc", "fire"]
STREAM = "ab" * 16


@pytest.fixture(scope="module")
def hackney(kit):
    return kit.Signer("E09000012/node")


@pytest.fixture(scope="module")
def ring(kit, hackney):
    return kit.keyring(hackney, kit.Signer("E09000012/police"), kit.Signer("E09000004/node"))


@pytest.fixture(scope="module")
def node(kit):
    return kit.Opener("E09000004/node")


@pytest.fixture(scope="module")
def agencies(kit):
    return [kit.Opener(f"E09000004/{role}") for role in ROLES]


@pytest.fixture(scope="module")
def seal(kit, hackney, node):
    """Seal to Bexley's node and some agencies, each entitled to the part numbers given."""

    def _seal(readers=(), contents=(b"routing",), kind=Kind.MESSAGE, signer=hackney, **terms):
        recipients = [Recipient(node.principal, node.publics()[0])]
        recipients += [Recipient(one.principal, one.publics()[0], frozenset(parts)) for one, parts in readers]
        draft = prepare(
            net=terms.pop("net", kit.NET),
            kind=kind,
            priority=terms.pop("priority", 4),
            to=terms.pop("to", kit.BEXLEY),
            expires=terms.pop("expires", kit.NOW + MAX_LIFE),
            recipients=terms.pop("recipients", recipients),
            contents=contents,
        )
        place = {
            "position": Position(STREAM, 1, bytes(32)),
            "seen": Seen(),
            "created": kit.NOW,
            "directory": 7,
        }
        return draft.finish(signer, **place | terms)

    return _seal


@pytest.fixture(scope="module")
def receive(kit, node, ring):
    """Open as Bexley's node, or as whoever is given."""

    def _receive(envelope, **terms):
        given = {"net": kit.NET, "opener": node, "area": kit.BEXLEY, "keyring": ring, "now": kit.NOW}
        return open_statement(split(envelope), **given | terms)

    return _receive


@pytest.fixture
def forger(kit, hackney):
    return lambda **changes: kit.Forger(hackney, **changes)


@pytest.fixture(scope="module")
def readers(node, agencies):
    """For the forger: the node, who has part 1, and the police, who have part 2."""
    police = agencies[0]
    return [(node.principal, node.publics()[0], {1}), (police.principal, police.publics()[0], {2})]


# --- What must work


@pytest.mark.parametrize(("count", "slots"), [(0, 2), (1, 2), (2, 4), (7, 8), (8, 12), (12, 16), (15, 16)])
def test_everybody_opens_exactly_their_parts(kit, seal, receive, agencies, count, slots):
    contents = [b"routing", *(f"for {n}".encode() for n in range(count)), b"for all"]
    everybody = len(contents)
    readers = [(one, {2 + n, everybody}) for n, one in enumerate(agencies[:count])]
    sealed = seal(readers, contents)
    parsed = split(sealed.envelope)
    statement, slot = receive(sealed.envelope)

    assert len(parsed.slots) == len(statement.to) == slots
    assert [key is not None for key in slot.keys] == [True, True] + [False] * (count + 1)
    assert open_part(parsed, 1, slot.keys[1], net=kit.NET) == b"routing"
    for index, (agency, parts) in enumerate(readers, start=1):
        own = open_slot(parsed, index, net=kit.NET, opener=agency)
        check_slot(statement, own)
        assert {n for n, key in enumerate(own.keys) if key is not None} == {0, *parts}
        for number in parts:
            assert open_part(parsed, number, own.keys[number], net=kit.NET) == contents[number - 1]


def test_every_part_is_refused_under_every_other_key(kit, seal):
    sealed = seal(contents=[b"one", b"two", b"three"])
    parsed = split(sealed.envelope)
    for number in range(4):
        for other, key in enumerate(sealed.part_keys):
            if other == number:
                open_part(parsed, number, key, net=kit.NET)
                continue
            with kit.refused(Forged, "commitment"):
                open_part(parsed, number, key, net=kit.NET)


def test_the_statement_says_what_was_sealed(kit, seal, receive, hackney):
    position, seen = Position("cd" * 16, 9, b"\7" * 32), Seen("ef" * 16, 4)
    sealed = seal(contents=[b"routing", b"x"], position=position, seen=seen, directory=12)
    parsed = split(sealed.envelope)
    statement, slot = receive(sealed.envelope)

    assert (statement.sender, statement.mid, statement.kind) == (hackney.name, sealed.mid, Kind.MESSAGE)
    assert (statement.stream, statement.seq, statement.prev) == (position.stream, 9, position.prev)
    assert (statement.seen, statement.directory) == (seen, 12)
    assert (statement.created, statement.expires) == (kit.NOW, kit.NOW + MAX_LIFE)
    assert statement.parts == tuple(hashlib.sha256(part).digest() for part in parsed.parts[1:])
    assert statement.to[0] == slot.commitment
    assert statement.hash == sealed.statement
    assert statement.note == open_part(parsed, 0, sealed.part_keys[0], net=kit.NET)
    assert parsed.digest == sealed.digest == hashlib.sha256(sealed.envelope).digest()
    assert (parsed.priority, parsed.mid, parsed.expires) == (4, sealed.mid, sealed.expires)


@pytest.mark.parametrize(
    ("kind", "context"),
    [(Kind.MESSAGE, b"bx/1/message"), (Kind.RECEIPTS, b"bx/1/receipts"), (Kind.CONTROL, b"bx/1/control")],
)
def test_each_kind_has_its_context(seal, receive, kind, context):
    statement, _ = receive(seal(kind=kind).envelope)
    assert statement.kind is kind
    assert statement.note.startswith(context + b"\n")


def test_an_honest_envelope_of_the_second_implementation_opens(kit, forger, readers, receive, agencies):
    envelope = forger().seal(readers, [b"routing", b"section"])
    parsed = split(envelope)
    statement, slot = receive(envelope)
    own = open_slot(parsed, 1, net=kit.NET, opener=agencies[0])

    check_slot(statement, own)
    assert open_part(parsed, 1, slot.keys[1], net=kit.NET) == b"routing"
    assert open_part(parsed, 2, own.keys[2], net=kit.NET) == b"section"


def test_what_we_seal_has_the_bytes_the_second_implementation_would_make(kit, seal, forger):
    """Part 1 and its place, rebuilt from the part key by the forger's own key schedule."""
    sealed = seal(contents=[b"routing", b"s" * 700])
    parsed = split(sealed.envelope)
    rebuilt = forger(keys=list(sealed.part_keys))
    rebuilt.head = parsed.head

    assert parsed.parts[1] == rebuilt.part(1, b"routing")
    assert parsed.parts[2] == rebuilt.part(2, b"s" * 700)
    assert parsed.head == hashlib.sha256(b"bx/1/head" + sealed.envelope[: 34 + 9]).digest()


def test_a_second_subkey_opens_too(kit, seal, receive):
    rotated = kit.Opener("E09000004/node", count=3)
    for public in rotated.publics():
        sealed = seal(recipients=[Recipient(rotated.principal, public)])
        assert receive(sealed.envelope, opener=rotated)[0].mid == sealed.mid


def test_an_agency_opens_an_envelope_by_itself(seal, receive, agencies, kit):
    sealed = seal([(agencies[0], {2})], [b"routing", b"section"])
    statement, slot = receive(sealed.envelope, opener=agencies[0], index=1)
    assert slot.keys[1] is None
    assert statement.to[1] == slot.commitment


def test_a_stored_envelope_is_read_by_the_key_of_its_statement(kit, seal, receive, ring):
    sealed = seal()
    assert receive(sealed.envelope)[0] == read_statement(
        split(sealed.envelope), sealed.part_keys[0], net=kit.NET, keyring=ring
    )


def test_everything_is_fresh_each_time(kit, seal):
    one, two = seal(), seal()
    assert one.mid != two.mid
    assert not set(one.part_keys) & set(two.part_keys)
    assert len(set(one.part_keys)) == len(one.part_keys)


def test_a_dummy_slot_opens_for_nobody_and_looks_like_the_others(kit, seal, node, agencies):
    parsed = split(seal([(agencies[0], set()), (agencies[1], set())]).envelope)
    assert len({len(slot) for slot in parsed.slots}) == 1
    for opener in (node, *agencies):
        with kit.refused(NotForUs, "slot"):
            open_slot(parsed, 3, net=kit.NET, opener=opener)


def test_finishing_again_after_a_rollback_gives_another_place(kit, node, hackney, receive):
    draft = prepare(
        net=kit.NET,
        kind=Kind.MESSAGE,
        priority=0,
        to=kit.BEXLEY,
        expires=kit.NOW + 60,
        recipients=[Recipient(node.principal, node.publics()[0])],
        contents=[b"routing"],
    )
    terms = {"created": kit.NOW, "directory": 1, "seen": Seen()}
    draft.finish(hackney, position=Position(STREAM, 1, bytes(32)), **terms)
    again = draft.finish(hackney, position=Position(STREAM, 2, b"\1" * 32), **terms)

    assert receive(again.envelope)[0].seq == 2
    assert draft.mid == again.mid


def test_repr_shows_no_key_and_no_content(kit, seal, receive):
    sealed = seal(contents=[b"canary"])
    _, slot = receive(sealed.envelope)
    for shown in (repr(sealed), repr(slot), repr(split(sealed.envelope))):
        assert all(repr(key)[2:-1] not in shown for key in sealed.part_keys)
        assert len(shown) < 500
    recipient = Recipient("E09000004/node", b"\1" * 1216)
    assert "x01" not in repr(recipient)


# --- Bytes changed on the way


def test_a_flip_of_every_byte_is_refused_by_node_and_agency(kit, seal, receive, agencies):
    """As node: the whole of open_statement. As agency: its own slot and part, against the true statement."""
    police = agencies[0]
    sealed = seal([(police, {2})], [b"routing", b"section"])
    statement, _ = receive(sealed.envelope)

    def as_agency(envelope):
        parsed = split(envelope)
        own = open_slot(parsed, 1, net=kit.NET, opener=police)
        check_slot(statement, own)
        assert read_statement(parsed, own.statement_key, net=kit.NET, keyring=receive_ring).mid == sealed.mid
        return open_part(parsed, 2, own.keys[2], net=kit.NET)

    receive_ring = kit.keyring(kit.Signer("E09000012/node"))
    assert as_agency(sealed.envelope) == b"section"
    for at in range(len(sealed.envelope)):
        changed = bytearray(sealed.envelope)
        changed[at] ^= 1
        for opening in (receive, as_agency):
            with pytest.raises(Refused):
                opening(bytes(changed))


def test_truncation_at_every_length_and_appending_are_refused(kit, seal, receive):
    envelope = seal().envelope
    for size in range(len(envelope)):
        with pytest.raises(Malformed):
            receive(envelope[:size])
    with kit.refused(Malformed, "trailing"):
        receive(envelope + b"\0")


@pytest.mark.parametrize(
    ("at", "value", "error", "code"),
    [
        (4, 1, Unsupported, "suite"),
        (5, 2, NotForUs, "slot"),
        (6, 9, NotForUs, "slot"),
        (9, 0xFF, NotForUs, "slot"),
        (32, 0xFF, NotForUs, "slot"),
    ],
    ids=["suite_downgraded", "kind_swapped", "priority_raised", "mid_changed", "expiry_extended"],
)
def test_a_changed_header_opens_no_slot(kit, seal, receive, at, value, error, code):
    changed = bytearray(seal().envelope)
    changed[at] = value
    with kit.refused(error, code):
        receive(bytes(changed))


def test_low_order_points_in_a_slot_are_refused(kit, seal, receive):
    changed = bytearray(seal().envelope)
    start = 34 + 9 + 1088
    changed[start : start + 32] = bytes(32)
    with kit.refused(Malformed, "kem_low_order"):
        receive(bytes(changed))


def _places(envelope):
    """(header, slots, parts) to put together anew."""
    parsed = split(envelope)
    return envelope[: 34 + 9], list(parsed.slots), list(parsed.parts)


def _rejoin(header, slots, parts):
    lengths = b"".join(len(part).to_bytes(4, "big") for part in parts)
    return header + b"".join(slots) + lengths + b"".join(parts)


def test_parts_reordered_stripped_or_doubled_are_refused(kit, seal, receive):
    header, slots, parts = _places(seal(contents=[b"one", b"two", b"three"]).envelope)

    with kit.refused(Forged, "part_hash") as caught:
        receive(_rejoin(header, slots, [parts[0], parts[1], parts[3], parts[2]]))
    assert caught.value.field == "/parts/1"
    with kit.refused(Forged, "part_hash"):
        receive(_rejoin(header, slots, [parts[0], parts[1], parts[2], parts[2]]))
    with kit.refused(Forged, "commitment"):
        receive(_rejoin(header, slots, [parts[1], parts[0], parts[2], parts[3]]))
    with kit.refused(Malformed, "truncated"):
        receive(_rejoin(header, slots, parts[:-1]))
    fewer = header[:8] + bytes((3,)) + header[9:]
    with kit.refused(NotForUs, "slot"):
        receive(_rejoin(fewer, [slot[: len(slot) - 32] for slot in slots], parts[:-1]))


def test_a_part_of_another_message_is_refused(kit, seal, receive):
    header, slots, parts = _places(seal(contents=[b"one", b"two"]).envelope)
    _, _, others = _places(seal(contents=[b"one", b"two"]).envelope)

    with kit.refused(Forged, "part_hash"):
        receive(_rejoin(header, slots, [parts[0], parts[1], others[2]]))
    with kit.refused(Forged, "commitment"):
        receive(_rejoin(header, slots, [others[0], *parts[1:]]))


def test_slots_reordered_replaced_stripped_or_added_are_refused(kit, seal, receive, agencies, node):
    readers = [(one, {2}) for one in agencies[:3]]
    header, slots, parts = _places(seal(readers, [b"routing", b"x"]).envelope)
    _, others, _ = _places(seal(readers, [b"routing", b"x"]).envelope)

    for bad in (
        [slots[0], slots[2], slots[1], slots[3]],
        [slots[0], slots[1], slots[2], others[3]],
        [slots[0], slots[1], slots[1], slots[3]],
    ):
        with kit.refused(Forged, "slots"):
            receive(_rejoin(header, bad, parts))
    with kit.refused(NotForUs, "slot"):
        receive(_rejoin(header, [slots[1], slots[0], *slots[2:]], parts))
    with kit.refused(NotForUs, "slot"):
        receive(_rejoin(header, others, parts))
    for count, changed in ((3, slots[:3]), (5, [*slots, slots[3]])):
        with kit.refused(NotForUs, "slot"):
            receive(_rejoin(header[:7] + bytes((count,)) + header[8:], changed, parts))


def test_a_slot_moved_to_another_place_does_not_open_there(kit, seal, agencies):
    header, slots, parts = _places(seal([(agencies[0], {2}), (agencies[1], {2})], [b"r", b"x"]).envelope)
    swapped = split(_rejoin(header, [slots[0], slots[2], slots[1], slots[3]], parts))
    for index, agency in ((2, agencies[0]), (1, agencies[1])):
        with kit.refused(NotForUs, "slot"):
            open_slot(swapped, index, net=kit.NET, opener=agency)


# --- Insiders: a sender or reader that holds real keys


def test_a_slot_wrapped_again_to_hide_a_section_is_refused(kit, forger, readers, receive):
    """The node itself could re-wrap an agency's slot; the signed hash over all slots stops it."""
    forged = forger()

    def rewrap(slots):
        forged.bag = lambda bag: bag[:64] + bytes(32)
        return [slots[0], forged._slot(1, readers)[0]]

    forged.finish_slots = rewrap
    with kit.refused(Forged, "slots"):
        receive(forged.seal(readers, [b"routing", b"section"]))


def test_a_shared_section_encrypted_again_by_an_insider_is_refused(kit, forger, readers, receive):
    forged = forger()
    forged.part_change = lambda parts: [*parts[:2], forged.part(2, b"other words")]
    with kit.refused(Forged, "part_hash"):
        receive(forged.seal(readers, [b"routing", b"section"]))


def test_one_ciphertext_shown_under_two_keys_is_refused(kit, forger, readers, receive, agencies):
    """The key in the agency's bag is not the one the part commits to."""
    forged = forger(bag=lambda bag: bag if bag[64:] == bytes(32) else bag[:64] + b"\5" * 32)
    envelope = forged.seal(readers, [b"routing", b"section"])
    own = open_slot(split(envelope), 1, net=kit.NET, opener=agencies[0])
    receive(envelope)
    with kit.refused(Forged, "commitment"):
        open_part(split(envelope), 2, own.keys[2], net=kit.NET)


def test_a_part_that_keeps_its_commitment_but_not_its_text_is_refused(kit, seal):
    sealed = seal(contents=[b"routing"])
    header, slots, parts = _places(sealed.envelope)
    broken = parts[1][:-1] + bytes((parts[1][-1] ^ 1,))
    with kit.refused(Forged, "part"):
        open_part(split(_rejoin(header, slots, [parts[0], broken])), 1, sealed.part_keys[1], net=kit.NET)


@pytest.mark.parametrize(("size", "fill"), [(4096, b"\1"), (4096 + 32, b"\0")], ids=["fill", "size"])
def test_padding_with_room_for_another_message_is_refused(kit, forger, readers, receive, size, fill):
    def pad(content):
        return (len(content).to_bytes(4, "big") + content).ljust(size, fill)

    with kit.refused(Malformed, "padding"):
        receive(forger(pad=pad).seal(readers, [b"routing", b"section"]))


@pytest.mark.parametrize("bag", [lambda bag: bytes(len(bag)), lambda bag: bytes(32) + bag[32:]])
def test_a_bag_without_the_statement_is_refused(kit, forger, readers, receive, bag):
    with kit.refused(Forged, "bag"):
        receive(forger(bag=bag).seal(readers, [b"routing", b"section"]))


@pytest.mark.parametrize("bag", [lambda bag: bag + bytes(32), lambda bag: bag[:-32], lambda bag: bag[:-1]])
def test_a_longer_or_shorter_bag_shifts_everything(forger, readers, receive, bag):
    with pytest.raises(Refused):
        receive(forger(bag=bag).seal(readers, [b"routing", b"section"]))


def test_sealing_a_signed_message_again_to_another_borough_is_refused(
    kit, forger, hackney, receive, agencies
):
    """Davis 2001: Bexley opens Hackney's message and seals the very statement to Barnet."""
    barnet = kit.Opener("E09000003/node")
    honest = forger()
    bodies = []
    honest.change = bodies.append
    bexley = [(f"{kit.BEXLEY}/node", agencies[0].publics()[0], {1})]
    honest.seal(bexley, [b"routing"])
    stolen = kit.note("bx/1/message", bodies[0], hackney)

    again = kit.Forger(hackney, to="E09000003", mid=honest.mid, make_note=lambda context, body: stolen)
    envelope = again.seal([(barnet.principal, barnet.publics()[0], {1})], [b"routing"])
    with kit.refused(Forged, "head"):
        receive(envelope, opener=barnet, area="E09000003")


def test_a_reader_the_sender_did_not_name_is_refused(kit, forger, readers, receive, agencies):
    for named in ({0: "E09000003/node"}, {0: "E09000004/police"}):
        with kit.refused(Forged, "recipient") as caught:
            receive(forger(named=named).seal(readers, [b"routing", b"section"]))
        assert caught.value.field == "/to/0"

    envelope = forger(named={1: "E09000004/housing"}).seal(readers, [b"routing", b"section"])
    statement, _ = receive(envelope)
    own = open_slot(split(envelope), 1, net=kit.NET, opener=agencies[0])
    with kit.refused(Forged, "recipient"):
        check_slot(statement, own)
    with kit.refused(Forged, "recipient"):
        receive(envelope, opener=agencies[0], index=1)


def test_a_slot_beyond_the_statement_is_refused(kit, seal, receive, agencies):
    small, large = seal(), seal([(agencies[0], set()), (agencies[1], set())])
    statement, _ = receive(small.envelope)
    foreign = open_slot(split(large.envelope), 2, net=kit.NET, opener=agencies[1])
    with kit.refused(Forged, "recipient"):
        check_slot(statement, foreign)


def test_an_envelope_for_another_area_is_not_even_tried(kit, seal, receive):
    class Untouched:
        principal = "E09000003/node"

        def publics(self):
            raise AssertionError("no cryptography before the destination is known to be ours")

    with kit.refused(NotForUs, "area"):
        receive(seal().envelope, area="E09000003", opener=Untouched())


def test_another_network_opens_nothing(kit, seal, receive):
    with kit.refused(NotForUs, "slot"):
        receive(seal(net=b"\1" * 32).envelope)
    sealed = seal()
    with kit.refused(Forged, "commitment"):
        open_part(split(sealed.envelope), 1, sealed.part_keys[1], net=b"\1" * 32)


@pytest.mark.parametrize("net", [b"", bytes(31), bytes(33)])
def test_a_network_id_has_one_length(kit, seal, receive, net):
    sealed = seal()
    parsed = split(sealed.envelope)
    for opening in (
        lambda: seal(net=net),
        lambda: receive(sealed.envelope, net=net),
        lambda: open_part(parsed, 0, sealed.part_keys[0], net=net),
    ):
        with kit.refused(Malformed, "net"):
            opening()


def test_places_that_are_not_there(kit, seal, node):
    sealed = seal()
    parsed = split(sealed.envelope)
    for index in (-1, 2):
        with kit.refused(Malformed, "slot_number"):
            open_slot(parsed, index, net=kit.NET, opener=node)
        with kit.refused(Malformed, "part_number"):
            open_part(parsed, index, sealed.part_keys[0], net=kit.NET)


def test_someone_without_a_key_is_not_meant(kit, seal, agencies):
    class Keyless:
        principal = "E09000004/node"

        def publics(self):
            return []

    for opener in (Keyless(), agencies[0]):
        with kit.refused(NotForUs, "slot"):
            open_slot(split(seal().envelope), 0, net=kit.NET, opener=opener)


# --- Limits at the sender


def _people(kit, count):
    return [Recipient("E09000004/node", kit.Opener("E09000004/node").publics()[0])] + [
        Recipient(f"E09000004/r{n}", kit.Opener("E09000004/node").publics()[0]) for n in range(1, count)
    ]


@pytest.mark.parametrize(
    ("error", "code", "terms"),
    [
        (Malformed, "recipients", {"recipients": []}),
        (Malformed, "recipients", {"recipients": ["E09000004/police"]}),
        (Malformed, "recipients", {"recipients": ["E09000003/node"]}),
        (Malformed, "recipients", {"recipients": ["E09000004/node", "E09000003/police"]}),
        (Malformed, "recipients", {"recipients": ["E09000004/node", "E09000004/Police"]}),
        (Malformed, "recipients", {"recipients": ["E09000004/node", "E09000004/police", "E09000004/police"]}),
        (
            Malformed,
            "recipients",
            {"recipients": ["E09000004/node", "E09000004/police"], "kind": Kind.RECEIPTS},
        ),
        (
            Malformed,
            "recipients",
            {"recipients": ["E09000004/node", "E09000004/police"], "kind": Kind.CONTROL},
        ),
        (TooLarge, "recipients", {"recipients": ["E09000004/node", *(f"E09000004/r{n}" for n in range(16))]}),
        (TooLarge, "parts", {"contents": [b""] * 64}),
        (Malformed, "priority", {"priority": 10}),
        (Malformed, "to", {"to": "E0900000", "recipients": ["E0900000/node"]}),
        (Malformed, "expires", {"expires": -1}),
    ],
)
def test_what_nobody_would_take_is_not_sealed(kit, seal, node, error, code, terms):
    if "recipients" in terms:
        terms = terms | {"recipients": [Recipient(name, node.publics()[0]) for name in terms["recipients"]]}
    with kit.refused(error, code):
        seal(**terms)


@pytest.mark.parametrize(("index", "parts"), [(0, {0}), (0, {3}), (1, {0}), (1, {1}), (1, {3}), (1, {-1})])
def test_parts_that_a_reader_cannot_have(kit, seal, node, agencies, index, parts):
    names = [node, agencies[0]]
    recipients = [
        Recipient(one.principal, one.publics()[0], frozenset(parts if n == index else ()))
        for n, one in enumerate(names)
    ]
    with kit.refused(Malformed, "recipient_parts"):
        seal(recipients=recipients, contents=[b"routing", b"section"])


def test_the_node_may_be_given_part_one_explicitly(kit, seal, receive, node):
    recipients = [Recipient(node.principal, node.publics()[0], frozenset({1}))]
    assert receive(seal(recipients=recipients).envelope)[1].keys[1] is not None


def test_a_weak_key_is_not_sealed_to(kit, seal, node):
    weak = node.publics()[0][:1184] + bytes(32)
    with kit.refused(Malformed, "kem_low_order"):
        seal(recipients=[Recipient(node.principal, weak)])
    with kit.refused(Malformed, "kem_public"):
        seal(recipients=[Recipient(node.principal, b"")])


def test_what_is_too_large_is_refused_before_it_is_sealed(kit, seal, monkeypatch):
    monkeypatch.setattr(kem, "encapsulate", lambda public: pytest.fail("sealed before the limit was asked"))
    with kit.refused(TooLarge, "envelope_size"):
        seal(contents=[b"", bytes(MAX_ENVELOPE - 5000)])


def test_whatever_is_prepared_fits(kit, seal, receive):
    """The largest content that passes, found by halving; its envelope must pass the receiver's limit."""
    low, high = 0, MAX_ENVELOPE
    while high - low > 1:
        middle = (low + high) // 2
        try:
            envelopes.check_room(2, [b"", bytes(middle)])
            low = middle
        except TooLarge:
            high = middle
    sealed = seal(contents=[b"", bytes(low)])
    assert MAX_ENVELOPE * 0.85 < len(sealed.envelope) <= MAX_ENVELOPE
    receive(sealed.envelope)


def test_the_longest_statement_stays_under_what_is_kept_for_it(kit, node):
    signer = kit.Signer("E09000012/node")
    top = 2**53 - 1
    draft = prepare(
        net=kit.NET,
        kind=Kind.MESSAGE,
        priority=9,
        to=kit.BEXLEY,
        expires=top,
        recipients=_people(kit, 16),
        contents=[b""] * 63,
    )
    sealed = draft.finish(
        signer,
        created=top - 1,
        directory=top,
        position=Position(STREAM, top, b"\xff" * 32),
        seen=Seen(STREAM, top),
    )
    note = open_part(split(sealed.envelope), 0, sealed.part_keys[0], net=kit.NET)
    assert len(note) <= _MAX_STATEMENT


@pytest.mark.parametrize("life", [0, -1, MAX_LIFE + 1])
def test_a_life_that_nobody_takes_is_not_signed(kit, seal, life):
    with kit.refused(Expired, "life"):
        seal(expires=kit.NOW + life)


@pytest.mark.parametrize(
    ("terms", "code", "place"),
    [
        ({"position": Position(STREAM, 0, bytes(32))}, "field_value", "/seq"),
        ({"position": Position("AB" * 16, 1, bytes(32))}, "field_value", "/stream"),
        ({"position": Position("", 1, bytes(32))}, "field_value", "/stream"),
        ({"position": Position(STREAM, 1, b"")}, "base64_size", "/prev"),
        ({"seen": Seen("", 1)}, "field_value", "/seen/stream"),
        ({"seen": Seen("x", 1)}, "field_value", "/seen/stream"),
        ({"seen": Seen(STREAM, -1)}, "field_value", "/seen/seq"),
        ({"directory": -1}, "field_value", "/dir"),
        ({"created": -1, "expires": 1}, "field_value", "/created"),
    ],
)
def test_a_statement_that_nobody_takes_is_not_signed(kit, seal, terms, code, place):
    with kit.refused(Malformed, code) as caught:
        seal(**terms)
    assert caught.value.field == place


def test_only_a_node_seals(kit, seal):
    with kit.refused(Malformed, "field_value") as caught:
        seal(signer=kit.Signer("E09000012/police"))
    assert caught.value.field == "/from"


def test_a_sender_nobody_knows_is_untrusted(kit, seal, receive):
    with kit.refused(Untrusted, "unknown_key"):
        receive(seal(signer=kit.Signer("E09000033/node")).envelope)
