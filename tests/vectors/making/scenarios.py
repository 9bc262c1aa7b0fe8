"""All files of the vectors."""

from __future__ import annotations

from . import bad_bytes, bad_contents, bad_insiders, bad_statements, good_envelopes, note_files, tables
from .vector import Files

MAKERS = (tables, note_files, good_envelopes, bad_bytes, bad_insiders, bad_statements, bad_contents)


def files() -> Files:
    for maker in MAKERS:
        yield from maker.files()
