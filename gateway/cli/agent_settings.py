"""The settings of ``gateway agency-agent run``, and an agent made of them. A secret is never a setting: a
setting names the FILE that holds it.

Example::

    principal = "E09000004/police"
    environment = "prod"
    network = "abcd-efgh-..."                      # the network's fingerprint, as it was read aloud
    api = "https://node.bexley.example"
    token_file = "/etc/agency/token"
    data = "/var/lib/agency"                       # keys and state
    adapter = "file_drop"
    options = { folder = "/srv/handover" }
"""

from __future__ import annotations

import ssl
import tomllib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.bootstrap import load_adapter, named
from gateway.cli.client import read_token
from gateway.client import AgencyKeys, Client, connected
from gateway.client.agent import Agent, Timing
from gateway.client.records import Records
from gateway.clock import SystemClock
from gateway.config import credentials
from gateway.errors import Misconfigured, Problem
from gateway.keystore import KeyStore, read_passphrase

LOCAL = frozenset({"127.0.0.1", "::1", "localhost"})


class AgentSettings(BaseModel):
    """``ca_file``: the authority of the node's certificate, where the system does not know it. ``profile``:
    by default the role's. ``poll``: seconds that one call waits at the node for something to come."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    principal: Annotated[str, Field(pattern=r"^[A-Z][0-9]{8}/[a-z][a-z0-9_]{1,30}$")]
    environment: Literal["prod", "demo"] = "prod"
    network: Annotated[str, Field(pattern=r"^[a-z2-7]{4}(-[a-z2-7]{4}){7}$")]
    api: str
    ca_file: Path | None = None
    token_file: Path
    data: Path
    passphrase_file: Path | None = None
    adapter: str = "file_drop"
    profile: str = ""
    options: dict[str, Any] = {}
    poll: Annotated[int, Field(ge=1, le=60)] = 20
    adapter_timeout: Annotated[int, Field(ge=1, le=600)] = 30

    @property
    def role(self) -> str:
        return self.principal.partition("/")[2]


def load(path: Path) -> AgentSettings:
    """Raises Misconfigured with one problem per wrong setting."""
    try:
        with path.open("rb") as file:
            settings = AgentSettings(**tomllib.load(file))
    except ValidationError as error:
        problems = [
            Problem("/" + "/".join(map(str, one["loc"])), one["msg"], "correct this setting")
            for one in error.errors(include_input=False)
        ]
        raise Misconfigured(
            "the configuration is not usable: " + "; ".join(f"{p.field}: {p.message}" for p in problems),
            code="bad_config",
            problems=problems,
            remedy="correct the settings named",
        ) from None
    except (OSError, ValueError) as error:
        raise Misconfigured(
            f"{path} cannot be read: {type(error).__name__}",
            code="no_config",
            remedy="run `gateway agency-agent init`, or name the file with --config",
        ) from None
    _check_line(settings.api)
    return settings


def _check_line(api: str) -> None:
    """What is relayed is sealed, but the token is not, nor a handover that this agency hands in."""
    place = urlsplit(api)
    if place.scheme != "https" and not (place.scheme == "http" and place.hostname in LOCAL):
        raise Misconfigured(
            "the node would be reached without TLS on another machine",
            code="api_tls",
            field="/api",
            remedy="use https://, with the node's authority in ca_file where the system does not know it",
        )


@asynccontextmanager
async def assembled(settings: AgentSettings) -> AsyncIterator[Agent]:
    """An agent that is ready to run. Raises Misconfigured, each with its remedy."""
    passphrase = read_passphrase(file=settings.passphrase_file, credentials=credentials())
    store = KeyStore.open(settings.data / "keys", passphrase, settings.environment)
    adapter = load_adapter(settings.adapter, settings.principal, settings.options, "/adapter")
    if adapter.pulls:
        raise Misconfigured(
            "an adapter that fetches has nothing to fetch from here",
            code="agent_pulls",
            field="/adapter",
            remedy="use file_drop or webhook; a program of your own can use gateway.client",
        )
    name, now = settings.principal, SystemClock().now
    async with connected(settings.api, read_token(settings.token_file), _tls(settings.ca_file)) as line:
        keys = AgencyKeys(store.signer(name), store.opener(name))
        yield Agent(
            client=Client(line, keys, fingerprint=settings.network, now=now),
            adapter=adapter,
            profile=named(settings.profile or settings.role, "adapters.agencies", "PROFILE", "/profile"),
            records=Records(settings.data / "state"),
            keys=store,
            secret=store.secret("answers"),
            now=now,
            timing=Timing(wait=settings.poll, adapter=settings.adapter_timeout),
        )


def _tls(authority: Path | None) -> ssl.SSLContext | None:
    try:
        return ssl.create_default_context(cafile=authority) if authority else None
    except OSError as error:
        raise Misconfigured(
            f"{authority} cannot be used: {type(error).__name__}",
            code="ca_file",
            field="/ca_file",
            remedy="name a file with the certificate authority in PEM",
        ) from None
