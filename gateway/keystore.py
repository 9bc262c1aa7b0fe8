"""Key files in a folder, and the Signer and Opener of each principal made from them.

Duty: create files that nobody else can read, refuse files that somebody else can, and derive the one slow
key once. It leaves out the file's format (:mod:`gateway.core.keys`).

Layout: ``<area>.<role>.<purpose>[.<n>].key``, e.g. ``E09000012.police.kem.1.key``; epochs and secrets are
``epoch.<month>.key`` and ``secret.<name>.key``. Python cannot wipe memory: a process that holds keys must
not be dumped (the systemd unit and the container say so), and nothing here shows a secret in a repr.
"""

from __future__ import annotations

import getpass
import os
import secrets
import stat
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

from gateway.core.keys import (
    CHEAP,
    MODERATE,
    SALT,
    SEED,
    Cost,
    Derivation,
    IdentityKey,
    KemKey,
    KeyFile,
    SubkeyOpener,
    derivation_of,
    derive,
    open_key_file,
    seal_key_file,
)
from gateway.errors import Conflict, GatewayError, Misconfigured

LONGEST: Final = 64 * 1024
"""Bytes of a key file that are read at all; a real one has under 1 KiB."""


class KeyStore:
    """The keys of one node, unlocked. Satisfies ``ports.Keys``."""

    def __init__(self, folder: Path, key: bytes, derivation: Derivation, env: str) -> None:
        self.folder = folder
        self.env = env
        self._key = key
        self._derivation = derivation
        self._files: dict[str, KeyFile] = {}
        self._signers: dict[str, IdentityKey] = {}
        self._openers: dict[str, SubkeyOpener] = {}

    @classmethod
    def create(cls, folder: Path, passphrase: bytes, env: str, *, cost: Cost | None = None) -> KeyStore:
        """An empty store; its folder is made, for the owner alone."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if any(folder.glob("*.key")):
            raise Conflict(f"{folder} holds keys already", code="keys_exist", remedy="choose an empty folder")
        derivation = Derivation(secrets.token_bytes(SALT), cost or (MODERATE if env == "prod" else CHEAP))
        return cls(folder, derive(passphrase, derivation), derivation, env)

    @classmethod
    def open(cls, folder: Path, passphrase: bytes, env: str) -> KeyStore:
        """Unlock every key file of the folder. Raises Misconfigured naming the file and the remedy."""
        paths = sorted(folder.glob("*.key")) if folder.is_dir() else []
        if not paths:
            raise Misconfigured(f"no key files in {folder}", code="no_keys", remedy="run `gateway init`")
        derived: dict[Derivation, bytes] = {}
        opened: dict[str, KeyFile] = {}
        for path in paths:
            data = read_private(path)
            with _naming(path):
                derivation = derivation_of(data, env)
                if derivation not in derived:
                    derived[derivation] = derive(passphrase, derivation)
                opened[path.name] = open_key_file(data, derived[derivation])
        derivation, key = next(iter(derived.items()))
        store = cls(folder, key, derivation, env)
        store._files = opened
        return store

    def __repr__(self) -> str:
        return f"<KeyStore {self.folder} redacted>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key store is not serialised")

    # --- reading

    def principals(self) -> Collection[str]:
        """Those with an identity key here."""
        return {file.name for file in self._files.values() if file.purpose == "identity"}

    def signer(self, principal: str) -> IdentityKey:
        """Raises Misconfigured when this principal's identity key is not here."""
        if principal not in self._signers:
            self._signers[principal] = self._identity(principal, "identity")
        return self._signers[principal]

    def log_signer(self, area: str) -> IdentityKey:
        return self._identity(f"{area}/node", "log")

    def named_signer(self, name: str, purpose: str) -> IdentityKey:
        """A root or directory key by its name."""
        return self._identity(name, purpose)

    def _identity(self, name: str, purpose: str) -> IdentityKey:
        for file in self._files.values():
            if (file.name, file.purpose) == (name, purpose):
                return IdentityKey(name, file.secret)
        raise _missing(name, purpose)

    def opener(self, principal: str) -> SubkeyOpener:
        """Every KEM subkey of this principal that is here, newest first. Raises Misconfigured."""
        if principal not in self._openers:
            keys = self.subkeys(principal)
            if not keys:
                raise _missing(principal, "kem")
            self._openers[principal] = SubkeyOpener(principal, keys)
        return self._openers[principal]

    def subkeys(self, principal: str) -> Sequence[KemKey]:
        files = [f for f in self._files.values() if (f.name, f.purpose) == (principal, "kem")]
        return [KemKey(file.secret, file.since, file.until) for file in files]

    def epoch(self, month: str) -> bytes:
        """The month's key over record keys; made on first use, outside the database and its backups."""
        return self._once(f"epoch.{month}.key", KeyFile(month, "epoch", self.env, secrets.token_bytes(SEED)))

    def secret(self, name: str) -> bytes:
        """A key for keyed hashes of one purpose; made on first use."""
        return self._once(f"secret.{name}.key", KeyFile(name, "secret", self.env, secrets.token_bytes(SEED)))

    def _once(self, filename: str, fresh: KeyFile) -> bytes:
        """Of two processes that make it at once one wins; the other reads what the winner wrote."""
        if filename not in self._files:
            try:
                self._write(filename, fresh)
            except FileExistsError:
                self._files[filename] = self._read(self.folder / filename)
        return self._files[filename].secret

    def _read(self, path: Path) -> KeyFile:
        data = read_private(path)
        with _naming(path):
            if derivation_of(data, self.env) != self._derivation:
                raise Misconfigured(
                    f"{path.name} was sealed apart from the other keys",
                    remedy="restart the node to unlock it",
                )
            return open_key_file(data, self._key)

    # --- making

    def add_identity(self, name: str, *, purpose: str = "identity") -> IdentityKey:
        """Make an Ed25519 key: an identity, log, root or directory key. Raises Conflict when it is there."""
        key = IdentityKey.generate(name)
        self._add(f"{_stem(name)}.{purpose}.key", KeyFile(name, purpose, self.env, key.seed))
        return key

    def add_kem(self, principal: str, since: int, until: int) -> KemKey:
        """Make an X-Wing subkey for a term (unix seconds)."""
        key = KemKey.generate(since, until)
        number = 1 + len(self.subkeys(principal))
        filename = f"{_stem(principal)}.kem.{number}.key"
        self._add(filename, KeyFile(principal, "kem", self.env, key.seed, since, until))
        self._openers.pop(principal, None)
        return key

    def _add(self, filename: str, file: KeyFile) -> None:
        try:
            self._write(filename, file)
        except FileExistsError:
            raise Conflict(
                f"{filename} exists",
                code="key_exists",
                remedy="keys are never overwritten; move the old one away",
            ) from None

    def _write(self, filename: str, file: KeyFile) -> None:
        write_private(self.folder / filename, seal_key_file(file, self._key, self._derivation))
        self._files[filename] = file

    def names(self) -> Mapping[str, KeyFile]:
        """Every key here by its file's name; the secrets inside are redacted in any repr."""
        return dict(self._files)


def _stem(name: str) -> str:
    return name.replace("/", ".")


def _missing(name: str, purpose: str) -> Misconfigured:
    return Misconfigured(
        f"the {purpose} key of {name} is not in the key store",
        code="key_missing",
        remedy="run `gateway keys list`; make it with `gateway keys generate`, or restore it from its backup",
    )


class _naming:  # noqa: N801 - reads as a word in a with statement
    """Put the file's name before an error about it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None: ...

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, GatewayError):
            raise Misconfigured(
                f"{self._path.name}: {error.message}",
                code=error.code,
                remedy=error.remedy
                or "check the passphrase; if it is right, restore the file from its backup",
            ) from None


# --- files that are nobody else's -------------------------------------------------------------------


def write_private(path: Path, data: bytes) -> None:
    """Create a file with mode 0600 and all of ``data``, or none. Raises FileExistsError, never overwrites.

    Written aside and linked into place: a crash leaves no half key under the real name, and linking, unlike
    renaming, fails when the name is taken.
    """
    aside = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    handle = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(aside, path)
    finally:
        with suppress(FileNotFoundError):
            aside.unlink()
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_private(path: Path) -> bytes:
    """The bytes of a file that only its owner can read. Raises Misconfigured for a link, other modes, or
    one that is not there."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise Misconfigured(
            f"{path} cannot be opened: {error.strerror}",
            code="key_unreadable",
            remedy="no links; check the path",
        ) from None
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or stat.S_IMODE(found.st_mode) & 0o077:
            raise Misconfigured(f"{path} can be read by others", code="key_mode", remedy=f"chmod 600 {path}")
        return file.read(LONGEST)


def read_passphrase(
    *,
    file: Path | None = None,
    credentials: Path | None = None,
    prompt: Callable[[], str] | None = None,
) -> bytes:
    """systemd credential > secret file > prompt (protocol 7). Never an environment variable, never argv.

    ``credentials``: systemd's ``$CREDENTIALS_DIRECTORY`` (a path, not a secret). Raises Misconfigured.
    """
    credential = credentials / "gateway-passphrase" if credentials else None
    if credential is not None and credential.is_file():
        return credential.read_bytes().strip()  # systemd guards it; its mode is 0400 or 0440
    if file is not None:
        return read_private(file).strip()
    if prompt is not None or sys.stdin.isatty():
        return (prompt or (lambda: getpass.getpass("Passphrase of the key store: ")))().encode()
    raise Misconfigured(
        "no passphrase for the key store",
        code="no_passphrase",
        field="/keys/passphrase_file",
        remedy="set passphrase_file in [keys], or LoadCredential=gateway-passphrase in the systemd unit",
    )
