"""`docs/destinations.md` is typed as it is written: a point of contact, an agency without a line, a desk."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.cli.test_docs import Walk


class Farther(Walk):
    """With a county's desk and an agency without a line, and what these read aloud."""

    def __init__(self, folder: Path, broker_url: str) -> None:
        super().__init__(folder, broker_url)
        for name in ("kent", "housing"):
            (folder / name).mkdir()

    def filled(self, script: str) -> str:
        if "KENT-FINGERPRINT" in script:
            told = json.loads(
                self.sh(".", "gateway directory show --network kent/desk/E10000016.request --json")
            )
            self.words["KENT-FINGERPRINT"] = told["fingerprint"]
        if "KENT-KEYS" in script:
            told = json.loads(self.sh("kent", "gateway bridge fingerprint --keys desk --json"))
            self.words["KENT-KEYS"] = told["fingerprint"]
        return super().filled(script)


@pytest.mark.timeout(400)
def test_destinations_are_reached_as_the_page_says(tmp_path: Path, broker_url: str) -> None:
    walking = Farther(tmp_path, broker_url)
    try:
        walking.page("destinations.md")
        shown = json.loads((tmp_path / "hackney" / "shown.json").read_text())
        states = {leg["agency"]: leg["state"] for leg in shown["legs"]}
        assert states.pop("POLICE") == "ACCEPTED"
        assert set(states.values()) == {"DELIVERED"}
        for process in walking.running:
            process.send_signal(signal.SIGTERM)
        assert [process.wait(15) for process in walking.running] == [0, 0]
        told = "".join(walking.said)
        assert "EXAMPLE" not in (tmp_path / "hackney" / "log").read_text()
        assert (tmp_path / "kent" / "passphrase").read_text().strip() not in told
    finally:
        for process in walking.running:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
