"""The tree over the node's log, and the checkpoint that was signed last.

Revision 0002. Frozen: it says what that release made, and does not look at the code that goes on changing.
Leaves that are there already get the hashes of the subtrees they complete (RFC 6962), and what they are found
by.
"""

from __future__ import annotations

import hashlib
import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BATCH = 1_000  # leaves in memory at once

_log = sa.table(
    "log",
    sa.column("n"),
    sa.column("leaf"),
    sa.column("nodes", sa.LargeBinary),
    sa.column("about", sa.BigInteger),
)


def upgrade() -> None:
    # SQLite adds a NOT NULL column only with a default, and cannot drop one: the table is copied there.
    with op.batch_alter_table("log") as log:
        log.add_column(sa.Column("nodes", sa.LargeBinary()))
        log.add_column(sa.Column("about", sa.BigInteger()))
    _fill(op.get_bind())
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    with op.batch_alter_table("log") as log:
        log.alter_column("n", existing_type=sa.BigInteger(), type_=number, existing_nullable=False)
        log.alter_column("nodes", existing_type=sa.LargeBinary(), nullable=False)
        log.alter_column("about", existing_type=sa.BigInteger(), nullable=False)
    named = sa.text("about <> 0")
    op.create_index("ix_log_about", "log", ["about", "n"], sqlite_where=named, postgresql_where=named)
    op.create_table(
        "checkpoints",
        sa.Column("origin", _text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("origin", name=op.f("pk_checkpoints")),
    )


def _text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def _fill(connection: sa.Connection) -> None:
    roots: list[bytes] = []
    read = sa.select(_log.c.n, _log.c.leaf).where(_log.c.n >= sa.bindparam("start"))
    write = (
        sa.update(_log)
        .where(_log.c.n == sa.bindparam("place"))
        .values(nodes=sa.bindparam("hashes"), about=sa.bindparam("message"))
    )
    start = 0
    while found := connection.execute(read.order_by(_log.c.n).limit(BATCH), {"start": start}).all():
        rows = [
            {"place": n, "hashes": _completed(roots, n, bytes(leaf)), "message": _about(bytes(leaf))}
            for n, leaf in found
        ]
        connection.execute(write, rows)
        start = found[-1][0] + 1


def _completed(roots: list[bytes], index: int, leaf: bytes) -> bytes:
    """The hashes of the subtrees that end with this leaf, level 1 first; ``roots`` goes on to the next."""
    made = [hashlib.sha256(b"\x00" + leaf).digest()]
    while index & 1:
        made.append(hashlib.sha256(b"\x01" + roots.pop() + made[-1]).digest())
        index >>= 1
    roots.append(made[-1])
    return b"".join(made[1:])


def _about(leaf: bytes) -> int:
    """56 bits of the hash of the message id; 0 for a leaf without one."""
    try:
        mid = json.loads(leaf)["mid"]
    except (ValueError, KeyError, TypeError):
        return 0
    if not isinstance(mid, str) or not mid:
        return 0
    return int.from_bytes(hashlib.sha256(mid.encode()).digest()[:7], "big")
