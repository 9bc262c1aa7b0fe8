"""What ``gateway keys`` does: look at key files, make keys, sign key cards.

Looking needs no passphrase: name, purpose and term stand in the clear in a key file (and are authenticated
when it is opened). Rules: a KEM subkey lives 14 days; a card carries every subkey that has not ended, so that
what was sealed under the last one still opens; the version of a card is the second it was signed in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.cli import database
from gateway.cli.files import write_output
from gateway.cli.output import Usage
from gateway.clock import SystemClock
from gateway.config import Settings, load
from gateway.core.ceremony import SUBKEY_LIFE, make_card, pack_cards
from gateway.core.directory import Card, open_card
from gateway.core.encoding import b64, decode_object, encode
from gateway.core.keys import ENVIRONMENT, KEY_NAME, KemKey, fingerprint_of
from gateway.core.trust import Network
from gateway.errors import GatewayError, Misconfigured, NotFound
from gateway.identity import open_keys
from gateway.keystore import KeyStore, read_private
from gateway.ports import Transaction, TrustRow

Entry = dict[str, Any]


def folder_of(config: Path | None) -> Path:
    return load(config).key_folder


def entries(folder: Path) -> list[Entry]:
    """Every key file of the folder as its clear header says. Raises NotFound, Misconfigured."""
    paths = sorted(folder.glob("*.key"))
    if not paths:
        raise NotFound(
            f"no key files in {folder}", code="no_keys", remedy="`gateway init` makes a node's keys"
        )
    return [_entry(path) for path in paths]


def _entry(path: Path) -> Entry:
    try:
        header = decode_object(read_private(path))
    except Misconfigured:
        raise
    except GatewayError:
        raise Misconfigured(
            f"{path.name} is no key file", code="key_form", remedy="restore it from its backup"
        ) from None
    since, until = (int(str(header.get(name) or 0)) for name in ("since", "until"))
    return {
        "file": path.name,
        "name": header.get("name"),
        "purpose": header.get("purpose"),
        "environment": header.get("env"),
        "from": day(since),
        "until": day(until),
    }


def day(at: int) -> str | None:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else None


def line(entry: Entry) -> str:
    term = f"  {entry['from']} to {entry['until']}" if entry["until"] else ""
    return f"{entry['purpose']:<10} {entry['name']}{term}"


def card_line(card: Mapping[str, Any]) -> str:
    return f"  {card['principal']} until {card['until']}"


# --- a signer's key ---------------------------------------------------------------------------------


def check_signer(name: str, environment: str) -> None:
    """Raises Usage."""
    if not KEY_NAME.match(name):
        raise Usage(
            "a signer's name is small letters, digits, - and _",
            code="name",
            field="--name",
            remedy="e.g. alice",
        )
    if not ENVIRONMENT.match(environment):
        raise Usage("an environment is prod or demo", code="environment", field="--environment")


def make_signer(folder: Path, passphrase: bytes, environment: str, name: str, purpose: str) -> dict[str, Any]:
    """One root or directory key, and the public half beside it as NAME.PURPOSE.pub. Raises Conflict."""
    there = any(folder.glob("*.key"))
    store = (KeyStore.open if there else KeyStore.create)(folder, passphrase, environment)
    key = store.add_identity(name, purpose=purpose)
    public = folder / f"{name}.{purpose}.pub"
    write_output(
        public, encode({"env": environment, "name": name, "public": b64(key.public), "purpose": purpose})
    )
    return {
        "name": name,
        "purpose": purpose,
        "environment": environment,
        "public": b64(key.public),
        "fingerprint": fingerprint_of(key.public),
        "public_file": str(public),
    }


# --- a node's subkeys and cards ---------------------------------------------------------------------


def own_principals(settings: Settings) -> Sequence[str]:
    return [f"{settings.area}/{role}" for role in ("node", *settings.agencies)]


def make_subkeys(config: Path | None, name: str) -> list[Entry]:
    """A fresh subkey for one principal of this node, or for each. Raises NotFound for another name."""
    settings, now = load(config), SystemClock().now()
    wanted = [name] if name else own_principals(settings)
    if not set(wanted) <= set(own_principals(settings)):
        raise NotFound(
            "this node has no such principal",
            code="no_principal",
            field="--name",
            remedy="`gateway keys list` names them",
        )
    store = open_keys(settings)
    before = set(store.names())
    for principal in wanted:
        store.add_kem(principal, now, now + SUBKEY_LIFE)
    return [_entry(store.folder / file) for file in sorted(set(store.names()) - before)]


def cards_of(store: KeyStore, principals: Sequence[str], net: bytes, now: int) -> list[bytes]:
    """A fresh card for each principal. Raises Misconfigured for one without a subkey that is valid now."""
    return [
        make_card(store.signer(name), _valid(store, name, now), net=net, version=now) for name in principals
    ]


def _valid(store: KeyStore, principal: str, now: int) -> Sequence[KemKey]:
    keys = [key for key in store.subkeys(principal) if now < key.until]
    if not keys:
        raise Misconfigured(
            f"every subkey of {principal} has ended",
            code="subkeys_ended",
            remedy="make fresh ones: `gateway keys generate --purpose kem`, then restart the node",
        )
    return keys


def make_cards(config: Path | None, out: Path) -> dict[str, Any]:
    """Sign, keep in the node's database, and write for the peers."""
    settings, now = load(config), SystemClock().now()
    store = open_keys(settings)
    network = database.read(settings, lambda tx: database.network_of(tx, now))
    notes = cards_of(store, own_principals(settings), network.net, now)
    cards = database.write(settings, lambda tx: keep_cards(tx, network, notes, now))
    write_output(out, pack_cards(notes))
    return {"file": str(out), "cards": [facts(card) for card in cards]}


def keep_cards(tx: Transaction, network: Network, notes: Sequence[bytes], now: int) -> list[Card]:
    """Verify cards against the network and store them. Raises Refused of any kind; then none is kept."""
    keyring = network.keyring_at(now)
    cards = [open_card(note, net=network.net, min_suite=network.min_suite, keyring=keyring) for note in notes]
    for card, note in zip(cards, notes, strict=True):
        tx.put_trust(TrustRow("keycard", card.principal, card.version, note))
    return cards


def facts(card: Card) -> dict[str, Any]:
    return {
        "principal": card.principal,
        "version": card.version,
        "until": day(max((key.until for key in card.subkeys), default=0)),
    }
