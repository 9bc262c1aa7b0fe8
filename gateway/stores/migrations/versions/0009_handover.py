"""The handover between people: what issue 4 keeps of clocks, notices, actions, destinations and retention.

Revision 0009. Each table has a function of its own, called by :func:`upgrade`.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _destinations()
    _handovers()
    _retention()
    _addresses()
    _timers()
    _paging()
    _actions()
    _urgent()
    _notices()
    _accountability()
    _breaches()


def _text(name: str, *, key: bool = False) -> sa.Column[str]:
    by_byte = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    return sa.Column(name, by_byte, nullable=False, primary_key=key)


def _int(name: str, *, key: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False, primary_key=key, autoincrement=False)


def _bool(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=False)


def _add(table: str, columns: dict[str, str]) -> None:
    """NOT NULL columns for rows that are there: SQLite adds one only with a default, which goes again."""
    kinds: dict[str, tuple[sa.types.TypeEngine[Any], sa.ColumnElement[Any]]] = {
        "bool": (sa.Boolean(), sa.false()),
        "int": (sa.BigInteger(), sa.literal_column("0")),
        "text": (sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), sa.literal_column("''")),
    }
    for name, kind in columns.items():
        made, default = kinds[kind]
        op.add_column(table, sa.Column(name, made, nullable=False, server_default=default))
    with op.batch_alter_table(table) as altered:
        for name, kind in columns.items():
            altered.alter_column(
                name, existing_type=kinds[kind][0], existing_nullable=False, server_default=None
            )


def _destinations() -> None:
    _add("legs", {"via": "text", "duty": "text"})
    _add("tokens", {"also": "text"})
    op.execute("UPDATE tokens SET also = '[]'")
    op.create_table(
        "bridge_contacts",
        _text("area", key=True),
        _text("fingerprint"),
        _int("added"),
        _int("verified"),
        _int("until"),
        _text("by"),
        _text("number_from"),
        sa.PrimaryKeyConstraint("area", name=op.f("pk_bridge_contacts")),
    )
    op.create_table(
        "bridge_files",
        _text("mid", key=True),
        _text("area"),
        _text("ref"),
        _int("version"),
        _int("exported"),
        sa.Column("documents", sa.LargeBinary(), nullable=False),
        _int("delivered"),
        _text("by"),
        sa.PrimaryKeyConstraint("mid", name=op.f("pk_bridge_files")),
    )


def _handovers() -> None:
    _add(
        "handovers",
        {"drill": "bool", "partial": "bool", "onward_of": "text", "answers": "text", "purge_after": "int"},
    )


def _addresses() -> None:
    _add("handovers", {"address_check": "text"})


def _timers() -> None:
    """Legs that wait for an answer get the timers of what is still to come of their clocks; those that have
    not arrived are looked after from now on."""
    op.create_table(
        "timers",
        _text("subject", key=True),
        _text("kind", key=True),
        _int("step", key=True),
        _int("due"),
        _int("fired"),
        sa.PrimaryKeyConstraint("subject", "kind", "step", name=op.f("pk_timers")),
    )
    unfired = sa.text("fired = 0")
    op.create_index(
        "ix_timers_due",
        "timers",
        ["due", "subject", "kind", "step"],
        sqlite_where=unfired,
        postgresql_where=unfired,
    )
    for kind, states, due in (
        ("acknowledge", "'DELIVERED'", "acknowledge_by"),
        ("decide", "'DELIVERED', 'RECEIVED', 'INFO_REQUESTED'", "decide_by"),
    ):
        op.execute(
            "INSERT INTO timers (subject, kind, step, due, fired) "  # noqa: S608 - our own words, see above
            f"SELECT id, '{kind}', 100, {due}, 0 FROM legs "
            f"WHERE state IN ({states}) AND {due} > 0 AND overdue NOT LIKE '%{kind}%'"
        )
    op.execute(
        "INSERT INTO timers (subject, kind, step, due, fired) "
        "SELECT ref, 'undelivered', version, created + 14400, 0 FROM handovers "
        "WHERE side = 'origin' AND EXISTS (SELECT 1 FROM legs WHERE legs.ref = handovers.ref "
        "AND legs.version = handovers.version AND legs.state IN ('QUEUED', 'TRANSMITTED'))"
    )
    for name in ("ix_legs_unacknowledged", "ix_legs_undecided"):
        op.drop_index(name, "legs")


def _actions() -> None:
    op.create_table(
        "actions",
        _text("leg", key=True),
        _text("action", key=True),
        _text("code"),
        _bool("blocks"),
        *(_int(name) for name in ("place", "planned", "started", "due", "target")),
        _text("state"),
        _text("reason"),
        _int("late"),
        _bool("local"),
        _int("updated"),
        sa.PrimaryKeyConstraint("leg", "action", name="pk_actions"),
    )
    op.create_table(
        "action_results",
        _text("leg", key=True),
        sa.Column("statement", sa.LargeBinary(), nullable=False, primary_key=True),
        _text("action", key=True),
        _text("result"),
        _text("code"),
        sa.PrimaryKeyConstraint("leg", "statement", "action", name="pk_action_results"),
    )


def _retention() -> None:
    _add("handovers", {"review_by": "int", "issued": "int"})
    kept, holding, unattested = (sa.text(t) for t in ("state <> 'PURGED'", "lifted = 0", "length(note) = 0"))
    op.create_index("ix_handovers_kept", "handovers", ["id"], sqlite_where=kept, postgresql_where=kept)
    passing = sa.text("ref = ''")
    bare = sa.text("kind = 3 AND side = 'destination' AND seq > 1 AND length(secrets) > 0")
    for index, columns, where in (
        ("ix_envelopes_passing", ["side", "expires"], passing),
        ("ix_envelopes_unstripped", ["expires"], bare),
    ):
        op.create_index(index, "envelopes", columns, sqlite_where=where, postgresql_where=where)
    op.create_table(
        "holds",
        _text("id", key=True),
        *(_text(name) for name in ("ref", "code", "role", "actor")),
        *(_int(name) for name in ("placed", "until", "review", "lifted")),
        _text("lifted_by"),
        sa.PrimaryKeyConstraint("id", name="pk_holds"),
    )
    op.create_index("ix_holds_ref", "holds", ["ref"])
    op.create_index("ix_holds_standing", "holds", ["id"], sqlite_where=holding, postgresql_where=holding)
    op.create_table(
        "purges",
        _text("id", key=True),
        _text("ref"),
        _int("version"),
        _text("area"),
        _int("at"),
        _text("why"),
        *(_int(name) for name in ("messages", "parts", "files", "unanswered")),
        _text("epochs"),
        _int("slots"),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_purges"),
        sa.UniqueConstraint("ref", "version", "area", "at", name="uq_purges_ref_version_area_at"),
    )
    op.create_index(
        "ix_purges_unattested",
        "purges",
        ["area", "id"],
        sqlite_where=unattested,
        postgresql_where=unattested,
    )


def _accountability() -> None:
    _add("accesses", {"purpose": "text"})
    empty = "x''" if op.get_bind().dialect.name == "sqlite" else "''::bytea"
    op.add_column(
        "accesses", sa.Column("sealed", sa.LargeBinary(), nullable=False, server_default=sa.text(empty))
    )
    with op.batch_alter_table("accesses") as altered:
        altered.alter_column(
            "sealed", existing_type=sa.LargeBinary(), existing_nullable=False, server_default=None
        )
    op.create_index("ix_accesses_at", "accesses", ["at"])
    op.create_table(
        "restrictions",
        _text("id", key=True),
        _text("ref"),
        _text("principal"),
        _text("ground"),
        _text("withheld"),
        _int("review"),
        _int("made"),
        _text("actor"),
        _text("role"),
        _int("ended"),
    )
    op.create_index("ix_restrictions_ref", "restrictions", ["ref"])


def _notices() -> None:
    op.create_table(
        "notices",
        _text("id", key=True),
        _text("ref"),
        _int("version"),
        *(_text(name) for name in ("kind", "side", "peer", "by", "code", "mid", "urgency")),
        *(_int(name) for name in ("created", "answer_by")),
        *(_text(name) for name in ("state", "parent", "facts")),
        sa.PrimaryKeyConstraint("id", name="pk_notices"),
    )
    onward = sa.text("onward_of <> '' AND side = 'origin'")
    op.create_index(
        "ix_handovers_onward",
        "handovers",
        ["onward_of", "id"],
        sqlite_where=onward,
        postgresql_where=onward,
    )
    answers = sa.text("answers <> ''")
    op.create_index(
        "ix_handovers_answers",
        "handovers",
        ["answers", "id"],
        sqlite_where=answers,
        postgresql_where=answers,
    )
    follows = sa.text("parent <> ''")
    op.create_index("ix_notices_ref", "notices", ["ref"])
    op.create_index(
        "ix_notices_parent", "notices", ["parent"], sqlite_where=follows, postgresql_where=follows
    )
    op.create_table(
        "notice_legs",
        _text("notice", key=True),
        _text("principal", key=True),
        *(_text(name) for name in ("leg", "counterpart", "state")),
        _int("updated"),
        _text("code"),
        _bool("onward"),
        sa.PrimaryKeyConstraint("notice", "principal", name="pk_notice_legs"),
    )
    op.create_index("ix_notice_legs_principal", "notice_legs", ["principal"])
    op.create_table(
        "notice_messages",
        _text("mid", key=True),
        _text("notice"),
        sa.PrimaryKeyConstraint("mid", name="pk_notice_messages"),
    )


def _breaches() -> None:
    _add("handovers", {"custody": "text"})
    op.create_table(
        "breaches",
        _text("id", key=True),
        *(_text(name) for name in ("source", "about", "ref")),
        _int("version"),
        _text("area"),
        _text("agency"),
        _bool("near_miss"),
        *(_int(name) for name in ("aware", "created", "opened", "parts", "people")),
        _text("code"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_breaches")),
        sa.UniqueConstraint("source", "about", name=op.f("uq_breaches_source_about")),
    )
    op.create_index("ix_breaches_ref_created_id", "breaches", ["ref", "created", "id"])
    op.create_table(
        "breach_steps",
        _text("breach", key=True),
        _int("n", key=True),
        _text("what"),
        _int("at"),
        _int("recorded"),
        *(_text(name) for name in ("role", "actor", "code")),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("breach", "n", name=op.f("pk_breach_steps")),
    )


def _urgent() -> None:
    op.create_table(
        "urgent",
        _text("ref", key=True),
        _int("issued"),
        _bool("other"),
        _bool("drill"),
        *(_int(name) for name in ("called", "authorised", "reviewed", "kept", "review_by", "downgraded")),
        _text("actor"),
        sa.PrimaryKeyConstraint("ref", name="pk_urgent"),
    )
    op.create_index("ix_urgent_issued", "urgent", ["issued"])
    op.create_table(
        "drafts",
        _text("id", key=True),
        _text("ref"),
        _int("version"),
        *(_text(name) for name in ("owner", "actor", "role", "destination", "urgency")),
        *(_int(name) for name in ("legs", "created", "expires")),
        *(sa.Column(name, sa.LargeBinary(), nullable=False) for name in ("body", "secrets")),
        _text("epoch"),
        sa.PrimaryKeyConstraint("id", name="pk_drafts"),
        sa.UniqueConstraint("ref", "version", name="uq_drafts_ref_version"),
    )


def _paging() -> None:
    op.create_table(
        "pages",
        _text("id", key=True),
        *(_text(name) for name in ("role", "code", "principal", "agency", "area", "ref", "leg")),
        _bool("urgent"),
        _int("since"),
        _text("state"),
        *(_int(name) for name in ("due", "created", "attempts")),
        _text("error"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pages")),
    )
    waiting = sa.text("state = 'waiting'")
    op.create_index("ix_pages_due", "pages", ["due", "id"], sqlite_where=waiting, postgresql_where=waiting)
    op.create_index("ix_pages_created_id", "pages", ["created", "id"])
    op.create_index("ix_pages_ref_created_id", "pages", ["ref", "created", "id"])
    op.create_table(
        "covers",
        _text("role", key=True),
        _int("until"),
        _int("at"),
        _text("by"),
        sa.PrimaryKeyConstraint("role", name=op.f("pk_covers")),
    )
