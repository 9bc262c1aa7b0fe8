"""What stands by itself: who am I, which areas there are, the schemas, and judging a receipt.

The areas are those of the signed directory in use, so a caller sees whom this node could send to today.
"""

from __future__ import annotations

import json

from aiohttp import web

from gateway.api.reading import body, known_query
from gateway.api.routes import Call, reply
from gateway.core.encoding import Json, JsonObject, b64
from gateway.core.judgement import judge
from gateway.core.receipts import Receipt
from gateway.errors import NotFound
from gateway.flows import show
from schemas import catalogue

SCHEMA_MEDIA = "application/schema+json"
RECEIPT_MEDIA = ("application/json", "text/plain")


async def openapi(call: Call) -> web.Response:
    """This API, described (OpenAPI 3.1)."""
    return web.Response(body=call.printed, content_type="application/json")


async def me(call: Call) -> web.Response:
    known_query(call.request)
    return reply(
        {
            "principal": call.caller.principal,
            "agency": call.caller.agency,
            "area": call.node.area,
            "label": call.label,
            "acts_for": [*call.unit],
        }
    )


async def areas(call: Call) -> web.Response:
    known_query(call.request)
    network = call.node.network
    listed: list[Json] = [
        {
            "area": code,
            "name": name,
            "agencies": [
                {"agency": principal.agency, "principal": principal.name}
                for principal in network.agencies(code)
            ],
        }
        for code, name in sorted(network.areas.items())
    ]
    return reply({"areas": listed, "directory": network.version, "expires": show.when(network.expires)})


async def schemas(call: Call) -> web.Response:
    known_query(call.request)
    documents: list[Json] = list(catalogue.DOCUMENTS)
    sections: list[Json] = list(catalogue.SECTIONS)
    return reply({"version": catalogue.VERSION, "documents": documents, "sections": sections})


async def schema(call: Call) -> web.Response:
    known_query(call.request)
    name = call.request.match_info["name"]
    if name not in catalogue.DOCUMENTS and name not in catalogue.SECTIONS:
        raise NotFound("no such schema", code="no_schema", remedy="GET /v1/schemas lists them")
    return web.Response(body=catalogue.schema_text(name).encode(), content_type=SCHEMA_MEDIA)


async def verify(call: Call) -> web.Response:
    """Whether this network says that a receipt is what it reads. 200 for every verdict: it is an answer."""
    known_query(call.request)
    judged = judge(call.node.network, _note(call.request, await body(call.request, RECEIPT_MEDIA)))
    facts = _facts(judged.receipt) if judged.receipt else _nothing()
    return reply({"verdict": judged.verdict.value, **facts, "reasons": list(judged.reasons)})


def _note(request: web.Request, content: bytes) -> bytes:
    """The note by itself, or as GET .../receipts hands it out: ``{"note": "..."}``, other fields ignored.
    What is neither is judged as it stands, and is INVALID."""
    if request.content_type == "text/plain":
        return content
    try:
        found = json.loads(content)["note"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return content
    return found.encode(errors="surrogatepass") if isinstance(found, str) else content


def _facts(receipt: Receipt) -> JsonObject:
    about = receipt.about
    return {
        "by": receipt.by,
        "state": receipt.state,
        "code": receipt.code,
        "at": show.when(receipt.at),
        "about": {"mid": about.mid, "sender": about.sender, "envelope": b64(about.env)},
    }


def _nothing() -> JsonObject:
    return dict.fromkeys(("by", "state", "code", "at", "about"))
