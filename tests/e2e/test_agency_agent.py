"""The page docs/agency-agent.md as it is written: two nodes and an agent, processes over a real broker."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.core.envelope import open_part, open_slot, split
from gateway.core.trust import Network
from gateway.flows.opening import read_routing
from gateway.flows.trust import trust_of
from gateway.flows.vault import ROUTING, read_sections, secrets_of
from gateway.keystore import KeyStore
from gateway.stores import open_store
from tests.cli.test_docs import BLOCK, DOCS, Walk

AREA, POLICE = "E09000004", "E09000004/police"


class Agency(Walk):
    """With a machine more, and an agent among what is started."""

    def __init__(self, folder: Path, broker_url: str) -> None:
        super().__init__(folder, broker_url)
        (folder / "police").mkdir()

    def blocks(self, name: str) -> list[tuple[str, str]]:
        return BLOCK.findall((DOCS / name).read_text())

    def run(self, blocks: list[tuple[str, str]]) -> None:
        for machine, block in blocks:
            *script, last = block.strip().splitlines()
            if not last.startswith(("gateway run ", "gateway agency-agent run ")):
                self.sh(machine, block)
                continue
            self.sh(machine, "\n".join(script))
            if last.startswith("gateway run "):
                self.start(machine, last)
            else:
                self.agent = self.begin(machine, last)

    def begin(self, machine: str, line: str) -> subprocess.Popen[str]:
        with (self.folder / machine / "log").open("a") as log:
            process = subprocess.Popen(
                line.split(),
                cwd=self.folder / machine,
                env=self.env,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.running.append(process)
        assert process.stdout is not None
        assert "is at work" in process.stdout.readline(), (self.folder / machine / "log").read_text()
        return process

    def close(self) -> None:
        for process in self.running:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


@pytest.mark.timeout(400)
def test_from_nothing_to_an_acceptance_that_no_node_could_sign(tmp_path: Path, broker_url: str) -> None:
    walk = Agency(tmp_path, broker_url)
    try:
        onboarding, page = walk.blocks("onboarding.md"), walk.blocks("agency-agent.md")
        first = walk.blocks("first-message.md")
        own = next(at for at, (_, block) in enumerate(onboarding) if "--area bexley" in block)
        walk.run(onboarding[:own])
        walk.run(page[:2])
        walk.run(onboarding[own + 1 :])
        walk.run(page[2:4])
        walk.run([first[0], of_a_person(first[1]), first[2]])  # Hackney sends
        walk.run(page[4:])
        assert [machine for machine, _ in page] == ["police", "bexley", "bexley", "police", "police"]

        walk.agent.kill()  # and at work again on the same folder
        walk.agent.wait()
        walk.begin("police", "gateway agency-agent run --config agent/agent.toml")

        leg = settled(walk)
        assert leg["state"] == "ACCEPTED"
        assert leg["opened"]
        walk.run([block for block in first if "receipt verify" in block[1]])
        verdict = json.loads(
            walk.sh("hackney", "gateway receipt verify receipts.json --network ../bob/network.bundle --json")
        )
        said = [(one["by"], one["state"]) for one in verdict["receipts"] if one["by"] == POLICE]
        assert said == [(POLICE, "opened"), (POLICE, "acknowledged"), (POLICE, "accepted")]
        assert verdict["verdict"] == "VALID"

        for process in walk.running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        assert [process.wait(20) for process in walk.running if process is not walk.agent] == [0, 0, 0]
        asyncio.run(check_the_node_never_held_it(tmp_path))
    finally:
        walk.close()


def of_a_person(block: tuple[str, str]) -> tuple[str, str]:
    """No rehearsal reaches an agency with its own key: the example as if it were of somebody who exists."""
    machine, script = block
    assert "adult --now --drill >" in script
    return machine, script.replace("adult --now --drill >", """adult --now | grep -v '"fictional"' >""")


def settled(walk: Agency) -> dict[str, object]:
    ref = json.loads((walk.folder / "hackney" / "handover.json").read_text())["message"]["handover_id"]
    command = f"gateway handover show {ref} --api http://127.0.0.1:8421 --token-file token --json"
    wait = f"for i in $(seq 60); do {command} | grep -q ACCEPTED && break; sleep 0.5; done; {command}"
    legs = json.loads(walk.sh("hackney", wait).strip().splitlines()[-1])["legs"]
    (found,) = [leg for leg in legs if leg["agency"] == "POLICE"]
    return dict(found)


@dataclass(frozen=True)
class Holder:
    """Bexley's node as a thief of everything it has would see it: all its keys, all its rows."""

    network: Network
    keys: KeyStore


async def check_the_node_never_held_it(folder: Path) -> None:
    """With all keys of Bexley's node its database opens what is for the others, and nothing of what is for
    the police alone."""
    node, now = folder / "bexley" / "node", SystemClock().now()
    theirs = KeyStore.open(node / "keys", (folder / "bexley" / "passphrase").read_bytes().strip(), "prod")
    own = KeyStore.open(
        folder / "police" / "agent" / "keys", (folder / "police" / "passphrase").read_bytes().strip(), "prod"
    )
    assert POLICE not in theirs.principals()
    store = open_store(f"sqlite:///{node / 'gateway.db'}")
    await store.start()
    try:
        trust = await store.read(lambda tx: trust_of(tx, now))
        (leg,) = await store.read(lambda tx: tx.inbox(POLICE, before="", limit=9))
        row = await store.read(lambda tx: tx.envelope(leg.mid))
        receipts = await store.read(lambda tx: tx.receipts(mid=leg.mid, by=POLICE))
    finally:
        await store.close()
    assert trust is not None
    assert row is not None
    assert [receipt.state for receipt in receipts] == ["opened", "acknowledged", "accepted"]
    holder = Holder(trust.network, theirs)
    held, net = secrets_of(holder, row), trust.network.net
    parsed = split(row.body)
    content = open_part(parsed, ROUTING, held.keys[ROUTING], net=net)
    (slot,) = [
        entry.slot
        for entry in read_routing(read_sections(content)["routing"]).entries
        if entry.principal == POLICE
    ]
    keys = open_slot(parsed, slot, net=net, opener=own.opener(POLICE)).keys
    for_others = {0, *(number for numbers in held.readers.values() for number in numbers)}
    alone = {number for number, key in enumerate(keys) if key is not None} - for_others
    assert len(held.readers) == 6
    assert alone
    assert not alone & set(held.keys)
