"""Attack 74: what a document says is shown, and neither obeyed nor hidden, wherever this software shows it.

That is a terminal (`gateway inbox open` and everything else a command prints) and the answers of the API,
which are JSON, of a type that no browser renders. No page in HTML and no spreadsheet is made of a document.
"""

from __future__ import annotations

import json
import unicodedata

import pytest

from gateway.api.app import HEADERS
from gateway.cli.output import emit, say, visible

OBEYED = {
    "a control sequence": "\x1b[2J\x1b[1;31mACCEPTED",
    "a carriage return": "REFUSED\rACCEPTED",
    "a bell, a backspace, a delete": "\x07\x08\x7f",
    "a C1 control": "\x9b31m",
    "a bidirectional override": "E09\u202e4000009",
    "isolates": "\u2066x\u2069",
    "zero-width characters": "HO\u200b-\u200cE0\u200d9\ufeff",
    "a soft hyphen": "po\u00adlice",
    "line separators": "one\u2028two\u2029three\x85four",
    "tags": "x\U000e0041\U000e0042",
    "a private character": "\ue000",
}
PLAIN = "Zoë Łukasz 李 \U0001f600 <b>=cmd|' /C calc'!A0</b>"


@pytest.mark.parametrize("attack", OBEYED)
@pytest.mark.parametrize("as_json", [True, False])
def test_074_nothing_that_a_terminal_obeys_or_hides_is_printed(attack, as_json, capsys):
    """What is printed is JSON of the same value, so that nothing is lost to a program that reads it."""
    told = {"core": {"known_as": OBEYED[attack]}}
    emit(told, as_json=as_json)
    printed = capsys.readouterr().out
    assert all(char == "\n" or char.isprintable() for char in printed)
    assert not {unicodedata.category(char) for char in printed} & {"Cf", "Co", "Cs", "Zl", "Zp"}
    assert json.loads(printed) == told


@pytest.mark.parametrize("attack", OBEYED)
def test_074_neither_in_text_nor_in_talk(attack, capsys):
    emit({}, as_json=False, text=f"leg: {OBEYED[attack]}")
    say(f"refused: {OBEYED[attack]}")
    told = capsys.readouterr()
    for printed in (told.out, told.err):
        assert printed.count("\n") == 1
        assert all(char == "\n" or char.isprintable() for char in printed)


def test_074_what_is_only_foreign_stays_as_it_is(capsys):
    emit({"name": PLAIN}, as_json=True)
    assert PLAIN in capsys.readouterr().out
    assert visible(f"{PLAIN}\n") == f"{PLAIN}\n"


def test_074_an_answer_is_never_a_page(capsys):
    """Markup and formulas stay characters of a JSON string: no browser is to guess another type."""
    assert HEADERS["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in HEADERS["Content-Security-Policy"]
