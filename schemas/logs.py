"""The log of every part, on stderr: lines for people, or JSON for programs (`WST_LOG_FORMAT`)."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, TypeAlias

from schemas.wst import visible

_LINE: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"

_ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        said = {"at": at, "level": record.levelname.lower(), "part": record.name, "message": record.getMessage()}
        return json.dumps(said | ({"traceback": self.formatException(record.exc_info)} if record.exc_info else {}))


class _TextLines(logging.Formatter):
    """One line a message, whatever a name in it holds: control characters are shown, not obeyed. A traceback keeps its lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # logging's name
        return visible(super().formatMessage(record))

    def formatException(self, ei: _ExcInfo) -> str:  # logging's name
        return "\n".join(visible(line) for line in super().formatException(ei).splitlines())


def log_to_stderr(log_format: str, level: int) -> None:
    """Logs to stderr, in the format of the setting.

    Args:
        level: of whatever logger has none of its own: libraries'.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonLines() if log_format == "json" else _TextLines(_LINE))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # It tells of each connection that it tries again; what comes of it is told by whoever asked.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
