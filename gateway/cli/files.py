"""Files and questions of the command line: read what is named, write whole or not at all, ask a terminal.

It leaves out key files (:mod:`gateway.keystore`). Rules: a file is replaced by renaming, so that whoever
reads it meanwhile sees the old or the new one; what is missing is asked for on a terminal, else named.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from gateway.cli.output import Usage

LARGEST = 16 << 20
"""Bytes of a file that are read at all; the directory of all London has well under 2 MiB."""


def read_input(file: Path) -> bytes:
    """The bytes of a file, or of standard input for ``-``. Raises Usage."""
    if str(file) == "-":
        return sys.stdin.buffer.read(LARGEST)
    try:
        with file.open("rb") as source:
            return source.read(LARGEST)
    except OSError as error:
        raise Usage(
            f"{file} cannot be read: {error.strerror}", code="no_file", remedy="check the path"
        ) from None


@contextmanager
def opened(file: Path) -> Iterator[BinaryIO]:
    """A file, or standard input for ``-``, to be read piece by piece. Raises Usage."""
    if str(file) == "-":
        yield sys.stdin.buffer
        return
    try:
        source = file.open("rb")
    except OSError as error:
        raise Usage(
            f"{file} cannot be read: {error.strerror}", code="no_file", remedy="check the path"
        ) from None
    with source:
        yield source


def write_output(file: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Put ``content`` into ``file``, replacing it whole. Raises Usage when the folder cannot be written."""
    with replacing(file, mode=mode) as target:
        target.write(content)


@contextmanager
def replacing(file: Path, *, mode: int = 0o644) -> Iterator[BinaryIO]:
    """What is written here replaces ``file`` at the end, whole; nothing is left when the body raises. Raises
    Usage when the folder cannot be written."""
    aside = file.with_name(f".{file.name}.{secrets.token_hex(6)}")
    try:
        handle = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW, mode)
        try:
            with os.fdopen(handle, "wb") as target:
                yield target
                target.flush()
                os.fsync(target.fileno())
            aside.replace(file)
        finally:
            with suppress(FileNotFoundError):
                aside.unlink()
    except OSError as error:
        raise Usage(
            f"{file} cannot be written: {error.strerror}", code="no_file", remedy="check the path"
        ) from None


def on_terminal() -> bool:
    return sys.stdin.isatty()


def ask(question: str) -> str:
    """One line from the terminal. The question is talk, so it goes to stderr."""
    sys.stderr.write(f"{question}: ")
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.strip()
