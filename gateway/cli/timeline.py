"""The demo's timeline on stderr: a table that fills on a terminal, one line an event elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from gateway.cli.output import say

STAGES: Mapping[str, str] = {
    "transmitted": "left Hackney",
    "received": "verified and stored in Bexley",
    "opened": "opened by the agency",
    "acknowledged": "a named role has it",
    "accepted": "ACCEPTED: responsibility moves to Bexley",
}
"""Event of a leg -> what it means here."""

_HEADINGS = ("left", "stored", "opened", "a role has it", "ACCEPTED")


class Lines:
    """One line an event."""

    def add(self, event: Mapping[str, Any]) -> None:
        what = STAGES.get(str(event["event"]), str(event["event"]))
        say(f"  {str(event['at'])[11:19]}  {event['agency']:<17} {what}")


class Table:
    """One row an agency, one column a stage, the time in each cell as it happens."""

    def __init__(self, live: Any) -> None:
        self._live = live
        self._rows: dict[str, dict[str, str]] = {}

    def add(self, event: Mapping[str, Any]) -> None:
        self._rows.setdefault(str(event["agency"]), {})[str(event["event"])] = str(event["at"])[11:19]
        self._live.update(self._drawn())

    def _drawn(self) -> Any:
        from rich.table import Table as Drawn

        drawn = Drawn(title="Hackney to Bexley")
        for heading in ("agency", *_HEADINGS):
            drawn.add_column(heading, no_wrap=True)
        for agency, times in self._rows.items():
            drawn.add_row(agency, *(times.get(stage, "") for stage in STAGES))
        return drawn


@contextmanager
def timeline(*, quiet: bool) -> Iterator[Lines | Table | None]:
    """Where events are shown; None when they are not to be. rich itself obeys NO_COLOR."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        from rich.console import Console
        from rich.live import Live

        with Live(console=Console(stderr=True)) as live:
            yield Table(live)
    else:
        yield Lines()
