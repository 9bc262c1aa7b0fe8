"""Running commands as a user does: in this process where that is enough, as processes where it is not."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from gateway.cli.app import app


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> str:
        return str(self.json["error"]["code"])


Gateway = Callable[..., Done]

COMMAND = typer.main.get_command(app)
"""The tree, built once: `CliRunner.invoke` builds all 140 commands anew for each of some 2,000 calls."""


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """``gateway("areas", "--json")`` in an empty folder, without a terminal."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("GATEWAY")]:
        monkeypatch.delenv(name)

    def run(*arguments: str, stdin: str = "") -> Done:
        with CliRunner().isolation(input=stdin) as (out, err, _):
            code: object = 0
            try:
                COMMAND.main(arguments, prog_name="gateway")
            except SystemExit as ended:
                code = ended.code or 0
            sys.stdout.flush()
            sys.stderr.flush()
            assert isinstance(code, int)
            return Done(code, out.getvalue().decode(), err.getvalue().decode())

    return run
