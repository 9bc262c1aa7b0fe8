"""What ``gateway retention`` does, on the database and the key store of a node, running or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from gateway.cli.files import write_output
from gateway.cli.output import Usage
from gateway.cli.shredding import Keeper, with_keeper
from gateway.core import attestation
from gateway.core.durations import DAY
from gateway.core.logged import Logged
from gateway.core.merkle import leaf_hash
from gateway.core.retention import TABLE
from gateway.errors import GatewayError, NotFound
from gateway.flows import attest as attesting
from gateway.flows import holds as holding
from gateway.flows import retention
from gateway.flows.facts import end_of_day
from gateway.flows.pinned import pinned
from gateway.flows.purge_clock import due_of
from gateway.flows.retention import Coming
from gateway.flows.show import when
from gateway.flows.shred import Person
from gateway.ports import HandoverRow, HoldRow, PurgeRow, Side, Transaction

SOON = 7 * DAY


def day(text: str, field: str) -> int:
    """The end of that day in London, unix seconds; 0 for none. Raises Usage."""
    try:
        return end_of_day(date.fromisoformat(text)) if text else 0
    except ValueError:
        raise Usage("not a day", code="day", field=field, remedy="a day is written 2027-01-31") from None


# --- show -------------------------------------------------------------------------------------------


def one(config: Path | None, ref: str) -> dict[str, Any]:
    async def work(keeper: Keeper) -> dict[str, Any]:
        return await keeper.store.read(lambda tx: _one(tx, keeper, ref))

    return with_keeper(config, work)


def _one(tx: Transaction, keeper: Keeper, ref: str) -> dict[str, Any]:
    newest = tx.handover(ref)
    if newest is None:
        raise NotFound("no such handover here", code="no_handover", remedy="check the reference")
    rows = [row for version in range(newest.version, 0, -1) if (row := tx.handover(ref, version))]
    purged = tx.purges(ref)
    return {
        "handover": ref,
        "versions": [_version(tx, keeper, row, purged) for row in rows],
        "holds": [_hold(row) for row in tx.holds(ref)],
    }


def _version(tx: Transaction, keeper: Keeper, row: HandoverRow, purged: Sequence[PurgeRow]) -> dict[str, Any]:
    due, gone = due_of(tx, row), row.state == "PURGED"
    mine = [one for one in purged if one.version == row.version]
    return {
        "version": row.version,
        "side": row.side.value,
        "state": row.state,
        "issued": when(row.issued or row.created),
        "purge": None if gone else {"at": when(due.at), "why": due.why.value},
        "review_by": when(row.review_by) if row.review_by else None,
        "review_overdue": bool(row.review_by) and row.review_by <= keeper.clock.now() and not gone,
        "purged": [_purge(one) for one in mine],
        "not_attested": [*attesting.missing(tx, row)] if gone and row.side is Side.ORIGIN else [],
    }


def _purge(row: PurgeRow) -> dict[str, Any]:
    return {
        "area": row.area,
        "at": when(row.at),
        "why": row.why,
        "messages": row.messages,
        "parts": row.parts,
        "files": row.files,
        "unanswered": row.unanswered,
        "attested": bool(row.note),
    }


def one_told(found: Mapping[str, Any]) -> str:
    lines = []
    for version in found["versions"]:
        lines.append(f"version {version['version']} ({version['side']}): {version['state']}")
        if version["purge"]:
            lines.append(f"  purged at {version['purge']['at']} ({version['purge']['why']}), or earlier")
        if version["review_by"]:
            late = " OVERDUE: it cannot be sent again" if version["review_overdue"] else ""
            lines.append(f"  reviewed by {version['review_by']}{late}")
        for purge in version["purged"]:
            attested = "attested" if purge["attested"] else "not attested yet"
            lines.append(f"  {purge['area']} purged it at {purge['at']} ({purge['why']}), {attested}")
        lines += [f"  {area} has not attested" for area in version["not_attested"]]
    return "\n".join(lines + [f"held: {hold_told(one)}" for one in found["holds"]])


def everything(config: Path | None) -> dict[str, Any]:
    async def work(keeper: Keeper) -> dict[str, Any]:
        coming = await retention.preview(keeper, keeper.clock.now() + SOON)
        counted = await keeper.store.read(lambda tx: _counted(tx, keeper))
        return {**counted, "due_in_a_week": len(coming), "kept": _table()}

    return with_keeper(config, work)


def _counted(tx: Transaction, keeper: Keeper) -> dict[str, Any]:
    now, after = keeper.clock.now(), ""
    total, overdue = 0, []
    while page := tx.unpurged(after, retention.PAGE):
        after = page[-1].id
        total += len(page)
        overdue += [f"{row.ref}/{row.version}" for row in page if 0 < row.review_by <= now]
    silent = [row.subject for row in tx.standing_alarms(attesting.OVERDUE)]
    return {
        "with_content": total,
        "holds": len(tx.holds()),
        "reviews_overdue": overdue,
        "attestations_overdue": silent,
    }


def _table() -> list[dict[str, Any]]:
    return [
        {"what": name, "days": kept.seconds // DAY, "why": kept.why, "by_itself": kept.pruned}
        for name, kept in TABLE.items()
    ]


def everything_told(found: Mapping[str, Any]) -> str:
    lines = [
        f"{found['with_content']} versions with content, {found['due_in_a_week']} of them due in a week,"
        f" {found['holds']} holds"
    ]
    lines += [f"review overdue: {name}" for name in found["reviews_overdue"]]
    lines += [f"attestation overdue: {name}" for name in found["attestations_overdue"]]
    return "\n".join(
        lines + [f"{one['what']:13} {one['days']:5} days  {one['why']}" for one in found["kept"]]
    )


# --- preview and run --------------------------------------------------------------------------------


def preview(config: Path | None, until: str) -> dict[str, Any]:
    limit = day(until, "--until")

    async def work(keeper: Keeper) -> dict[str, Any]:
        found = await retention.preview(keeper, limit or None)
        return {"done": False, "coming": [_coming(one) for one in found]}

    return with_keeper(config, work)


def run(config: Path | None, actor: str, role: str) -> dict[str, Any]:
    async def work(keeper: Keeper) -> dict[str, Any]:
        found = await retention.run(keeper, Person(actor, role))
        return {"done": True, "coming": [_coming(one) for one in found]}

    return with_keeper(config, work)


def _coming(one: Coming) -> dict[str, Any]:
    return {
        "handover": one.ref,
        "version": one.version,
        "side": one.side.value,
        "peer": one.peer,
        "due": when(one.due),
        "why": one.why.value,
        "messages": one.messages,
        "bytes": one.bytes,
        "unanswered": one.unanswered,
        "held": one.held,
    }


def coming_told(found: Mapping[str, Any]) -> str:
    verb = "purged" if found["done"] else "goes"
    lines = [
        f"{one['handover']}/{one['version']} ({one['side']}, {one['peer']}): "
        + (f"HELD ({one['held']})" if one["held"] else f"{verb}, due {one['due']} ({one['why']})")
        + f", {one['messages']} messages, {one['bytes']} bytes"
        + (f", {one['unanswered']} legs nobody answered" if one["unanswered"] else "")
        for one in found["coming"]
    ]
    return "\n".join(lines) or "nothing is due"


# --- attestations -----------------------------------------------------------------------------------


def attest(config: Path | None, ref: str, out: Path) -> dict[str, Any]:
    async def work(keeper: Keeper) -> dict[str, Any]:
        rows = await keeper.store.read(lambda tx: attesting.notes_of(tx, ref))
        roots, directories = await keeper.store.read(lambda tx: (tx.trust("root"), tx.trust("directory")))
        packed = attestation.pack(
            [row.note for row in roots],
            directories[-1].note,
            [row.note for row in rows],
            await _log(keeper, [row for row in rows if row.area == keeper.area]),
        )
        write_output(out, packed)
        return {"handover": ref, "file": str(out), "attestations": [_purge(row) for row in rows]}

    return with_keeper(config, work)


async def _log(keeper: Keeper, rows: Sequence[PurgeRow]) -> Logged | None:
    """The proof of our own leaf; None where there is none of ours, or no checkpoint can be made now."""
    if not rows:
        return None
    leaf, mid = await keeper.store.read(
        lambda tx: (retention.leaf_of(tx, rows[-1]), retention.main_message(tx, rows[-1]))
    )
    try:
        found = await pinned(keeper, mid)
    except GatewayError:
        return None
    return Logged(found.checkpoint, [one for one in found.leaves if leaf_hash(one.leaf) == leaf_hash(leaf)])


def attested_told(found: Mapping[str, Any]) -> str:
    lines = [f"{one['area']} purged it at {one['at']} ({one['why']})" for one in found["attestations"]]
    return "\n".join([*lines, f"written to {found['file']}"])


def audit(config: Path | None) -> dict[str, Any]:
    async def work(keeper: Keeper) -> dict[str, Any]:
        found = await attesting.audit(keeper)
        faults = [
            {"handover": row.ref, "version": row.version, "readable": [*mids]} for row, mids in found if mids
        ]
        return {"good": not faults, "purges": len(found), "faults": faults}

    return with_keeper(config, work)


def audit_told(found: Mapping[str, Any]) -> str:
    lines = [
        f"{one['handover']}/{one['version']}: {len(one['readable'])} messages that were purged still open:"
        " was an old key folder put back?"
        for one in found["faults"]
    ]
    return "\n".join(lines) or f"{found['purges']} purges, and nothing of them opens"


# --- holds ------------------------------------------------------------------------------------------


def place(
    config: Path | None, ref: str, code: str, role: str, actor: str, until: str, review: str
) -> dict[str, Any]:
    ends, looked = day(until, "--until"), day(review, "--review")
    if not ends and not looked:
        raise Usage(
            "a hold without an end is looked at again",
            code="hold",
            field="--review",
            remedy="give --until DAY, or --review DAY within a year",
        )

    async def work(keeper: Keeper) -> dict[str, Any]:
        return _hold(
            await holding.place(keeper, ref, code, role=role, actor=actor, until=ends, review=looked)
        )

    return with_keeper(config, work)


def holds(config: Path | None, *, everything: bool) -> dict[str, Any]:
    async def work(keeper: Keeper) -> dict[str, Any]:
        return {"holds": [_hold(row) for row in await holding.listed(keeper, all_=everything)]}

    return with_keeper(config, work)


def lift(config: Path | None, identity: str, role: str, actor: str) -> dict[str, Any]:
    async def work(keeper: Keeper) -> dict[str, Any]:
        return _hold(await holding.lift(keeper, identity, role=role, actor=actor))

    return with_keeper(config, work)


def _hold(row: HoldRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "handover": row.ref,
        "reason": row.code,
        "by": row.role,
        "placed": when(row.placed),
        "until": when(row.until) if row.until else None,
        "review": when(row.review),
        "lifted": when(row.lifted) if row.lifted else None,
    }


def hold_told(found: Mapping[str, Any]) -> str:
    end = f"until {found['until']}" if found["until"] else f"review by {found['review']}"
    lifted = f", lifted {found['lifted']}" if found["lifted"] else ""
    return f"{found['id']}  {found['handover']}  {found['reason']}  {found['by']}  {end}{lifted}"
