"""What ``[broker]`` means: how a node logs in, and what production refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yarl

from gateway.config import Settings, build
from gateway.errors import Misconfigured
from gateway.uplink import addresses, auth, identity

URL = "amqps://broker.example:5671/handover"


def settings(tmp_path: Path, environment: str = "prod", **broker: Any) -> Settings:
    table = {"urls": [URL], **broker}
    return build({"environment": environment, "area": "E09000012", "data": str(tmp_path), "broker": table})


def test_production_logs_in_by_certificate(tmp_path: Path) -> None:
    files = {"certificate": str(tmp_path / "chain.pem"), "key": str(tmp_path / "key.pem")}
    assert addresses(settings(tmp_path, **files)) == (f"{URL}?auth=external",)
    with pytest.raises(Misconfigured) as caught:
        addresses(settings(tmp_path))
    assert (caught.value.code, caught.value.field) == ("broker_auth", "/broker/certificate")
    with pytest.raises(Misconfigured) as caught:
        addresses(settings(tmp_path, urls=[URL, "amqp://127.0.0.1/handover"], **files))
    assert caught.value.code == "broker_tls"


def test_a_small_set_up_names_a_file_that_is_its_own(tmp_path: Path) -> None:
    secret = tmp_path / "account"
    secret.write_text("hackney:secret\n")
    secret.chmod(0o600)
    given = settings(tmp_path, credentials_file=str(secret))
    assert addresses(given) == ("amqps://hackney:secret@broker.example:5671/handover",)
    secret.chmod(0o640)
    with pytest.raises(Misconfigured) as caught:
        addresses(given)
    assert (caught.value.code, caught.value.field) == ("key_mode", "/broker/credentials_file")
    assert "secret" not in f"{caught.value}"
    assert addresses(settings(tmp_path, "demo", credentials_file=str(secret)))


@pytest.mark.parametrize(
    ("environment", "broker", "expected"),
    [
        ("prod", {}, "external"),
        ("demo", {}, "password"),
        ("demo", {"auth": "external"}, "external"),
        ("prod", {"auth": "password"}, "password"),
        ("prod", {"urls": ["amqp://127.0.0.1/handover"]}, "password"),
        ("prod", {"urls": ["amqps://hackney:secret@broker.example/handover"]}, "password"),
        ("demo", {"urls": [f"{URL}?certfile=/c&keyfile=/k"]}, "external"),
    ],
)
def test_how_it_logs_in(tmp_path: Path, environment: str, broker: dict[str, Any], expected: str) -> None:
    assert auth(settings(tmp_path, environment, **broker)) == expected


@pytest.mark.parametrize("value", ["1", "", "no"])
def test_production_verifies_the_broker(tmp_path: Path, value: str) -> None:
    for environment, refused in (("prod", True), ("demo", False)):
        given = settings(tmp_path, environment, auth="password", urls=[f"{URL}?no_verify_ssl={value}"])
        if refused:
            with pytest.raises(Misconfigured) as caught:
                addresses(given)
            assert caught.value.code == "broker_tls"
        else:
            assert addresses(given)


@pytest.mark.parametrize("end", ["@host:port/v", "@host:99999/v", "@[::1/v", "@/v", "/word@host/v"])
def test_what_is_no_address_is_said_so_and_not_repeated(tmp_path: Path, end: str) -> None:
    """Not a broker that never answers: the task that connects would have died of it without a word."""
    with pytest.raises(Misconfigured) as caught:
        addresses(settings(tmp_path, "demo", urls=[URL, f"amqps://u:geheim{end}"]))
    assert (caught.value.code, caught.value.field) == ("broker_url", "/broker/urls")
    assert "geheim" not in f"{caught.value!r} {caught.value.remedy} {caught.value.__cause__!r}"


def test_a_password_may_hold_what_an_address_may_not(tmp_path: Path) -> None:
    secret = tmp_path / "account"
    secret.write_text("hackney:a/b@c#d?e:f%2F\n")
    secret.chmod(0o600)
    (address,) = addresses(settings(tmp_path, credentials_file=str(secret)))
    assert (yarl.URL(address).password, yarl.URL(address).host) == ("a/b@c#d?e:f/", "broker.example")


def test_no_tls_no_certificates(tmp_path: Path) -> None:
    assert identity(settings(tmp_path, urls=["amqp://127.0.0.1/handover"])) is None
    assert identity(settings(tmp_path)) is not None
