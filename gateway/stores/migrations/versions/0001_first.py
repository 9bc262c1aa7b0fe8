"""The first tables.

Revision 0001. Frozen: it says what that release made, and does not look at ``gateway.stores.tables``, which
goes on changing. A test holds the two against each other.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _handovers()
    _messages()
    _agencies()
    _records()


def _handovers() -> None:
    """Handovers, their legs and the history of each leg."""
    op.create_table(
        "handovers",
        _text("id"),
        _text("ref"),
        _int("version"),
        _text("side"),
        _text("origin"),
        _text("destination"),
        _text("urgency"),
        _text("state"),
        _text("submitted_by"),
        _int("created"),
        _int("updated"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_handovers")),
        sa.UniqueConstraint("ref", "version", name=op.f("uq_handovers_ref_version")),
    )
    op.create_table(
        "legs",
        _order(),
        _text("id"),
        _text("ref"),
        _int("version"),
        _text("side"),
        _text("principal"),
        _text("agency"),
        _text("counterpart"),
        _text("state"),
        _text("urgency"),
        _text("mid"),
        _int("delivered"),
        _int("opened"),
        _int("acknowledge_by"),
        _int("decide_by"),
        _text("overdue"),
        _int("updated"),
        sa.PrimaryKeyConstraint("n", name=op.f("pk_legs")),
        sa.UniqueConstraint("id", name=op.f("uq_legs_id")),
        sa.UniqueConstraint("ref", "version", "principal", name=op.f("uq_legs_ref_version_principal")),
    )
    _partial("ix_legs_inbox", "legs", ["principal", "id"], where="side = 'destination'")
    op.create_index(op.f("ix_legs_mid"), "legs", ["mid"])
    _partial(
        "ix_legs_unacknowledged",
        "legs",
        ["acknowledge_by"],
        where="state = 'DELIVERED' AND acknowledge_by > 0",
    )
    _partial(
        "ix_legs_undecided",
        "legs",
        ["decide_by"],
        where="state IN ('DELIVERED', 'RECEIVED', 'INFO_REQUESTED') AND decide_by > 0",
    )
    op.create_table(
        "leg_events",
        _order(),
        _text("id"),
        _text("leg"),
        _int("at"),
        _text("event"),
        _text("before"),
        _text("after"),
        _text("by"),
        _text("code"),
        sa.ForeignKeyConstraint(["leg"], ["legs.id"], name=op.f("fk_leg_events_leg")),
        sa.PrimaryKeyConstraint("n", name=op.f("pk_leg_events")),
    )
    op.create_index(op.f("ix_leg_events_leg_n"), "leg_events", ["leg", "n"])


def _messages() -> None:
    """Envelopes, streams, the outbox and receipts."""
    op.create_table(
        "envelopes",
        _text("mid"),
        _text("side"),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        _text("peer"),
        _text("stream"),
        _int("seq"),
        _bytes("statement"),
        _bytes("digest"),
        _int("expires"),
        _bytes("body"),
        _bytes("secrets"),
        _bytes("record_key"),
        _text("epoch"),
        _text("ref"),
        _int("version"),
        _int("created"),
        sa.PrimaryKeyConstraint("mid", "side", name=op.f("pk_envelopes")),
    )
    _partial(
        "ix_envelopes_received",
        "envelopes",
        ["peer", "stream", "seq"],
        where="side = 'destination'",
        unique=True,
    )
    op.create_table(
        "streams",
        _text("peer"),
        _bool("outgoing"),
        _text("stream"),
        _int("seq"),
        _bytes("head"),
        sa.PrimaryKeyConstraint("peer", "outgoing", name=op.f("pk_streams")),
    )
    op.create_table(
        "outbox",
        _text("id"),
        _text("peer"),
        _text("lane"),
        _text("mid"),
        _text("state"),
        _int("due"),
        _int("attempts"),
        _int("created"),
        _int("expires"),
        _text("error"),
        sa.Column("stream", sa.Text(), nullable=True),
        sa.Column("seq", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("mid", name=op.f("uq_outbox_mid")),
    )
    _partial("ix_outbox_due", "outbox", ["lane", "due", "id"], where="state <> 'settled'")
    _partial(
        "ix_outbox_seen", "outbox", ["peer", "stream", "seq"], where="state <> 'settled' AND seq IS NOT NULL"
    )
    _partial("ix_outbox_state", "outbox", ["state"], where="state <> 'settled'")
    op.create_table(
        "receipts",
        _order(),
        _text("id"),
        _bytes("hash"),
        _text("mid"),
        _text("by"),
        _text("state"),
        _text("code"),
        _int("at"),
        _bytes("prev"),
        _bytes("note"),
        _text("peer"),
        _bool("ours"),
        _text("leg"),
        _text("ref"),
        _int("version"),
        _text("sent_in"),
        _bool("applied"),
        _bool("urgent"),
        sa.PrimaryKeyConstraint("n", name=op.f("pk_receipts")),
        sa.UniqueConstraint("hash", name=op.f("uq_receipts_hash")),
    )
    op.create_index(op.f("ix_receipts_mid"), "receipts", ["mid"])
    _partial("ix_receipts_ref", "receipts", ["ref"], where="ref <> ''")
    _partial("ix_receipts_sent_in", "receipts", ["sent_in"], where="sent_in <> ''")
    _partial("ix_receipts_unsent", "receipts", ["n"], where="ours AND sent_in = ''")


def _agencies() -> None:
    """Tasks, and the callers that come with a token."""
    op.create_table(
        "tasks",
        _text("id"),
        _text("kind"),
        _text("principal"),
        _text("leg"),
        _text("mid"),
        _text("state"),
        _int("due"),
        _int("attempts"),
        _text("error"),
        _int("created"),
        _text("subject"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
    )
    _partial("ix_tasks_due", "tasks", ["principal", "due", "id"], where="state = 'waiting'")
    _partial("ix_tasks_held", "tasks", ["id"], where="state = 'held'")
    op.create_index(op.f("ix_tasks_leg"), "tasks", ["leg"])
    _partial("ix_tasks_parked", "tasks", ["principal", "created", "id"], where="state = 'parked'")
    op.create_table(
        "tokens",
        _text("id"),
        _bytes("digest"),
        _text("principal"),
        _text("label"),
        _int("created"),
        _int("expires"),
        _int("revoked"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("digest", name=op.f("uq_tokens_digest")),
    )
    op.create_table(
        "idempotency",
        _bytes("key"),
        _bytes("request"),
        _text("ref"),
        _int("version"),
        _int("created"),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_idempotency")),
    )


def _records() -> None:
    """The logs, what is held for a person, trust documents and settings."""
    op.create_table("log", _int("n"), _bytes("leaf"), sa.PrimaryKeyConstraint("n", name=op.f("pk_log")))
    op.create_table(
        "accesses",
        _order(),
        _text("id"),
        _int("at"),
        _text("operation"),
        _text("principal"),
        _text("actor"),
        _text("role"),
        _text("ref"),
        _int("version"),
        _text("leg"),
        _text("sections"),
        _text("recipients"),
        _text("justification"),
        _text("note"),
        sa.PrimaryKeyConstraint("n", name=op.f("pk_accesses")),
    )
    op.create_index(op.f("ix_accesses_ref_n"), "accesses", ["ref", "n"])
    op.create_table(
        "held",
        _text("id"),
        _int("at"),
        _text("code"),
        _text("lane"),
        _text("peer"),
        _bytes("digest"),
        _bytes("body"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_held")),
        sa.UniqueConstraint("digest", name=op.f("uq_held_digest")),
    )
    op.create_table(
        "trust",
        _text("kind"),
        _text("subject"),
        _int("version"),
        _bytes("note"),
        sa.PrimaryKeyConstraint("kind", "subject", "version", name=op.f("pk_trust")),
    )
    op.create_table(
        "settings", _text("name"), _bytes("value"), sa.PrimaryKeyConstraint("name", name=op.f("pk_settings"))
    )


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False)


def _int(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=False)


def _bytes(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(), nullable=False)


def _bool(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=False)


def _order() -> sa.Column[int]:
    return sa.Column("n", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False)


def _partial(name: str, table: str, columns: list[str], *, where: str, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=condition, postgresql_where=condition)
