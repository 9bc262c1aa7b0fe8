"""What ``gateway agency-agent init`` does: decide everything, then write so that a crash leaves nothing half.

Order: the keys are made in a folder aside, which becomes ``keys`` by one rename; then the part for the
borough's request; the configuration comes last. A run that broke off is run again and finishes.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from gateway.cli.files import write_output
from gateway.cli.output import Usage
from gateway.cli.setup import area_of
from gateway.cli.signing import read_draft
from gateway.clock import SystemClock
from gateway.config import ROLE
from gateway.core import draft as drafts
from gateway.core.agency_part import make_part, read_part
from gateway.core.ceremony import make_card
from gateway.core.directory import NODE_ROLE, display_name
from gateway.core.rotation import next_term, on_card
from gateway.errors import Conflict
from gateway.keystore import KeyStore, write_private
from schemas.vocabulary import Agency, agency_type


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything decided, nothing written."""

    principal: str
    agency: str
    organisation: str
    environment: str
    net: bytes
    fingerprint: str
    api: str
    folder: Path
    passphrase_file: Path | None

    @property
    def role(self) -> str:
        return self.principal.partition("/")[2]

    @property
    def config(self) -> Path:
        return self.folder / "agent.toml"

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    @property
    def part(self) -> Path:
        return self.folder / f"{self.role}.part"


def plan(
    *,
    area: str,
    role: str,
    agency: str,
    organisation: str,
    network: Path,
    expect: str,
    api: str,
    data: Path | None,
    passphrase_file: Path | None,
) -> Plan:
    """Raises Usage naming the option that is wrong, Untrusted for another network than the one read aloud."""
    if not re.fullmatch(ROLE, role) or role == NODE_ROLE:
        raise Usage("a role is 2 to 31 small letters, digits and _", code="agency", field="--role")
    kind = agency_type(agency or role)
    if kind not in set(Agency):
        raise Usage(
            "no such type of agency", code="agency", field="--type", remedy="one of " + ", ".join(Agency)
        )
    if organisation and not display_name(organisation):
        raise Usage("an organisation's name cannot be shown", code="agency", field="--organisation")
    draft = read_draft(network)
    drafts.check_network(draft, expect)
    return Plan(
        principal=f"{area_of(area).code}/{role}",
        agency=kind,
        organisation=organisation,
        environment=drafts.root_of(draft).env,
        net=drafts.net_of(draft),
        fingerprint=expect.strip().lower(),
        api=api,
        folder=(data or Path(role)).absolute(),
        passphrase_file=passphrase_file.absolute() if passphrase_file else None,
    )


def check_new(plan: Plan) -> None:
    """Raises Conflict when there is an agent already, before anybody is asked for a passphrase."""
    if plan.config.exists():
        raise Conflict(
            f"{plan.config} exists",
            code="config_exists",
            remedy="an agent is never overwritten: name another --data, or move this folder away",
        )


def make(plan: Plan, passphrase: bytes) -> Mapping[str, Any]:
    """Write keys, part and configuration. Returns what was made; nothing secret is in it."""
    plan.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    store = KeyStore.open(plan.keys, passphrase, plan.environment) if plan.keys.exists() else None
    store = store or _keys(plan, passphrase)
    now, signer = SystemClock().now(), store.signer(plan.principal)
    card = make_card(signer, on_card(store.subkeys(plan.principal), now), net=plan.net, version=now)
    note = make_part(signer, agency=plan.agency, organisation=plan.organisation, card=card, net=plan.net)
    write_output(plan.part, note)
    try:
        write_private(plan.config, tomli_w.dumps(_table(plan)).encode())
    except FileExistsError:  # another run was quicker; check_new has looked before the keys were made
        check_new(plan)
    return {
        "principal": plan.principal,
        "environment": plan.environment,
        "network": plan.fingerprint,
        "fingerprint": read_part(note).fingerprint,
        "part": str(plan.part),
        "config": str(plan.config),
    }


def _keys(plan: Plan, passphrase: bytes) -> KeyStore:
    aside = plan.folder / ".keys.new"
    if aside.exists():
        shutil.rmtree(aside)
    store = KeyStore.create(aside, passphrase, plan.environment)
    store.add_identity(plan.principal)
    store.add_kem(plan.principal, *next_term(SystemClock().now()))
    aside.rename(plan.keys)
    return KeyStore.open(plan.keys, passphrase, plan.environment)


def _table(plan: Plan) -> dict[str, Any]:
    table: dict[str, Any] = {
        "principal": plan.principal,
        "environment": plan.environment,
        "network": plan.fingerprint,
        "api": plan.api,
        "token_file": str(plan.folder / "token"),
        "data": str(plan.folder),
        "adapter": "file_drop",
        "profile": plan.agency.lower(),
        "options": {"folder": str(plan.folder / "drop")},
    }
    if plan.passphrase_file:
        table["passphrase_file"] = str(plan.passphrase_file)
    return table
