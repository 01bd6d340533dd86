"""`wst serve`: sink and API in one process, a part of `wst up`."""

from __future__ import annotations

import click


@click.command(hidden=True, epilog="Example: WST_JOURNAL=/tmp/wst/journal.sqlite wst serve")
def serve() -> None:
    """Carries everything into the embedded archive and serves the API from it: only one process can open it."""
    import asyncio
    import logging

    from schemas.settings import load_settings
    from streams.api.run import run_api
    from streams.sinks.run import SinkPart

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("aiokafka").setLevel(logging.WARNING)
    settings = load_settings()
    asyncio.run(run_api(settings, SinkPart(settings)))
