"""Attachments: what is known of each, and the segments of its sealed bytes.

Revision 0005. Frozen: it says what that release made, and does not look at the code that goes on changing.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "blobs",
        sa.Column("peer", _text(), nullable=False),
        sa.Column("blob", _text(), nullable=False),
        sa.Column("state", _text(), nullable=False),
        sa.Column("sealed", sa.BigInteger(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("owner", _text(), nullable=False),
        sa.Column("media_type", _text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("ref", _text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("destination", _text(), nullable=False),
        sa.Column("sent", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("peer", "blob", name=op.f("pk_blobs")),
    )
    op.create_index(op.f("ix_blobs_peer_ref_version_blob"), "blobs", ["peer", "ref", "version", "blob"])
    for name, states in (("sending", "state = 'sending'"), ("unnamed", "state IN ('uploading', 'ready')")):
        where = sa.text(states)
        op.create_index(
            f"ix_blobs_{name}", "blobs", ["created", "blob"], sqlite_where=where, postgresql_where=where
        )
    op.create_table(
        "blob_segments",
        sa.Column("peer", _text(), nullable=False),
        sa.Column("blob", _text(), nullable=False),
        sa.Column("no", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("mid", _text(), nullable=False),
        sa.PrimaryKeyConstraint("peer", "blob", "no", name=op.f("pk_blob_segments")),
    )


def _text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
