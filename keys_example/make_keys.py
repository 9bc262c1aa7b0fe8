"""Make the demo keys anew: ``python -m keys_example.make_keys --force``. Never needed to run the demo."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

from gateway.core.ceremony import Roles, make_root
from gateway.keystore import KeyStore
from keys_example import AREAS, ENVIRONMENT, HERE, PASSPHRASE, ROOT_KEY, SIGNER, principals

LIFE = 3650 * 86_400
"""Seconds: the demo's root lives ten years, for nobody rotates a root that protects nobody."""


def make(folder: Path, now: int) -> None:
    """Everything under ``folder``: one key store an area, one for the network's signers, the root."""
    network = KeyStore.create(folder / "network", PASSPHRASE, ENVIRONMENT)
    root = network.add_identity(ROOT_KEY, purpose="root")
    directory = network.add_identity(SIGNER, purpose="directory")
    roles = Roles({ROOT_KEY: root.public}, 1, {SIGNER: directory.public}, 1)
    note = make_root(ENVIRONMENT, roles, created=now, expires=now + LIFE, signers=[root])
    (folder / "root.note").write_bytes(note)
    for area in AREAS:
        store = KeyStore.create(folder / area, PASSPHRASE, ENVIRONMENT)
        for principal in principals(area):
            store.add_identity(principal)
            store.add_kem(principal, now, now + LIFE)
        store.add_identity(f"{area}/node", purpose="log")


def main(arguments: list[str]) -> int:
    if arguments != ["--force"]:
        sys.stderr.write("this replaces the committed demo keys; say --force if you mean it\n")
        return 2
    with tempfile.TemporaryDirectory() as scratch:
        make(Path(scratch), int(time.time()) // 86_400 * 86_400)  # noqa: TID251 - a script, run by hand
        for made in Path(scratch).iterdir():
            target = HERE / made.name
            if target.is_dir():
                shutil.rmtree(target)
            shutil.move(str(made), target)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
