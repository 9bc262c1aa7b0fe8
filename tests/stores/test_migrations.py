"""Bringing a database to this release, and telling whether it is there."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from gateway.errors import Misconfigured, Unavailable
from gateway.stores import MEMORY, migrations, open_store
from gateway.stores.database import Database
from gateway.stores.tables import metadata
from gateway.testing.postgres import Postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Makes the url of one more empty database."""
    if request.param == "sqlite":
        yield lambda name: f"sqlite:///{tmp_path}/{name}.db"
        return
    server: Postgres = request.getfixturevalue("postgres")
    made: list[str] = []

    def create(name: str) -> str:
        made.append(name)
        return server.create(name)

    yield create
    for name in made:
        server.drop(name)


def definitions(engine: sa.Engine) -> set[str]:
    """What the database itself says of every index and every column."""
    sqlite = engine.dialect.name == "sqlite"
    query = (
        "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL"
        if sqlite
        else "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' UNION "
        "SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, collation_name) "
        "FROM information_schema.columns WHERE table_schema = 'public'"
    )
    with engine.connect() as connection:
        # SQLite writes quotes around the name of a table that a step has copied: the same name.
        rows = {_told(row[0]) for row in connection.exec_driver_sql(query)}
    return {row for row in rows if "alembic_version" not in row}


def _told(definition: str) -> str:
    """A copied table may name its constraints in another order: the same table."""
    head, *constraints = (
        re.sub(r"\s+", " ", definition).replace('"', "").removesuffix(" )").split(", CONSTRAINT ")
    )
    return ", CONSTRAINT ".join([head, *sorted(constraints)])


def test_the_steps_lead_from_nothing_to_the_tables_of_this_release(empty: Callable[[str], str]) -> None:
    url = empty("stepped")
    migrations.upgrade(url)
    stepped, direct = Database(url).engine, Database(empty("direct")).engine
    metadata.create_all(direct)
    with stepped.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
    # Alembic compares neither the conditions of partial indexes nor collations: the databases' own words do.
    assert definitions(stepped) == definitions(direct)
    assert len(definitions(stepped)) > 20
    stepped.dispose()
    direct.dispose()


def test_ids_compare_by_byte_on_postgresql(template: str, postgres: Postgres) -> None:
    rows = postgres.run(
        "SELECT collation_name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND table_name = 'legs' AND column_name = 'id'",
        database=template,
    )
    assert rows == [("C",)]


def test_head_is_the_newest_step() -> None:
    assert ScriptDirectory(str(migrations.FOLDER)).get_heads() == [migrations.HEAD]


@pytest.mark.parametrize("leaves", [0, 1, 7, 2_300])
async def test_0002_makes_the_tree_over_the_leaves_that_are_there(
    empty: Callable[[str], str], leaves: int
) -> None:
    """Written by the release before; the hashes are those that a store of today makes."""
    url = empty("before")
    database = Database(url)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("BEGIN")
        command.upgrade(migrations.configuration(connection), "0001")
        rows = [{"n": n, "leaf": leaf(n)} for n in range(leaves)]
        if rows:
            connection.execute(sa.insert(sa.table("log", sa.column("n"), sa.column("leaf"))), rows)
        connection.exec_driver_sql("COMMIT")
    database.engine.dispose()
    migrations.upgrade(url)

    store, fresh = open_store(url), open_store(MEMORY)
    await store.start()
    await fresh.start()
    more = [leaf(n) for n in range(leaves, leaves + 5)]
    await store.write(lambda tx: [tx.append_log(one, mid=mid(one)) for one in more])
    everything = [leaf(n) for n in range(leaves + 5)]
    await fresh.write(lambda tx: [tx.append_log(one, mid=mid(one)) for one in everything])
    assert await store.read(lambda tx: tx.log(0, 9999)) == await fresh.read(lambda tx: tx.log(0, 9999))
    size = leaves + 5
    places = [(level, n) for level in range(size.bit_length()) for n in range(size >> level)]
    assert await store.read(lambda tx: tx.log_nodes(places)) == await fresh.read(
        lambda tx: tx.log_nodes(places)
    )
    assert await store.read(lambda tx: tx.log_of("m1")) == await fresh.read(lambda tx: tx.log_of("m1"))
    await store.close()
    await fresh.close()


def leaf(number: int) -> bytes:
    """Most are about a message; one is no JSON, one no object, one names no text."""
    odd = {3: b"no json", 4: b"[]", 5: b'{"mid":7}'}
    return odd.get(number, b'{"mid":"m%d"}' % (number % 3))


def mid(one: bytes) -> str:
    return one[8:10].decode() if one.startswith(b'{"mid":"m') else ""


async def test_0009_gives_legs_that_are_waited_for_the_clocks_that_a_new_one_would_have(
    empty: Callable[[str], str],
) -> None:
    url = empty("clocks")
    engine = Database(url).engine
    with engine.connect() as connection:
        command.upgrade(migrations.configuration(connection), "0008")
        for ref, side, state, overdue in (
            ("A", "destination", "DELIVERED", ""),
            ("B", "origin", "DELIVERED", "acknowledge"),
            ("C", "origin", "RECEIVED", ""),
            ("D", "origin", "ACCEPTED", ""),
            ("E", "origin", "TRANSMITTED", ""),
        ):
            connection.exec_driver_sql(
                "INSERT INTO handovers (id, ref, version, side, origin, destination, urgency, state, "
                f"submitted_by, created, updated) VALUES ('h{ref}', '{ref}', 2, '{side}', '', '', "
                "'STANDARD', 'ISSUED', '', 100, 100)"
            )
            clock = 0 if state == "TRANSMITTED" else 500
            connection.exec_driver_sql(
                "INSERT INTO legs (id, ref, version, side, principal, agency, counterpart, state, urgency, "
                "mid, delivered, opened, acknowledge_by, decide_by, overdue, updated) "
                f"VALUES ('l{ref}', '{ref}', 2, '{side}', '', '', '', '{state}', 'STANDARD', '', 1, 0, "
                f"{clock}, {clock * 2}, '{overdue}', 1)"
            )
        connection.commit()
    engine.dispose()
    migrations.upgrade(url)
    store = open_store(url)
    await store.start()
    try:
        due = await store.read(lambda tx: tx.due_timers(99_999, 99))
    finally:
        await store.close()
    assert sorted((row.subject, row.kind, row.step, row.due) for row in due) == [
        ("E", "undelivered", 2, 14_500),
        ("lA", "acknowledge", 100, 500),
        ("lA", "decide", 100, 1000),
        ("lB", "decide", 100, 1000),
        ("lC", "decide", 100, 1000),
    ]


def test_upgrading_again_changes_nothing(empty: Callable[[str], str]) -> None:
    url = empty("twice")
    migrations.upgrade(url)
    migrations.upgrade(url)
    migrations.check(url)


def test_two_that_upgrade_at_once_do_it_once(empty: Callable[[str], str]) -> None:
    url = empty("together")
    errors: list[BaseException] = []
    barrier = threading.Barrier(2)

    def run() -> None:
        try:
            barrier.wait(30)
            migrations.upgrade(url)
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    migrations.check(url)


@pytest.mark.parametrize(
    ("revision", "words"),
    [("0000", "is at revision 0000, this release needs"), ("9999", "newer release")],
)
async def test_behind_and_ahead_are_told_apart(
    empty: Callable[[str], str], revision: str, words: str
) -> None:
    url = empty("other")
    migrations.upgrade(url)
    database = Database(url)
    with database.engine.connect() as connection:
        connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{revision}'")
    database.engine.dispose()
    with pytest.raises(Misconfigured, match=words) as wrong:
        migrations.check(url)
    assert wrong.value.code == "store_schema"
    assert "gateway db upgrade" in wrong.value.remedy
    store = open_store(url)
    with pytest.raises(Misconfigured, match=words):
        await store.start()
    await store.close()


def test_a_newer_database_is_not_touched(empty: Callable[[str], str]) -> None:
    url = empty("newer")
    migrations.upgrade(url)
    database = Database(url)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    database.engine.dispose()
    with pytest.raises(Misconfigured, match="newer release"):
        migrations.upgrade(url)


def test_a_step_that_fails_leaves_the_database_as_it_was(empty: Callable[[str], str]) -> None:
    url = empty("half")
    database = Database(url)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE trust (x INTEGER)")  # in the way, after others were made
    with pytest.raises(sa.exc.DBAPIError):
        migrations.upgrade_engine(database.engine)
    assert sa.inspect(database.engine).get_table_names() == ["trust"]
    database.engine.dispose()


async def test_postgresql_is_not_upgraded_by_starting(postgres: Postgres) -> None:
    store = open_store(postgres.create("untouched"))
    with pytest.raises(Misconfigured, match="no tables of the gateway") as wrong:
        await store.start()
    assert wrong.value.remedy == "run: gateway db upgrade"
    await store.close()
    postgres.drop("untouched")


async def test_a_new_file_of_sqlite_is_upgraded_by_starting_and_one_with_other_tables_is_not(
    tmp_path: Path,
) -> None:
    store = open_store(f"sqlite:///{tmp_path}/new.db")
    await store.start()
    await store.close()
    migrations.check(f"sqlite:///{tmp_path}/new.db")
    foreign = Database(f"sqlite:///{tmp_path}/foreign.db")
    with foreign.engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE somebody_elses (x INTEGER)")
    foreign.engine.dispose()
    store = open_store(f"sqlite:///{tmp_path}/foreign.db")
    with pytest.raises(Misconfigured, match="no tables of the gateway"):
        await store.start()
    await store.close()


def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as gone:
        migrations.check(f"postgresql+psycopg://u:secret@/d?host={tmp_path}")
    assert "secret" not in repr(gone.value) + gone.value.remedy
