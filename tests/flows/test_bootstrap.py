"""The composition root: what a configuration may not ask for."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.bootstrap import connect
from gateway.config import build
from gateway.errors import Misconfigured
from gateway.transports.rabbit import RabbitTransport


def settings(url: str, environment: str, tmp_path: Path):
    return build(
        {"environment": environment, "area": "E09000012", "data": tmp_path, "broker": {"urls": [url]}}
    )


@pytest.mark.parametrize("url", ["amqp://broker.example/handover", "amqp://192.0.2.1/", "AMQP://10.0.0.1"])
def test_production_takes_no_plain_line_to_a_broker_elsewhere(url: str, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured) as refused:
        connect(settings(url, "prod", tmp_path))
    assert (refused.value.code, refused.value.field) == ("broker_tls", "/broker/urls")


@pytest.mark.parametrize(
    ("url", "environment"),
    [
        ("amqps://hackney:secret@broker.example/handover", "prod"),
        ("amqp://127.0.0.1:5672/handover", "prod"),
        ("amqp://localhost/handover", "prod"),
        ("amqp://broker.example/handover", "demo"),
    ],
)
def test_a_line_that_is_encrypted_or_leaves_no_machine(url: str, environment: str, tmp_path: Path) -> None:
    assert isinstance(connect(settings(url, environment, tmp_path)), RabbitTransport)


def test_no_broker_is_said_with_what_to_set(tmp_path: Path) -> None:
    nothing = build({"area": "E09000012", "data": tmp_path})
    with pytest.raises(Misconfigured) as refused:
        connect(nothing)
    assert refused.value.field == "/broker/urls"
