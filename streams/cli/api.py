"""`wst api`: the HTTP API against a cluster."""

from __future__ import annotations

import click


@click.command(epilog="Example: WST_API_HOST=0.0.0.0 WST_API_TOKEN_FILE=/run/secrets/wst wst api")
def api() -> None:
    """Serves the HTTP API from Kafka and ClickHouse."""
    import asyncio
    import logging
    import os
    import sys

    from schemas.logs import log_to_stderr
    from schemas.settings import load_settings
    from streams.api.run import run_api

    settings = load_settings()
    log_to_stderr(settings.log_format, logging.INFO)
    logging.getLogger("aiokafka").setLevel(logging.WARNING)
    asyncio.run(run_api(settings))
    # All is closed. A thread that an archive does not answer would be waited for.
    sys.stderr.flush()
    logging.shutdown()
    os._exit(0)
