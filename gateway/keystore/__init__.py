"""The node's private keys: files in a folder, the store made of them, and the words that open them.

Rooms: :mod:`.store` (what a node asks for), :mod:`.files` (files that are nobody else's), :mod:`.passphrase`
(where the passphrase comes from). Formats are :mod:`gateway.core.keys`; when keys are renewed and destroyed
is decided by the flows.
"""

from gateway.keystore.files import GONE, LONGEST, read_private, replace_private, write_private
from gateway.keystore.passphrase import CREDENTIAL, read_passphrase
from gateway.keystore.store import KeyStore

__all__ = [
    "CREDENTIAL",
    "GONE",
    "LONGEST",
    "KeyStore",
    "read_passphrase",
    "read_private",
    "replace_private",
    "write_private",
]
