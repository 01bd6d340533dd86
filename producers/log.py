"""The producer's log: its own lines, of libraries what is wrong."""

from __future__ import annotations

import logging

from schemas.logs import log_to_stderr


def configure(log_format: str) -> None:
    """Logs to stderr; libraries only from warnings on."""
    log_to_stderr(log_format, logging.WARNING)
    logging.getLogger("wst").setLevel(logging.INFO)
    # It says ten times a second that a broker is away; the outbox says it once, and when it is back.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
