"""Backup of a PostgreSQL database by its own tools, ``pg_dump`` and ``pg_restore``.

Duty: run them with a version that fits, on one snapshot, so that the manifest tells what is in the file. It
leaves out backups of the whole server (base backups, archived WAL), which are its operators' own and better
for a large one.

Rules: no password stands on a command line, where every user of the machine reads it. What was there is kept
in a schema of its own, ``before_restore_...``, until a person drops it; what does not come in whole leaves it
where it was.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from gateway.core.merkle import Head, leaf_hash
from gateway.errors import Conflict, Misconfigured
from gateway.stores.database import Database, parse
from gateway.stores.faults import TransactionError
from gateway.stores.manifest import Manifest

ASIDE: Final = "before_restore_"
LONGEST: Final = 6 * 3600.0
"""Seconds for a dump: far over any that runs, and an end all the same."""

_SNAPSHOT: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_OTHERS: Final = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND application_name IN ('gateway', 'gateway worker')"
)
_VERSION: Final = re.compile(r"(\d+)")


def dump(url: str, part: Path, blank: Manifest) -> Manifest:
    """Raises Misconfigured without a fitting ``pg_dump``, Unavailable when the server does not answer."""
    database = Database(url, readers=1)
    try:
        with database.engine.connect() as connection:
            connection.exec_driver_sql("SET statement_timeout = 0")
            connection.exec_driver_sql("SET idle_in_transaction_session_timeout = 0")
            tool = _tool("pg_dump", _major(connection), url)
            connection.exec_driver_sql(_SNAPSHOT)
            snapshot = str(connection.exec_driver_sql("SELECT pg_export_snapshot()").scalar())
            revision = str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar())
            head = _head(connection)
            told = ["--format=custom", f"--snapshot={snapshot}", f"--exclude-schema={ASIDE}*"]
            _run([tool, *told, "--no-owner", "--no-privileges", f"--file={part}"], url)
            connection.exec_driver_sql("COMMIT")
    except sa.exc.DBAPIError as error:
        raise _meaning(database, error) from None
    finally:
        database.engine.dispose()
    return replace(blank, revision=revision, leaves=head.size, root=head.root.hex())


def put_back(url: str, file: Path, manifest: Manifest, *, stamp: str, force: bool) -> tuple[str, int]:
    """The schema in which what was there is kept, and how many leaves of the log it has more."""
    database = Database(url, readers=1)
    aside = ASIDE + re.sub(r"[^0-9a-z]", "_", stamp.lower())
    try:
        with database.engine.connect() as connection:
            tool = _tool("pg_restore", _major(connection), url)
            lost = _weighed(connection, manifest, force=force)
            connection.exec_driver_sql("BEGIN")
            connection.exec_driver_sql(f"ALTER SCHEMA public RENAME TO {aside}")
            connection.exec_driver_sql("CREATE SCHEMA public")
            connection.exec_driver_sql("COMMIT")
            try:
                _run([tool, "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges",
                      f"--dbname={_place(url)}", str(file)], url)  # fmt: skip
            except BaseException:  # Ctrl-C, too
                connection.exec_driver_sql("BEGIN")
                connection.exec_driver_sql("DROP SCHEMA public CASCADE")
                connection.exec_driver_sql(f"ALTER SCHEMA {aside} RENAME TO public")
                connection.exec_driver_sql("COMMIT")
                raise
    except sa.exc.DBAPIError as error:
        raise _meaning(database, error) from None
    finally:
        database.engine.dispose()
    return f"schema {aside}", lost


def _weighed(connection: sa.Connection, manifest: Manifest, *, force: bool) -> int:
    """See :func:`gateway.stores.backup.put_back`."""
    if connection.exec_driver_sql(_OTHERS).scalar():
        raise Conflict(
            "the database is in use",
            code="database_in_use",
            remedy="stop every node and worker of this area, then run this again",
        )
    if not sa.inspect(connection).has_table("log"):
        return 0
    more = int(connection.exec_driver_sql("SELECT count(*) FROM log").scalar() or 0) - manifest.leaves
    if more > 0 and not force:
        raise holds_more(more)
    return max(0, more)


def holds_more(leaves: int) -> Conflict:
    return Conflict(
        f"the database holds more than the backup: {leaves} leaves of the log would be lost",
        code="database_holds_more",
        remedy="if it must be, --force: what is there is kept aside, and the peers are told of a new stream",
    )


def _head(connection: sa.Connection) -> Head:
    """A page of rows at a time: a log of a million leaves does not fit into memory."""
    head, leaves = Head(), sa.text("SELECT leaf FROM log ORDER BY n")
    for row in connection.execute(leaves, execution_options={"yield_per": 10_000}):
        head.append(leaf_hash(bytes(row[0])))
    return head


def _major(connection: sa.Connection) -> int:
    return int(str(connection.exec_driver_sql("SHOW server_version_num").scalar())) // 10_000


def _tool(name: str, major: int, url: str) -> str:
    """The newest of this machine. A dump needs a tool that is not older than the server."""
    found = [str(path) for path in Path("/usr/lib/postgresql").glob(f"*/bin/{name}")]
    found += [path] if (path := shutil.which(name)) else []
    fitting = [path for path in found if _version(path) >= major]
    if not fitting:
        raise Misconfigured(
            f"there is no {name} of PostgreSQL {major} or newer here",
            code="no_pg_tools",
            remedy=f"run: apt-get install postgresql-client-{major}; or on the server's machine: "
            f"pg_dump --format=custom --no-owner --no-privileges --file=FILE '{_place(url)}'",
        )
    return max(fitting, key=_version)


def _version(tool: str) -> int:
    done = subprocess.run([tool, "--version"], capture_output=True, check=False, timeout=10)  # noqa: S603 - no input
    match = _VERSION.search(done.stdout.decode(errors="replace"))
    return int(match[1]) if match else 0


def _run(command: list[str], url: str) -> None:
    """Raises Misconfigured with the tool's first words, which name objects and no rows."""
    is_dump = command[0].endswith("pg_dump")
    told = [*command, f"--dbname={_place(url)}"] if is_dump else command
    done = subprocess.run(  # noqa: S603 - the arguments are ours
        told,
        env=_environment(url),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=LONGEST,
    )
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").splitlines()
        first = next((line for line in lines if "error" in line.lower()), "no reason given")
        raise Misconfigured(
            f"{Path(command[0]).name} failed: {first[:200]}",
            code="pg_tool_failed",
            remedy="mend what it names, then run this again; nothing was changed",
        )


def _place(url: str) -> str:
    """As libpq reads it, without the password."""
    plain = parse(url).set(drivername="postgresql")
    query = plain.difference_update_query(["password"]).query
    return sa.URL.create(
        "postgresql", plain.username, None, plain.host, plain.port, plain.database, query
    ).render_as_string()


def _environment(url: str) -> Mapping[str, str]:
    """A password where the url has one, and what libpq reads of its own: with another PGHOST than ours they
    would work on another server."""
    parsed = parse(url)
    password: Any = parsed.password or parsed.query.get("password")
    libpq = {name: value for name, value in os.environ.items() if name.startswith("PG") or name == "HOME"}
    plain = {"PATH": os.defpath, "LC_ALL": "C", **libpq}
    return {**plain, "PGPASSWORD": str(password)} if password else plain


def _meaning(database: Database, error: sa.exc.DBAPIError) -> Exception:
    found = database.meaning(error.orig, closed=error.connection_invalidated) if error.orig else error
    return found.error if isinstance(found, TransactionError) else found
