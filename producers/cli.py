"""Commands of a producer: `wst producer`, `wst record`, and the hidden `wst play`."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Coroutine
from typing import Any

import click

from producers import app, log
from schemas.settings import load_settings


@click.command()
def producer() -> None:
    """Watch this host's Docker Engines and publish what they say."""
    settings = load_settings()
    log.configure(settings.log_format)
    _run(app.run(settings, app.connect(settings)))


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Runs to the end; a thread that still waits for a hanging engine does not hold it up."""
    asyncio.run(work)
    if any(thread is not threading.main_thread() and not thread.daemon for thread in threading.enumerate()):
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
