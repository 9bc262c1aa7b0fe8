"""What documents and sections there are, and their JSON Schemas.

Duty: the names by which the command line and the API call documents and sections, and :func:`json_schema`.
It leaves out the models themselves. Rules: ``schemas/json/*.schema.json`` is this module's output, compared
with it in the tests; after a change of a model::

    python -m schemas.catalogue handover > schemas/json/handover.schema.json

>>> SECTIONS["risk_to"].__name__
'RiskTo'
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from schemas.acknowledgement import Acknowledgement, ActionAnswer, Opening, Reply
from schemas.assertions import Assertion, RiskFrom, RiskTo, RoleAssertion
from schemas.base import Section
from schemas.handover import HandoverNotification
from schemas.message import Action, Contact, DataQuality, Message, Retention, Transparency, Urgent
from schemas.notice import Notice, NoticeAnswer
from schemas.orders import Associate, Order
from schemas.person import Aspirations, Core, Identifiers, Move, Safeguarding, Support
from schemas.request import HandoverRequest
from schemas.routing import LawfulBasis, Routing

VERSION = "1.0"

DOCUMENTS: Mapping[str, type[Section]] = MappingProxyType(
    {
        "handover": HandoverNotification,
        "acknowledgement": Acknowledgement,
        "reply": Reply,
        "opening": Opening,
        "notice": Notice,
        "notice_answer": NoticeAnswer,
        "action": ActionAnswer,
        "request": HandoverRequest,
    }
)
"""Documents that travel by themselves."""

SECTIONS: Mapping[str, type[Section]] = MappingProxyType(
    {
        "message": Message,
        "urgent": Urgent,
        "routing": Routing,
        "lawful_basis": LawfulBasis,
        "core": Core,
        "identifiers": Identifiers,
        "move": Move,
        "roles": RoleAssertion,
        "gang_association": Assertion,
        "risk_to": RiskTo,
        "risk_from": RiskFrom,
        "orders": Order,
        "history": Assertion,
        "associates": Associate,
        "safeguarding": Safeguarding,
        "support": Support,
        "aspirations": Aspirations,
        "contacts": Contact,
        "actions": Action,
        "data_quality": DataQuality,
        "transparency": Transparency,
        "retention": Retention,
    }
)
"""Section of a handover -> its model; for a list, the model of an item."""


def json_schema(name: str) -> dict[str, Any]:
    """JSON Schema 2020-12 of a document or section. Raises KeyError for a name that is in neither list."""
    model = DOCUMENTS[name] if name in DOCUMENTS else SECTIONS[name]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:borough-handover:schema:{name}:{VERSION}",
        **model.model_json_schema(),
    }


def schema_text(name: str) -> str:
    """The schema as it stands in ``schemas/json``: two blanks of indentation, a newline at the end."""
    return json.dumps(json_schema(name), indent=2, ensure_ascii=False) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Writes the schema of the one name given to the standard output."""
    if len(arguments) != 1 or arguments[0] not in {*DOCUMENTS, *SECTIONS}:
        sys.stderr.write(f"usage: python -m schemas.catalogue {'|'.join((*DOCUMENTS, *SECTIONS))}\n")
        return 2
    sys.stdout.write(schema_text(arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
