"""Structured logging: a constant event name, then fields; one line an event.

Text, for people and the journal::

    2026-11-22T16:40:01.123Z INFO cluster address.acquired group=web reason="preferred node"

JSON, one object a line, when ``VEDETTE_LOG=json``. The fields travel as ``extra={"fields": {...}}`` of the standard
library's ``logging``; :func:`event` writes that for the caller. No colours: a log outlives the terminal.
"""

import logging
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from json import dumps
from typing import TextIO

from vedette.kit.log_aside import Aside

_ROOT = "vedette"
_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
"""Levels as syslog(3) priorities, which the journal reads from a ``<N>`` prefix (sd-daemon(3)); below: 7."""


def configure(
    level: int | str = logging.INFO, stream: TextIO | None = None, json: bool | None = None, *, aside: bool = False
) -> None:
    """Send every log line of this process to ``stream`` (standard error); calling it again replaces the first.

    ``level`` is Vedette's own; other libraries are heard from WARNING up. ``json`` None asks ``VEDETTE_LOG``.
    ``aside``: nobody who logs waits for ``stream``.
    """
    target = sys.stderr if stream is None else stream
    as_json = os.environ.get("VEDETTE_LOG") == "json" if json is None else json
    handler = Aside(target) if aside else logging.StreamHandler(target)
    handler.setFormatter(JsonFormatter() if as_json else TextFormatter(journal=is_journal(target)))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(_ROOT).setLevel(level)


def event(logger: logging.Logger, level: int, name: str, **fields: object) -> None:
    """Log ``name``, a constant such as ``address.acquired``, with its fields."""
    logger.log(level, name, extra={"fields": fields}, stacklevel=2)


def is_journal(stream: TextIO) -> bool:
    """Whether ``stream`` is the journal's own socket (systemd.exec(5), ``JOURNAL_STREAM``)."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class TextFormatter(logging.Formatter):
    """``journal`` leaves the time to the journal and gives it the priority instead."""

    def __init__(self, *, journal: bool) -> None:
        super().__init__()
        self._journal = journal

    def format(self, record: logging.LogRecord) -> str:
        head = f"<{_priority(record.levelno)}>" if self._journal else f"{_instant(record)} "
        words = [f"{head}{record.levelname}", _source(record), _quoted(record.getMessage())]
        words += [f"{name}={_quoted(value)}" for name, value in _fields(record).items()]
        if record.exc_info:
            words.append(f"exception={_quoted(self.formatException(record.exc_info))}")
        return " ".join(words)


class JsonFormatter(logging.Formatter):
    """The fields stand beside ``time level logger event``, which win over a field of the same name."""

    def format(self, record: logging.LogRecord) -> str:
        line = dict(_fields(record)) | {
            "time": _instant(record),
            "level": record.levelname,
            "logger": _source(record),
            "event": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return dumps(line, default=str)


def _priority(level: int) -> int:
    return next((priority for least, priority in _PRIORITIES if level >= least), 7)


def _instant(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _source(record: logging.LogRecord) -> str:
    return record.name.removeprefix(f"{_ROOT}.")


def _fields(record: logging.LogRecord) -> Mapping[str, object]:
    fields = getattr(record, "fields", None)
    return fields if isinstance(fields, Mapping) else {}


def _quoted(value: object) -> str:
    """Print bare what reads as one word; escape the rest, so that no value can forge a line or move a terminal."""
    text = str(value)
    if text.isprintable() and text and not any(character in ' "=\\' for character in text):
        return text
    return dumps(text, ensure_ascii=not text.isprintable())
