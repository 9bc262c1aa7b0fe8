"""What ``gateway bridge`` does at the desk of an area without a gateway: keys, files in, answers out."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from gateway.cli.files import read_input, write_output
from gateway.cli.output import Usage
from gateway.cli.passphrase import existing
from gateway.cli.setup import AgencyPlan
from gateway.cli.signing import read_draft
from gateway.client.carried import open_answer
from gateway.client.desk import Desk
from gateway.client.intake import PACE
from gateway.clock import SystemClock
from gateway.core import draft as drafts
from gateway.core.agency_part import read_part
from gateway.core.bridge import MARKING
from gateway.core.ceremony import Member, make_card, make_request, open_request
from gateway.core.directory import display_name
from gateway.core.encoding import AREA, JsonObject, b64
from gateway.core.rotation import next_term, on_card
from gateway.errors import Conflict, Misconfigured
from gateway.flows import acknowledge, notice_answer
from gateway.flows.show import when
from gateway.keystore import KeyStore, write_private

CONFIG = "desk.toml"


@dataclass(frozen=True, slots=True)
class DeskPlan:
    """Everything decided, nothing written."""

    area: str
    name: str
    agencies: Sequence[AgencyPlan]
    environment: str
    net: bytes
    fingerprint: str
    folder: Path
    parts: Sequence[Path]
    passphrase_file: Path | None


def plan(
    *,
    area: str,
    name: str,
    agencies: Sequence[AgencyPlan],
    network: Path,
    expect: str,
    folder: Path,
    parts: Sequence[Path],
    passphrase_file: Path | None,
) -> DeskPlan:
    """Raises Usage naming the option that is wrong, Untrusted for another network than the one read aloud."""
    if not re.fullmatch(AREA, area):
        raise Usage("an area is an ONS code", code="unknown_area", field="--area", remedy="e.g. E10000016")
    if not display_name(name):
        raise Usage("this name cannot be shown", code="area_name", field="--name")
    if (folder / CONFIG).exists():
        raise Conflict(
            f"{folder / CONFIG} exists",
            code="config_exists",
            remedy="a desk is never overwritten: name another --keys, or move this folder away",
        )
    draft = read_draft(network)
    drafts.check_network(draft, expect)
    return DeskPlan(
        area,
        name,
        agencies,
        drafts.root_of(draft).env,
        drafts.net_of(draft),
        expect.strip().lower(),
        folder.absolute(),
        parts,
        passphrase_file.absolute() if passphrase_file else None,
    )


def make(plan: DeskPlan, passphrase: bytes) -> Mapping[str, Any]:
    """Keys, the request for the directory's signers, and last the configuration. Returns what was made."""
    plan.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    keys = plan.folder / "keys"
    store = KeyStore.open(keys, passphrase, plan.environment) if keys.exists() else _keys(plan, passphrase)
    request = _request(plan, store)
    out = plan.folder / f"{plan.area}.request"
    write_output(out, request)
    table: dict[str, Any] = {
        "area": plan.area,
        "environment": plan.environment,
        "network": plan.fingerprint,
    }
    if plan.passphrase_file:
        table["passphrase_file"] = str(plan.passphrase_file)
    write_private(plan.folder / CONFIG, tomli_w.dumps(table).encode())
    return {"area": plan.area, "request": str(out), "fingerprint": open_request(request).fingerprint}


def _keys(plan: DeskPlan, passphrase: bytes) -> KeyStore:
    """In a folder aside, which takes its place by one rename: a run that broke off is run again."""
    aside = plan.folder / ".keys.new"
    if aside.exists():
        shutil.rmtree(aside)
    store = KeyStore.create(aside, passphrase, plan.environment)
    store.add_identity(f"{plan.area}/node", purpose="log")
    for role in ("node", *(agency.role for agency in plan.agencies)):
        store.add_identity(f"{plan.area}/{role}")
        store.add_kem(f"{plan.area}/{role}", *next_term(SystemClock().now(), PACE))
    aside.rename(plan.folder / "keys")
    return KeyStore.open(plan.folder / "keys", passphrase, plan.environment)


def _request(plan: DeskPlan, store: KeyStore) -> bytes:
    """Everybody ``hosted: false``, the node too: so the directory says that no gateway stands here."""
    now, node = SystemClock().now(), f"{plan.area}/node"
    members = [Member(node, "NODE", store.signer(node), store.log_signer(plan.area), hosted=False)]
    for agency in plan.agencies:
        name = f"{plan.area}/{agency.role}"
        signer = store.signer(name)
        members.append(Member(name, agency.type, signer, organisation=agency.organisation, hosted=False))
    cards = [
        make_card(one.signer, on_card(store.subkeys(one.principal), now), net=plan.net, version=now)
        for one in members
    ]
    parts = [read_part(read_input(path)) for path in plan.parts]
    return make_request(plan.area, plan.name, members, cards, parts=parts)


def desk(folder: Path, passphrase_file: Path | None) -> Desk:
    """Raises Misconfigured for a folder that ``gateway bridge init`` did not make, or that does not open."""
    try:
        with (folder / CONFIG).open("rb") as file:
            table = tomllib.load(file)
        area, environment, network = (str(table[name]) for name in ("area", "environment", "network"))
    except (OSError, ValueError, KeyError):
        raise Misconfigured(
            f"{folder / CONFIG} cannot be read",
            code="no_config",
            field="--keys",
            remedy="name the folder that `gateway bridge init` made",
        ) from None
    named = table.get("passphrase_file")
    words = existing(passphrase_file or (Path(str(named)) if named else None))
    store = KeyStore.open(folder / "keys", words, environment)
    return Desk(area, store, folder / "state", store.secret("answers"), network, SystemClock().now)


def fingerprint(desk: Desk, network: Path | None) -> Mapping[str, Any]:
    if network is not None:
        draft = read_draft(network)
        bundle = drafts.finish(draft, now=desk.now())
        documents: JsonObject = {
            "roots": [b64(note) for note in bundle.roots],
            "directory": b64(bundle.directory),
            "cards": [],
            "suspensions": [],
        }
        desk.take_up(documents)
    return {"area": desk.area, "fingerprint": desk.fingerprint_of_keys()}


def opened(desk: Desk, file: Path) -> Mapping[str, Any]:
    """PLAINTEXT for the keys at hand."""
    view = asyncio.run(desk.open(read_input(file)))
    routing, block = view.taken.routing, view.taken.block
    notice = {"notice": block.id, "kind": block.kind.value, "reason_code": block.code} if block else {}
    return {
        **notice,
        "handover": routing.handover,
        "version": routing.version,
        "urgency": routing.urgency,
        "from": view.taken.sender,
        "received": when(view.taken.at),
        "agencies": {principal: dict(one.sections) for principal, one in view.opened.items()},
        "elsewhere": list(view.elsewhere),
    }


def package(desk: Desk, file: Path, agency: str, out: Path) -> Mapping[str, Any]:
    principal = f"{desk.area}/{agency}"
    write_output(_marked(out), desk.package(read_input(file), principal), mode=0o600)
    return {"principal": principal, "file": str(out)}


def receipt(desk: Desk, file: Path, out: Path) -> Mapping[str, Any]:
    """That it came, and what was opened, without an answer yet."""
    data = read_input(file)
    taken = desk.take_in(data)
    return _written(desk, data, desk.answers(taken), out)


def answer(desk: Desk, file: Path, agency: str, words: Mapping[str, Any], out: Path) -> Mapping[str, Any]:
    """Of a handover or of a notice about one: the file says which."""
    data, principal = read_input(file), f"{desk.area}/{agency}"
    if desk.take_in(data).block is None:
        made = asyncio.run(desk.answer(data, principal, acknowledge.read(json.dumps(words).encode())))
    else:
        told = notice_answer.read(json.dumps(words).encode())
        made = asyncio.run(desk.answer_notice(data, principal, told))
    return _written(desk, data, made, out)


def take_answer(desk: Desk, file: Path, packed: Path, out: Path) -> Mapping[str, Any]:
    data = read_input(file)
    return _written(desk, data, desk.take_answer(data, open_answer(read_input(packed))), out)


def _written(desk: Desk, data: bytes, made: bytes, out: Path) -> Mapping[str, Any]:
    taken = desk.take_in(data)
    path = out / desk.answer_name(taken) if out.is_dir() else _marked(out)
    write_output(path, made, mode=0o600)
    return {"handover": taken.routing.handover, "to": taken.sender, "file": str(path)}


def _marked(out: Path) -> Path:
    if not out.name.startswith(MARKING):
        raise Usage(
            f"a sealed handover is named {MARKING}...",
            code="marking",
            field="--out",
            remedy=f"begin the file's name with {MARKING}",
        )
    return out
