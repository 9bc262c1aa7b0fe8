"""What the commands for a person's rights hand in is a notice that the node takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import rights
from schemas.notice import parse_notice


@pytest.mark.parametrize("section", ["", "history"])
@pytest.mark.parametrize("words", [True, False])
def test_each_makes_a_notice_of_its_kind(tmp_path: Path, section: str, words: bool) -> None:
    file = tmp_path / "words"
    file.write_text("it was another person's conviction\n")
    text = file if words else None
    made: dict[str, Any] = {
        "RECTIFICATION": rights.rectification("DPO", 2 if section else 0, text, text),
        "RESTRICTION": rights.restriction("DPO", "ACCURACY_CONTESTED", section, text),
        "ERASURE": rights.erasure("DPO", "SUBJECT_REQUEST", section, text, evidence=True, contested=False),
    }
    for kind, notice in made.items():
        parsed = parse_notice(json.dumps(notice).encode())
        assert parsed.kind == kind
        assert parsed.text == ("it was another person's conviction" if words else None)
        if kind != "RECTIFICATION":
            assert parsed.section == (section or None)
    assert parse_notice(json.dumps(made["ERASURE"]).encode()).evidence is True
    assert made["RECTIFICATION"].get("new_version") == (2 if section else None)
