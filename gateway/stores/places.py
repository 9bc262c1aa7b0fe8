"""Tables of addresses in a file: UPRN and area code, as ONS publishes them (rule R11).

Two forms: a CSV file with the columns ``uprn`` and ``area``, which is read whole, for a borough and its
neighbours; and a SQLite file with a table ``uprn (uprn TEXT PRIMARY KEY, area TEXT)``, which is asked row by
row, for the whole country. It leaves out where the file comes from, and holds no address but a number.

A file is opened anew for each question, so that a newer one can be put in its place while the node runs.

Example::

    places = open_places(Path("uprn.csv"))
    places.area_of("100023336956")
"""

from __future__ import annotations

import csv
import re
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import structlog

from gateway.errors import Misconfigured
from gateway.ports import Places

MAX_ROWS: Final = 1_000_000
"""Rows of a CSV file: some 200 MB in memory. More belong into SQLite."""

_SQLITE: Final = b"SQLite format 3\x00"
_AREA: Final = re.compile(r"[A-Z][0-9]{8}")
_UPRN: Final = re.compile(r"[0-9]{1,12}")

log = structlog.get_logger("places")


def open_places(path: Path) -> Places:
    """Raises Misconfigured for a file that is neither form, naming the row that is wrong."""
    try:
        with path.open("rb") as file:
            sqlite = file.read(len(_SQLITE)) == _SQLITE
        places = SqlitePlaces(path) if sqlite else CsvPlaces(_rows(path))
        if isinstance(places, SqlitePlaces):
            places.ask("0")
    except (OSError, sqlite3.Error, UnicodeDecodeError, csv.Error) as error:
        raise _unusable(f"cannot be read: {type(error).__name__}") from None
    return places


class CsvPlaces:
    """A table in memory."""

    def __init__(self, rows: Mapping[str, str]) -> None:
        self._rows = rows

    def area_of(self, uprn: str) -> str | None:
        return self._rows.get(_plain(uprn))


class SqlitePlaces:
    """A table in a file, opened for reading alone."""

    def __init__(self, path: Path) -> None:
        self._uri = f"{path.absolute().as_uri()}?mode=ro"

    def area_of(self, uprn: str) -> str | None:
        try:
            return self.ask(uprn)
        except sqlite3.Error as error:  # the sender's handover does not wait for a table to be put back
            log.warning("the table of addresses cannot be read", code=type(error).__name__)
            return None

    def ask(self, uprn: str) -> str | None:
        connection = sqlite3.connect(self._uri, uri=True)
        try:
            row = connection.execute("SELECT area FROM uprn WHERE uprn = ?", (_plain(uprn),)).fetchone()
        finally:
            connection.close()
        return str(row[0]) if row else None


def _plain(uprn: str) -> str:
    """Without leading zeros, which some systems print."""
    return uprn.lstrip("0")


def _rows(path: Path) -> Mapping[str, str]:
    found: dict[str, str] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            uprn, area = row.get("uprn") or "", row.get("area") or ""
            if not _UPRN.fullmatch(uprn) or not _AREA.fullmatch(area):
                raise _unusable(f"line {number} is no UPRN and area code")
            if len(found) >= MAX_ROWS:
                raise _unusable(f"has over {MAX_ROWS} rows: put it into a SQLite file")
            found[_plain(uprn)] = area
    return found


def _unusable(what: str) -> Misconfigured:
    return Misconfigured(
        f"the table of addresses {what}",
        code="uprn_table",
        field="/governance/uprn_table",
        remedy="give a CSV file with the columns uprn,area, or a SQLite file with a table uprn(uprn, area)",
    )
