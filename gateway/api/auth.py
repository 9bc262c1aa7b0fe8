"""Who calls: an agency by its token, and the person who acts by a reference (surface.md, "who acted").

The token proves the agency. The person is named by the agency's own pseudonymous reference and role, which go
into the s.62 DPA 2018 log: enough for the agency to say who it was, nothing for anybody else. A name or an
e-mail address there would put personal data of staff into a log that is kept for years.

Example::

    Authorization: Bearer bhg_...
    Gateway-Actor: 4711-dw;role="duty officer"
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from aiohttp import web

from gateway.api.problems import BadRequest
from gateway.api.reading import header
from gateway.api.routes import Access
from gateway.errors import NotAllowed
from gateway.flows.node import Caller, Node
from gateway.flows.tokens import AUDITOR, Holder, find, unauthenticated
from gateway.ports import Transaction

ACTOR: Final = "Gateway-Actor"
AGENCY: Final = "Gateway-Agency"
CHALLENGE: Final = 'Bearer realm="gateway"'

_REFERENCE: Final = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_ACTOR: Final = re.compile(
    r"(?P<ref>[^;]*);[ \t]*role=(?:\"(?P<quoted>(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\[\"\\])*)\""
    r"|(?P<bare>[A-Za-z0-9._-]+))\Z"
)
"""An item with one parameter, a string or token, as structured fields have it (RFC 9651)."""

MAX_ROLE: Final = 100


_KINDS: Final = {Access.OPERATOR: "NODE", Access.AUDITOR: AUDITOR}
"""Routes that are not for agencies -> whose token they take."""


async def authenticate(node: Node, request: web.Request) -> Holder:
    """Raises Unauthenticated: one answer for a missing, malformed, unknown, expired or revoked token."""
    scheme, _, text = (header(request, "Authorization") or "").partition(" ")
    if scheme.lower() != "bearer":
        raise unauthenticated()
    now = node.clock.now()
    return await node.store.read(lambda tx: find(tx, text.strip(), node, now))


async def acting_for(node: Node, request: web.Request, holder: Holder) -> Caller:
    """Which of its agencies a call is for: the one that ``Gateway-Agency`` names, else the one whose leg or
    parcel the address names, else the first. Raises NotAllowed for an agency that is not the token's."""
    wanted = header(request, AGENCY)
    if wanted is not None:
        return _named(holder, wanted.strip())
    if not holder.also:
        return holder.caller
    leg, parcel = request.match_info.get("leg", ""), request.match_info.get("parcel", "")

    def owner(tx: Transaction) -> str:
        row, task = tx.leg(leg) if leg else None, tx.task(parcel) if parcel else None
        return task.principal if task else row.principal if row else ""

    found = await node.store.read(owner) if leg or parcel else ""
    return next((one for one in holder.callers if one.principal == found), holder.caller)


def _named(holder: Holder, wanted: str) -> Caller:
    for one in holder.callers:
        if wanted in (one.principal, one.principal.partition("/")[2]):
            return one
    raise NotAllowed(
        "this token does not act for that agency",
        code="token_agency",
        field=AGENCY,
        remedy="GET /v1/me lists the agencies of a token",
    )


def check_access(access: Access, caller: Caller) -> None:
    """Raises NotAllowed for an agency where operators or the auditor are asked for, and the other way
    round: who reads the access log acts on nothing, and who acts does not read it (s.62(4) DPA 2018)."""
    wanted = _KINDS.get(access, "")
    if wanted != (caller.agency if caller.agency in _KINDS.values() else ""):
        raise NotAllowed(
            "this address is not for the holder of this token",
            code="token_kind",
            remedy="agencies use a token of an agency; for /v1/ops: `gateway agency token create node`; for "
            "/v1/audit: `gateway agency token create auditor`",
        )


def acting(request: web.Request, caller: Caller) -> Caller:
    """The caller with the person who acts. Raises BadRequest when nobody, or somebody's name, is given."""
    value = header(request, ACTOR)
    if value is None:
        raise _refused("this call needs the person who acts")
    form = _ACTOR.match(value)
    if form is None:
        raise _refused("the header does not have the form ref;role=...")
    role = form["bare"] or re.sub(r"\\(.)", r"\1", form["quoted"] or "").strip()
    if not _REFERENCE.match(form["ref"]) or "@" in role:
        raise _refused("a reference, not a name or an address, is what stands here")
    if not 0 < len(role) <= MAX_ROLE:
        raise _refused(f"a role of 1 to {MAX_ROLE} characters is missing")
    return replace(caller, actor=form["ref"], role=role)


def _refused(message: str) -> BadRequest:
    return BadRequest(
        message,
        code="actor",
        field=ACTOR,
        remedy=f'send {ACTOR}: <your reference for the person: letters, digits, . _ ->;role="<role>"',
    )
