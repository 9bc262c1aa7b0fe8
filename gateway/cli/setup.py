"""What ``gateway init`` does: decide everything first, then write so that a crash leaves nothing half.

Order: the keys are made in a folder aside, which becomes ``keys`` by one rename; the configuration comes
last. So a run that broke off is simply run again: half a folder aside is thrown away, a whole ``keys``
without a configuration is kept and finished. Where there is a configuration, nothing is touched.
"""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import tomli_w

from gateway.cli.output import Usage
from gateway.clock import SystemClock
from gateway.config import ROLE, Governance
from gateway.core.ceremony import SUBKEY_LIFE
from gateway.core.directory import display_name
from gateway.core.keys import fingerprint_of
from gateway.errors import Conflict
from gateway.keystore import KeyStore, write_private
from schemas.areas import Area, find
from schemas.vocabulary import Agency, agency_type

DEFAULT = (
    "community_safety",
    "police",
    "probation",
    "youth_justice",
    "childrens_social_care",
    "leaving_care",
    "housing",
    "dwp",
    "victim_support",
)
"""Agencies of a borough when none is named: those whose type is their role's name."""


@dataclass(frozen=True, slots=True)
class BrokerPlan:
    url: str
    credentials: Path | None
    create: bool
    certificate: Path | None = None
    key: Path | None = None
    cafile: Path | None = None

    @property
    def files(self) -> dict[str, str]:
        """As the settings of [broker]. Absolute: a node is started from anywhere."""
        named = {
            "credentials_file": self.credentials,
            "cafile": self.cafile,
            "certificate": self.certificate,
            "key": self.key,
        }
        return {name: str(path.absolute()) for name, path in named.items() if path}


@dataclass(frozen=True, slots=True)
class AgencyPlan:
    role: str
    type: str
    organisation: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything decided, nothing written."""

    area: Area
    folder: Path
    environment: str
    agencies: Sequence[AgencyPlan]
    broker: BrokerPlan
    database: str
    database_file: Path | None
    api_port: int
    passphrase_file: Path | None
    governance: Mapping[str, Any]

    @property
    def slug(self) -> str:
        return slug_of(self.area)

    @property
    def config(self) -> Path:
        return self.folder / "gateway.toml"

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    @property
    def principals(self) -> Sequence[str]:
        return [f"{self.area.code}/{role}" for role in ("node", *(agency.role for agency in self.agencies))]


def plan(
    *,
    area: str,
    data: Path | None,
    environment: str,
    agencies: Sequence[str],
    broker: BrokerPlan,
    database: str,
    database_file: Path | None,
    api_port: int,
    passphrase_file: Path | None,
    governance: Path | None = None,
) -> Plan:
    """Raises Usage naming the option that is wrong."""
    found = area_of(area)
    if environment not in {"prod", "demo"}:
        raise Usage("an environment is prod or demo", code="environment", field="--environment")
    _check_url(broker.url, "--broker", ("amqp", "amqps"), "--broker-credentials FILE")
    if (broker.certificate is None) is not (broker.key is None):
        raise Usage(
            "a client certificate for the broker and its key go together",
            code="certificate",
            field="--broker-key" if broker.key is None else "--broker-certificate",
            remedy="name both, or neither",
        )
    if database:
        _check_url(database, "--db", ("sqlite", "postgresql+psycopg"), "--db-url-file FILE")
    return Plan(
        area=found,
        folder=(data or Path(slug_of(found))).absolute(),
        environment=environment,
        agencies=agencies_of(agencies),
        broker=broker,
        database=database,
        database_file=_absolute(database_file),
        api_port=api_port,
        passphrase_file=_absolute(passphrase_file),
        governance=_on_file(governance),
    )


def _on_file(path: Path | None) -> Mapping[str, Any]:
    """The section out of the file named; empty, for its operator to fill in, without one. Raises Usage."""
    if path is None:
        return {"dpia_ref": "", "eia_ref": "", "dpo": "", "policies": [], "agreements": []}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))["governance"]
        Governance(**table)
    except (OSError, ValueError, TypeError, KeyError):
        raise Usage(
            "no usable section [governance] in this file",
            code="governance",
            field="--governance",
            remedy="`gateway config example` prints one",
        ) from None
    return dict(table)


def area_of(text: str) -> Area:
    """Raises Usage for what is no area of London."""
    found = find(text.replace("-", " "))
    if found is None:
        raise Usage(
            "no such area",
            code="unknown_area",
            field="--area",
            remedy="`gateway areas` lists names and codes",
        )
    return found


def slug_of(area: Area) -> str:
    return area.name.lower().replace(" ", "-")


def _absolute(path: Path | None) -> Path | None:
    return path.absolute() if path else None


def _check_url(url: str, option: str, schemes: Sequence[str], instead: str) -> None:
    """The form, and that no password is in it: it would stand in the process list and the shell's history."""
    try:
        parts = urlsplit(url)
        password = parts.password
    except ValueError:
        raise Usage("this is no URL", code="url", field=option) from None
    if parts.scheme not in schemes:
        raise Usage(
            f"the URL does not begin with {' or '.join(f'{scheme}://' for scheme in schemes)}",
            code="url",
            field=option,
            remedy="correct the URL",
        )
    if password is not None:
        raise Usage(
            "a password on the command line is seen by everybody on this machine",
            code="password_in_argv",
            field=option,
            remedy=f"leave it out here and put it into a file: {instead}; and change it, for it was shown",
        )


def agencies_of(named: Sequence[str]) -> Sequence[AgencyPlan]:
    plans = [_agency(text) for text in named or DEFAULT]
    if len({agency.role for agency in plans}) != len(plans):
        raise Usage("a role is named twice", code="agency", field="--agency", remedy="name each role once")
    return plans


def _agency(text: str) -> AgencyPlan:
    role, _, kind = text.partition("=")
    kind, _, organisation = kind.partition(":")
    kind = agency_type(kind or role)
    if not re.fullmatch(ROLE, role) or role in {"node", "auditor"}:
        raise Usage(
            "a role is 2 to 31 small letters, digits and _; node and auditor are taken",
            code="agency",
            field="--agency",
            remedy="e.g. police",
        )
    if kind not in set(Agency):
        raise Usage(
            "no such type of agency",
            code="agency",
            field="--agency",
            remedy="ROLE=TYPE with one of " + ", ".join(Agency),
        )
    if organisation and not display_name(organisation):
        raise Usage("an organisation's name cannot be shown", code="agency", field="--agency")
    return AgencyPlan(role, kind, organisation)


def check_new(plan: Plan) -> None:
    """Raises Conflict when there is a node already, before anybody is asked for a passphrase."""
    if plan.config.exists():
        raise Conflict(
            f"{plan.config} exists",
            code="config_exists",
            remedy="a node is never overwritten: name another --data, or move this folder away",
        )


def make(plan: Plan, passphrase: bytes) -> Mapping[str, Any]:
    """Write keys and configuration. Returns what was made; nothing secret is in it."""
    plan.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    store = _finished(plan, passphrase) if plan.keys.exists() else _keys(plan, passphrase)
    try:
        write_private(plan.config, tomli_w.dumps(_table(plan)).encode())
    except FileExistsError:  # another run was quicker; check_new has looked before the keys were made
        check_new(plan)
    node = f"{plan.area.code}/node"
    return {
        "area": plan.area.code,
        "name": plan.area.name,
        "environment": plan.environment,
        "config": str(plan.config),
        "keys": str(plan.keys),
        "fingerprint": fingerprint_of(store.signer(node).public),
        "agencies": {
            name: fingerprint_of(store.signer(name).public) for name in plan.principals if name != node
        },
    }


def _keys(plan: Plan, passphrase: bytes) -> KeyStore:
    aside = plan.folder / ".keys.new"
    if aside.exists():
        shutil.rmtree(aside)
    store, now = KeyStore.create(aside, passphrase, plan.environment), SystemClock().now()
    for principal in plan.principals:
        store.add_identity(principal)
        store.add_kem(principal, now, now + SUBKEY_LIFE)
    store.add_identity(f"{plan.area.code}/node", purpose="log")
    aside.rename(plan.keys)
    return store


def _finished(plan: Plan, passphrase: bytes) -> KeyStore:
    """The keys of a run that broke off before it wrote the configuration."""
    store = KeyStore.open(plan.keys, passphrase, plan.environment)
    if set(store.principals()) != set(plan.principals):
        raise Conflict(
            f"{plan.keys} holds the keys of other principals",
            code="keys_exist",
            remedy="run it with the options of the run that made them, or move the folder away",
        )
    return store


def _table(plan: Plan) -> dict[str, Any]:
    broker: dict[str, Any] = {"urls": [plan.broker.url], **plan.broker.files}
    if plan.broker.create:
        broker["create"] = True
    table: dict[str, Any] = {
        "environment": plan.environment,
        "area": plan.area.code,
        "data": str(plan.folder),
        "database": _database(plan),
        "broker": broker,
        "api": {"host": "127.0.0.1", "port": plan.api_port},
        "keys": {"folder": str(plan.keys)},
        "governance": dict(plan.governance),
        "agencies": {agency.role: _section(agency) for agency in plan.agencies},
    }
    if plan.passphrase_file:
        table["keys"]["passphrase_file"] = str(plan.passphrase_file)
    return table


def _database(plan: Plan) -> dict[str, Any]:
    if plan.database_file:
        return {"url_file": str(plan.database_file)}
    return {"url": plan.database or f"sqlite:///{plan.folder / 'gateway.db'}"}


def _section(agency: AgencyPlan) -> dict[str, Any]:
    named = {"organisation": agency.organisation} if agency.organisation else {}
    return {"type": agency.type, **named, "adapter": "inbox"}


def told(made: Mapping[str, Any]) -> str:
    lines = [f"{made['name']} ({made['area']}): {made['config']}", f"  node  {made['fingerprint']}"]
    lines += [f"  {name.partition('/')[2]}  {print_}" for name, print_ in made["agencies"].items()]
    return "\n".join(lines)
