"""`wst serve`: sink and API in one process, a part of `wst up`."""

from __future__ import annotations

import click


@click.command(hidden=True, epilog="Example: WST_JOURNAL=/tmp/wst/journal.sqlite wst serve")
def serve() -> None:
    """Carries everything into the embedded archive and serves the API from it: only one process can open it."""
    import asyncio
    import logging
    import os
    import sys

    from schemas.logs import log_to_stderr
    from schemas.memory import calm_collector, keep_little
    from schemas.settings import load_settings
    from streams.api.run import run_api
    from streams.sinks.run import SinkPart

    keep_little()
    calm_collector(full_after=10)
    settings = load_settings()
    log_to_stderr(settings.log_format, logging.INFO)
    logging.getLogger("aiokafka").setLevel(logging.WARNING)
    asyncio.run(run_api(settings, SinkPart(settings)))
    # All is closed. To free the objects of an archive, one by one, takes the interpreter a second, and an end has five in all.
    sys.stderr.flush()
    logging.shutdown()
    os._exit(0)
