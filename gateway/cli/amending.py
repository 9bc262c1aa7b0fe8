"""What ``gateway directory`` does to a network that stands: keys replaced, revoked, suspended; the next root.

As in :mod:`gateway.cli.signing`, which has the words for people: read files, take one step of
:mod:`gateway.core.amend`, write one file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.cli.files import read_input, write_output
from gateway.cli.output import Usage
from gateway.cli.signing import PUBLIC_FILE, Facts, facts, public_of, read_draft, suspension_facts
from gateway.clock import SystemClock
from gateway.core import amend
from gateway.core import draft as drafts
from gateway.core.ceremony import Roles, open_request
from gateway.core.draft import pack_draft
from gateway.core.durations import DAY
from gateway.core.encoding import decode_object, fields
from gateway.core.keys import fingerprint_of
from gateway.core.root import ROOT_LIFE
from gateway.core.suspension import make_suspension, read_suspension
from gateway.errors import NotAllowed
from gateway.keystore import KeyStore


def replace_key(network: Path, file: Path, expect: str, overlap: int) -> Facts:
    """``overlap``: days."""
    now = SystemClock().now()
    joining = open_request(read_input(file))
    draft = amend.replace_keys(read_draft(network), joining, expect=expect, now=now, overlap=overlap * DAY)
    write_output(network, pack_draft(draft))
    return facts(draft, now)


def revoke(network: Path, wanted: str, reason: str) -> Facts:
    now, draft = SystemClock().now(), read_draft(network)
    key = amend.find_key(drafts.listed(draft, now), wanted)
    draft = amend.revoke(draft, key, reason, now=now)
    write_output(network, pack_draft(draft))
    return {**facts(draft, now), "revoked": fingerprint_of(key)}


def suspend(
    network: Path, wanted: str, reason: str, hours: int, keys: Path, passphrase: bytes, name: str, out: Path
) -> Facts:
    """A note that stops one key, by one directory signer. Raises NotAllowed for anybody else."""
    now, draft = SystemClock().now(), read_draft(network)
    root = amend.accepted_root(draft, now)
    signer = KeyStore.open(keys, passphrase, root.env).named_signer(name, "directory")
    if root.directory.keys.get(name) != signer.public:
        raise NotAllowed(
            "the root lists no such directory key",
            code="not_a_signer",
            remedy="`gateway directory show` lists the signers of this network",
        )
    key = amend.find_key(drafts.listed(draft, now), wanted)
    until = now + hours * 3600
    note = make_suspension(signer, net=root.net, key=key, created=now, until=until, reason=reason)
    write_output(out, note)
    stopped = read_suspension(note, root=root, directory=drafts.listed(draft, now))
    return {**suspension_facts(stopped), "file": str(out)}


@dataclass(frozen=True, slots=True)
class Succession:
    """How the next root differs: .pub files that come, names that go, thresholds where they change."""

    adding: Sequence[Path] = ()
    removing: Sequence[str] = ()
    root_threshold: int | None = None
    directory_threshold: int | None = None


def next_root(network: Path, change: Succession, keys: Path, passphrase: bytes) -> Facts:
    """Raises what `amend.next_root` raises, Usage for a name that is nobody's."""
    now, draft = SystemClock().now(), read_draft(network)
    old = amend.accepted_root(draft, now)
    roles = _succession(amend.roles_of(old), change, old.env)
    store = KeyStore.open(keys, passphrase, old.env)
    mine = [store.named_signer(f.name, "root") for f in store.names().values() if f.purpose == "root"]
    keepers = {*old.root.keys.items(), *roles.root.items()}
    signers = [signer for signer in mine if (signer.name, signer.public) in keepers]
    draft = amend.next_root(draft, roles, now=now, life=ROOT_LIFE[old.env] - DAY, signers=signers)
    write_output(network, pack_draft(draft))
    return facts(draft, now)


def _succession(before: Roles, change: Succession, environment: str) -> Roles:
    root, directory = dict(before.root), dict(before.directory)
    for name in change.removing:
        if root.pop(name, None) is None and directory.pop(name, None) is None:
            raise Usage("no signer of this name", code="signer", field="--remove-signer", remedy="see `show`")
    environments = {environment}
    for path in change.adding:
        purpose = _purpose(path)
        name, public = public_of(path, purpose, environments)
        keys = root if purpose == "root" else directory
        if name in keys:
            raise Usage(
                "a signer of this name is there",
                code="signer",
                field="--add-signer",
                remedy="remove it first",
            )
        keys[name] = public
    if len(environments) != 1:
        raise Usage("a key of another environment", code="environment", remedy="use keys of this network's")
    return Roles(
        root,
        _threshold(change.root_threshold, before.root_threshold, root),
        directory,
        _threshold(change.directory_threshold, before.directory_threshold, directory),
    )


def _threshold(wanted: int | None, before: int, keys: Mapping[str, bytes]) -> int:
    """As it was unless somebody says otherwise: to lower it is never an accident."""
    threshold = before if wanted is None else wanted
    if not 1 <= threshold <= len(keys):
        raise Usage(
            f"{threshold} of {len(keys)} cannot sign",
            code="threshold",
            remedy="add signers, or say the new --root-threshold or --directory-threshold",
        )
    return threshold


def _purpose(path: Path) -> str:
    found = fields(decode_object(read_input(path)), PUBLIC_FILE)["purpose"]
    return "root" if found == "root" else "directory"
