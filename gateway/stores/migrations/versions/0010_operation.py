"""What several workers, held messages and a restored database need to keep.

Revision 0010. Each part has a function of its own, called by :func:`upgrade`.
"""

from __future__ import annotations

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing yet."""
