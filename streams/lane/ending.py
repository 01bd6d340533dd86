"""The one way out when a promise cannot be kept: a line in the log, and the process is gone.

Raising would not do: Faust would acknowledge the batch, run its shutdown and commit what was never written.
A process that vanishes leaves its successor exactly what is durable, to be folded again.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import NoReturn

from schemas.watchdog import EXIT_ENDED

#: Ends the process with a reason; tests hand in one that raises.
End = Callable[[str], NoReturn]

log = logging.getLogger("wst.lane")


def end_process(reason: str) -> NoReturn:
    """Logs the reason in one line and ends the process at once, without any cleaning up."""
    try:
        log.critical("ending this worker, its successor folds again: %s", " ".join(reason.split()))
        logging.shutdown()
    finally:
        os._exit(EXIT_ENDED)
