"""The private broker: clear when RabbitMQ is missing, gone with its parent, data kept over a kill."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.errors import Misconfigured, Unavailable
from gateway.testing.broker import PrivateBroker
from gateway.transports import private_broker

PARENT = """
import sys
from pathlib import Path
from gateway.transports.private_broker import Child
child = Child(["sleep", "600"], {"PATH": "/usr/bin:/bin"}, Path(sys.argv[1]))
print(child._process.pid, flush=True)
sys.stdin.read()
"""


def test_without_rabbitmq_the_error_says_what_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private_broker, "HOME", tmp_path)
    with pytest.raises(Misconfigured) as caught:
        PrivateBroker().start(tmp_path)
    assert "apt-get install" in caught.value.remedy
    assert "rabbitmq-server" in caught.value.remedy


def test_a_broker_that_does_not_come_up_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "rabbitmq-server").write_text("#!/bin/sh\necho broken\nexit 1\n")
    (folder / "rabbitmq-server").chmod(0o755)
    monkeypatch.setattr(private_broker, "HOME", folder)
    monkeypatch.delenv(private_broker.OTHER, raising=False)
    broker = PrivateBroker()
    with pytest.raises(Unavailable) as caught:
        broker.start(tmp_path)
    assert str(tmp_path / "server.out") in caught.value.message
    assert "broken" in (tmp_path / "server.out").read_text()
    assert broker._epmd is None


def test_a_child_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path / "out")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    with parent.stdin, parent.stdout:
        child = int(parent.stdout.readline())
        watch = os.pidfd_open(child)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        with contextlib.closing(os.fdopen(watch, "rb", closefd=True, buffering=0)):
            poller = select.poll()
            poller.register(watch)
            assert poller.poll(10_000), "the child outlived its parent"


def test_a_failing_ctl_says_so(broker: PrivateBroker) -> None:
    with pytest.raises(Unavailable) as caught:
        broker.ctl("delete_vhost", "no such vhost")
    assert "delete_vhost" in caught.value.message


def test_the_password_is_not_in_the_repr(broker: PrivateBroker) -> None:
    assert broker._password not in repr(broker)
    assert broker._password in broker.url
