"""Logs: one line a record, JSON where nobody watches, pretty on a terminal. Control characters never break a line."""

from __future__ import annotations

import logging
import re
import sys
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

_SECRET = re.compile(r"hub_(st|sk)_[A-Za-z0-9._-]+|eyJ[A-Za-z0-9_-]{8,}(\.[A-Za-z0-9_-]*){1,4}")
_STANDARD = set(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}


def configure(level: str) -> None:
    """Send all logging of this process to standard error in one form."""
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _extras,
        structlog.processors.format_exc_info,
        _without_secrets,
    ]
    pretty = sys.stderr.isatty()
    renderer: Processor = structlog.dev.ConsoleRenderer() if pretty else structlog.processors.JSONRenderer()
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("httpx", "httpcore", "uvicorn", "uvicorn.error", "websockets", "asyncio"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))


def _extras(_: Any, __: str, event: EventDict) -> EventDict:
    """Facts given as ``extra`` become members of the record."""
    record = event.get("_record")
    if record is not None:
        event.update({name: value for name, value in record.__dict__.items() if name not in _STANDARD})
    return event


def _without_secrets(_: Any, __: str, event: EventDict) -> EventDict:
    """Whatever looks like a token is replaced, wherever it came from."""
    return {name: _clean(value) if isinstance(value, str) else value for name, value in event.items()}


def _clean(text: str) -> str:
    return _SECRET.sub("[secret]", text)
