"""What an agency with a key of its own uses on its side of the node: open, acknowledge, sign.

The node relays what is sealed to such an agency (``hosted: false`` in the directory) and cannot read it or
answer for it. Nothing here believes the node: documents of trust are verified against the network's
fingerprint, messages against the documents, and every receipt is signed with the agency's key, which never
leaves its machine.

Example::

    keys = AgencyKeys(store.signer("E09000004/police"), store.opener("E09000004/police"))
    async with connected("https://node.example", token) as line:
        client = Client(line, keys, fingerprint="abcd-...", now=clock.now)
        for entry in await client.parcels(wait=20):
            opened = await client.open(entry.parcel)          # PLAINTEXT, verified
            note = sign(keys, client.network.net, opened.about, "opened", at=clock.now(), parts=opened.parts)
            await client.bring_receipts(entry.leg, [note])

:class:`gateway.client.agent.Agent` does all of it with an adapter, and survives restarts.
"""

from gateway.client.client import Client
from gateway.client.http import Connection, connected
from gateway.client.opening import AgencyKeys, Entry, Opened, Sealed, open_parcel
from gateway.client.signing import answer_notes, seal_words, sign

__all__ = [
    "AgencyKeys",
    "Client",
    "Connection",
    "Entry",
    "Opened",
    "Sealed",
    "answer_notes",
    "connected",
    "open_parcel",
    "seal_words",
    "sign",
]
