"""Tables of addresses in a file."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from gateway.errors import Misconfigured
from gateway.stores import places
from gateway.stores.places import open_places

ROWS = [("100023336956", "E09000012"), ("42", "E09000004")]


def as_csv(folder: Path, *lines: str) -> Path:
    path = folder / "uprn.csv"
    path.write_text("\n".join(["uprn,area", *(lines or [f"{u},{a}" for u, a in ROWS]), ""]))
    return path


def as_sqlite(folder: Path) -> Path:
    path = folder / "uprn.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE uprn (uprn TEXT PRIMARY KEY, area TEXT)")
    connection.executemany("INSERT INTO uprn VALUES (?, ?)", ROWS)
    connection.commit()
    connection.close()
    return path


@pytest.mark.parametrize("make", [as_csv, as_sqlite])
def test_an_address_is_in_an_area_or_not_known(tmp_path: Path, make) -> None:
    held = open_places(make(tmp_path))
    assert [held.area_of(uprn) for uprn, _ in ROWS] == [area for _, area in ROWS]
    assert held.area_of("000042") == "E09000004"
    assert held.area_of("43") is None
    assert held.area_of("0") is None


@pytest.mark.parametrize("line", ["x,E09000012", "42,Hackney", "42", "1234567890123,E09000012"])
def test_a_wrong_row_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(Misconfigured, match="line 3") as caught:
        open_places(as_csv(tmp_path, "1,E09000012", line))
    assert (caught.value.code, caught.value.field) == ("uprn_table", "/governance/uprn_table")


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty.db"
    sqlite3.connect(empty).execute("CREATE TABLE other (x)").connection.close()
    for path in (tmp_path / "none.csv", tmp_path, empty):
        with pytest.raises(Misconfigured):
            open_places(path)


def test_a_table_that_is_too_large_for_memory_is_refused(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(places, "MAX_ROWS", 1)
    with pytest.raises(Misconfigured, match="SQLite"):
        open_places(as_csv(tmp_path))


def test_a_table_that_is_gone_for_a_moment_stops_nobody(tmp_path: Path) -> None:
    path = as_sqlite(tmp_path)
    held = open_places(path)
    path.rename(tmp_path / "away")
    assert held.area_of("42") is None
    (tmp_path / "away").rename(path)
    assert held.area_of("42") == "E09000004"
