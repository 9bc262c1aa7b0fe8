"""Breaking the glass: going on sending under a directory that has expired, openly (protocol 6).

Duty: make and verify the note with which one borough says that it does so, for how long and why. What it
leaves out: whether it may (`Network.check_sendable`), the log entry and the flag that the receiver shows
(flows).

Rules:

- Signed by the node's identity key alone, for its own area and for one version of the directory: a renewed
  directory ends it.
- A day at most. Who needs longer says so again, and is seen to.
- Codes only: a reason and the role of the person who decided, never a name.

Example::

    note = make_break_glass(node, net=net, directory=7, created=now, until=now + 3600, reason="signer_away",
                            by="duty_manager")
    network.check_sendable(now, break_glass=open_break_glass(note, net=net, keyring=ring, now=now))
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.core.directory import NODE_ROLE, REASON
from gateway.core.durations import DAY
from gateway.core.encoding import AREA, JsonObject, b64, check_version, fields, integer, octets, text
from gateway.core.notes import Keyring, Signer, open_note, sign_note
from gateway.core.root import SKEW
from gateway.errors import Expired, Forged, Malformed

BREAK_GLASS: Final = "bx/1/break-glass"
MAX_BREAK_GLASS: Final = DAY  # seconds: one night; whoever needs another decides again

_FIELDS: Final = {
    "v": int, "net": str, "area": str, "directory": int, "created": int, "until": int,
    "reason": str, "by": str,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class BreakGlass:
    """``area`` goes on sending under version ``directory`` until just before ``until`` (unix seconds)."""

    area: str
    directory: int
    created: int
    until: int
    reason: str
    by: str
    hash: bytes

    def covers(self, directory: int, now: int) -> bool:
        return self.directory == directory and self.created - SKEW <= now < self.until


def make_break_glass(
    signer: Signer, *, net: bytes, directory: int, created: int, until: int, reason: str, by: str
) -> bytes:
    """The note of the node that signs it. Raises Malformed, Expired for one that a peer would refuse."""
    area, _, role = signer.name.partition("/")
    if role != NODE_ROLE:
        raise Malformed("a node breaks the glass, and nobody else", code="break_glass_area")
    body: JsonObject = {
        "v": 1,
        "net": b64(net),
        "area": area,
        "directory": directory,
        "created": created,
        "until": until,
        "reason": reason,
        "by": by,
    }
    _parse(body, net, b"")
    return sign_note(BREAK_GLASS, body, [signer])


def open_break_glass(note: bytes, *, net: bytes, keyring: Keyring, now: int) -> BreakGlass:
    """The note, signed by the node of its area.

    One that is over still opens: it explains what came under it. Raises Malformed, Untrusted, Forged (another
    network, or another's area), Expired (``break_glass_life``; from the future).
    """
    opened = open_note(note, BREAK_GLASS, keyring, single=True)
    found = _parse(opened.body, net, opened.hash)
    if opened.signer != f"{found.area}/{NODE_ROLE}":
        raise Forged("a node breaks the glass for its own area only", code="break_glass_area")
    if found.created > now + SKEW:
        raise Expired("from the future; compare the clocks", code="future")
    return found


def _parse(body: JsonObject, net: bytes, digest: bytes) -> BreakGlass:
    check_version(body)
    fields(body, _FIELDS)
    if octets(body, "net") != net:
        raise Forged("a note of another network", code="net")
    created, until = integer(body, "created"), integer(body, "until")
    if until <= created:
        raise Malformed("it ends before it begins", code="break_glass_time", field="/until")
    if until - created > MAX_BREAK_GLASS:
        raise Expired("the glass would stay broken too long", code="break_glass_life", field="/until")
    return BreakGlass(
        text(body, "area", AREA),
        integer(body, "directory", low=1),
        created,
        until,
        text(body, "reason", REASON),
        text(body, "by", REASON),
        digest,
    )
