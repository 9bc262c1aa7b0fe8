"""NHS mesh-sandbox: send, fetch, acknowledge, reply, over HTTP to the sandbox in a process of its own.

One cycle: A posts the document, B fetches it by the id that the post was answered with (no look at the inbox
first), acknowledges it, and posts a small reply. The sandbox keeps messages in memory only, checks the token
of each request, speaks plain HTTP on this machine, and is emptied before each round, since its work grows
with what it holds. ``CLIENTS`` threads with a kept connection each.
"""

from __future__ import annotations

import hmac
import os
import socket
import subprocess
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import sha256
from http.client import HTTPConnection
from pathlib import Path
from time import perf_counter, sleep

HERE = Path(__file__).parent
sys.path[:] = [entry for entry in sys.path if Path(entry) != HERE]
sys.path.insert(0, str(HERE.parent))

from _line import WARM, document, rounds  # noqa: E402

A, B, SECRET, PASSWORD = "X26ABC1", "X26ABC2", "TestKey", "password"
CLIENTS = 2
REPLY = b'{"state":"opened","at":1795514700}'


def token(mailbox: str) -> str:
    nonce, when = uuid.uuid4().hex, f"{datetime.now(UTC):%Y%m%d%H%M}"
    text = f"{mailbox}:{nonce}:1:{PASSWORD}:{when}"
    digest = hmac.new(SECRET.encode(), text.encode(), sha256).hexdigest()
    return f"NHSMESH {mailbox}:{nonce}:1:{when}:{digest}"


class Client:
    def __init__(self, port: int) -> None:
        self._http = HTTPConnection("127.0.0.1", port, timeout=30)

    def call(self, method: str, mailbox: str, path: str, body: bytes | None = None, to: str = "") -> bytes:
        headers = {"Authorization": token(mailbox), "Accept": "application/vnd.mesh.v2+json"}
        if to:
            headers |= {"Mex-To": to, "Mex-WorkflowID": "TEST_WORKFLOW", "Content-Type": "application/json"}
        self._http.request(method, f"/messageexchange/{mailbox}/{path}", body=body, headers=headers)
        answer = self._http.getresponse()
        content = answer.read()
        if answer.status not in (200, 202):
            raise SystemExit(f"{method} {path}: {answer.status} {content[:300]!r}")
        return content

    def cycle(self, body: bytes) -> None:
        number = self.call("POST", A, "outbox", body, to=B).partition(b'"message_id":"')[2].split(b'"')[0]
        name = number.decode()
        if self.call("GET", B, f"inbox/{name}") != body:
            raise SystemExit("not carried")
        self.call("PUT", B, f"inbox/{name}/status/acknowledged")
        self.call("POST", B, "outbox", REPLY, to=A)

    def reset(self) -> None:
        self._http.request("DELETE", "/admin/reset")
        self._http.getresponse().read()


def start() -> tuple[subprocess.Popen[bytes], int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "mesh_sandbox.api:app", "--host", "127.0.0.1"]
    command += ["--port", str(port), "--workers", "1", "--log-level", "critical", "--no-access-log"]
    command += ["--timeout-keep-alive", "3600"]  # others have their turns in between
    settings = {"STORE_MODE": "memory", "AUTH_MODE": "full", "SHARED_KEY": SECRET}
    server = subprocess.Popen(command, env={**os.environ, **settings}, stderr=subprocess.DEVNULL)
    for _ in range(300):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            sleep(0.1)
        else:
            return server, port
    server.kill()
    raise SystemExit("the sandbox did not start")


def count(clients: list[Client], body: bytes, seconds: float) -> tuple[int, float]:
    began, ended = perf_counter(), [0] * len(clients)

    def again(place: int) -> None:
        while perf_counter() - began < seconds:
            clients[place].cycle(body)
            ended[place] += 1

    with ThreadPoolExecutor(len(clients)) as threads:
        for done in [threads.submit(again, place) for place in range(len(clients))]:
            done.result()
    return sum(ended), perf_counter() - began


def main() -> None:
    server, port = start()
    try:
        clients, body = [Client(port) for _ in range(CLIENTS)], document()
        for seconds, answer in rounds():
            clients[0].reset()
            count(clients, body, WARM)
            answer(*count(clients, body, seconds))
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    main()
