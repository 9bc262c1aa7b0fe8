"""How far nodes follow each other's logs, and the salt that binds the access log to the tree.

Revision 0006. Frozen: it says what that release made, and does not look at the code that goes on changing.
Access rows that are there already stay without a salt: they are in no leaf, and are told apart by that.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # As in 0002: SQLite adds a NOT NULL column only with a default, and its '' is text, not bytes.
    op.add_column("accesses", sa.Column("salt", sa.LargeBinary()))
    accesses = sa.table("accesses", sa.column("salt", sa.LargeBinary))
    op.get_bind().execute(sa.update(accesses).values(salt=b""))
    with op.batch_alter_table("accesses") as table:
        table.alter_column("salt", existing_type=sa.LargeBinary(), nullable=False)
    op.create_table(
        "witnesses",
        sa.Column("peer", _text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("wanted", _text(), nullable=False),
        sa.Column("their_stream", _text(), nullable=False),
        sa.Column("their_seq", sa.BigInteger(), nullable=False),
        sa.Column("told", sa.BigInteger(), nullable=False),
        sa.Column("our_stream", _text(), nullable=False),
        sa.Column("our_seq", sa.BigInteger(), nullable=False),
        sa.Column("gossiped", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("peer", name=op.f("pk_witnesses")),
    )
    op.create_table(
        "loose",
        sa.Column("origin", _text(), nullable=False),
        sa.Column("via", _text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("asked", sa.BigInteger(), nullable=False),
        sa.Column("stream", _text(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("origin", "via", name=op.f("pk_loose")),
    )


def _text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
