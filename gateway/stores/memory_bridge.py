"""Areas without a gateway, in the reference store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.ports import BridgeContactRow, BridgeFileRow
from gateway.stores.memory_tables import MemoryPart


class MemoryBridge(MemoryPart):
    """See :class:`gateway.ports.Transaction`."""

    def put_bridge_contact(self, row: BridgeContactRow) -> None:
        self._change().bridge_contacts[row.area] = row

    def bridge_contact(self, area: str) -> BridgeContactRow | None:
        return self._t.bridge_contacts.get(area)

    def bridge_contacts(self) -> Sequence[BridgeContactRow]:
        return sorted(self._t.bridge_contacts.values(), key=lambda row: row.area)

    def drop_bridge_contact(self, area: str) -> bool:
        return self._change().bridge_contacts.pop(area, None) is not None

    def put_bridge_file(self, row: BridgeFileRow) -> bool:
        return self._put(self._t.bridge_files, row.mid, row)

    def bridge_file(self, mid: str) -> BridgeFileRow | None:
        return self._t.bridge_files.get(mid)

    def confirm_bridge_file(self, mid: str, at: int, by: str) -> bool:
        files = self._change().bridge_files
        row = files.get(mid)
        if row is None or row.delivered:
            return False
        files[mid] = replace(row, delivered=at, by=by)
        return True
