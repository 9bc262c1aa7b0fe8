# ruff: noqa: S101 - a suite is made of assertions
"""Contacts of areas without a gateway, and the files that were carried there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.ports import BridgeContactRow, BridgeFileRow, Store
from gateway.testing.store_cases.rows import NOW

KENT = BridgeContactRow("E10000016", "abcd-efgh", NOW)
CARRIED = BridgeFileRow("m1", "E10000016", "HO-1", 1, NOW, b"documents")


class BridgeCases:
    async def test_a_contact_is_replaced_whole_and_found_by_its_area(self, store: Store) -> None:
        other = replace(KENT, area="E07000112")
        verified = replace(KENT, verified=NOW + 1, until=NOW + 9, by="staff-1", number_from="SWITCHBOARD")
        for row in (KENT, other, verified):
            await store.write(lambda tx, row=row: tx.put_bridge_contact(row))
        assert await store.read(lambda tx: tx.bridge_contact(KENT.area)) == verified
        assert list(await store.read(lambda tx: tx.bridge_contacts())) == [other, verified]
        assert await store.write(lambda tx: tx.drop_bridge_contact(KENT.area))
        assert not await store.write(lambda tx: tx.drop_bridge_contact(KENT.area))
        assert await store.read(lambda tx: tx.bridge_contact(KENT.area)) is None

    async def test_a_carried_file_is_put_once_and_its_delivery_confirmed_once(self, store: Store) -> None:
        assert await store.write(lambda tx: tx.put_bridge_file(CARRIED))
        assert not await store.write(lambda tx: tx.put_bridge_file(replace(CARRIED, documents=b"other")))
        assert await store.read(lambda tx: tx.bridge_file("m1")) == CARRIED
        assert not await store.write(lambda tx: tx.confirm_bridge_file("m2", NOW, "staff-1"))
        assert await store.write(lambda tx: tx.confirm_bridge_file("m1", NOW + 5, "staff-1"))
        assert not await store.write(lambda tx: tx.confirm_bridge_file("m1", NOW + 6, "staff-2"))
        told = replace(CARRIED, delivered=NOW + 5, by="staff-1")
        assert await store.read(lambda tx: tx.bridge_file("m1")) == told
        assert await store.read(lambda tx: tx.bridge_file("m2")) is None

    async def test_a_read_changes_no_contact(self, store: Store) -> None:
        with pytest.raises(RuntimeError):
            await store.read(lambda tx: tx.put_bridge_contact(KENT))
        with pytest.raises(RuntimeError):
            await store.read(lambda tx: tx.drop_bridge_contact(KENT.area))
