"""How a live broker stands, out of what rabbitmqctl prints; and the command that says it."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from gateway.cli.app import app
from gateway.testing.broker import PrivateBroker
from gateway.transports.condition import cluster, disk, members

SOUND = {
    "running_nodes": ["a", "b", "c"],
    "partitions": {},
    "alarms": [],
    "feature_flags": [{"name": "x", "stability": "experimental", "state": "disabled"}],
}


def test_a_queue_with_too_few_members_is_named() -> None:
    rows = [
        {"name": "gw.in.E09000012", "members": ["a"]},
        {"name": "gw.in.E09000004", "members": ["a", "b", "c"]},
        {"name": "somebody.else", "members": []},
    ]
    (found,) = members(rows, nodes=3)
    assert found.what == "the queue gw.in.E09000012 has 1 of 3 members"
    assert "grow" in found.remedy
    assert members(rows, nodes=1) == []


def test_a_cluster_that_is_ill_is_told_so() -> None:
    assert cluster(SOUND, nodes=3) == []
    assert [one.what for one in cluster({**SOUND, "running_nodes": ["a"]}, nodes=3)] == ["1 of 3 nodes run"]
    assert [one.what for one in cluster({**SOUND, "partitions": {"a": ["b"]}}, nodes=3)] == [
        "the nodes do not see each other"
    ]
    alarm = {"node": "a", "resource": "disk"}
    (found,) = cluster({**SOUND, "alarms": [alarm]}, nodes=3)
    assert "for want of disk" in found.what
    flag = {"name": "quorum_queue", "stability": "stable", "state": "disabled"}
    (found,) = cluster({**SOUND, "feature_flags": [flag]}, nodes=3)
    assert "quorum_queue" in found.what


def test_a_disk_limit_that_comes_too_late() -> None:
    assert disk({"disk_free_limit": 2_000_000_000}) == []
    for limit in (50_000_000, "NaN", None):
        (found,) = disk({"disk_free_limit": limit})
        assert "rabbitmq.conf" in found.remedy


def test_the_command_reads_what_a_live_broker_prints(broker: PrivateBroker, tmp_path: Path) -> None:
    run, area = CliRunner(), ["--area", "hackney", "--area", "bexley"]
    made = tmp_path / "made.json"
    made.write_text(run.invoke(app, ["broker", "definitions", *area]).stdout)
    files = []
    for name, words in (
        ("queues", ["list_queues", "name", "type", "members"]),
        ("cluster", ["cluster_status"]),
        ("status", ["status"]),
    ):
        file = tmp_path / f"{name}.json"
        file.write_text(broker.ctl(*words, "--formatter", "json"))
        files += [f"--{name}", str(file)]
    checked = run.invoke(app, ["broker", "check", str(made), *area, *files, "--nodes", "3", "--json"])
    assert checked.exit_code == 8
    said = [one["what"] for one in json.loads(checked.stdout)["differences"]]
    assert said == ["1 of 3 nodes run", "the broker's disk limit is under 1 GB"]
    (tmp_path / "queues.json").write_text("nothing")
    wrong = run.invoke(app, ["broker", "check", str(made), *area, *files, "--json"])
    assert json.loads(wrong.stdout)["error"]["code"] == "broker_export"
