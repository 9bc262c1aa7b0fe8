"""Looking at a whole database: is it what it says, and does one part of it agree with the others?

Duty: what ``gateway db check`` asks of the database itself. It leaves out keys, folders and disks
(:mod:`gateway.cli.db_check`). All is read in one snapshot beside a running node, and nothing is changed.

Rule: a finding names a table, a count, an index or an id, never a value of a row.

Example::

    for finding in examine(url, area="E09000012"):
        print(finding.check, finding.ok, finding.message)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from gateway.core.encoding import ZERO
from gateway.core.merkle import EMPTY, Head, leaf_hash, trailing_ones
from gateway.core.states import LEG, LegState
from gateway.errors import GatewayError, Unavailable
from gateway.stores import migrations, tables
from gateway.stores.database import Database
from gateway.stores.faults import TransactionError

EVIDENCE: Final = "keep the database as evidence and tell the peers: docs/operations.md, under Log"
RESTORE: Final = "copy the database as it is, then restore the newest backup: gateway db restore FILE"
REPORT: Final = "keep the database and report this line: no release of the gateway writes that"

SHOWN: Final = 3
"""Places that one finding names; the count says how many there are."""

_AT_ONCE: Final = 5_000
_OVERLAYS: Final = ("overdue:", "escalated:", "ignored:", "action:", "duty:", "due")
_OWN: Final = frozenset({"resealed", "owner_named"})


@dataclass(frozen=True, slots=True)
class Finding:
    """``ok`` None: it could not be looked at, and the message says why."""

    check: str
    ok: bool | None
    message: str
    remedy: str = ""


Look = Callable[[sa.Connection], Finding]


def examine(url: str, *, area: str) -> Sequence[Finding]:
    """Raises Misconfigured or Unavailable when the database cannot be opened at all."""
    migrations.check(url)
    database = Database(url, readers=1)
    try:
        with database.engine.connect() as connection:
            _begin(connection, postgres=database.postgres)
            return [_looked(database, connection, name, look) for name, look in _looks(area)]
    except sa.exc.DBAPIError as error:
        raise _outermost(database.unreachable(error)) from None
    finally:
        database.engine.dispose()


def _looks(area: str) -> Sequence[tuple[str, Look]]:
    return (
        ("integrity", _integrity),
        ("schema", _schema),
        ("log", lambda connection: _log(connection, area)),
        ("messages", _messages),
        ("legs", _legs),
        ("receipts", _receipts),
        ("attachments", _attachments),
    )


def _begin(connection: sa.Connection, *, postgres: bool) -> None:
    if postgres:
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    else:
        connection.exec_driver_sql("BEGIN")


def _looked(database: Database, connection: sa.Connection, name: str, look: Look) -> Finding:
    """A part of a damaged database may be unreadable: the others are looked at all the same, in a
    transaction that PostgreSQL would have ended with the error."""
    connection.exec_driver_sql("SAVEPOINT looked")
    try:
        return look(connection)
    except sa.exc.DBAPIError as error:
        meaning = _outermost(database.unreachable(error))
        connection.exec_driver_sql("ROLLBACK TO SAVEPOINT looked")
        words = meaning.message if isinstance(meaning, GatewayError) else type(meaning).__name__
        # What only passes (a GRANT, a load) is no reason to put an older database in its place.
        remedy = meaning.remedy if isinstance(meaning, Unavailable) else RESTORE
        return Finding(name, False, f"cannot be read: {words}", remedy)


def _outermost(error: Exception) -> Exception:
    return error.error if isinstance(error, TransactionError) else error


# --- the file and its tables --------------------------------------------------------------------------


def _integrity(connection: sa.Connection) -> Finding:
    if connection.dialect.name == "postgresql":
        return _amcheck(connection)
    found = [row[0] for row in connection.exec_driver_sql(f"PRAGMA integrity_check({SHOWN})")]
    if found != ["ok"]:
        return Finding("integrity", False, f"SQLite finds it damaged: {found[0]}"[:200], RESTORE)
    foreign = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    if foreign:
        return Finding("integrity", False, f"{len(foreign)} rows of {foreign[0][0]} belong to none", RESTORE)
    return Finding("integrity", True, "every page and index is whole")


def _amcheck(connection: sa.Connection) -> Finding:
    may = connection.exec_driver_sql(
        "SELECT has_function_privilege(to_regprocedure('bt_index_check(regclass)')::oid, 'EXECUTE')"
    ).scalar()
    if not may:
        return Finding(
            "integrity", None, "indexes are not looked at: the extension amcheck is missing, or not granted",
            "as its superuser: CREATE EXTENSION amcheck; GRANT EXECUTE ON FUNCTION bt_index_check(regclass) "
            "TO the node's user; or run pg_amcheck yourself",
        )  # fmt: skip
    count = connection.exec_driver_sql(
        "SELECT count(bt_index_check(c.oid)) FROM pg_class c JOIN pg_am a ON a.oid = c.relam "
        "JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE a.amname = 'btree' AND c.relkind = 'i' AND n.nspname = 'public'"
    ).scalar()
    return Finding("integrity", True, f"{count} indexes are whole")


def _schema(connection: sa.Connection) -> Finding:
    from alembic.autogenerate import compare_metadata  # noqa: PLC0415 - a second to import
    from alembic.migration import MigrationContext  # noqa: PLC0415

    context = MigrationContext.configure(connection, opts={"compare_type": True})
    differ = compare_metadata(context, tables.metadata)
    if differ:
        return Finding(
            "schema", False, f"{len(differ)} tables, columns or indexes are not of {migrations.HEAD}", REPORT
        )  # fmt: skip
    return Finding("schema", True, f"revision {migrations.HEAD}, {len(tables.metadata.tables)} tables")


# --- the log ------------------------------------------------------------------------------------------


def _log(connection: sa.Connection, area: str) -> Finding:
    """Every leaf hashed again: the stored subtrees, and the root of every checkpoint that the node signed."""
    signed = _signed(connection, area)
    head, roots = Head(), {0: EMPTY}
    for n, leaf, nodes in _leaves(connection):
        if n != head.size:
            return Finding("log", False, f"leaf {head.size} is missing", EVIDENCE)
        made = head.append(leaf_hash(bytes(leaf)))
        if b"".join(made) != bytes(nodes) or len(made) != trailing_ones(n):
            return Finding("log", False, f"leaf {n} is not what the tree over it was made from", EVIDENCE)
        if head.size in signed:
            roots[head.size] = head.root
    for size, root in sorted(signed.items()):
        if size > head.size:
            return Finding(
                "log", False, f"{head.size} leaves, and {size} are signed for: an older copy, or leaves lost",
                EVIDENCE,
            )  # fmt: skip
        if roots[size] != root:
            return Finding(
                "log", False, f"its root at {size} leaves is not the one that was signed", EVIDENCE
            )
    return Finding(
        "log", True, f"{head.size} leaves, root {head.root.hex()[:16]}..., {len(signed)} signed sizes hold"
    )


def _leaves(connection: sa.Connection) -> Iterator[tuple[int, bytes, bytes]]:
    """By key, a page at a time: a log of a million leaves does not fit into memory."""
    table, after = tables.log, -1
    while True:
        rows = connection.execute(
            sa.select(table.c.n, table.c.leaf, table.c.nodes)
            .where(table.c.n > after)
            .order_by(table.c.n)
            .limit(_AT_ONCE)
        ).fetchall()
        yield from ((row[0], row[1], row[2]) for row in rows)
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1][0]


def _signed(connection: sa.Connection, area: str) -> dict[int, bytes]:
    """Size -> root of what our own key has signed and we still have: the newest, and what was shown."""
    c, o = tables.checkpoints.c, tables.cosignatures.c
    own = connection.execute(sa.select(c.size, c.root).where(c.origin.like(f"%/{area}"))).fetchall()
    shown = connection.execute(sa.select(o.size, o.root).where(o.origin.like(f"%/{area}"))).fetchall()
    return {int(size): bytes(root) for size, root in (*shown, *own)}


# --- rows that belong together ------------------------------------------------------------------------


def _messages(connection: sa.Connection) -> Finding:
    """Every row that says something of a message finds the message."""
    e = tables.envelopes.c
    mids = sa.select(e.mid)
    outbox, legs, tasks = tables.outbox.c, tables.legs.c, tables.tasks.c
    looked = {
        "outbox": sa.select(outbox.id).where(tables.UNSETTLED, outbox.mid.not_in(mids)),
        "legs": sa.select(legs.id).where(
            legs.mid != "", legs.state != LegState.PURGED, legs.mid.not_in(mids)
        ),
        "tasks": sa.select(tasks.id).where(
            tasks.state.in_(["waiting", "parked"]), tasks.mid != "", tasks.mid.not_in(mids)
        ),
    }
    for name, query in looked.items():
        if found := connection.execute(query.limit(SHOWN)).scalars().all():
            return Finding(
                "messages", False, f"rows of {name} without their message: {', '.join(found)}", RESTORE
            )
    count = connection.execute(sa.select(sa.func.count()).select_from(tables.envelopes)).scalar()
    return Finding("messages", True, f"{count} messages, none missing")


def _legs(connection: sa.Connection) -> Finding:
    """Each leg stands where its history has led it, by the table of moves."""
    legs, events = tables.legs.c, tables.leg_events.c
    at: dict[str, str] = {}
    rows = connection.execute(
        sa.select(events.leg, events.event, events.before, events.after).order_by(events.leg, events.n)
    )
    for leg, event, before, after in rows:
        if leg in at and at[leg] != before:
            return Finding("legs", False, f"the history of leg {leg} has a hole", RESTORE)
        if not _legal(event, before, after):
            return Finding(
                "legs", False, f"the history of leg {leg} holds a move that is not allowed", REPORT
            )
        at[leg] = after
    states = connection.execute(sa.select(legs.id, legs.state)).fetchall()
    for leg, state in states:
        if leg in at and at[leg] != state:
            return Finding("legs", False, f"leg {leg} does not stand where its history ends", RESTORE)
    return Finding("legs", True, f"{len(states)} legs, every history is legal")


def _legal(event: str, before: str, after: str) -> bool:
    if event in _OWN or event.startswith(_OVERLAYS):
        return before == after
    try:
        return LEG[LegState(before), event] == after
    except (KeyError, ValueError):
        return False


def _receipts(connection: sa.Connection) -> Finding:
    """What was applied follows something that was, or is the first: one principal's receipts for one message
    (protocol 5). Two may follow one: a peer whose database was put back begins again where its backup was."""
    r = tables.receipts.c
    rows = connection.execute(
        sa.select(r.mid, r.by, r.prev, r.hash).where(r.applied).order_by(r.mid, r.by, r.n)
    )
    chain: list[tuple[bytes, bytes]] = []
    known: tuple[str, str] | None = None
    count = 0
    for mid, by, prev, digest in rows:
        if (mid, by) != known:
            if broken := _unchained(chain):
                return broken
            known, chain = (mid, by), []
        chain.append((bytes(prev), bytes(digest)))
        count += 1
    return _unchained(chain) or Finding("receipts", True, f"{count} receipts, every chain is whole")


def _unchained(chain: Sequence[tuple[bytes, bytes]]) -> Finding | None:
    applied = {ZERO, *(digest for _, digest in chain)}
    if all(prev in applied for prev, _ in chain):
        return None
    return Finding("receipts", False, "a chain of receipts has a hole", RESTORE)


def _attachments(connection: sa.Connection) -> Finding:
    b, s = tables.blobs.c, tables.blob_segments.c
    owner = sa.select(b.blob).where(b.peer == s.peer, b.blob == s.blob).exists()
    orphans = connection.execute(
        sa.select(sa.func.count()).select_from(tables.blob_segments).where(~owner)
    ).scalar()
    if orphans:
        return Finding(
            "attachments", False, f"{orphans} segments belong to no attachment", "no harm but room: report it"
        )  # fmt: skip
    return Finding("attachments", True, "every segment belongs to an attachment")
