"""What a node watches over: gaps in its peers' streams, cosignatures of checkpoints, standing alarms.

Revision 0003. Frozen: it says what that release made, and does not look at the code that goes on changing.
Every number of a stream up to the highest received was there or was never asked for again, so an incoming
stream starts without gaps, at the highest number that is stored.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("top", "at"):
        op.add_column("streams", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    op.execute("UPDATE streams SET top = seq")
    with op.batch_alter_table("streams") as streams:
        for name in ("top", "at"):
            streams.alter_column(
                name, existing_type=sa.BigInteger(), existing_nullable=False, server_default=None
            )
    op.create_table(
        "gaps",
        sa.Column("peer", _text(), nullable=False),
        sa.Column("stream", _text(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("noticed", sa.BigInteger(), nullable=False),
        sa.Column("asked", sa.BigInteger(), nullable=False),
        sa.Column("alarmed", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("peer", "stream", "first", name=op.f("pk_gaps")),
    )
    op.create_table(
        "cosignatures",
        sa.Column("origin", _text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("by", _text(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("origin", "size", "by", name=op.f("pk_cosignatures")),
    )
    op.create_table(
        "alarms",
        sa.Column("id", _text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("code", _text(), nullable=False),
        sa.Column("peer", _text(), nullable=False),
        sa.Column("subject", _text(), nullable=False),
        sa.Column("evidence", sa.LargeBinary(), nullable=False),
        sa.Column("cleared", sa.BigInteger(), nullable=False),
        sa.Column("cleared_by", _text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarms")),
    )
    standing = sa.text("cleared = 0")
    op.create_index(
        "ix_alarms_standing",
        "alarms",
        ["code", "peer", "subject"],
        unique=True,
        sqlite_where=standing,
        postgresql_where=standing,
    )
    op.create_index(op.f("ix_alarms_cleared_id"), "alarms", ["cleared", "id"])


def _text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
