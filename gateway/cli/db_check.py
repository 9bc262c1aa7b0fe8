"""What ``gateway db check`` looks at beside the database: file, keys and the room left."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from gateway.config import Settings
from gateway.errors import GatewayError
from gateway.identity import open_keys
from gateway.stores import tables
from gateway.stores.database import Database, parse
from gateway.stores.examine import Finding, examine


def findings(settings: Settings) -> Sequence[Finding]:
    """Raises Misconfigured or Unavailable when the database cannot be opened at all."""
    url = settings.database_url
    return (
        *examine(url, area=settings.area),
        _epochs(settings, url),
        _private(settings, url),
        _room(settings),
    )


def told(found: Sequence[Finding]) -> dict[str, Any]:
    listed = [
        {"check": one.check, "ok": one.ok, "message": one.message, "remedy": one.remedy} for one in found
    ]
    return {"good": all(one.ok is not False for one in found), "checks": listed}


def line(one: Finding) -> str:
    mark = {True: "ok      ", False: "NOT OK  ", None: "unseen  "}[one.ok]
    remedy = f"\n        what to do: {one.remedy}" if one.remedy and one.ok is not True else ""
    return f"{mark}{one.check}: {one.message}{remedy}"


def _epochs(settings: Settings, url: str) -> Finding:
    """A message whose month has no key file can be read by nobody. A destroyed month leaves an empty one."""
    database = Database(url, readers=1)
    try:
        with database.engine.connect() as connection:
            e = tables.envelopes.c
            months = connection.execute(sa.select(e.epoch).where(e.epoch != "").distinct()).scalars().all()
    finally:
        database.engine.dispose()
    missing = [month for month in sorted(months) if not (settings.key_folder / f"epoch.{month}.key").exists()]
    if missing:
        return Finding(
            "keys",
            False,
            f"no key file for the months {', '.join(missing)}: what was kept then cannot be opened",
            f"restore epoch.*.key into {settings.key_folder}, from the copy of the KEY folder",
        )
    try:
        held = open_keys(settings).principals()
    except GatewayError as error:
        return Finding("keys", None, f"the key folder is not opened: {error.message}", error.remedy)
    return Finding("keys", True, f"{len(months)} months, all with their key file; {len(held)} principals")


def _private(settings: Settings, url: str) -> Finding:
    """Sealed bytes or not: who may write the file may put another in its place."""
    place = Path(parse(url).database or "") if parse(url).get_backend_name() == "sqlite" else None
    wide = [str(path) for path in (place, settings.key_folder) if path is not None and _open_to_others(path)]
    if wide:
        return Finding(
            "permissions", False, f"{wide[0]} is open to other users", f"chmod go= {' '.join(wide)}"
        )
    return Finding("permissions", True, "database and keys are this user's alone")


def _open_to_others(path: Path) -> bool:
    return path.exists() and bool(stat.S_IMODE(path.stat().st_mode) & 0o077)


def _room(settings: Settings) -> Finding:
    floor = settings.database.floor
    folders = (settings.data, settings.key_folder)
    short = [str(one) for one in folders if one.is_dir() and shutil.disk_usage(one).free < floor << 20]
    if short:
        return Finding(
            "disk", False, f"less than {floor} MiB are free for {short[0]}", "make room on that disk"
        )
    return Finding("disk", True, f"more than {floor} MiB are free")
