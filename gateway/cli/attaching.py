"""Writing an uploaded file into a document: where it goes, and what it is called.

>>> insert(b'{"orders": [{"order_id": "O1"}]}', "/orders/0", {"blob": "0f"}).count(b"attachments")
1
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gateway.cli.output import Usage
from schemas.attachments import ENDINGS, name_flaw


def media_of(file: Path) -> str:
    """By the ending, which is what will open it at the other end. Raises Usage."""
    found = next((media for media, ending in ENDINGS.items() if file.name.lower().endswith(ending)), None)
    if found is None:
        raise Usage(
            f"{file} is none of {', '.join(ENDINGS.values())}",
            code="file_type",
            remedy="export it to PDF, or to text or CSV in UTF-8",
        )
    return found


def check_name(name: str, media: str) -> None:
    """Raises Usage for a name that no node takes."""
    if flaw := name_flaw(name, media):
        raise Usage(flaw, code="file_name", remedy="--name gives it another name, such as order.pdf")


def insert(document: bytes, pointer: str, item: Mapping[str, Any]) -> bytes:
    """The document with ``item`` in the list ``attachments`` of the object at ``pointer`` (RFC 6901); nothing
    is added for an empty one. Raises Usage."""
    try:
        tree = json.loads(document)
        place = _at(tree, pointer)
        attached = place.setdefault("attachments", [])
        attached += [dict(item)] if item else []
    except (ValueError, LookupError, TypeError, AttributeError):
        raise Usage(
            f"the document has no object at {pointer}",
            code="pointer",
            remedy="name a section or an item of one: /orders/0, /risk_to, /actions/2",
        ) from None
    return json.dumps(tree, ensure_ascii=False, indent=2).encode() + b"\n"


def _at(tree: Any, pointer: str) -> Any:
    if not pointer.startswith("/"):
        raise LookupError
    for step in pointer[1:].split("/"):
        tree = tree[int(step)] if isinstance(tree, list) else tree[step.replace("~1", "/").replace("~0", "~")]
    return tree
