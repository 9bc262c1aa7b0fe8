"""A second person's agreement, written into a document that waits for it (domain 6.4: authorisations).

Leaves out who may give one and when it is asked for (:mod:`gateway.flows.drafts`). Rule: what is added is a
role, an agency, an area and a time; the person is a reference in the access log and nowhere else.
"""

from __future__ import annotations

from datetime import UTC, datetime

from gateway.core.encoding import Json, JsonObject, encode
from schemas.base import to_json
from schemas.handover import HandoverNotification, to_document


def agreed(document: HandoverNotification, *, role: str, agency: str, area: str, at: int, why: str) -> bytes:
    """The document's bytes with one authorisation more, after those it carries."""
    content = to_document(document)
    message = content["message"]
    assert isinstance(message, dict)  # noqa: S101 - the shape says so; this tells the type checker
    given: list[Json] = [to_json(one) for one in document.message.authorisations]
    moment = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    fresh: JsonObject = {"role": role, "agency": agency, "area": area, "at": moment, "why": why}
    message["authorisations"] = [*given, fresh]
    return encode(content)
