"""A RabbitMQ of one's own: a child process in a folder, on free loopback ports, gone with its parent.

Duty: start, stop, kill, freeze and restart one broker from the distribution's package, as any user, without
touching the service that the package may have installed. For tests and for the demo. Left out: clusters
(``private_cluster``), TLS, and what is declared on it (``rabbit.declare``).

How (each point was needed):

- The wrappers in ``/usr/sbin`` switch to the service's user; the scripts in ``/usr/lib/rabbitmq/bin`` do not.
- ``RUNNING_UNDER_SYSTEMD`` makes the script replace itself by the broker, so that a signal meets the broker.
- Its own epmd (Erlang's port mapper), or two brokers of one machine would find each other.
- Its own process group, which a guard kills when the pipe to us closes. (``PR_SET_PDEATHSIG`` fires when
  the THREAD that started the child ends, and so kills a broker restarted from a worker thread.)

Example::

    broker = PrivateBroker()
    broker.start(folder)                # an empty folder; 5 s on two cores
    url = broker.fresh_vhost()
    broker.kill(); broker.restart()
    broker.stop()
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import signal
import socket
import subprocess
import tempfile
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.errors import Misconfigured, Unavailable

HOME = Path("/usr/lib/rabbitmq/bin")
OTHER = "GATEWAY_TEST_RABBITMQ"
"""Environment variable: the folder of another installation, unpacked with all that it needs down to its libc
(docs/operations.md). It runs inside by chroot, and so needs root."""

_ENTER = (
    'root=$1 shared=$2; shift 2; mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev"'
    ' && mkdir -p "$root$shared" && mount --bind "$shared" "$root$shared" && exec chroot "$root" "$@"'
)
"""In a mount namespace of its own, which ends with the program."""
INSTALL = "apt-get update && apt-get install -y --no-install-recommends rabbitmq-server"
NODE = "gateway@localhost"
USER = "gateway"

READY_WITHIN = 120.0
"""Seconds for a start or restart. 5 are usual; a loaded machine or a recovery takes longer."""

STOP_WITHIN = 20.0
"""Seconds for an orderly stop before it is killed."""

_POLL = 0.05
_SYNC = "[dets:sync(T) || T <- dets:all()]."


class Child:
    """A process group that does not outlive us."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], output: Path) -> None:
        with output.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - fixed programs, no shell
                command,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        self._guard = subprocess.Popen(  # noqa: S603 - the only argument is a process id
            ["/bin/sh", "-c", 'read -r _; kill -KILL "-$1"', "guard", str(self._process.pid)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def signal(self, number: int) -> None:
        if self.alive:
            os.killpg(self._process.pid, number)

    def freeze(self) -> None:
        """On a busy machine a signal that was sent has not yet stopped every thread: wait until it has."""
        self.signal(signal.SIGSTOP)
        for _ in range(500):
            if _states(self._process.pid) <= {"T", "Z"}:
                return
            time.sleep(0.01)

    def kill(self) -> None:
        """At once. May be called on a dead one."""
        self.signal(signal.SIGKILL)
        self._reap()

    def terminate(self) -> None:
        """In order, then by force."""
        self.signal(signal.SIGCONT)  # a frozen one could not hear the next signal
        self.signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGKILL)
        self._reap()

    def _reap(self) -> None:
        self._process.wait()
        # The guard before its pipe: closing the pipe tells it to kill a group whose number is free by now.
        self._guard.kill()
        self._guard.wait()
        if self._guard.stdin is not None:
            self._guard.stdin.close()


def _hashed(password: str) -> str:
    """As RabbitMQ keeps it: four bytes of salt, and the SHA-256 of them and the password."""
    salt = secrets.token_bytes(4)
    return b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def _states(group: int) -> set[str]:
    """The states of every thread of a process group (proc(5)): "T" is stopped."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/task/[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            state, _, pgrp = path.read_text().rpartition(")")[2].split()[:3]
            found |= {state} if int(pgrp) == group else set()
    return found


@dataclass(frozen=True, slots=True)
class Membership:
    """What a broker is told that belongs to others: the name of its node, the port of the epmd and the two
    secrets that they share, and lines for its configuration. Alone, it starts an epmd of its own."""

    node: str = NODE
    epmd: int = 0
    password: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    cookie: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    settings: Sequence[str] = ()


class PrivateBroker:
    """One private RabbitMQ with ``plugins``. Blocking calls: from asyncio, use ``asyncio.to_thread``."""

    def __init__(self, *plugins: str, member: Membership | None = None) -> None:
        self._plugins = plugins
        self._folder = Path()
        self._member = member or Membership()
        self._password = self._member.password
        self._amqp = self._epmd_port = self._distribution = 0
        self._epmd: Child | None = None
        self._server: Child | None = None
        self._vhosts = 0
        self._done: list[str] = []
        self.frozen = False

    def __repr__(self) -> str:
        return f"PrivateBroker(port={self._amqp})"

    @staticmethod
    def installed() -> bool:
        return (_root() / (HOME / "rabbitmq-server").relative_to("/")).is_file()

    @property
    def folder(self) -> Path:
        """Everything it writes: data under ``mnesia``, logs under ``log``."""
        return self._folder

    @property
    def url(self) -> str:
        """The default virtual host, with an account that may do everything."""
        return self._url("%2F")

    @property
    def node(self) -> str:
        return self._member.node

    @property
    def alive(self) -> bool:
        return self._server is not None and self._server.alive

    def start(self, folder: Path) -> None:
        """Start in ``folder`` and return when it answers. Raises Misconfigured when RabbitMQ is not
        installed, Unavailable with the place of its log when it does not come up."""
        if not self.installed():
            raise Misconfigured(
                "RabbitMQ is not installed", code="rabbitmq_missing", remedy=f"run as root: {INSTALL}"
            )
        self._folder = folder
        self._amqp, self._epmd_port, self._distribution = free_ports(3)
        self._write_files()
        if self._member.epmd:
            self._epmd_port = self._member.epmd
        else:
            self._epmd = start_epmd(self._epmd_port, folder)
        self.restart()

    def restart(self) -> None:
        """Start again on the same data and ports, killing it first when it still runs."""
        self.kill()
        self._server = Child(_program("rabbitmq-server"), self._environment(), self._folder / "server.out")
        deadline = time.monotonic() + READY_WITHIN
        while not _answers(self._amqp):
            if not self._server.alive or time.monotonic() > deadline:
                self.close()
                raise Unavailable(
                    f"the private RabbitMQ did not start; see {self._folder / 'server.out'}",
                    code="private_broker",
                )
            time.sleep(_POLL)

    def kill(self) -> None:
        """kill -9, as a power cut would. The data stays; ``restart`` finds it."""
        if self._server is not None:
            self._server.kill()
            self._server, self.frozen = None, False

    def pause(self) -> None:
        """SIGSTOP: connections stay open and nothing is answered, from this call's return on."""
        if self._server is not None:
            self._server.freeze()
            self.frozen = True

    def resume(self) -> None:
        if self._server is not None:
            self._server.signal(signal.SIGCONT)
            self.frozen = False

    def stop(self) -> None:
        """Stop in order and for good."""
        if self._server is not None:
            self._server.terminate()
            self._server = None
        self.close()

    def close(self) -> None:
        """Kill everything. For a broker whose data nobody needs any more."""
        self.kill()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd = None

    def ctl(self, *arguments: str) -> str:
        """``rabbitmqctl ARGUMENTS``: its output. Raises Unavailable when it fails."""
        return self._run("rabbitmqctl", *arguments)

    def queues(self, *arguments: str) -> str:
        """``rabbitmq-queues ARGUMENTS``, likewise."""
        return self._run("rabbitmq-queues", *arguments)

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(  # noqa: S603 - a fixed program, no shell
            [*_program(program), "--quiet", *arguments],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=READY_WITHIN,
            check=False,
        )
        if done.returncode:
            raise Unavailable(
                f"{program} {arguments[0]} failed: {done.stderr.strip()}", code="private_broker"
            )
        return done.stdout

    def load(self, definitions: Mapping[str, Any], vhost: str, *, password: str = "") -> None:
        """Import ``definitions``, with ``password`` for each of their accounts, and let our own in at
        ``vhost``. One call instead of one an account: each starts an Erlang of its own."""
        ours = {"user": USER, "vhost": vhost, "configure": ".*", "write": ".*", "read": ".*"}
        users = [
            {**user, "password_hash": _hashed(password) if password else user["password_hash"]}
            for user in definitions.get("users", ())
        ]
        made = {**definitions, "users": users, "permissions": [*definitions.get("permissions", ()), ours]}
        file = self._folder / "definitions.json"
        file.write_text(json.dumps(made))
        self.ctl("import_definitions", str(file))

    def sync(self) -> None:
        """Make what was just declared survive ``kill``: RabbitMQ 3.10 and 4.0 write it only 2 s later."""
        self.ctl("eval", _SYNC)

    def fresh_vhost(self) -> str:
        """The URL of a new, empty virtual host: two tests never meet."""
        self._vhosts += 1
        name = f"v{self._vhosts}"
        done, self._done = self._done, []
        # One call instead of three: each starts an Erlang of its own.
        self.ctl(
            "eval",
            "".join(f'rabbit_vhost:delete(<<"{old}">>, <<"{USER}">>), ' for old in done)
            + f'rabbit_vhost:add(<<"{name}">>, <<"{USER}">>), rabbit_auth_backend_internal:set_permissions('
            f'<<"{USER}">>, <<"{name}">>, <<".*">>, <<".*">>, <<".*">>, <<"{USER}">>).',
        )
        return self._url(name)

    def discard_vhost(self, url: str) -> None:
        """What ``fresh_vhost`` gave is not needed any more. It goes when the next one is made: hundreds of
        them would make every restart slow."""
        self._done.append(url.rpartition("/")[2])

    def _url(self, vhost: str) -> str:
        return f"amqp://{USER}:{self._password}@127.0.0.1:{self._amqp}/{vhost}"

    def _write_files(self) -> None:
        for name in ("mnesia", "log"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        cookie = self._folder / ".erlang.cookie"
        cookie.write_text(self._member.cookie)
        cookie.chmod(0o400)  # Erlang refuses a cookie that others may read
        (self._folder / "plugins").write_text(f"[{','.join(self._plugins)}].\n")
        config = self._folder / "rabbit.conf"
        config.touch(mode=0o600)
        config.write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self._amqp}\n"
            f"default_user = {USER}\n"
            f"default_pass = {self._password}\n"
            "disk_free_limit.absolute = 50MB\n" + "".join(f"{line}\n" for line in self._member.settings)
        )

    def _environment(self) -> dict[str, str]:
        folder = self._folder
        return {
            "PATH": os.defpath + ":/usr/sbin:/sbin",
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RUNNING_UNDER_SYSTEMD": "true",
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_NODENAME": self._member.node,
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbit.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            # Loopback only for the Erlang port too; no spinning schedulers on a shared machine.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none"
            " +sbwtdcpu none +sbwtdio none",
        }


def _root() -> Path:
    return Path(os.environ.get(OTHER, "/"))


def _program(name: str) -> list[str]:
    """The command that starts a program of this RabbitMQ, or of the :data:`OTHER`."""
    if OTHER not in os.environ:
        return [str(HOME / name)]
    apart = ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", _ENTER, "enter"]
    return [*apart, str(_root()), tempfile.gettempdir(), str(HOME / name)]


def start_epmd(port: int, folder: Path) -> Child:
    """The port mapper of one broker, or of a cluster's."""
    environment = {"PATH": os.defpath + ":/usr/sbin:/sbin", "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    command = ["epmd", "-port", str(port), "-address", "127.0.0.1"]
    return Child(command, environment, folder / "epmd.out")


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [held.getsockname()[1] for held in sockets]
    for held in sockets:
        held.close()
    return ports


def _answers(port: int) -> bool:
    """True when an AMQP broker greets: an open port alone comes before that."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"AMQP\x00\x00\x09\x01")
            return bool(connection.recv(1))
    except OSError:
        return False
