"""What every store must do: a behavioural suite to inherit, one and the same for memory, SQLite, PostgreSQL.

Duty: the contract of :class:`gateway.ports.Store` and :class:`gateway.ports.Transaction` as tests. Speed,
files and faults of one particular database are tested beside that database.

Rules: pytest and pytest-asyncio (mode "auto") run it. A test class gives two fixtures: ``store``, a started
store on empty tables, and ``peer``, a function that returns one more store on the SAME tables, not started,
as a second process would have it.

Example::

    class TestMine(StoreSuite):
        @pytest.fixture
        async def store(self, tmp_path):
            self.url = f"sqlite:///{tmp_path}/store.db"
            store = open_store(self.url)
            await store.start()
            yield store
            await store.close()

        @pytest.fixture
        def peer(self, store):
            return lambda: open_store(self.url)
"""

from __future__ import annotations

from gateway.testing.store_cases.actions import ActionCases
from gateway.testing.store_cases.agencies import AgencyCases
from gateway.testing.store_cases.audit import AuditCases
from gateway.testing.store_cases.blobs import BlobCases
from gateway.testing.store_cases.breaches import BreachCases
from gateway.testing.store_cases.bridge import BridgeCases
from gateway.testing.store_cases.handovers import HandoverCases
from gateway.testing.store_cases.held import HeldCases
from gateway.testing.store_cases.log import LogCases
from gateway.testing.store_cases.messages import MessageCases
from gateway.testing.store_cases.notices import NoticeCases
from gateway.testing.store_cases.paging import PagingCases
from gateway.testing.store_cases.prune import PruneCases
from gateway.testing.store_cases.receipts import ReceiptCases
from gateway.testing.store_cases.records import RecordCases
from gateway.testing.store_cases.retention import RetentionCases
from gateway.testing.store_cases.shred import ShredCases
from gateway.testing.store_cases.timers import TimerCases
from gateway.testing.store_cases.units import UnitCases
from gateway.testing.store_cases.urgent import UrgentCases
from gateway.testing.store_cases.watch import WatchCases
from gateway.testing.store_cases.witness import WitnessCases
from gateway.testing.store_cases.workers import WorkerCases


class StoreSuite(
    UnitCases,
    WorkerCases,
    HandoverCases,
    MessageCases,
    ReceiptCases,
    AgencyCases,
    RecordCases,
    HeldCases,
    LogCases,
    WatchCases,
    BlobCases,
    AuditCases,
    ShredCases,
    RetentionCases,
    PruneCases,
    WitnessCases,
    TimerCases,
    PagingCases,
    UrgentCases,
    ActionCases,
    NoticeCases,
    BridgeCases,
    BreachCases,
):
    """Inherit this, and give the fixtures ``store`` and ``peer``."""
