"""Logs: one line a record, JSON where nobody watches, pretty on a terminal.

Whatever looks like a secret is replaced before it is written, wherever in a record it stands. Control characters never
break a line, nor do they reach a terminal; only a traceback there has lines of its own.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

_SECRET = re.compile(
    r"""
      hub_(?:st|sk)_[A-Za-z0-9._-]+                                # session tokens, service keys
    | hub\.ticket\.[A-Za-z0-9_-]+
    | eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){1,4}                # any JWT
    | (?P<scheme>://)[^/@\s"']*@                                   # user and password of a URL
    | (?P<query>[?&](?:code|state|ticket|password|secret|[a-z_]*token(?:_hint)?)=)[^&\s"']+
    """,
    re.VERBOSE,
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
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
    rendered: list[Processor] = (
        [_printable, structlog.dev.ConsoleRenderer()] if pretty else [structlog.processors.JSONRenderer()]
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendered],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for kept in ("hub.audit", "hub.security"):  # what histories are held against, what a security team reads
        logging.getLogger(kept).setLevel(logging.INFO)  # at every level
    for noisy in ("httpx", "httpcore", "uvicorn", "uvicorn.error", "websockets", "asyncio"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    logging.getLogger("uvicorn.error").addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    """uvicorn takes a WebSocket that is refused with an HTTP answer for an accident; it is an answer like any other."""
    return record.msg != "ASGI callable returned without completing handshake."


def always(name: str) -> None:
    """Write what this logger says at whatever level the others are."""
    logging.getLogger(name).setLevel(logging.INFO)


def _extras(_: Any, __: str, event: EventDict) -> EventDict:
    """Facts given as ``extra`` become members of the record."""
    record = event.get("_record")
    if record is not None:
        event.update({name: value for name, value in record.__dict__.items() if name not in _STANDARD})
    return event


def _without_secrets(_: Any, __: str, event: EventDict) -> EventDict:
    """Whatever looks like a secret is replaced, wherever it came from. What begins with ``_`` is not written."""
    return {name: value if name.startswith("_") else _clean(value) for name, value in event.items()}


def _clean(value: Any) -> Any:
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return _SECRET.sub(_replaced, value)
        case Mapping():
            return {_clean(str(name)): _clean(inner) for name, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_clean(inner) for inner in value]
        case _:
            return _clean(str(value))


def _replaced(match: re.Match[str]) -> str:
    return f"{match['scheme'] or match['query'] or ''}[secret]"


def _printable(_: Any, __: str, event: EventDict) -> EventDict:
    """Nothing that a terminal obeys; of a traceback its lines are kept."""
    return {
        name: _lines(value) if name == "exception" else _CONTROL.sub(_escaped, str(value))
        for name, value in event.items()
    }


def _lines(traceback: Any) -> str:
    return "\n".join(f"    {_CONTROL.sub(_escaped, line)}" for line in str(traceback).split("\n"))


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()
