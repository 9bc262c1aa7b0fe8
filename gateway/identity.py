"""Who this node is, out of the settings: its own keys, and the network that it has joined.

Duty: what a command needs that is no node. It leaves out everything that runs (:mod:`gateway.bootstrap`), so
that a command is quick to start.
"""

from __future__ import annotations

from gateway.config import Settings, credentials
from gateway.core.trust import Network
from gateway.errors import Misconfigured
from gateway.flows.node import Trust
from gateway.flows.trust import trust_of
from gateway.keystore import KeyStore, read_passphrase
from gateway.ports import Store


def open_keys(settings: Settings) -> KeyStore:
    """Raises Misconfigured when the passphrase or a key file is not usable in this environment."""
    passphrase = read_passphrase(file=settings.keys.passphrase_file, credentials=credentials())
    return KeyStore.open(settings.key_folder, passphrase, settings.environment)


async def load_trust(settings: Settings, store: Store, now: int) -> Trust:
    """The network as this node knows it. Raises Misconfigured for a node that has joined none, or one of
    another environment."""
    trust = await store.read(lambda tx: trust_of(tx, now))
    if trust is None:
        raise Misconfigured(
            "this node has joined no network",
            code="not_joined",
            remedy="run `gateway join BUNDLE --expect FINGERPRINT` with the bundle its operators published",
        )
    accept_network(settings, trust.network)
    return trust


def accept_network(settings: Settings, network: Network) -> None:
    """A demo network never runs under a production configuration, nor the other way round (protocol 7)."""
    network.require_env(settings.environment)
    network.node(settings.area)
