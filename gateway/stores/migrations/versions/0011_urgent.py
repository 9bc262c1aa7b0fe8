"""Urgent parcels, and receipts about what is urgent, are found without passing those that wait.

Revision 0011.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The default stays: a process of the release before, which runs on beside this one, puts rows without a
    lane. It goes on without its index, too: by principal the new one serves it as well."""
    waiting = sa.text("state = 'waiting'")
    kind = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.add_column("tasks", sa.Column("lane", kind, nullable=False, server_default=sa.text("'n'")))
    op.drop_index("ix_tasks_due", "tasks")
    columns = ["principal", "lane", "due", "id"]
    op.create_index("ix_tasks_due", "tasks", columns, sqlite_where=waiting, postgresql_where=waiting)
    unsent = sa.text("ours AND sent_in = ''")
    op.drop_index("ix_receipts_unsent", "receipts")
    columns = ["urgent", "n"]
    op.create_index("ix_receipts_unsent", "receipts", columns, sqlite_where=unsent, postgresql_where=unsent)
