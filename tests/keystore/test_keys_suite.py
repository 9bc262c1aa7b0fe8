"""Whatever holds a private key passes one suite: memory, key files, a process in the place of a module."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence

import pytest

from gateway.core.keys import IdentityKey, KemKey, SubkeyOpener
from gateway.errors import Malformed
from gateway.keystore import KeyStore
from gateway.testing.keys_suite import OpenerSuite, SignerSuite

POLICE = "E09000012/police"
SEED, FIRST, SECOND = (bytes([n]) + bytes(range(31)) for n in (1, 2, 3))


class TestMemorySigner(SignerSuite):
    @pytest.fixture
    def signer(self):
        return IdentityKey(POLICE, SEED)

    @pytest.fixture
    def secrets(self):
        return (SEED,)


class TestMemoryOpener(OpenerSuite):
    @pytest.fixture
    def opener(self):
        return SubkeyOpener(POLICE, [KemKey(FIRST, 10, 20), KemKey(SECOND, 15, 25)])

    @pytest.fixture
    def secrets(self):
        return (FIRST, SECOND)

    def test_the_newest_subkey_is_tried_first(self, opener):
        assert opener.publics()[0] == KemKey(SECOND, 0, 1).public


@pytest.fixture
def store(tmp_path) -> KeyStore:
    made = KeyStore.create(tmp_path / "keys", b"words", "demo")
    made.add_identity(POLICE)
    made.add_identity("E09000012/node", purpose="log")
    for since in (10, 15):
        made.add_kem(POLICE, since, since + 10)
    return KeyStore.open(tmp_path / "keys", b"words", "demo")


class TestStoredSigner(SignerSuite):
    @pytest.fixture(params=["identity", "log"])
    def signer(self, store, request):
        return store.signer(POLICE) if request.param == "identity" else store.log_signer("E09000012")

    @pytest.fixture
    def secrets(self, store):
        return [file.secret for file in store.names().values()]


class TestStoredOpener(OpenerSuite):
    @pytest.fixture
    def opener(self, store):
        return store.opener(POLICE)

    @pytest.fixture
    def secrets(self, store):
        return [file.secret for file in store.names().values()]


MODULE = """
import sys
from gateway.core.keys import IdentityKey, KemKey, SubkeyOpener
from gateway.errors import Refused
name = sys.argv[1]
signer = IdentityKey(name, bytes.fromhex(sys.argv[2]))
opener = SubkeyOpener(name, [KemKey(bytes.fromhex(seed), n, 99) for n, seed in enumerate(sys.argv[3:])])
for line in sys.stdin:
    verb, *words = line.split()
    given = [bytes.fromhex(word.removeprefix("x")) for word in words]
    try:
        match verb:
            case "public": said = signer.public.hex()
            case "publics": said = " ".join(key.hex() for key in opener.publics())
            case "sign": said = signer.sign(*given).hex()
            case "open": said = opener.decapsulate(*given).hex()
    except Refused as error:
        said = "refused " + error.code
    print(said, flush=True)
"""


class Module:
    """A hardware module, as the node sees one: keys on the far side of a wire, none of them on this side."""

    def __init__(self, name: str, *seeds: bytes) -> None:
        command = [sys.executable, "-c", MODULE, name, *(seed.hex() for seed in seeds)]
        self.name = self.principal = name
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __reduce__(self):
        raise TypeError("a module is not serialised")

    def __repr__(self) -> str:
        return "<Module>"

    def ask(self, *words: str) -> str:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(" ".join(words) + "\n")
        self._process.stdin.flush()
        said = self._process.stdout.readline().strip()
        if said.startswith("refused"):
            raise Malformed("the module refused it", code=said.split()[1])
        return said

    @property
    def public(self) -> bytes:
        return bytes.fromhex(self.ask("public"))

    def publics(self) -> Sequence[bytes]:
        return [bytes.fromhex(word) for word in self.ask("publics").split()]

    def sign(self, text: bytes) -> bytes:
        return bytes.fromhex(self.ask("sign", f"x{text.hex()}"))

    def decapsulate(self, public: bytes, ciphertext: bytes) -> bytes:
        return bytes.fromhex(self.ask("open", f"x{public.hex()}", f"x{ciphertext.hex()}"))

    def close(self) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


@pytest.fixture(scope="module")
def module() -> Iterator[Module]:
    made = Module(POLICE, SEED, FIRST, SECOND)
    yield made
    made.close()


class TestModuleSigner(SignerSuite):
    @pytest.fixture
    def signer(self, module):
        return module

    @pytest.fixture
    def secrets(self):
        return (SEED,)


class TestModuleOpener(OpenerSuite):
    @pytest.fixture
    def opener(self, module):
        return module

    @pytest.fixture
    def secrets(self):
        return (FIRST, SECOND)
