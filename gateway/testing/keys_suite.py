# ruff: noqa: S101, PLR2004 - a suite is made of assertions and of the sizes of protocol 1
"""What everything that holds a private key must do: the seams ``Signer`` and ``Opener`` as checks to inherit.

Duty: the contracts of :class:`gateway.core.notes.Signer` and :class:`gateway.core.envelope.Opener`, the same
for a seed in memory, a key file, a hardware module behind a wire. It leaves out how keys are made.

Rules: pytest runs it. A test class gives the fixtures named in each suite. ``secrets``: every secret byte
string that must not be seen; none where they never reach this process, as with a hardware module.

Example::

    class TestMyModule(SignerSuite):
        @pytest.fixture
        def signer(self):
            return MyModule(slot=1)

        @pytest.fixture
        def secrets(self):
            return ()
"""

from __future__ import annotations

import base64
import pickle
import traceback
from collections.abc import Iterator, Sequence

import pytest

from gateway.core import kem
from gateway.core.encoding import JsonObject
from gateway.core.envelope import Kind, Opener, Position, Recipient, Seen, open_slot, prepare, split
from gateway.core.keys import IdentityKey, check_public
from gateway.core.notes import Signer, check_signature, open_note, sign_note
from gateway.errors import Forged, Malformed, NotForUs, Refused

NET = bytes(range(32))
BODY: JsonObject = {"v": 1}
CONTEXT = "bx/1/receipt"


class Discretion:
    """No secret is seen by any way in which an object is usually looked at."""

    @pytest.fixture
    def holder(self) -> object:
        raise NotImplementedError

    def test_it_shows_no_secret(self, holder: object, secrets: Sequence[bytes]) -> None:
        shown = "\n".join(_looks(holder))
        for secret in secrets:
            for spelling in (secret.hex(), base64.b64encode(secret).decode(), repr(secret)[2:-1]):
                assert spelling.casefold() not in shown.casefold()

    def test_it_is_not_serialised(self, holder: object) -> None:
        with pytest.raises(TypeError):
            pickle.dumps(holder)


class SignerSuite(Discretion):
    """Fixtures ``signer`` and ``secrets``."""

    @pytest.fixture
    def signer(self) -> Signer:
        raise NotImplementedError

    @pytest.fixture
    def holder(self, signer: Signer) -> object:
        return signer

    def test_its_public_key_is_one_that_peers_accept(self, signer: Signer) -> None:
        assert len(signer.public) == 32
        check_public(signer.public)
        assert signer.public == signer.public

    def test_its_name_stands_on_the_line_it_signs(self, signer: Signer) -> None:
        note = sign_note(CONTEXT, BODY, [signer])
        assert signer.name in note.decode().splitlines()[-1]

    @pytest.mark.parametrize("length", [0, 1, 64, 1_000_000])
    def test_a_signature_verifies_over_the_whole_text(self, signer: Signer, length: int) -> None:
        text = bytes(length)
        signature = signer.sign(text)
        assert type(signature) is bytes
        assert len(signature) == 64
        check_signature(signer.public, text, signature)
        with pytest.raises(Forged):
            check_signature(signer.public, text + b"\x00", signature)

    def test_the_same_text_has_one_signature(self, signer: Signer) -> None:
        """Ed25519 is deterministic (RFC 8032): a module that is not could be asked until one fits."""
        assert signer.sign(b"text") == signer.sign(b"text")
        assert signer.sign(b"text") != signer.sign(b"Text")

    def test_what_it_signs_is_read_by_whoever_knows_its_key_and_by_nobody_else(self, signer: Signer) -> None:
        note = sign_note(CONTEXT, BODY, [signer])
        opened = open_note(note, CONTEXT, lambda name: [signer.public] if name == signer.name else [])
        assert opened.body == BODY
        other = IdentityKey.generate(signer.name)
        with pytest.raises(Refused):
            open_note(note, CONTEXT, lambda _: [other.public], single=True)


class OpenerSuite(Discretion):
    """Fixtures ``opener``, with at least two subkeys, and ``secrets``."""

    @pytest.fixture
    def opener(self) -> Opener:
        raise NotImplementedError

    @pytest.fixture
    def holder(self, opener: Opener) -> object:
        return opener

    def test_its_public_keys_are_distinct_and_can_be_sealed_to(self, opener: Opener) -> None:
        publics = opener.publics()
        assert len(publics) >= 2
        assert len(set(publics)) == len(publics)
        for public in publics:
            assert len(public) == kem.PUBLIC
            kem.check_public(public)

    def test_every_subkey_opens_what_was_sealed_to_it_and_to_no_other(self, opener: Opener) -> None:
        for public in opener.publics():
            shared, ciphertext = kem.encapsulate(public)
            assert opener.decapsulate(public, ciphertext) == shared
            for other in set(opener.publics()) - {public}:
                assert opener.decapsulate(other, ciphertext) != shared

    def test_a_changed_ciphertext_gives_another_secret_and_no_error(self, opener: Opener) -> None:
        """Implicit rejection (FIPS 203): an error would be an oracle."""
        public = opener.publics()[0]
        shared, ciphertext = kem.encapsulate(public)
        for place in (0, 500, 1087):
            changed = bytearray(ciphertext)
            changed[place] ^= 1
            assert opener.decapsulate(public, bytes(changed)) != shared

    @pytest.mark.parametrize("length", [0, 1119, 1121])
    def test_a_ciphertext_of_another_size_is_refused(self, opener: Opener, length: int) -> None:
        with pytest.raises(Malformed):
            opener.decapsulate(opener.publics()[0], bytes(length))

    def test_a_low_order_point_is_refused(self, opener: Opener) -> None:
        _, ciphertext = kem.encapsulate(opener.publics()[0])
        with pytest.raises(Malformed):
            opener.decapsulate(opener.publics()[0], ciphertext[:-32] + bytes(32))

    def test_its_slot_of_an_envelope_opens_whichever_subkey_it_was_sealed_to(self, opener: Opener) -> None:
        for public in opener.publics():
            slot = open_slot(split(_sealed(opener.principal, public)), 1, net=NET, opener=opener)
            assert [key is not None for key in slot.keys] == [True, False, True]

    def test_somebody_elses_slot_is_refused(self, opener: Opener) -> None:
        envelope = _sealed(opener.principal, kem.DecapsulationKey(bytes(32)).public)
        with pytest.raises(NotForUs):
            open_slot(split(envelope), 1, net=NET, opener=opener)


def _sealed(principal: str, public: bytes) -> bytes:
    """An envelope whose slot 1 is ``principal``'s, under ``public``."""
    area = principal.partition("/")[0]
    node = Recipient(f"{area}/node", kem.DecapsulationKey(bytes([9]) * 32).public, frozenset({1}))
    draft = prepare(
        net=NET,
        kind=Kind.MESSAGE,
        priority=0,
        to=area,
        expires=7200,
        recipients=[node, Recipient(principal, public, frozenset({2}))],
        contents=[b"routing", b"content"],
    )
    position = Position("0" * 32, 1, bytes(32))
    sender = IdentityKey("E09000030/node", bytes(32))
    return draft.finish(sender, created=3600, directory=1, position=position, seen=Seen()).envelope


def _looks(holder: object) -> Iterator[str]:
    """Every way in which an object shows up in a log, a debugger or a report of an error."""
    yield from (repr(holder), str(holder), f"{holder}", repr([holder]), repr({"key": holder}))
    yield repr(getattr(holder, "__dict__", ""))
    none: dict[object, object] = {}
    try:
        none[(holder,)]
    except KeyError as error:
        found = traceback.TracebackException.from_exception(error, capture_locals=True)
        yield from found.format()
