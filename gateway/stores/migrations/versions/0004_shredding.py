"""Part keys lie under leaves of their epoch, and no key to them is in the database any more.

Revision 0004. Frozen: it says what that release made, and does not look at the code that goes on changing.
The keys of messages stored before stood in the database, under an epoch key of another form, and are dropped
with it: what was sent and received before can be proven, and its content opened no more (decision 0012).
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_envelopes = sa.table("envelopes", sa.column("secrets", sa.LargeBinary), sa.column("epoch", sa.Text))


def upgrade() -> None:
    op.get_bind().execute(sa.update(_envelopes).values(secrets=b"", epoch=""))
    op.drop_column("envelopes", "record_key")
    for name, columns, where in (
        ("ix_envelopes_ref", ["ref", "version"], "ref <> ''"),
        ("ix_envelopes_epoch", ["epoch"], "epoch <> ''"),
    ):
        condition = sa.text(where)
        op.create_index(name, "envelopes", columns, sqlite_where=condition, postgresql_where=condition)
    op.create_table(
        "punctures",
        sa.Column("epoch", _text(), nullable=False),
        sa.Column("path", _text(), nullable=False),
        sa.PrimaryKeyConstraint("epoch", "path", name=op.f("pk_punctures")),
    )


def _text() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
