"""Logging of one process: JSON lines on stderr, codes and ids only.

Flows log events by name with ids, areas and codes; no body, no name, no exception text ever passes here. As
a second line, a value longer than any id is cut, and exceptions of libraries are reduced to their type.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

LONGEST = 200
"""Characters of one logged value: longer than any id, code or address of ours, shorter than a narrative."""

OURS = ("gateway.", "adapters.", "schemas.")


def configure(*, level: str = "INFO", colours: bool = False) -> None:
    """Set up structlog and route the libraries' own loggers through it, at WARNING and without tracebacks."""
    renderer = structlog.dev.ConsoleRenderer() if colours else structlog.processors.JSONRenderer()
    shared: list[Any] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _contain,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # a logger used before this call must obey it all the same
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_reduce, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for library in ("aio_pika", "aiohttp", "asyncio", "sqlalchemy", "alembic"):
        logging.getLogger(library).setLevel(logging.WARNING)
    # Every lost connection is an error with a traceback to it; our own link says once what is the matter.
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)


def _contain(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if isinstance(value, str) and len(value) > LONGEST and not name.startswith("_"):
            event[name] = value[:LONGEST] + "…"
    return event


def _reduce(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A library's record: its logger, its level, and the type of its exception; not its words, which may
    quote what it was given. Our own modules' words stay: they hold codes and ids."""
    record = event.get("_record")
    info = getattr(record, "exc_info", None)
    if info and info[0]:
        event["error"] = info[0].__name__
    if record is not None:
        record.exc_info = record.exc_text = record.stack_info = None
        if not record.name.startswith(OURS):
            event["event"] = "library message"
            event["source"] = f"{record.module}:{record.lineno}"
    event.pop("exc_info", None)
    return event
