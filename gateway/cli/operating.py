"""``gateway areas``."""

from __future__ import annotations

from gateway.cli.output import JsonFlag, emit, errors


def areas(as_json: JsonFlag = False) -> None:
    """The areas of London by name and ONS code."""
    with errors(as_json=as_json):
        from schemas.areas import AREAS

        found = [{"code": area.code, "name": area.name, "external": area.external} for area in AREAS.values()]
        emit({"areas": found}, as_json=as_json, text="\n".join(f"{a['code']}  {a['name']}" for a in found))
