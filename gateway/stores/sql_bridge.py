"""Areas without a gateway, in SQL. The contract is :class:`gateway.ports.Transaction`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa
from sqlalchemy import bindparam

from gateway.ports import BridgeContactRow, BridgeFileRow
from gateway.stores import tables
from gateway.stores.database import Part
from gateway.stores.records import BRIDGE_CONTACT, BRIDGE_FILE
from gateway.stores.statements import Statement, put, replacing, select

_c, _f = tables.bridge_contacts.c, tables.bridge_files.c

_PUT_CONTACT: Final = replacing(BRIDGE_CONTACT, "area")
_CONTACT: Final = Statement(select(BRIDGE_CONTACT, _c.area == bindparam("area")))
_CONTACTS: Final = Statement(select(BRIDGE_CONTACT).order_by(_c.area))
_DROP_CONTACT: Final = Statement(sa.delete(tables.bridge_contacts).where(_c.area == bindparam("area")))
_PUT_FILE: Final = put(BRIDGE_FILE)
_FILE: Final = Statement(select(BRIDGE_FILE, _f.mid == bindparam("mid")))
_CONFIRM: Final = Statement(
    sa.update(tables.bridge_files)
    .where(_f.mid == bindparam("of"), sa.text("delivered = 0"))
    .values(delivered=bindparam("at"), by=bindparam("who"))
)


class BridgePart(Part):
    """The part of a transaction that this file holds."""

    def put_bridge_contact(self, row: BridgeContactRow) -> None:
        self._session.change(_PUT_CONTACT, BRIDGE_CONTACT.dump(row))

    def bridge_contact(self, area: str) -> BridgeContactRow | None:
        found = self._session.one(_CONTACT, area=area)
        return BRIDGE_CONTACT.load(found) if found else None

    def bridge_contacts(self) -> Sequence[BridgeContactRow]:
        return BRIDGE_CONTACT.load_all(self._session.rows(_CONTACTS))

    def drop_bridge_contact(self, area: str) -> bool:
        return self._session.change(_DROP_CONTACT, {"area": area}) == 1

    def put_bridge_file(self, row: BridgeFileRow) -> bool:
        return self._session.change(_PUT_FILE, BRIDGE_FILE.dump(row)) == 1

    def bridge_file(self, mid: str) -> BridgeFileRow | None:
        found = self._session.one(_FILE, mid=mid)
        return BRIDGE_FILE.load(found) if found else None

    def confirm_bridge_file(self, mid: str, at: int, by: str) -> bool:
        return self._session.change(_CONFIRM, {"of": mid, "at": at, "who": by}) == 1
