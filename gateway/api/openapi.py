"""The OpenAPI 3.1 document, built from the route table, the answers' shapes and the schemas of the documents.

Built once at start from what is served, so that it cannot say anything else. OpenAPI 3.1 takes JSON Schema
2020-12 as it is; only the places of ``$defs`` change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.api import relay, shapes, urgent
from gateway.api.auth import ACTOR, AGENCY
from gateway.api.problems import CONTENT_TYPE
from gateway.api.routes import BYTES, Access, Body, Parameter, Route
from schemas.acknowledgement import Acknowledgement, ActionAnswer, Opening
from schemas.handover import HandoverNotification
from schemas.notice import Notice, NoticeAnswer

REF_TEMPLATE: Final = "#/components/schemas/{model}"

DOCUMENTS: Final[Mapping[str, type[BaseModel]]] = {
    "handover": HandoverNotification,
    "acknowledgement": Acknowledgement,
    "opening": Opening,
    "action": ActionAnswer,
    "notice": Notice,
    "notice_answer": NoticeAnswer,
    **relay.DOCUMENTS,
    **urgent.DOCUMENTS,
}
"""Name in a route's body -> the model of the document."""

FILE: Final = "file"
"""Name of a body that is no document."""

_ACTOR_PARAMETER: Final = Parameter(
    ACTOR,
    "header",
    'Who acts: the agency\'s pseudonymous reference and a role, 4711-dw;role="duty officer". Never a name.',
    {"type": "string"},
    True,
)
_AGENCY_PARAMETER: Final = Parameter(
    AGENCY,
    "header",
    "Which agency of an integrated unit acts: its role or principal. Left out: the one whose leg is named.",
    {"type": "string"},
)
_RECEIPT: Final[Mapping[str, Any]] = {
    "application/json": {
        "schema": {"type": "object", "properties": {"note": {"type": "string"}}, "required": ["note"]}
    },
    "text/plain": {"schema": {"type": "string"}},
}

Document = dict[str, Any]


def document(routes: Iterable[Route]) -> Document:
    """The whole document, as JSON-able values."""
    listed = tuple(routes)
    paths: dict[str, Document] = {}
    for route in listed:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Borough handover gateway",
            "version": version("borough-handover-gateway"),
            "summary": "Handovers between boroughs, with acknowledgements that prove who took on what.",
        },
        "paths": paths,
        "components": {
            "schemas": _components(listed),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "bhg_..."}},
        },
    }


def _operation(route: Route) -> Document:
    extra: tuple[Parameter, ...] = (_ACTOR_PARAMETER,) if route.access.by_a_person else ()
    extra += (_AGENCY_PARAMETER,) if route.access in (Access.AGENCY, Access.STAFF) else ()
    parameters = [_parameter(one) for one in (*route.parameters, *extra)]
    made: Document = {
        "operationId": f"{route.handler.__module__.rpartition('.')[2]}_{route.handler.__name__}",
        "summary": route.summary,
        "security": [] if route.access is Access.ANYONE else [{"token": []}],
        "responses": _responses(route),
    }
    if parameters:
        made["parameters"] = parameters
    if route.body:
        made["requestBody"] = {"required": True, "content": _content(route.body)}
    return made


def _parameter(one: Parameter) -> Document:
    return {
        "name": one.name,
        "in": one.place,
        "description": one.text,
        "required": one.required,
        "schema": dict(one.schema),
    }


def _content(body: Body) -> Document:
    if body.schema == FILE:
        return {media: {} for media in body.media}  # OpenAPI 3.1: bytes as they are
    if body.schema not in DOCUMENTS:
        return {media: _RECEIPT[media] for media in body.media}
    return {media: {"schema": _ref(DOCUMENTS[body.schema])} for media in body.media}


def _responses(route: Route) -> Document:
    schema: Document = _ref(route.shape) if route.shape else {"type": "object"}
    media = route.media
    content: Document = {media: {"schema": schema}} if media != BYTES else {media: {}}
    good = {"description": HTTPStatus(route.status).phrase, "content": content}
    bad = {str(status): _problem(status) for status in sorted({*route.problems, *_always(route)})}
    made = {str(route.status): good, **bad}
    if route.waits:
        made["304"] = {"description": "Nothing has changed"}
    if route.shape is shapes.Ready:
        made["503"] = {"description": "Not ready", "content": {media: {"schema": schema}}}
    return made


def _always(route: Route) -> tuple[int, ...]:
    """What any call may meet: a query parameter that is not known, too many calls, a part that is down."""
    common = (400, 429, 500, 503)
    return common if route.access is Access.ANYONE else (*common, 401)


def _problem(status: int) -> Document:
    return {
        "description": HTTPStatus(status).phrase,
        "content": {CONTENT_TYPE: {"schema": _ref(shapes.ProblemDetails)}},
    }


def _components(routes: Iterable[Route]) -> Document:
    models: set[type[BaseModel]] = {shapes.ProblemDetails, *DOCUMENTS.values()}
    models |= {route.shape for route in routes if route.shape}
    ordered = sorted(models, key=lambda model: model.__name__)
    _, schema = models_json_schema([(model, "validation") for model in ordered], ref_template=REF_TEMPLATE)
    found: Document = schema["$defs"]
    return found


def _ref(model: type[BaseModel]) -> Document:
    return {"$ref": REF_TEMPLATE.format(model=model.__name__)}
