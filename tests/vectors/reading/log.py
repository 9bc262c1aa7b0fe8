"""Checkpoints (8); the tree itself is in `tree`."""

from __future__ import annotations

import re

from .documents import Directory
from .notes import open_lines
from .text import need, sha256, unb64

SIZE = re.compile(r"(?:0|[1-9][0-9]{0,15})\Z")


def open_checkpoint(note: bytes, origin: str, directory: Directory) -> tuple[int, bytes]:
    """(size, root) of the log ``origin``, signed by that log's own key."""
    lines, keys = open_lines(note, directory.log_keyring)
    need(len(lines) == 3, "checkpoint_form")
    need(SIZE.match(lines[1]), "checkpoint_size")
    size, root = int(lines[1]), unb64(lines[2], 32)
    need(size or root == sha256(b""), "checkpoint_root")
    need(lines[0] == origin, "log_origin")
    need(origin in {name for name, _ in keys}, "log_unsigned")
    return size, root
