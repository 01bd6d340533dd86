"""The producer's log on stderr: lines for people, or JSON for programs."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        return json.dumps({"at": at, "level": record.levelname.lower(), "part": record.name, "message": record.getMessage()})


class _TextLines(logging.Formatter):
    """One line a message, whatever a name in it holds: control characters are shown, not obeyed."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)


def configure(log_format: str) -> None:
    """Logs to stderr; libraries only from warnings on."""
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonLines() if log_format == "json" else _TextLines("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("wst").setLevel(logging.INFO)
    # It says ten times a second that a broker is away; the outbox says it once, and when it is back.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
