"""All files of the vectors."""

from __future__ import annotations

from . import (
    bad_bytes,
    bad_contents,
    bad_insiders,
    bad_statements,
    blob_files,
    evidence_files,
    good_envelopes,
    log_files,
    note_files,
    receipt_files,
    streams,
    tables,
    trust_files,
)
from .vector import Files

MAKERS = (
    tables,
    note_files,
    good_envelopes,
    bad_bytes,
    bad_insiders,
    bad_statements,
    bad_contents,
    streams,
    receipt_files,
    log_files,
    trust_files,
    evidence_files,
    blob_files,
)


def files() -> Files:
    for maker in MAKERS:
        yield from maker.files()
