"""Handler `log`: a line per event, in the log of the process."""

from __future__ import annotations

import json
import logging
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from streams.handlers.config import checked
from streams.handlers.handler import Event, Options

_LEVELS: Final = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


class LogOptions(BaseModel):
    """What its table may have: `level`, `logger`."""

    model_config = ConfigDict(extra="forbid")

    level: Annotated[str, Field(pattern="^(debug|info|warning|error)$")] = "info"
    logger: str = "wst.handlers.log"


class LogHandler:
    """Writes the event as one line of JSON: names in it are untrusted, and JSON keeps control characters escaped."""

    def __init__(self, options: Options) -> None:
        chosen = checked(LogOptions, options)
        self._level = _LEVELS[chosen.level]
        self._log = logging.getLogger(chosen.logger)

    async def handle(self, event: Event) -> None:
        """Writes it."""
        self._log.log(self._level, "%s", json.dumps(event, ensure_ascii=True))

    async def close(self) -> None:
        """Nothing to let go of."""
