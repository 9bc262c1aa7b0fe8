"""The store in SQLite (the default, one file) or PostgreSQL: one code base on SQLAlchemy Core.

Duty: sessions, groups and retries. The statements are in ``sql_*.py`` by group of tables, the differences of
the two databases in :mod:`gateway.stores.database`, the thread in :mod:`gateway.stores.writer`.

Rules:

* ``write`` returns after COMMIT. Works that wait together share one commit, each in a savepoint of its own,
  so one that raises takes back only itself.
* A deadlock, a lock waited for in vain or a lost connection runs the group again from its start, a bounded
  number of times. A connection lost DURING a commit is settled by asking PostgreSQL what became of that
  transaction, so that a group is never applied twice.
* ``read`` runs in a thread of its own connection, on one snapshot, and never waits for the writer.
* A new SQLite file gets its tables on ``start``: the embedded store needs no command. PostgreSQL belongs to
  an operator and is only checked; the remedy names the command.

Example::

    store = SqlStore("sqlite:////var/lib/gateway/store.db")
    await store.start()
    created = await store.write(lambda tx: tx.put_setting("stream", secrets.token_bytes(16)))
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final, TypeVar

import sqlalchemy as sa
from sqlalchemy import bindparam

from gateway.errors import GatewayError
from gateway.ports import Transaction
from gateway.stores import migrations
from gateway.stores.database import Database, Session
from gateway.stores.faults import TransactionError, in_doubt, lost
from gateway.stores.sql_actions import ActionPart
from gateway.stores.sql_agencies import AgencyPart
from gateway.stores.sql_audit import AuditPart
from gateway.stores.sql_blobs import BlobPart
from gateway.stores.sql_breaches import BreachPart
from gateway.stores.sql_bridge import BridgePart
from gateway.stores.sql_handovers import HandoverPart
from gateway.stores.sql_held import HeldPart
from gateway.stores.sql_messages import MessagePart
from gateway.stores.sql_notices import NoticePart
from gateway.stores.sql_paging import PagingPart
from gateway.stores.sql_prune import PrunePart
from gateway.stores.sql_receipts import ReceiptPart
from gateway.stores.sql_records import RecordPart
from gateway.stores.sql_retention import RetentionPart
from gateway.stores.sql_shred import ShredPart
from gateway.stores.sql_timers import TimerPart
from gateway.stores.sql_urgent import UrgentPart
from gateway.stores.sql_watch import WatchPart
from gateway.stores.sql_workers import WorkerPart
from gateway.stores.statements import Statement
from gateway.stores.writer import Outcome, Work, Writer, closed

T = TypeVar("T")

PAUSES: Final = (0.0, 0.02, 0.1, 0.3, 0.6, 1.0)  # seconds before each run of a group: about 2 s in all
READERS: Final = 4  # threads; reads are short, and one long report must not stop the others
GROUP: Final = 64
"""Works of one commit. PostgreSQL keeps 64 savepoints of a transaction in shared memory and looks up the rest
on disk ("subtransaction overflow"); on SQLite the flush is shared well enough by then."""

_TICKET: Final = Statement(sa.select(sa.cast(sa.func.pg_current_xact_id_if_assigned(), sa.Text)))
_FATE: Final = Statement(
    sa.select(sa.func.pg_xact_status(sa.text("CAST(:ticket AS xid8)").bindparams(bindparam("ticket"))))
)


class SqlTransaction(
    NoticePart,
    HandoverPart,
    MessagePart,
    ShredPart,
    RetentionPart,
    PrunePart,
    ReceiptPart,
    AgencyPart,
    WatchPart,
    TimerPart,
    PagingPart,
    UrgentPart,
    ActionPart,
    BlobPart,
    BreachPart,
    BridgePart,
    AuditPart,
    WorkerPart,
    HeldPart,
    RecordPart,
):
    """One transaction of one group (or one read): every table's part on one session."""


class SqlStore:
    """See :class:`gateway.ports.Store`. ``url`` as SQLAlchemy writes it. Raises Misconfigured."""

    def __init__(
        self, url: str, *, readers: int = READERS, group: int = GROUP, pauses: Sequence[float] = PAUSES
    ) -> None:
        self._database = Database(url, readers=readers)
        self._pauses = pauses
        self._session: Session | None = None  # the writer's own, and only its thread touches it
        self._writer = Writer(self._run_group, group=group)
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="store-reader")
        self._open = False

    async def start(self) -> None:
        """Raises Misconfigured (no schema, or another release's) or Unavailable."""
        await asyncio.to_thread(self._prepare)
        self._writer.start()
        self._open = True

    async def write(self, work: Callable[[Transaction], T], *, first: bool = False) -> T:
        """See the port. Cancelling the caller does not take back a work that was handed over."""
        return await self._writer.submit(work, first=first)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        if not self._open:
            raise closed()
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    async def check(self) -> None:
        """Takes the write lock and lets it go, and looks at the schema. Raises Unavailable, Misconfigured."""
        await self.write(lambda _: None)
        await asyncio.to_thread(self._check_schema)

    async def close(self) -> None:
        self._open = False
        await self._writer.close()
        await asyncio.to_thread(self._readers.shutdown)
        if self._session is not None:
            self._session.close()
            self._session = None
        self._database.engine.dispose()

    # --- start ------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        if self._database.make_file():
            migrations.upgrade_engine(self._database.engine)
        self._check_schema()

    def _check_schema(self) -> None:
        try:
            migrations.check_engine(self._database.engine)
        except sa.exc.DBAPIError as error:
            raise _outermost(self._database.unreachable(error)) from None

    # --- the writer's thread ----------------------------------------------------------------------

    def _run_group(self, works: Sequence[Work], enough: Callable[[], bool]) -> Sequence[Outcome]:
        """The outcomes of the works that were done, of the first on; durable when this returns."""
        failed = Outcome()
        for pause in self._pauses:
            _wait(pause)
            try:
                return self._attempt(works, enough)
            except TransactionError as broken:
                self._abandon()
                failed = Outcome(error=broken.error)
                if not broken.retry:
                    break
                if broken.lost:
                    self._database.forget()
            except Exception as error:  # noqa: BLE001 - whatever a driver makes of a value
                # A row that was left for later, and is refused: whose it was shows when each runs by itself.
                # Nothing is committed, for a commit that fails is a TransactionError.
                self._abandon()
                if len(works) == 1:
                    return [Outcome(error=error)]
                return [self._run_group([work], enough)[0] for work in works]
            except BaseException:
                self._abandon()  # a fault of ours, at a place nobody thought of: start clean
                raise
        return [failed] * len(works)

    def _attempt(self, works: Sequence[Work], enough: Callable[[], bool]) -> Sequence[Outcome]:
        session = self._session = self._session or self._database.open(writable=True)
        session.begin()
        transaction = SqlTransaction(session)
        alone = len(works) == 1
        if not alone:
            session.savepoint()
        outcomes = []
        for work in works:
            outcomes.append(_carry_out(transaction, session, work, alone=alone))
            if enough():
                break
        if alone and outcomes[0].error is not None:
            session.rollback()
            return outcomes
        session.settle()
        transaction.flush()
        self._commit(session)
        return outcomes

    def _commit(self, session: Session) -> None:
        """Raises TransactionError when nothing of the transaction is stored, or nobody can tell."""
        ticket = session.one(_TICKET) if session.postgres else None
        try:
            session.commit()
        except TransactionError as broken:
            if not (broken.lost and ticket and ticket[0]):
                raise
            self._abandon()
            if not self._took(ticket[0]):
                raise

    def _took(self, ticket: str) -> bool:
        """Ask the server what became of a transaction whose COMMIT was never answered."""
        for pause in self._pauses:
            time.sleep(pause)
            with suppress(TransactionError, GatewayError), self._database.session(writable=False) as session:
                fate = session.one(_FATE, ticket=ticket)
                if fate and fate[0] in {"committed", "aborted"}:
                    return bool(fate[0] == "committed")
        raise in_doubt()

    def _abandon(self) -> None:
        """Throw the connection away, and the transaction with it, whatever state either is in."""
        session, self._session = self._session, None
        if session is not None:
            session.close(broken=True)

    # --- a reader's thread ------------------------------------------------------------------------

    def _read(self, work: Callable[[Transaction], T]) -> T:
        last = lost().error
        for pause in self._pauses:
            _wait(pause)
            try:
                with self._database.session(writable=False) as session:
                    session.begin()
                    return work(SqlTransaction(session))
            except TransactionError as broken:
                if not broken.retry:
                    raise broken.error from None
                last = broken.error
                if broken.lost:
                    self._database.forget()
        raise last


def _carry_out(transaction: SqlTransaction, session: Session, work: Work, *, alone: bool) -> Outcome:
    """One work after the savepoint. ``alone``: the transaction itself is savepoint enough."""
    try:
        result = work(transaction)
        if not alone:
            session.keep()
    except TransactionError:
        raise
    except BaseException as error:  # noqa: BLE001 - whatever a work raises, even SystemExit, is its caller's
        transaction.forget()
        if not alone:
            session.undo()
        return Outcome(error=error)
    transaction.keep()
    return Outcome(result)


def _wait(pause: float) -> None:
    if pause:  # even no time at all would give the processor away
        time.sleep(pause)


def _outermost(error: Exception) -> Exception:
    return error.error if isinstance(error, TransactionError) else error
