"""What several workers, held messages and a restored database need to keep.

Revision 0010. Each part has a function of its own, called by :func:`upgrade`.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _held()
    _workers()
    _outbox_by_peer()


def _text(name: str, *, key: bool = False) -> sa.Column[str]:
    by_byte = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    return sa.Column(name, by_byte, nullable=False, primary_key=key)


def _int(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _workers() -> None:
    """Who runs, and whose claim a row is. The release before this one writes none of it and goes on beside
    this one: the new column may be NULL."""
    op.create_table(
        "workers",
        _text("id", key=True),
        _text("role"),
        _text("version"),
        _text("place"),
        _int("started"),
        _int("beats"),
        _int("at"),
        sa.Column("ready", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workers"),
    )
    op.create_table(
        "leaders",
        _text("name", key=True),
        _text("worker"),
        sa.PrimaryKeyConstraint("name", name="pk_leaders"),
    )
    for table in ("outbox", "tasks", "pages"):
        with op.batch_alter_table(table) as altered:
            altered.add_column(sa.Column("worker", sa.Text(), nullable=True))


def _outbox_by_peer() -> None:
    """A million rows for a peer that is away do not stand in front of another peer's. The release before this
    one goes on without its index: slowly where very many wait."""
    unsettled = sa.text("state <> 'settled'")
    op.drop_index("ix_outbox_due", "outbox")
    columns = ["lane", "peer", "due", "id"]
    op.create_index("ix_outbox_due", "outbox", columns, sqlite_where=unsettled, postgresql_where=unsettled)


def _held() -> None:
    """The defaults stay: a process of the release before, which runs on beside this one, puts rows without
    these columns. What lies there already has its bytes unsealed (``flows.held.body_of`` tells it)."""
    for name, kind, default in (
        ("place", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), "'intake'"),
        ("state", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), "'held'"),
        ("size", sa.BigInteger(), "0"),
        ("count", sa.BigInteger(), "1"),
        ("seen", sa.BigInteger(), "0"),
        ("settled", sa.BigInteger(), "0"),
        ("by", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), "''"),
    ):
        column: sa.Column[object] = sa.Column(name, kind, nullable=False, server_default=sa.text(default))
        op.add_column("held", column)
    op.execute("UPDATE held SET size = length(body), seen = at")
    still = sa.text("state = 'held'")
    op.create_index("ix_held_open", "held", ["at", "id", "size"], sqlite_where=still, postgresql_where=still)
