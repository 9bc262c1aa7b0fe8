"""What a driver's error means: every code that asks for another answer than "a fault of the program"."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

import pytest

from gateway.errors import GatewayError, Misconfigured, Unavailable
from gateway.stores import faults
from gateway.stores.faults import TransactionError


@dataclass
class Diagnosis:
    constraint_name: str | None = None
    column_name: str | None = None


class DriverError(Exception):
    def __init__(self, sqlstate: str | None, diag: Diagnosis | None = None) -> None:
        super().__init__("Key (secret-word) already exists")
        self.sqlstate = sqlstate
        self.diag = diag


AGAIN = {"40001", "40P01", "55P03", "0A000", "26000"}
LOST = {"57P01", "57P02", "57P03", "57P04", "57P05", "25P03", "08006", "08003"}
UNAVAILABLE = {
    "53100": "store_full",
    "25006": "store_read_only",
    "53300": "store_busy",
    "57014": "store_busy",
    "42501": "store_denied",
    "58030": "store_io",
    "58P01": "store_io",
}


@pytest.mark.parametrize("state", sorted(AGAIN | LOST))
def test_postgresql_run_again(state: str) -> None:
    meaning = faults.of_postgres(DriverError(state), closed=False)
    assert isinstance(meaning, TransactionError)
    assert (meaning.retry, meaning.lost) == (True, state in LOST)
    assert isinstance(meaning.error, Unavailable)
    assert meaning.error.remedy


@pytest.mark.parametrize(("state", "code"), UNAVAILABLE.items())
def test_postgresql_unavailable(state: str, code: str) -> None:
    meaning = faults.of_postgres(DriverError(state), closed=False)
    assert isinstance(meaning, TransactionError)
    assert (meaning.retry, meaning.lost, meaning.error.code) == (False, False, code)
    assert isinstance(meaning.error, Unavailable)
    assert meaning.error.remedy


@pytest.mark.parametrize("state", ["42P01", "42703", "3F000"])
def test_postgresql_without_the_tables(state: str) -> None:
    meaning = faults.of_postgres(DriverError(state), closed=False)
    assert isinstance(meaning, TransactionError)
    assert isinstance(meaning.error, Misconfigured)
    assert meaning.error.remedy == "run: gateway db upgrade"


@pytest.mark.parametrize("state", ["XX001", "XX002"])
def test_postgresql_damaged(state: str) -> None:
    meaning = faults.of_postgres(DriverError(state), closed=False)
    assert isinstance(meaning, TransactionError)
    assert meaning.error.code == "store_damaged"


def test_postgresql_with_the_connection_gone_is_lost_whatever_it_says() -> None:
    meaning = faults.of_postgres(DriverError(None), closed=True)
    assert isinstance(meaning, TransactionError)
    assert meaning.lost


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (DriverError("23505", Diagnosis(constraint_name="uq_legs_id")), "SQLSTATE 23505 uq_legs_id"),
        (DriverError("23502", Diagnosis(column_name="ref")), "SQLSTATE 23502 ref"),
        (DriverError(None), "SQLSTATE DriverError"),
    ],
)
def test_postgresql_any_other_aborts_the_work_alone_and_names_no_value(error: DriverError, text: str) -> None:
    meaning = faults.of_postgres(error, closed=False)
    assert isinstance(meaning, GatewayError)
    assert f"({text})" in meaning.message
    assert "secret-word" not in f"{meaning!r} {meaning.remedy}"


def sqlite_error(code: int, name: str, text: str) -> sqlite3.Error:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorcode = code
    error.sqlite_errorname = name
    return error


@pytest.mark.parametrize(
    ("code", "expected", "retry"),
    [
        (sqlite3.SQLITE_BUSY, "store_locked", True),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, "store_locked", True),  # an extended code: its low byte decides
        (sqlite3.SQLITE_LOCKED, "store_locked", True),
        (sqlite3.SQLITE_PROTOCOL, "store_locked", True),
        (sqlite3.SQLITE_FULL, "store_full", False),
        (sqlite3.SQLITE_READONLY, "store_read_only", False),
        (sqlite3.SQLITE_IOERR, "store_io", False),
        (sqlite3.SQLITE_IOERR_FSYNC, "store_io", False),
        (sqlite3.SQLITE_CANTOPEN, "store_io", False),
        (sqlite3.SQLITE_CORRUPT, "store_damaged", False),
        (sqlite3.SQLITE_NOTADB, "store_damaged", False),
    ],
)
def test_sqlite_ends_the_transaction(code: int, expected: str, *, retry: bool) -> None:
    meaning = faults.of_sqlite(sqlite_error(code, "X", "secret-word"))
    assert isinstance(meaning, TransactionError)
    assert (meaning.error.code, meaning.retry, meaning.lost) == (expected, retry, False)
    assert meaning.error.remedy
    assert "secret-word" not in f"{meaning.error!r} {meaning.error.remedy}"


@pytest.mark.parametrize("text", ["no such table: legs", "no such column: mid"])
def test_sqlite_without_the_tables(text: str) -> None:
    meaning = faults.of_sqlite(sqlite_error(sqlite3.SQLITE_ERROR, "SQLITE_ERROR", text))
    assert isinstance(meaning, TransactionError)
    assert meaning.error.remedy == "run: gateway db upgrade"


def test_sqlite_any_other_aborts_the_work_alone_and_only_a_constraint_is_quoted() -> None:
    quoted = faults.of_sqlite(
        sqlite_error(
            sqlite3.SQLITE_CONSTRAINT_UNIQUE, "SQLITE_CONSTRAINT_UNIQUE", "UNIQUE constraint failed: legs.id"
        )
    )
    other = faults.of_sqlite(sqlite_error(sqlite3.SQLITE_ERROR, "SQLITE_ERROR", 'near "secret-word"'))
    assert isinstance(quoted, GatewayError)
    assert isinstance(other, GatewayError)
    assert "UNIQUE constraint failed: legs.id" in quoted.message
    assert "secret-word" not in other.message
