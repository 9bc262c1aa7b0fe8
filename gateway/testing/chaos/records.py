"""What each party has on record after a history, read from its own database, whatever kind that is.

Duty: one reading of the tables that the oracles look at, as plain rows. It leaves out judging them. The node
is stopped when this is read; nothing of it is used but its tables.

Example::

    party = read(HACKNEY, "sqlite:////tmp/h/gateway.db")
    party.rows["legs"][0]["state"]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import sqlalchemy as sa

from gateway.stores import tables

READ: Final = (
    tables.handovers, tables.legs, tables.leg_events, tables.envelopes, tables.receipts, tables.log,
    tables.checkpoints, tables.cosignatures, tables.alarms, tables.outbox, tables.tasks, tables.notices,
    tables.notice_legs, tables.streams,
)  # fmt: skip

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Party:
    """``rows``: table name -> its rows in order of arrival."""

    area: str
    rows: Mapping[str, Sequence[Row]] = field(default_factory=dict)

    def table(self, name: str) -> Sequence[Row]:
        return self.rows.get(name, ())

    def where(self, name: str, **wanted: object) -> list[Row]:
        return [row for row in self.table(name) if all(row[key] == value for key, value in wanted.items())]


def read(area: str, url: str) -> Party:
    engine = sa.create_engine(url)
    try:
        with engine.connect() as connection:
            return Party(area, {table.name: _rows(connection, table) for table in READ})
    finally:
        engine.dispose()


def _rows(connection: sa.Connection, table: sa.Table) -> Sequence[Row]:
    order = [table.c.n] if "n" in table.c else list(table.primary_key)
    return [dict(row) for row in connection.execute(sa.select(table).order_by(*order)).mappings()]
