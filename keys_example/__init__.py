"""Two fictional boroughs for demos and tests. Everybody has these keys: NEVER use them for real people.

The key files and the root are committed; they are of environment "demo", and a production configuration
refuses them. A directory expires after 30 days and a key card after 14, so those are signed afresh, from the
committed keys, for the moment they are wanted: :func:`demo_network`.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from gateway.core.ceremony import (
    Member,
    add_member,
    empty_directory,
    make_card,
    make_directory,
    make_request,
    open_request,
)
from gateway.core.keys import KemKey
from gateway.core.root import network_id
from gateway.keystore import KeyStore

HERE = Path(__file__).parent
PASSPHRASE = b"demo: everybody knows this"
ENVIRONMENT = "demo"

AREAS: Mapping[str, str] = {"E09000012": "Hackney", "E09000004": "Bexley"}

AGENCIES: Mapping[str, tuple[str, str]] = {
    "community_safety": ("COMMUNITY_SAFETY", ""),
    "police": ("POLICE", ""),
    "probation": ("PROBATION", ""),
    "leaving_care": ("LEAVING_CARE", ""),
    "housing": ("HOUSING", ""),
    "dwp": ("DWP", ""),
    "st_giles": ("VOLUNTARY_SECTOR", "St Giles"),
}
"""role -> (agency type, organisation): the seven of the case study, in both areas."""

SIGNER = "demo-directory"
ROOT_KEY = "demo-root"
DAY = 86_400
CARD_LIFE = 14 * DAY
AGO = 3600
"""Seconds that fresh documents are dated back, so that a machine with a slow clock accepts them too."""


@dataclass(frozen=True, slots=True)
class DemoNetwork:
    """What a node needs to join: notes, as ``core.trust.Network.build`` takes them."""

    roots: tuple[bytes, ...]
    directory: bytes
    cards: Mapping[str, bytes]


def demo_network(now: int, entitlements: Mapping[str, Iterable[str]]) -> DemoNetwork:
    """The demo network as of ``now`` (unix seconds): directory and key cards signed for that moment.

    The directory's version is its day, and all it says is of that day: two processes that make it on one day
    make the same bytes, and one made later may follow one made before (protocol 6: no equivocation).
    """
    root = (HERE / "root.note").read_bytes()
    signer = unlocked("network").named_signer(SIGNER, "directory")
    body, cards = empty_directory(root, entitlements), dict[str, bytes]()
    for area, name in AREAS.items():
        members = _members(area)
        body = add_member(body, open_request(make_request(area, name, members, ())))
        cards |= {member.principal: _card(root, area, member, now) for member in members}
    day = (now - AGO) // DAY
    directory = make_directory({**body, "version": day - 1}, now=day * DAY, signers=[signer])
    return DemoNetwork((root,), directory, cards)


def install(area: str, folder: Path) -> None:
    """Copy an area's key files into ``folder``, for their owner alone: git does not keep file modes."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for source in sorted((HERE / area).glob("*.key")):
        target = folder / source.name
        shutil.copyfile(source, target)
        target.chmod(0o600)


def principals(area: str) -> list[str]:
    return [f"{area}/node", *(f"{area}/{role}" for role in AGENCIES)]


def _members(area: str) -> list[Member]:
    store = unlocked(area)
    node = Member(f"{area}/node", "NODE", store.signer(f"{area}/node"), store.log_signer(area))
    return [node] + [
        Member(f"{area}/{role}", agency, store.signer(f"{area}/{role}"), organisation=organisation)
        for role, (agency, organisation) in AGENCIES.items()
    ]


def _card(root: bytes, area: str, member: Member, now: int) -> bytes:
    """The committed seed with a fresh term: a key that everybody has gains nothing by being new."""
    keys = [
        KemKey(key.seed, now - AGO, now - AGO + CARD_LIFE) for key in unlocked(area).subkeys(member.principal)
    ]
    return make_card(member.signer, keys, net=network_id(root), version=now)


@lru_cache(maxsize=8)
def unlocked(name: str) -> KeyStore:
    """Unlocked once a process, from a private copy: the committed files have git's modes."""
    with tempfile.TemporaryDirectory(prefix="gateway-demo-keys-") as scratch:
        install(name, Path(scratch))
        return KeyStore.open(Path(scratch), PASSPHRASE, ENVIRONMENT)
