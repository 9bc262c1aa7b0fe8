"""Key files in a folder, and the Signer and Opener of each principal made from them.

Duty: unlock every key of a folder with one slow derivation, give each to whoever may use it, and make, renew
and destroy them. It leaves out the file's format (:mod:`gateway.core.keys`), how a file is written and judged
(:mod:`gateway.keystore.files`), and the calendar (:mod:`gateway.core.rotation`).

Layout: ``<area>.<role>.<purpose>[.<n>].key``, e.g. ``E09000012.police.kem.1.key``; epochs and secrets are
``epoch.<month>.key`` and ``secret.<name>.key``. Every file but an epoch's is written once. An epoch loses
keys as content is destroyed: its file is replaced whole under a lock on the folder, and every process looks
at each use whether another has. A destroyed epoch leaves its file, empty, in the way of a new one. A KEM
subkey has a term: one is made every week, taken up by every process as soon as the folder has changed, and
its file is overwritten and removed when nothing honest can be sealed to it any more (core/rotation.py).

Python cannot wipe memory: a process that holds keys must not be dumped (`gateway run` switches core dumps
off), and nothing here shows a secret in a repr.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, NoReturn

from gateway.core.encoding import PRINCIPAL
from gateway.core.keys import (
    CHEAP,
    KEY_NAME,
    MODERATE,
    SALT,
    SEED,
    Cost,
    Derivation,
    IdentityKey,
    KemKey,
    KeyFile,
    SubkeyOpener,
    check_cost,
    derivation_of,
    derive,
    open_key_file,
    seal_key_file,
)
from gateway.core.rotation import PACE, Pace, due, next_term, to_destroy
from gateway.core.shred import Epoch
from gateway.errors import Conflict, GatewayError, Malformed, Misconfigured
from gateway.keystore.files import (
    GONE,
    LONGEST_EPOCH,
    Stamp,
    alone,
    destroy,
    read_private,
    replace_private,
    stamp_of,
    unwritable,
    write_private,
)

SHORT: Final = 1024
"""Nodes of an epoch that are not worth making fewer."""

_MONTH: Final = re.compile(r"[0-9]{4}-[0-9]{2}\Z")

# A name becomes part of a file name. No pattern lets a dot in, and the one slash of a principal is replaced,
# so no name, wherever it came from, leaves the folder or stands for another key's file.
_NAMES: Final = {"identity": PRINCIPAL, "log": PRINCIPAL, "kem": PRINCIPAL, "epoch": _MONTH}


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
        self._subkeys: dict[str, KemKey] = {}
        self._looked: int | None = None
        self._derived = {derivation: key}
        self._epochs: dict[str, tuple[Path, Stamp, Epoch]] = {}

    @classmethod
    def create(cls, folder: Path, passphrase: bytes, env: str, *, cost: Cost | None = None) -> KeyStore:
        """An empty store; its folder is made, for the owner alone."""
        wanted = cost or (MODERATE if env == "prod" else CHEAP)
        check_cost(wanted, env)
        derivation = Derivation(secrets.token_bytes(SALT), wanted)
        key = derive(passphrase, derivation)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if any(folder.glob("*.key")):
            raise Conflict(f"{folder} holds keys already", code="keys_exist", remedy="choose an empty folder")
        return cls(folder, key, derivation, env)

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
                opened[path.name] = _shallow(open_key_file(data, derived[derivation]))
        derivation, key = next(iter(derived.items()))
        store = cls(folder, key, derivation, env)
        store._files = opened
        store._derived = derived
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
        self._glance()
        if principal not in self._openers:
            keys = self._held(principal)
            if not keys:
                raise _missing(principal, "kem")
            self._openers[principal] = SubkeyOpener(principal, keys)
        return self._openers[principal]

    # --- subkeys

    def subkeys(self, principal: str) -> Sequence[KemKey]:
        """See ``ports.Keys``."""
        self._look()
        return self._held(principal)

    def _held(self, principal: str) -> Sequence[KemKey]:
        return [self._subkey(name) for name, _ in self._kem_files(principal)]

    def _kem_files(self, principal: str) -> Sequence[tuple[str, KeyFile]]:
        return [(n, f) for n, f in self._files.items() if (f.name, f.purpose) == (principal, "kem")]

    def _subkey(self, filename: str) -> KemKey:
        """Expanded once: a seed becomes a key of some kilobytes."""
        if filename not in self._subkeys:
            file = self._files[filename]
            self._subkeys[filename] = KemKey(file.secret, file.since, file.until)
        return self._subkeys[filename]

    def renew(self, principal: str, now: int, pace: Pace = PACE, *, force: bool = False) -> bool:
        """See ``ports.Keys``."""
        if not force and not due(self.subkeys(principal), now, pace):
            return False
        with unwritable(self.folder), alone(self.folder):  # the second of two finds it done
            if not force and not due(self.subkeys(principal), now, pace):
                return False
            self.add_kem(principal, *next_term(now, pace))
        return True

    def destroy_subkeys(self, principal: str, now: int, pace: Pace = PACE) -> int:
        """See ``ports.Keys``. What another process has removed already is forgotten here, too."""
        over = {key.public for key in to_destroy(self.subkeys(principal), now, pace)}
        names = [name for name, _ in self._kem_files(principal) if self._subkey(name).public in over]
        left = [path for path in self.folder.glob(f"*{GONE}") if path.name.startswith(".")]
        if not names and not left:
            return 0
        with unwritable(self.folder), alone(self.folder):
            for path in (*left, *(self.folder / name for name in names)):
                destroy(path)
        for name in names:
            self._files.pop(name)
            self._subkeys.pop(name, None)
        self._openers.pop(principal, None)
        return len(names)

    def _glance(self) -> None:
        """A look at the folder's time for each message: another process may have published a subkey a moment
        ago that the next message is sealed to."""
        with suppress(FileNotFoundError):
            if self.folder.stat().st_mtime_ns != self._looked:
                self._look()

    def _look(self) -> None:
        """Take up the subkeys that other processes have made. A folder that is away forgets nothing: what has
        been unlocked stays until its time is over."""
        with suppress(FileNotFoundError):
            self._looked = self.folder.stat().st_mtime_ns
        for path in sorted(self.folder.glob("*.kem.*.key")):
            if path.name not in self._files and not path.name.startswith("."):
                self._take_up(path)

    def _take_up(self, path: Path) -> None:
        """What cannot be read now (half destroyed, of another passphrase) must not stop a node that serves:
        the next start names it."""
        with suppress(GatewayError):
            file = self._read(path)
            self._files[path.name] = file
            self._openers.pop(file.name, None)

    # --- epochs

    def epoch(self, month: str, *, make: bool = False) -> Epoch:
        """The month's tree of keys as its file says now, whichever process wrote it.

        Raises Misconfigured for a month that is not written ``2026-11``, when there is none (``make`` begins
        it), and when it cannot be kept.
        """
        known = self._epochs.get(month)
        path = known[0] if known else self._epoch_path(month)
        stamp = stamp_of(path)
        if known and stamp == known[1]:
            return known[2]
        if stamp is None:
            if not make:
                raise _no_epoch(month)
            with suppress(FileExistsError):  # of two that begin it at once one wins, and both read that one
                self._write(path.name, KeyFile(month, "epoch", self.env, Epoch.new().encode()))
            stamp = stamp_of(path)
        found = self._read_epoch(path)
        if stamp is not None:
            self._epochs[month] = path, stamp, found
        return found

    def puncture(self, month: str, paths: Sequence[str]) -> None:
        """See ``ports.Keys``. Durable when it returns."""
        self._change_epoch(month, lambda epoch: epoch.puncture(paths))

    def destroy_epoch(self, month: str) -> None:
        """See ``ports.Keys``. Its file stays, empty: a restored row of that month must never meet a new
        epoch of the same name."""
        path = self._epoch_path(month)
        with alone(self.folder), suppress(FileExistsError):
            self._write(path.name, KeyFile(month, "epoch", self.env, Epoch.gone().encode()))
        self._change_epoch(month, lambda _: Epoch.gone())

    def compact_epoch(self, month: str, live: Sequence[str]) -> None:
        """See ``ports.Keys``."""
        if len(self.epoch(month).nodes) > SHORT:
            self._change_epoch(month, lambda epoch: epoch.keep(live))

    def _change_epoch(self, month: str, change: Callable[[Epoch], Epoch]) -> None:
        """Read, change, replace, with nobody in between: a change made meanwhile would be lost, and what it
        destroyed would be back."""
        path = self._epoch_path(month)
        with alone(self.folder):
            if stamp_of(path) is None:
                raise _no_epoch(month)
            before = self._read_epoch(path)
            after = change(before)
            if after != before:
                self._replace(path, KeyFile(month, "epoch", self.env, after.encode()))
        self._epochs.pop(month, None)

    def _epoch_path(self, month: str) -> Path:
        _check_name(month, "epoch")
        return self.folder / f"epoch.{month}.key"

    def _read_epoch(self, path: Path) -> Epoch:
        secret = self._read(path).secret
        with _naming(path):
            try:
                return Epoch.decode(secret)
            except Malformed:
                raise Misconfigured(
                    "an epoch of an earlier build",
                    code="epoch_form",
                    remedy="what it opened can be opened no more; move the file away",
                ) from None

    def _replace(self, path: Path, file: KeyFile) -> None:
        data = seal_key_file(file, self._key, self._derivation)
        if len(data) > LONGEST_EPOCH:
            raise Conflict(
                "too much was destroyed in this month for one key file",
                code="epoch_full",
                remedy="try again when the month has ended: then what was never used is forgotten",
            )
        with unwritable(path):
            replace_private(path, data)

    def secret(self, name: str) -> bytes:
        """A key for keyed hashes of one purpose; made on first use. Raises Misconfigured as `epoch` does."""
        if (known := self._files.get(f"secret.{name}.key")) is not None:
            return known.secret
        _check_name(name, "secret")
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
            derivation = derivation_of(data, self.env)
            if derivation not in self._derived:
                raise Misconfigured(
                    f"{path.name} was sealed apart from the other keys",
                    remedy="restart the node to unlock it",
                )
            return open_key_file(data, self._derived[derivation])

    # --- making

    def add_identity(self, name: str, *, purpose: str = "identity") -> IdentityKey:
        """Make an Ed25519 key: an identity, log, root or directory key. Raises Conflict when it is there."""
        _check_name(name, purpose)
        key = IdentityKey.generate(name)
        self._add(f"{_stem(name)}.{purpose}.key", KeyFile(name, purpose, self.env, key.seed))
        return key

    def add_kem(self, principal: str, since: int, until: int) -> KemKey:
        """Make an X-Wing subkey for a term (unix seconds)."""
        _check_name(principal, "kem")
        key = KemKey.generate(since, until)
        filename = f"{_stem(principal)}.kem.{self._next_number(principal)}.key"
        self._add(filename, KeyFile(principal, "kem", self.env, key.seed, since, until))
        self._openers.pop(principal, None)
        return key

    def _next_number(self, principal: str) -> int:
        """After the highest ever used of those still here: an old subkey may have been destroyed."""
        taken = [name for name, _ in self._kem_files(principal)]
        return 1 + max((int(name.split(".")[-2]) for name in taken), default=0)

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
        data = seal_key_file(file, self._key, self._derivation)
        with unwritable(self.folder / filename):
            write_private(self.folder / filename, data)
        self._files[filename] = _shallow(file)

    def names(self) -> Mapping[str, KeyFile]:
        """Every key here by its file's name; the secrets inside are redacted in any repr."""
        return dict(self._files)


def _check_name(name: str, purpose: str) -> None:
    if not _NAMES.get(purpose, KEY_NAME).match(name):
        raise Misconfigured(
            f"not a name for a key of purpose {purpose!r}",
            code="key_name",
            remedy="a principal is written E09000012/police, a month 2026-11, any other key root-1",
        )


def _stem(name: str) -> str:
    return name.replace("/", ".")


def _missing(name: str, purpose: str) -> Misconfigured:
    return Misconfigured(
        f"the {purpose} key of {name} is not in the key store",
        code="key_missing",
        remedy="run `gateway keys list`; make it with `gateway keys generate`, or restore it from its backup",
    )


def _shallow(file: KeyFile) -> KeyFile:
    """An epoch's content is read at each use and not kept with the other secrets: it may lose keys at any
    moment, and an old copy of it would still have them."""
    return replace(file, secret=b"") if file.purpose == "epoch" else file


def _no_epoch(month: str) -> Misconfigured:
    return Misconfigured(
        f"the epoch {month} is not in the key store",
        code="epoch_missing",
        remedy="restore its key file from the newest backup of the key folder",
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
