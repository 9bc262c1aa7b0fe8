"""The anchor of a node as a file beside its keys: outside the database and whatever brings that back.

Example::

    AnchorFile(settings.key_folder / "streams.anchor")
"""

from __future__ import annotations

from pathlib import Path

from gateway.errors import Misconfigured
from gateway.keystore import read_private, replace_private

NAME = "streams.anchor"


class AnchorFile:
    """See :class:`gateway.ports.Anchor`. Mode 0600; replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._through = b""  # what was last written through to the disk

    def read(self) -> bytes | None:
        return read_private(self._path) if self._path.exists() else None

    def write(self, content: bytes, *, durable: bool = True) -> None:
        if durable and content == self._through:
            return
        try:
            replace_private(self._path, content, durable=durable)
        except OSError as error:
            raise Misconfigured(
                f"{self._path.name} cannot be written: {error.strerror}",
                code="anchor_unwritable",
                remedy=f"let this user write to {self._path.parent}, on a local disk with free space",
            ) from None
        if durable:
            self._through = content
