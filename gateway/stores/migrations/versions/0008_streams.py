"""Streams: when something worth an answer passed, what a gap's successor names, and our own by their place.

Revision 0008. Frozen: it says what that release made, and does not look at the code that goes on changing.
The new index is unique: a number of a stream of ours is used once, and the database itself holds us to it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name in ("busy", "asks"):
        op.add_column("streams", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    with op.batch_alter_table("streams") as streams:
        for name in ("busy", "asks"):
            streams.alter_column(
                name, existing_type=sa.BigInteger(), existing_nullable=False, server_default=None
            )
    # As in 0002: SQLite adds a NOT NULL column only with a default, and its '' is text, not bytes.
    op.add_column("gaps", sa.Column("prev", sa.LargeBinary()))
    gaps = sa.table("gaps", sa.column("prev", sa.LargeBinary))
    op.get_bind().execute(sa.update(gaps).values(prev=b""))
    with op.batch_alter_table("gaps") as table:
        table.alter_column("prev", existing_type=sa.LargeBinary(), nullable=False)
    sent = sa.text("side = 'origin'")
    op.create_index(
        "ix_envelopes_sent",
        "envelopes",
        ["peer", "stream", "seq"],
        unique=True,
        sqlite_where=sent,
        postgresql_where=sent,
    )
