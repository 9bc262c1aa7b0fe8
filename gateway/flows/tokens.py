"""Tokens of agencies, of the node for its operators, and of the auditor: made once, shown once, kept as a
digest.

Shared by the API, which reads them, and the command line, which makes them. A token is opaque: ``bhg_`` and
32 random bytes in base64url. What is stored is its SHA-256: 32 random bytes cannot be guessed, so a slow hash
would buy nothing, and a stolen database opens nothing. There is no comparison of secrets here: the row is
found by its digest or it is not.

Example::

    text, row = await store.write(lambda tx: create(tx, "E09000012/police", "records system", now))
    print(text)                                     # the only time it can be seen
    caller = find(tx, text, node, now)              # on every call of that agency
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_urlsafe
from typing import Final

from uuid_utils.compat import uuid7

from gateway.core.trust import Network, Principal
from gateway.errors import GatewayError, NotAllowed, Unauthenticated
from gateway.flows.node import Caller, Node
from gateway.ports import TokenRow, Transaction

PREFIX: Final = "bhg_"
"""Makes a token that was pasted into a repository or a log findable by secret scanners."""

BYTES: Final = 32
"""Random bytes in a token: 256 bits, out of reach of guessing at any rate."""

MAX_LABEL: Final = 100
"""Characters of a label: a system's name on one line."""

AUDITOR: Final = "AUDITOR"
"""The role that reads the access log, and nothing else (s.62(4) DPA 2018). Its holder is written in capitals,
as no principal of a directory is: no agency can be listed that would take these tokens over."""

_FORM: Final = re.compile(re.escape(PREFIX) + r"[A-Za-z0-9_-]{43}\Z")


@dataclass(frozen=True, slots=True)
class Holder:
    """A known token: whose it is and what it was made for."""

    token: str
    label: str
    caller: Caller
    also: tuple[Caller, ...] = ()
    """Further agencies for which the same team answers (an integrated unit); each call is one agency's."""

    @property
    def callers(self) -> tuple[Caller, ...]:
        return (self.caller, *self.also)


def new_token() -> tuple[str, bytes]:
    """(text to hand out once, digest to store)."""
    text = PREFIX + token_urlsafe(BYTES)
    return text, digest_of(text)


def digest_of(text: str) -> bytes:
    return sha256(text.encode()).digest()


def create(
    tx: Transaction,
    principal: str,
    label: str,
    now: int,
    expires: int = 0,
    also: tuple[str, ...] = (),
) -> tuple[str, TokenRow]:
    """A fresh token, stored: (its text, to be shown once; its row). :func:`holder_of` checks ``principal``,
    :func:`agency_of` each of ``also``.

    ``expires``: unix seconds, 0 for never. Raises NotAllowed for an empty or overlong label or a life that
    is over already.
    """
    if not 0 < len(label) <= MAX_LABEL or not label.isprintable():
        raise NotAllowed(
            "a token needs a label", code="token_label", remedy="name the system that will use it"
        )
    if expires and expires <= now:
        raise NotAllowed(
            "this token would have expired already", code="token_expires", remedy="use a later date"
        )
    text, digest = new_token()
    row = TokenRow(uuid7().hex, digest, principal, label, created=now, expires=expires, also=also)
    tx.put_token(row)
    return text, row


def issue(tx: Transaction, principal: str, label: str, now: int, expires: int = 0) -> str:
    """:func:`create` for who needs the text alone."""
    return create(tx, principal, label, now, expires)[0]


def find(tx: Transaction, text: str, node: Node, now: int) -> Holder:
    """Who calls. Raises Unauthenticated, with one answer for unknown, expired, revoked and departed alike:
    a difference would tell a thief which of the stolen tokens were real."""
    row = tx.token(digest_of(text)) if _FORM.match(text) else None
    if row is None or row.revoked or 0 < row.expires <= now:
        raise unauthenticated()
    if row.principal == auditor_of(node.area):
        return Holder(row.id, row.label, Caller(row.principal, AUDITOR))
    try:
        principal = holder_of(node.network, node.area, row.principal)
        also = [agency_of(node.network, node.area, name) for name in row.also]
    except GatewayError:
        raise unauthenticated() from None
    callers = tuple(Caller(one.name, one.agency) for one in also)
    return Holder(row.id, row.label, Caller(principal.name, principal.agency), callers)


def auditor_of(area: str) -> str:
    """Whose the auditor's tokens are."""
    return f"{area}/{AUDITOR}"


def holder_of(network: Network, area: str, name: str) -> Principal:
    """Who may hold a token here: an agency of this area, or its node, whose tokens are the operators'. Raises
    as :func:`agency_of`."""
    principal = network.principal(name)
    own = principal.area == area and principal.agency == "NODE"
    return principal if own else agency_of(network, area, name)


def agency_of(network: Network, area: str, name: str) -> Principal:
    """The agency of this area by its principal name. Raises UnknownRecipient or Untrusted when the directory
    holds no such principal, NotAllowed when it is another area's or a node: those hold no tokens here."""
    principal = network.principal(name)
    if principal.area != area or principal.agency == "NODE":
        raise NotAllowed(
            "tokens are for the agencies of this area",
            code="token_principal",
            remedy=f"name an agency of {area}: {area}/<role>",
        )
    return principal


def unauthenticated() -> Unauthenticated:
    return Unauthenticated(
        "this call needs a valid token",
        remedy="send `Authorization: Bearer bhg_...`; `gateway agency token create` makes one",
    )
