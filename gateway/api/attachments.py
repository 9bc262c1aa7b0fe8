"""Files over HTTP: upload one for a handover, read one that came with a handover.

Neither is ever whole in memory or in the clear on disk: what comes in is sealed piece by piece, what goes out
is verified whole from the store and then opened piece by piece. A name that a person chose stands in no path
and no header; the section that holds the attachment says it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Final

from aiohttp import web

from gateway.api.handovers import justification
from gateway.api.problems import UnsupportedMediaType
from gateway.api.reading import header, known_query, leg
from gateway.api.routes import BYTES, Call, reply
from gateway.core import purposes
from gateway.errors import NotFound, TooLarge
from gateway.flows import consult, uploads
from schemas.attachments import ENDINGS, MAX_SIZE, MediaType

MEDIA: Final = tuple(str(media) for media in MediaType)
PIECE: Final = 1 << 16
"""Bytes of a request at a time."""

PATIENCE: Final = 300
"""Seconds that an upload may take beyond an ordinary call: the largest over a line of 1 Mbit/s."""

BLOB: Final = re.compile(r"[0-9a-f]{32}\Z")


async def upload(call: Call) -> web.Response:
    """201: sealed and kept for a handover of this agency that names it within 24 hours."""
    known_query(call.request)
    media = _media(call.request)
    if (call.request.content_length or 0) > MAX_SIZE:
        raise TooLarge(  # before a byte of it is read
            f"an attachment over {MAX_SIZE} bytes",
            code="blob_size",
            remedy="send what the readers need of it",
        )
    made = await uploads.upload(call.node, call.caller, media, call.request.content.iter_chunked(PIECE))
    return reply({"blob": made.blob, "size": made.size, "media_type": made.media_type}, status=201)


async def read(call: Call) -> web.Response:
    """PLAINTEXT of one file, after the consultation is on record and every byte of it is verified."""
    known_query(call.request, "justification", "purpose")
    name, blob = leg(call.request), blob_id(call.request)
    why = justification(call.request.query.get("justification", ""), needed=True)
    purpose = call.request.query.get("purpose", purposes.DEFAULT)
    file = await consult.open_attachment(
        call.node, call.caller, name, blob, justification=why, purpose=purpose
    )
    pieces = file.pieces()
    first = await anext(pieces)  # what is wrong with it is said before the answer begins
    return web.Response(
        body=_joined(first, pieces),
        headers={
            "Content-Type": BYTES,  # nothing for a browser to show
            "Content-Length": str(file.size),
            "Content-Disposition": f'attachment; filename="{file.blob}{ENDINGS[file.media_type]}"',
        },
    )


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece


def _media(request: web.Request) -> str:
    """A compressed body would unpack on the way in, to whatever size its sender likes."""
    if request.content_type not in MEDIA or "Content-Type" not in request.headers:
        raise UnsupportedMediaType(
            "an attachment of a media type that is not taken",
            field="Content-Type",
            remedy=f"send one of {', '.join(MEDIA)}; export office documents to PDF",
        )
    if (header(request, "Content-Encoding") or "identity").lower() != "identity":
        raise UnsupportedMediaType(
            "the body is compressed", field="Content-Encoding", remedy="send the file as it is"
        )
    return request.content_type


def blob_id(request: web.Request) -> str:
    if not BLOB.match(request.match_info["blob"]):
        raise NotFound(
            "no such attachment for this agency",
            code="no_attachment",
            remedy="open the handover: it lists the attachments of the sections that this agency reads",
        )
    return request.match_info["blob"]
