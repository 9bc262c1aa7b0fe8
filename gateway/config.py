"""The settings of one node: frozen, validated, read in one place.

Order, later wins: ``gateway.toml`` (``--config`` > ``$GATEWAY_CONFIG`` > ``./gateway.toml`` >
``/etc/gateway/gateway.toml``), then environment variables ``GATEWAY__SECTION__KEY``. A secret is never a
setting: a setting names the FILE that holds it. Nothing else in the gateway reads the environment.

Example::

    environment = "prod"
    area = "E09000012"
    data = "/var/lib/gateway"

    [database]
    url = "sqlite:////var/lib/gateway/gateway.db"

    [broker]
    urls = ["amqps://broker.example:5671/handover"]
    credentials_file = "/run/secrets/broker"

    [agencies.police]
    adapter = "webhook"
    justification = "STANDING_ADAPTER"
    [agencies.police.options]
    url = "https://intake.police.example/handovers"
    secret_file = "/run/secrets/police-webhook"
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from gateway.errors import Misconfigured, Problem

AREA = r"^[A-Z][0-9]{8}$"  # pydantic matches with Rust, whose $ is the very end
ROLE = r"^[a-z][a-z0-9_]{1,30}$"
PLACES = (Path("gateway.toml"), Path("/etc/gateway/gateway.toml"))

AreaCode = Annotated[str, Field(pattern=AREA)]
RoleName = Annotated[str, Field(pattern=ROLE)]
MailAddress = Annotated[str, Field(pattern=r"^[^@\s<>,;:]+@[^@\s<>,;:]+$", max_length=254)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Database(_Section):
    """``url`` "": a SQLite file in ``data``. ``url_file``: a file with the URL, where it holds a password.
    ``floor``: MiB of disk below which no new work is taken, so that what was taken can still be answered."""

    url: str = ""
    url_file: Path | None = None
    floor: Annotated[int, Field(ge=1, le=1_048_576)] = 64


class Broker(_Section):
    """``urls`` in order of preference; none: the embedded in-process broker, for one process alone.

    ``cafile``: who signed the broker's certificate; nothing: the machine's authorities. ``auth``: "external"
    logs in by the client ``certificate`` and its ``key``, whose common name is the area's code, and is the
    rule in production; "password" by ``credentials_file``, which holds ``user:password`` on one line (a
    password in ``urls`` is for demos). All of them are read anew when they change, but the password.
    ``create`` lets the node make its own topology, which a production account may not.
    """

    urls: tuple[str, ...] = ()
    auth: Literal["external", "password"] | None = None
    cafile: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    credentials_file: Path | None = None
    create: bool = False


class Api(_Section):
    """Where the HTTP API listens. Anything but loopback needs ``certificate`` and ``key``, or a proxy that
    speaks TLS in front and ``behind_proxy = true``."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8420
    certificate: Path | None = None
    key: Path | None = None
    behind_proxy: bool = False


class Metrics(_Section):
    """No ``port``: no metrics listener; 0: any free one. Its own bind, so that it never shows with the API
    by accident."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] | None = None


class KeyFiles(_Section):
    """No ``folder``: ``keys`` under ``data``. ``passphrase_file``: protocol 7 has the other sources."""

    folder: Path | None = None
    passphrase_file: Path | None = None


class Agency(_Section):
    """One agency of this area. ``adapter`` and ``profile``: a short name, or ``package.module:Name``.

    ``justification`` is the standing reason (a code of ``schemas``) under which a push adapter opens.
    ``type`` and ``organisation`` are what the join request says of it ("POLICE", ""); afterwards the signed
    directory says it, and these are read no more. ``checks_address``: what the table of addresses says lies
    in another area is given back before anybody opens it (docs/misdirected.md).
    """

    type: str = ""
    organisation: str = ""
    adapter: str = "inbox"
    profile: str = ""
    justification: str = "STANDING_ADAPTER"
    checks_address: bool = False
    options: dict[str, Any] = {}


class ExtraAction(_Section):
    """An action that this area's own agencies owe beside those of the catalogue. ``code``: one of its own.
    ``urgent`` "": the same as ``standard``."""

    code: str
    agency: str
    title: Annotated[str, Field(min_length=1, max_length=200)]
    standard: str
    urgent: str = ""
    blocks: bool = False


class Tailoring(_Section):
    """What this area adds to the core, and never takes from it (``core.tailoring``): ``actions`` of its own,
    shorter ``deadlines`` (code -> standard and urgent, "8 working days"), ``guidance`` by agency type,
    ``titles`` by which its staff know an action."""

    actions: tuple[ExtraAction, ...] = ()
    deadlines: dict[str, dict[str, str]] = {}
    guidance: dict[str, tuple[str, ...]] = {}
    titles: dict[str, str] = {}


class Timing(_Section):
    """Seconds. Deadlines of agencies are law and policy (core.deadlines), not settings of a machine."""

    poll: Annotated[float, Field(gt=0, le=60)] = 1.0
    resend: Annotated[int, Field(ge=1, le=3600)] = 30
    resend_cap: Annotated[int, Field(ge=1, le=86_400)] = 900
    sweep: Annotated[float, Field(gt=0, le=600)] = 5.0
    adapter_timeout: Annotated[int, Field(ge=1, le=600)] = 30
    life: Annotated[int, Field(ge=600, le=72 * 3600)] = 72 * 3600
    heartbeat: Annotated[int, Field(ge=60, le=3600)] = 600
    subkey_every: Annotated[int, Field(ge=3600, le=14 * 86_400)] = 7 * 86_400
    subkey_term: Annotated[int, Field(ge=86_400, le=14 * 86_400)] = 14 * 86_400


class Accountability(_Section):
    """``log_years``: how long a line of the access log is kept after the last event of its handover."""

    log_years: Annotated[int, Field(ge=1, le=100)] = 6


class WebhookChannel(_Section):
    """Calls as signed HTTPS requests; ``secret_file`` holds one line ``whsec_...``."""

    kind: Literal["webhook"]
    url: str
    secret_file: Path
    ca_file: Path | None = None
    timeout: Annotated[float, Field(gt=0, le=30)] = 10.0


class EmailChannel(_Section):
    """Calls as e-mail. ``tls`` "none" goes to loopback alone."""

    kind: Literal["email"]
    host: str
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    sender: MailAddress
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    user: str = ""
    password_file: Path | None = None
    ca_file: Path | None = None
    timeout: Annotated[float, Field(gt=0, le=60)] = 20.0


Channel = Annotated[WebhookChannel | EmailChannel, Field(discriminator="kind")]


class CalledRole(_Section):
    """A role that is called, never a person. ``to``: its address, for channels by e-mail. ``deputy``: the
    role that is called while it is absent (`gateway escalation absent`). ``minutes`` (urgent) and working
    ``days`` (standard): how long it has before the next is called."""

    channel: str
    to: MailAddress | Literal[""] = ""
    deputy: str = ""
    minutes: Annotated[int, Field(ge=5, le=30)] = 30
    days: Annotated[int, Field(ge=1, le=5)] = 1


class Escalation(_Section):
    """Who is called when a leg is late (domain 6.6). ``default``: the ladder of agencies that have none under
    ``agencies``. ``undelivered``: hours, ``undelivered_urgent``: minutes until a sender is told that its
    handover has not arrived. ``contacts``: whom to telephone in another area."""

    default: tuple[RoleName, ...] = ()
    agencies: dict[RoleName, tuple[RoleName, ...]] = {}
    roles: dict[RoleName, CalledRole] = {}
    channels: dict[RoleName, Channel] = {}
    undelivered: Annotated[float, Field(gt=0, le=72)] = 4.0
    undelivered_urgent: Annotated[int, Field(ge=1, le=120)] = 10
    link: Annotated[str, Field(pattern=r"^(https?://[^\s/]+[^\s]*[^\s/]|)$")] = ""
    contacts: dict[AreaCode, Annotated[str, Field(max_length=120, pattern=r"^[^\r\n]*$")]] = {}

    @model_validator(mode="after")
    def _named(self) -> Escalation:
        """Every name stands for something: a misspelt role would be found out at night."""
        for name in (*self.default, *(name for ladder in self.agencies.values() for name in ladder)):
            if name not in self.roles:
                raise ValueError(f"no role {name} under roles")
        for name, role in self.roles.items():
            if role.deputy and role.deputy not in self.roles:
                raise ValueError(f"the deputy of {name} is not under roles")
            channel = self.channels.get(role.channel)
            if channel is None:
                raise ValueError(f"the channel of {name} is not under channels")
            if channel.kind == "email" and not role.to:
                raise ValueError(f"{name} is called by e-mail and has no address")
        return self


class OnFile(_Section):
    """A document by its reference, and the days on which it is in force, both included."""

    ref: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\r\n]*$")]
    begins: Annotated[date, Field(alias="from")]
    ends: Annotated[date, Field(alias="until")]


class OnFileAgreement(OnFile):
    """A data sharing agreement. No ``areas``: the whole network; no ``agencies``: every type."""

    areas: tuple[AreaCode, ...] = ()
    agencies: tuple[str, ...] = ()


class Governance(_Section):
    """What has to be on file before anything is shared (findings F6, F7; s.42, s.64 DPA 2018; s.149 Equality
    Act 2010). ``dpo``: the role of the data protection officer. ``uprn_table``: a CSV or SQLite file of UPRN
    and area, by which a new address is checked. ``entitlements``: field group -> the agencies that read it in
    this area, fewer than the directory lists. ``commenced``: powers that have come into force."""

    dpia_ref: str = ""
    eia_ref: str = ""
    dpo: str = ""
    policies: tuple[OnFile, ...] = ()
    agreements: tuple[OnFileAgreement, ...] = ()
    uprn_table: Path | None = None
    entitlements: dict[str, tuple[str, ...]] = {}
    commenced: tuple[str, ...] = ()


class Settings(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="GATEWAY__", env_nested_delimiter="__", frozen=True, extra="forbid"
    )

    environment: Literal["prod", "demo"] = "prod"
    area: AreaCode
    data: Path
    database: Database = Database()
    broker: Broker = Broker()
    api: Api = Api()
    metrics: Metrics = Metrics()
    keys: KeyFiles = KeyFiles()
    agencies: dict[RoleName, Agency] = {}
    timing: Timing = Timing()
    tailoring: Tailoring = Tailoring()
    governance: Governance = Governance()
    escalation: Escalation = Escalation()
    accountability: Accountability = Accountability()

    @property
    def key_folder(self) -> Path:
        return self.keys.folder or self.data / "keys"

    @property
    def database_url(self) -> str:
        if self.database.url_file:
            return _line(self.database.url_file, "/database/url_file")
        return self.database.url or f"sqlite:///{self.data / 'gateway.db'}"

    @property
    def broker_urls(self) -> tuple[str, ...]:
        """The URLs with the credentials of ``credentials_file`` put in."""
        if not self.broker.credentials_file:
            return self.broker.urls
        user, _, password = _line(self.broker.credentials_file, "/broker/credentials_file").partition(":")
        # "@", "/" or "#" in a password would end it; what is written as %XX already stays as it is.
        credentials = f"{quote(user, safe='%')}:{quote(password, safe='%')}"
        return tuple(url.replace("://", f"://{credentials}@", 1) for url in self.broker.urls)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        # Environment over file: what is passed to the constructor is what the TOML file says.
        return env_settings, init_settings


def credentials() -> Path | None:
    """Where systemd puts the credentials of this service (LoadCredential=): a place, not a secret."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return Path(folder) if folder else None


def find(explicit: Path | None = None) -> Path:
    """The configuration file that applies. Raises Misconfigured naming where it was looked for."""
    named = explicit or (Path(os.environ["GATEWAY_CONFIG"]) if "GATEWAY_CONFIG" in os.environ else None)
    for place in (named,) if named else PLACES:
        if place.is_file():
            return place
    raise Misconfigured(
        f"no configuration file at {named}" if named else "no configuration file",
        code="no_config",
        remedy="run `gateway init`, or name one with --config or $GATEWAY_CONFIG",
    )


def load(explicit: Path | None = None) -> Settings:
    """Read, check and freeze the settings. Raises Misconfigured with one problem per wrong setting."""
    path = find(explicit)
    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except (OSError, ValueError) as error:
        raise Misconfigured(
            f"{path} cannot be read as TOML: {type(error).__name__}", remedy="correct the file's syntax"
        ) from None
    return build(table)


def build(table: Mapping[str, Any]) -> Settings:
    """Settings from a table of the file's shape, with the environment over it. Raises Misconfigured."""
    try:
        return Settings(**dict(table))
    except ValidationError as error:
        problems = [_problem(item["loc"], item["msg"]) for item in error.errors(include_input=False)]
        raise Misconfigured(
            "the configuration is not usable: " + "; ".join(f"{p.field}: {p.message}" for p in problems),
            code="bad_config",
            problems=problems,
            remedy="correct the settings named",
        ) from None


def _problem(place: Sequence[object], message: str) -> Problem:
    return Problem("/" + "/".join(str(step) for step in place), message, "correct this setting")


def _line(path: Path, field: str) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        raise Misconfigured(
            f"{path} cannot be read", field=field, remedy="create the file, readable by the gateway alone"
        ) from None
