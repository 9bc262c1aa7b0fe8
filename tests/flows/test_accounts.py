"""The s.62 access log is bound to the tree: what was altered, taken out or put in is named by its id."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.core.encoding import b64
from gateway.errors import GatewayError
from gateway.flows import accounts, logbook
from gateway.flows.node import Node
from gateway.ports import AccessRow
from gateway.testing.boroughs import World


@pytest.fixture
async def node(world: World, document: Any) -> Node:
    """Bexley after a handover was delivered to seven agencies."""
    await world.hackney.submit(document)
    await world.settle()
    world.clock.advance(1)
    return world.bexley.node


def tables(node: Node) -> Any:
    """The memory store's own, for whoever gets at the database."""
    return node.store.memory.tables  # type: ignore[attr-defined]  # see above


def rows(node: Node) -> list[AccessRow]:
    found: list[AccessRow] = tables(node).accesses
    return found


async def leaves(node: Node) -> list[dict[str, Any]]:
    found = [json.loads(leaf) for _, leaf in await logbook.leaves(node, 0, 999)]
    return [leaf for leaf in found if leaf["t"] == "access"]


async def test_every_access_on_both_sides_has_its_leaf(world: World, node: Node) -> None:
    for one in (node, world.hackney.node):
        assert [leaf["id"] for leaf in await leaves(one)] == [row.id for row in rows(one)]
        assert await accounts.check(one) == accounts.Checked(len(rows(one)), 0, (), (), ())
    assert len(rows(node)) == 8
    assert {row.operation for row in rows(world.hackney.node)} == {"COLLECTION", "DISCLOSURE"}


async def test_the_leaf_tells_a_time_and_a_hash_that_nobody_can_guess_back(node: Node) -> None:
    row, leaf = rows(node)[0], (await leaves(node))[0]
    assert set(leaf) == {"t", "at", "id", "h"}
    assert leaf["at"] == row.at
    newer = ("purpose", "sealed")  # in the hash only where they hold something
    fields = dataclasses.asdict(row).items()
    body = {name: value for name, value in fields if name != "salt" and (value or name not in newer)}
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert leaf["h"] == b64(hashlib.sha256(row.salt + text).digest())
    assert leaf["h"] != b64(hashlib.sha256(text).digest())
    salts = [one.salt for one in rows(node)]
    assert {len(salt) for salt in salts} == {32}
    assert len(set(salts)) == len(salts)


CHANGES: dict[str, Any] = {
    "at": 1,
    "operation": "ERASURE",
    "principal": "E09000004/dwp",
    "actor": "somebody-else",
    "role": "none",
    "ref": "HO-E09000012-2026-999999",
    "version": 9,
    "leg": "f" * 32,
    "sections": ("core",),
    "recipients": (),
    "justification": "OTHER",
    "note": "added later",
    "salt": bytes(32),
    "purpose": "ENFORCEMENT",
    "sealed": b"other words",
}


def test_every_column_is_tried() -> None:
    assert set(CHANGES) | {"id"} == {one.name for one in dataclasses.fields(AccessRow)}


@pytest.mark.parametrize("column", CHANGES)
async def test_a_row_that_was_altered_is_named(node: Node, column: str) -> None:
    row = rows(node)[3]
    rows(node)[3] = dataclasses.replace(row, **{column: CHANGES[column]})
    found = await accounts.check(node)
    assert (found.altered, found.removed, found.added, found.good) == ((row.id,), (), (), False)


async def test_a_row_that_lost_its_salt_is_no_older_row(node: Node) -> None:
    row = rows(node)[3]
    rows(node)[3] = dataclasses.replace(row, salt=b"", actor="somebody-else")
    found = await accounts.check(node)
    assert (found.altered, found.older) == ((row.id,), 0)


async def test_a_row_that_was_taken_out_is_named(node: Node) -> None:
    gone = rows(node).pop(2)
    found = await accounts.check(node)
    assert (found.altered, found.removed, found.added) == ((), (gone.id,), ())
    assert not found.good


@pytest.mark.parametrize("how", ["new", "copy", "without a salt"])
async def test_a_row_that_was_put_in_is_named(node: Node, how: str) -> None:
    row = rows(node)[3]
    made = {
        "new": dataclasses.replace(row, id="e" * 32),
        "copy": row,
        "without a salt": dataclasses.replace(row, id="e" * 32, salt=b"", at=row.at + 1),
    }[how]
    rows(node).append(made)
    found = await accounts.check(node)
    assert (found.altered, found.removed, found.added) == ((), (), (made.id,))


async def test_rows_of_an_older_release_are_counted_and_not_judged(node: Node) -> None:
    older = dataclasses.replace(rows(node)[0], id="0" * 32, salt=b"", at=rows(node)[0].at - 1)
    rows(node).insert(0, older)
    assert await accounts.check(node) == accounts.Checked(9, 1, (), (), ())


async def test_a_leaf_that_was_made_to_fit_breaks_the_tree(node: Node) -> None:
    """Whoever changes row and leaf meets the checkpoint that the log key signed."""
    await logbook.checkpoint(node)
    row = dataclasses.replace(rows(node)[3], actor="somebody-else")
    rows(node)[3] = row
    log = tables(node).log
    place = next(place for place, (leaf, _) in enumerate(log) if row.id.encode() in leaf)
    log[place] = (log[place][0].replace(old_hash(log[place][0]), accounts.digest(row).encode()), "")
    with pytest.raises(GatewayError) as error:
        await accounts.check(node)
    assert error.value.code in {"log_forked", "log_broken"}


def old_hash(leaf: bytes) -> bytes:
    found: str = json.loads(leaf)["h"]
    return found.encode()


async def test_the_tree_is_hashed_anew_and_not_believed(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store whose subtree hashes were left as they were still shows the leaf that was changed."""
    signed = await logbook.checkpoint(node)
    log = tables(node).log
    place = next(place for place, (leaf, _) in enumerate(log) if b'"t":"access"' in leaf)
    log[place] = (log[place][0].replace(b'"h":"', b'"h":"A'), "")

    async def believed(_: object) -> Any:
        return signed

    monkeypatch.setattr(logbook, "checkpoint", believed)
    with pytest.raises(GatewayError) as error:
        await accounts.check(node)
    assert error.value.code == "log_broken"
    del log[place:]
    with pytest.raises(GatewayError) as error:
        await accounts.check(node)
    assert error.value.code == "log_broken"


async def test_more_than_a_page(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "PAGE", 2)
    gone = rows(node).pop()
    assert (await accounts.check(node)).removed == (gone.id,)


def test_rows_are_put_in_one_place() -> None:
    """Whoever puts a row without its leaf makes the whole access log look tampered with."""
    flows = Path(accounts.__file__).parent
    callers = [path.name for path in flows.glob("*.py") if "put_access(" in path.read_text()]
    assert callers == ["accounts.py"]
