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

    from schemas.settings import load_settings
    from streams.api.run import run_api

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("aiokafka").setLevel(logging.WARNING)
    asyncio.run(run_api(load_settings()))
    # All is closed. A thread that an archive does not answer would be waited for.
    sys.stderr.flush()
    logging.shutdown()
    os._exit(0)
