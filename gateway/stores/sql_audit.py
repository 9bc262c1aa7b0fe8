"""The access log as an auditor reads it, and restrictions of a person's rights, in SQL. The contract is
:class:`gateway.ports.Transaction`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy import bindparam

from gateway.ports import AccessRow, RestrictionRow
from gateway.stores import tables
from gateway.stores.database import Part
from gateway.stores.records import ACCESS, RESTRICTION
from gateway.stores.statements import Statement, put, select

_a, _r = tables.accesses.c, tables.restrictions.c

_found = (
    sa.select(_a.n, *ACCESS.columns)
    .where(_a.n > bindparam("after"), _a.at >= bindparam("since"), _a.at < bindparam("until"))
    .order_by(_a.n)
    .limit(bindparam("limit"))
)
_of_ref, _of_principal = _a.ref == bindparam("ref"), _a.principal == bindparam("principal")
_FIND: Final = {
    (False, False): Statement(_found),
    (True, False): Statement(_found.where(_of_ref)),
    (False, True): Statement(_found.where(_of_principal)),
    (True, True): Statement(_found.where(_of_ref, _of_principal)),
}
_PUT: Final = put(RESTRICTION)
_ALL: Final = Statement(select(RESTRICTION).order_by(_r.id))
_OF: Final = Statement(select(RESTRICTION, _r.ref == bindparam("ref")).order_by(_r.id))
_END: Final = Statement(
    sa.update(tables.restrictions)
    .where(_r.id == bindparam("restriction"), _r.ended == 0)
    .values(ended=bindparam("at"))
)


class AuditPart(Part):
    """The part of a transaction that this file holds."""

    def find_accesses(
        self, *, ref: str, principal: str, since: int, until: int, after: int, limit: int
    ) -> Sequence[tuple[int, AccessRow]]:
        named = {name: value for name, value in (("ref", ref), ("principal", principal)) if value}
        rows = self._session.rows(
            _FIND[bool(ref), bool(principal)], after=after, since=since, until=until, limit=limit, **named
        )
        return [(row[0], ACCESS.load(row[1:])) for row in rows]

    def put_restriction(self, row: RestrictionRow) -> bool:
        return self._session.change(_PUT, RESTRICTION.dump(row)) == 1

    def restrictions(self, ref: str = "") -> Sequence[RestrictionRow]:
        rows = self._session.rows(_OF, ref=ref) if ref else self._session.rows(_ALL)
        return RESTRICTION.load_all(rows)

    def end_restriction(self, restriction: str, at: int) -> bool:
        return self._session.change(_END, {"restriction": restriction, "at": at}) == 1
