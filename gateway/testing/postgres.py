"""A private PostgreSQL for tests, demos and benchmarks: own folder, own socket, gone with its parent.

Duty: start one server from Debian's binaries and hand out databases on it. The system's own service is never
touched: no TCP port is opened, and the socket lies inside the folder.

Rules:

* PostgreSQL refuses to run as root; then it runs as the user ``postgres`` (or ``nobody``), who gets the
  folder.
* The kernel ends it when the thread that started it ends (``PR_SET_PDEATHSIG``), also on kill -9 of the
  parent.
* ``durable=False`` (tests) leaves out every flush to disk, and lies in memory where that has room: a fresh
  database for each test is 8 MB written, which a disk that others use takes half a second for. Benchmarks
  ask for ``durable=True``.
* Where it is not installed, starting fails and names the line to run; nothing is skipped.

Example::

    with start_postgres() as server:
        store = open_store(server.create("first"))
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.errors import Misconfigured, Unavailable

INSTALL: Final = "run: apt-get install --no-install-recommends postgresql"
READY_S: Final = 30.0  # initdb and the first start take about two seconds on one core
STOP_S: Final = 10.0
_FAST: Final = ("fsync=off", "full_page_writes=off", "synchronous_commit=off", "max_wal_size=64MB")
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - the folder below it is made by mkdtemp
_ROOM: Final = 2 << 30  # bytes: three servers of a suite take some 600 MB


@dataclass(frozen=True, slots=True)
class Postgres:
    """A running server. ``folder`` holds data, socket and ``postgres.log``; its owner alone may enter."""

    folder: Path
    pid: int

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://gateway@/{database}?host={self.folder}"

    def create(self, database: str, *, template: str = "template1") -> str:
        """Make a database and return its url. ``database`` and ``template``: ASCII letters, digits, "_"."""
        self.run(f"CREATE DATABASE {database} TEMPLATE {template}")
        return self.url(database)

    def drop(self, database: str) -> None:
        """Drop it, and every connection to it."""
        self.run(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")

    def run(self, statement: str, *, database: str = "postgres") -> list[tuple[object, ...]]:
        """One statement as the superuser, outside any transaction; its rows, if it has any."""
        import psycopg  # noqa: PLC0415 - an extra: whoever has no PostgreSQL shall still import this module

        place = f"host={self.folder} user=gateway dbname={database}"
        with psycopg.connect(place, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


@contextmanager
def start_postgres(*, durable: bool = False) -> Iterator[Postgres]:
    """Raises Misconfigured where PostgreSQL is not installed, Unavailable when it does not start."""
    binaries = _binaries()
    folder = Path(tempfile.mkdtemp(prefix="gateway-pg-", dir=None if durable else _memory()))
    try:
        user = _give(folder)
        _initialise(binaries, folder, user)
        with _server(binaries, folder, user, durable=durable) as pid:
            yield Postgres(folder, pid)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _memory() -> Path | None:
    """Where files are memory, if there is room for a server's. None: where temporary files are."""
    try:
        return _MEMORY if shutil.disk_usage(_MEMORY).free >= _ROOM else None
    except OSError:
        return None


def _binaries() -> Path:
    """The newest version's folder (Debian keeps it out of the PATH)."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    if on_path := shutil.which("postgres"):
        found.append(Path(on_path).parent)
    if not found:
        raise Misconfigured("PostgreSQL is not installed", remedy=INSTALL)
    return max(found, key=lambda path: int(path.parent.name) if path.parent.name.isdecimal() else 0)


def _give(folder: Path) -> pwd.struct_passwd:
    """Who shall run it: we, or somebody who is not root."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    user = names.get("postgres") or names["nobody"]
    os.chown(folder, user.pw_uid, user.pw_gid)
    return user


def _as(user: pwd.struct_passwd) -> Sequence[str]:
    """setpriv sets the parent-death signal after it changed the user: a change of user would clear it."""
    command = ["setpriv", "--pdeathsig", "QUIT"]
    if os.geteuid() == 0:
        command += ["--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"]
    return command


def _initialise(binaries: Path, folder: Path, user: pwd.struct_passwd) -> None:
    command = [
        *_as(user),
        str(binaries / "initdb"),
        *("--pgdata", str(folder / "data"), "--username", "gateway", "--auth", "trust"),
        *("--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"),
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=READY_S)  # noqa: S603 - no input
    if done.returncode != 0:
        raise Unavailable("initdb failed", remedy=done.stderr.decode(errors="replace")[-500:])


@contextmanager
def _server(binaries: Path, folder: Path, user: pwd.struct_passwd, *, durable: bool) -> Iterator[int]:
    settings = [
        "listen_addresses=",
        f"unix_socket_directories={folder}",
        "max_connections=100",
        *(() if durable else _FAST),
    ]
    options = [part for setting in settings for part in ("-c", setting)]
    command = [*_as(user), str(binaries / "postgres"), "-D", str(folder / "data"), *options]
    with (folder / "postgres.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)  # noqa: S603 - no input
    try:
        _wait_until_ready(binaries, folder, process)
        yield process.pid
    finally:
        _stop(process)


def _wait_until_ready(binaries: Path, folder: Path, process: subprocess.Popen[bytes]) -> None:
    command = [str(binaries / "pg_isready"), "-q", "-h", str(folder), "-U", "gateway", "-d", "postgres"]
    deadline = time.monotonic() + READY_S
    while process.poll() is None and time.monotonic() < deadline:
        if subprocess.run(command, check=False, timeout=READY_S).returncode == 0:  # noqa: S603 - no input
            return
        time.sleep(0.05)  # pg_isready is the server's own way to be asked; it tells nobody by itself
    _stop(process)
    text = (folder / "postgres.log").read_text(errors="replace")
    raise Unavailable("PostgreSQL did not start", remedy=text[-500:])


def _stop(process: subprocess.Popen[bytes]) -> None:
    """SIGINT is "fast": connections are cut and the data is left clean."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
