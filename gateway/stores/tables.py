"""The tables of the store: what is kept at rest, and the indexes that keep it quick at a million rows.

Duty: names, types, identities (unique constraints) and indexes, for SQLite and PostgreSQL alike. What moves
rows in and out is in :mod:`gateway.stores.sql`; how an existing database gets here is in ``migrations``.

Rules:

* No column holds plaintext of a handover: sealed bytes, wrapped keys, hashes, codes, references and times.
  ``accesses.note`` holds free text in rows of older releases alone; today it is sealed (``sealed``). The
  closed list of columns stands in a test, so that a new one is added on purpose.
* Columns are named as the fields of the records in :mod:`gateway.ports`. Columns that no record shows: ``n``
  keeps the order of arrival; ``log.nodes`` and ``log.about`` see ``sql_log``; ``outbox.stream``,
  ``outbox.seq`` and ``worker`` see below.
* Ids and references compare by byte (``COLLATE "C"``): a database made with another collation would page
  through ids in another order than the memory store and SQLite do.
* A partial index is used only when the statement repeats its condition as literal text, not as a bound
  value. So the conditions are constants here and both sides use them.

Example::

    sa.select(tables.outbox).where(tables.UNSETTLED)
"""

from __future__ import annotations

from typing import Final, TypeVar

import sqlalchemy as sa

R = TypeVar("R")

metadata: Final = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

UNSETTLED: Final = sa.text("state <> 'settled'")
DUE_TASK: Final = sa.text("state = 'waiting'")
PARKED_TASK: Final = sa.text("state = 'parked'")
STANDING: Final = sa.text("cleared = 0")
HELD_TASK: Final = sa.text("state = 'held'")
HELD_BYTES: Final = sa.text("state = 'held'")
UNSENT: Final = sa.text("ours AND sent_in = ''")
RECEIVED: Final = sa.text("side = 'destination'")
SENT: Final = sa.text("side = 'origin'")
ABOUT_MESSAGE: Final = sa.text("about <> 0")
DUE_PAGE: Final = sa.text("state = 'waiting'")
UNFIRED: Final = sa.text("fired = 0")
SENDING: Final = sa.text("state = 'sending'")
UNNAMED: Final = sa.text("state IN ('uploading', 'ready')")
KEPT: Final = sa.text("state <> 'PURGED'")
HOLDING: Final = sa.text("lifted = 0")
PASSING: Final = sa.text("ref = ''")
UNSTRIPPED: Final = sa.text("kind = 3 AND side = 'destination' AND seq > 1 AND length(secrets) > 0")
UNATTESTED: Final = sa.text("length(note) = 0")
ONWARD: Final = sa.text("onward_of <> '' AND side = 'origin'")
ANSWERS: Final = sa.text("answers <> ''")
OPEN_NOTICE: Final = sa.text("notices.state = 'OPEN'")
FOLLOWS: Final = sa.text("parent <> ''")


def _or(column: sa.Column[R], default: str) -> sa.Column[R]:
    """With a default in the database itself: a process of the release before, which runs on beside this one
    during an upgrade, puts its rows without it."""
    column.server_default = sa.DefaultClause(sa.text(default))
    return column


def _text(name: str, *, key: bool = False) -> sa.Column[str]:
    by_byte = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    return sa.Column(name, by_byte, nullable=False, primary_key=key)


def _int(name: str, *, key: bool = False) -> sa.Column[int]:
    """64 bits: a unix time does not fit PostgreSQL's INTEGER after 2038."""
    return sa.Column(name, sa.BigInteger, nullable=False, primary_key=key, autoincrement=False)


def _bytes(name: str, *, key: bool = False) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary, nullable=False, primary_key=key)


def _bool(name: str, *, key: bool = False) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False, primary_key=key)


def _order() -> sa.Column[int]:
    """The order of arrival. SQLite numbers only an INTEGER primary key by itself."""
    return sa.Column("n", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True)


def _partial(name: str, *columns: str, where: sa.TextClause, unique: bool = False) -> sa.Index:
    return sa.Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)


handovers: Final = sa.Table(
    "handovers",
    metadata,
    _text("id", key=True),
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
    _bool("drill"),
    _bool("partial"),
    _text("onward_of"),
    _text("answers"),
    _int("purge_after"),
    _int("review_by"),
    _int("issued"),
    _text("address_check"),
    _text("custody"),
    sa.UniqueConstraint("ref", "version"),
    _partial("ix_handovers_kept", "id", where=KEPT),
    _partial("ix_handovers_onward", "onward_of", "id", where=ONWARD),
    _partial("ix_handovers_answers", "answers", "id", where=ANSWERS),
)

legs: Final = sa.Table(
    "legs",
    metadata,
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
    _text("via"),
    _text("duty"),
    sa.UniqueConstraint("id"),
    sa.UniqueConstraint("ref", "version", "principal"),
    sa.Index(None, "mid"),
    _partial("ix_legs_inbox", "principal", "id", where=RECEIVED),
)

leg_events: Final = sa.Table(
    "leg_events",
    metadata,
    _order(),
    _text("id"),
    sa.Column("leg", legs.c.id.type, sa.ForeignKey(legs.c.id), nullable=False),
    _int("at"),
    _text("event"),
    _text("before"),
    _text("after"),
    _text("by"),
    _text("code"),
    sa.Index(None, "leg", "n"),
)

envelopes: Final = sa.Table(
    "envelopes",
    metadata,
    _text("mid", key=True),
    _text("side", key=True),
    sa.Column("kind", sa.SmallInteger, nullable=False),
    _text("peer"),
    _text("stream"),
    _int("seq"),
    _bytes("statement"),
    _bytes("digest"),
    _int("expires"),
    _bytes("body"),
    _bytes("secrets"),
    _text("epoch"),
    _text("ref"),
    _int("version"),
    _int("created"),
    _partial("ix_envelopes_received", "peer", "stream", "seq", where=RECEIVED, unique=True),
    _partial("ix_envelopes_sent", "peer", "stream", "seq", where=SENT, unique=True),
    _partial("ix_envelopes_ref", "ref", "version", where=sa.text("ref <> ''")),
    _partial("ix_envelopes_epoch", "epoch", where=sa.text("epoch <> ''")),
    _partial("ix_envelopes_passing", "side", "expires", where=PASSING),
    _partial("ix_envelopes_unstripped", "expires", where=UNSTRIPPED),
)

punctures: Final = sa.Table("punctures", metadata, _text("epoch", key=True), _text("path", key=True))

holds: Final = sa.Table(
    "holds",
    metadata,
    _text("id", key=True),
    _text("ref"),
    _text("code"),
    _text("role"),
    _text("actor"),
    _int("placed"),
    _int("until"),
    _int("review"),
    _int("lifted"),
    _text("lifted_by"),
    sa.Index(None, "ref"),
    _partial("ix_holds_standing", "id", where=HOLDING),
)

purges: Final = sa.Table(
    "purges",
    metadata,
    _text("id", key=True),
    _text("ref"),
    _int("version"),
    _text("area"),
    _int("at"),
    _text("why"),
    _int("messages"),
    _int("parts"),
    _int("files"),
    _int("unanswered"),
    _text("epochs"),
    _int("slots"),
    _bytes("note"),
    sa.UniqueConstraint("ref", "version", "area", "at"),
    _partial("ix_purges_unattested", "area", "id", where=UNATTESTED),
)

breaches: Final = sa.Table(
    "breaches",
    metadata,
    _text("id", key=True),
    *(_text(name) for name in ("source", "about", "ref")),
    _int("version"),
    _text("area"),
    _text("agency"),
    _bool("near_miss"),
    *(_int(name) for name in ("aware", "created", "opened", "parts", "people")),
    _text("code"),
    sa.UniqueConstraint("source", "about"),
    sa.Index("ix_breaches_ref_created_id", "ref", "created", "id"),
)

breach_steps: Final = sa.Table(
    "breach_steps",
    metadata,
    _text("breach", key=True),
    _int("n", key=True),
    _text("what"),
    _int("at"),
    _int("recorded"),
    *(_text(name) for name in ("role", "actor", "code")),
    _bytes("sealed"),
)

notices: Final = sa.Table(
    "notices",
    metadata,
    _text("id", key=True),
    _text("ref"),
    _int("version"),
    _text("kind"),
    _text("side"),
    _text("peer"),
    _text("by"),
    _text("code"),
    _text("mid"),
    _text("urgency"),
    _int("created"),
    _int("answer_by"),
    _text("state"),
    _text("parent"),
    _text("facts"),
    sa.Index(None, "ref"),
    _partial("ix_notices_parent", "parent", where=FOLLOWS),
)

notice_legs: Final = sa.Table(
    "notice_legs",
    metadata,
    _text("notice", key=True),
    _text("principal", key=True),
    _text("leg"),
    _text("counterpart"),
    _text("state"),
    _int("updated"),
    _text("code"),
    _bool("onward"),
    sa.Index(None, "principal"),
)

notice_messages: Final = sa.Table("notice_messages", metadata, _text("mid", key=True), _text("notice"))

streams: Final = sa.Table(
    "streams",
    metadata,
    _text("peer", key=True),
    _bool("outgoing", key=True),
    _text("stream"),
    _int("seq"),
    _bytes("head"),
    _int("top"),
    _int("at"),
    _int("busy"),
    _int("asks"),
)

gaps: Final = sa.Table(
    "gaps",
    metadata,
    _text("peer", key=True),
    _text("stream", key=True),
    _int("first", key=True),
    _int("last"),
    _int("noticed"),
    _int("asked"),
    _int("alarmed"),
    _bytes("prev"),
)

outbox: Final = sa.Table(
    "outbox",
    metadata,
    _text("id", key=True),
    _text("peer"),
    _text("lane"),
    _text("mid"),
    _text("state"),
    _int("due"),
    _int("attempts"),
    _int("created"),
    _int("expires"),
    _text("error"),
    # The place in the stream of what a peer's `seen` settles (kinds 2 and 3), copied from the envelope;
    # NULL for messages, which only a receipt settles. Every message that arrives carries a `seen`: looking
    # the place up in a join instead would cost more with every row that waits.
    sa.Column("stream", sa.Text),
    sa.Column("seq", sa.BigInteger),
    # Whose claim it is (``workers.id``). NULL: nobody's, or that of an older release, which names none.
    sa.Column("worker", sa.Text),
    sa.UniqueConstraint("mid"),
    # By lane first: a million standard rows that are due must not stand between us and one urgent row. Then
    # by peer: nor a million for a peer that is away between us and the row for another.
    _partial("ix_outbox_due", "lane", "peer", "due", "id", where=UNSETTLED),
    _partial(
        "ix_outbox_seen", "peer", "stream", "seq", where=sa.text("state <> 'settled' AND seq IS NOT NULL")
    ),
    _partial("ix_outbox_state", "state", where=UNSETTLED),
)

receipts: Final = sa.Table(
    "receipts",
    metadata,
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
    sa.UniqueConstraint("hash"),
    sa.Index(None, "mid"),
    _partial("ix_receipts_ref", "ref", where=sa.text("ref <> ''")),
    _partial("ix_receipts_sent_in", "sent_in", where=sa.text("sent_in <> ''")),
    _partial("ix_receipts_unsent", "urgent", "n", where=UNSENT),
)

tasks: Final = sa.Table(
    "tasks",
    metadata,
    _text("id", key=True),
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
    sa.Column("worker", sa.Text),
    _or(_text("lane"), "'n'"),
    sa.Index(None, "leg"),
    # By lane, for an urgent parcel is claimed beside a hundred thousand that wait for the same agency.
    _partial("ix_tasks_due", "principal", "lane", "due", "id", where=DUE_TASK),
    _partial("ix_tasks_parked", "principal", "created", "id", where=PARKED_TASK),
    _partial("ix_tasks_held", "id", where=HELD_TASK),
)

log: Final = sa.Table(
    "log",
    metadata,
    # An INTEGER key of SQLite is the row's place itself: an insert at the end touches one tree, not two.
    sa.Column(
        "n",
        sa.BigInteger().with_variant(sa.Integer, "sqlite"),
        nullable=False,
        primary_key=True,
        autoincrement=False,
    ),
    _bytes("leaf"),
    _bytes("nodes"),
    _int("about"),
    _partial("ix_log_about", "about", "n", where=ABOUT_MESSAGE),
)

checkpoints: Final = sa.Table(
    "checkpoints",
    metadata,
    _text("origin", key=True),
    _int("size"),
    _bytes("root"),
    _int("at"),
    _bytes("note"),
)

cosignatures: Final = sa.Table(
    "cosignatures",
    metadata,
    _text("origin", key=True),
    _int("size", key=True),
    _text("by", key=True),
    _bytes("root"),
    _int("at"),
    _bytes("line"),
)

witnesses: Final = sa.Table(
    "witnesses",
    metadata,
    _text("peer", key=True),
    _int("size"),
    _text("wanted"),
    _text("their_stream"),
    _int("their_seq"),
    _int("told"),
    _text("our_stream"),
    _int("our_seq"),
    _int("gossiped"),
)

loose: Final = sa.Table(
    "loose",
    metadata,
    _text("origin", key=True),
    _text("via", key=True),
    _int("size"),
    _bytes("root"),
    _bytes("note"),
    _int("at"),
    _int("asked"),
    _text("stream"),
    _int("seq"),
)

alarms: Final = sa.Table(
    "alarms",
    metadata,
    _text("id", key=True),
    _int("at"),
    _text("code"),
    _text("peer"),
    _text("subject"),
    _bytes("evidence"),
    _int("cleared"),
    _text("cleared_by"),
    # One alarm of a kind stands at a time: what goes on happening must not fill the list.
    _partial("ix_alarms_standing", "code", "peer", "subject", where=STANDING, unique=True),
    sa.Index(None, "cleared", "id"),
)

accesses: Final = sa.Table(
    "accesses",
    metadata,
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
    _bytes("salt"),
    _text("purpose"),
    _bytes("sealed"),
    sa.Index(None, "ref", "n"),
    sa.Index(None, "at"),
)

restrictions: Final = sa.Table(
    "restrictions",
    metadata,
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
    sa.Index(None, "ref"),
)

tokens: Final = sa.Table(
    "tokens",
    metadata,
    _text("id", key=True),
    _bytes("digest"),
    _text("principal"),
    _text("label"),
    _int("created"),
    _int("expires"),
    _int("revoked"),
    _text("also"),
    sa.UniqueConstraint("digest"),
)

idempotency: Final = sa.Table(
    "idempotency",
    metadata,
    _bytes("key", key=True),
    _bytes("request"),
    _text("ref"),
    _int("version"),
    _int("created"),
)

blobs: Final = sa.Table(
    "blobs",
    metadata,
    _text("peer", key=True),
    _text("blob", key=True),
    _text("state"),
    _int("sealed"),
    _int("created"),
    _text("owner"),
    _text("media_type"),
    _int("size"),
    _bytes("hash"),
    _bytes("key"),
    _text("ref"),
    _int("version"),
    _text("destination"),
    _int("sent"),
    sa.Index(None, "peer", "ref", "version", "blob"),
    _partial("ix_blobs_sending", "created", "blob", where=SENDING),
    _partial("ix_blobs_unnamed", "created", "blob", where=UNNAMED),
)

# Apart from what is said of them: rows of 700 KB between small ones would make every look at those slow.
blob_segments: Final = sa.Table(
    "blob_segments",
    metadata,
    _text("peer", key=True),
    _text("blob", key=True),
    _int("no", key=True),
    _bytes("data"),
    _text("mid"),
)

timers: Final = sa.Table(
    "timers",
    metadata,
    _text("subject", key=True),
    _text("kind", key=True),
    _int("step", key=True),
    _int("due"),
    _int("fired"),
    _partial("ix_timers_due", "due", "subject", "kind", "step", where=UNFIRED),
)

actions: Final = sa.Table(
    "actions",
    metadata,
    _text("leg", key=True),
    _text("action", key=True),
    _text("code"),
    _bool("blocks"),
    _int("place"),
    _int("planned"),
    _int("started"),
    _int("due"),
    _int("target"),
    _text("state"),
    _text("reason"),
    _int("late"),
    _bool("local"),
    _int("updated"),
)

action_results: Final = sa.Table(
    "action_results",
    metadata,
    _text("leg", key=True),
    sa.Column("statement", sa.LargeBinary(), nullable=False, primary_key=True),
    _text("action", key=True),
    _text("result"),
    _text("code"),
)

bridge_contacts: Final = sa.Table(
    "bridge_contacts",
    metadata,
    _text("area", key=True),
    _text("fingerprint"),
    _int("added"),
    _int("verified"),
    _int("until"),
    _text("by"),
    _text("number_from"),
)

bridge_files: Final = sa.Table(
    "bridge_files",
    metadata,
    _text("mid", key=True),
    _text("area"),
    _text("ref"),
    _int("version"),
    _int("exported"),
    _bytes("documents"),
    _int("delivered"),
    _text("by"),
)

urgent: Final = sa.Table(
    "urgent",
    metadata,
    _text("ref", key=True),
    _int("issued"),
    _bool("other"),
    _bool("drill"),
    _int("called"),
    _int("authorised"),
    _int("reviewed"),
    _int("kept"),
    _int("review_by"),
    _int("downgraded"),
    _text("actor"),
    sa.Index(None, "issued"),
)

drafts: Final = sa.Table(
    "drafts",
    metadata,
    _text("id", key=True),
    _text("ref"),
    _int("version"),
    _text("owner"),
    _text("actor"),
    _text("role"),
    _text("destination"),
    _text("urgency"),
    _int("legs"),
    _int("created"),
    _int("expires"),
    _bytes("body"),
    _bytes("secrets"),
    _text("epoch"),
    sa.UniqueConstraint("ref", "version"),
)

pages: Final = sa.Table(
    "pages",
    metadata,
    _text("id", key=True),
    _text("role"),
    _text("code"),
    _text("principal"),
    _text("agency"),
    _text("area"),
    _text("ref"),
    _text("leg"),
    _bool("urgent"),
    _int("since"),
    _text("state"),
    _int("due"),
    _int("created"),
    _int("attempts"),
    _text("error"),
    sa.Column("worker", sa.Text),
    _partial("ix_pages_due", "due", "id", where=DUE_PAGE),
    sa.Index(None, "created", "id"),
    sa.Index(None, "ref", "created", "id"),
)

workers: Final = sa.Table(
    "workers",
    metadata,
    _text("id", key=True),
    _text("role"),
    _text("version"),
    _text("place"),
    _int("started"),
    _int("beats"),
    _int("at"),
    _bool("ready"),
)

leaders: Final = sa.Table("leaders", metadata, _text("name", key=True), _text("worker"))

covers: Final = sa.Table("covers", metadata, _text("role", key=True), _int("until"), _int("at"), _text("by"))


held: Final = sa.Table(
    "held",
    metadata,
    _text("id", key=True),
    _int("at"),
    _text("code"),
    _text("lane"),
    _text("peer"),
    _bytes("digest"),
    _bytes("body"),
    _or(_text("place"), "'intake'"),
    _or(_text("state"), "'held'"),
    _or(_int("size"), "0"),
    _or(_int("count"), "1"),
    _or(_int("seen"), "0"),
    _or(_int("settled"), "0"),
    _or(_text("by"), "''"),
    sa.UniqueConstraint("digest"),
    _partial("ix_held_open", "at", "id", "size", where=HELD_BYTES),
)

trust: Final = sa.Table(
    "trust",
    metadata,
    _text("kind", key=True),
    _text("subject", key=True),
    _int("version", key=True),
    _bytes("note"),
)

settings: Final = sa.Table("settings", metadata, _text("name", key=True), _bytes("value"))
