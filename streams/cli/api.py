"""`wst api`: the HTTP API against a cluster."""

from __future__ import annotations

import click


@click.command(epilog="Example: WST_API_HOST=0.0.0.0 WST_API_TOKEN_FILE=/run/secrets/wst wst api")
def api() -> None:
    """Serves the HTTP API from Kafka and ClickHouse."""
    import asyncio

    from schemas.settings import load_settings
    from streams.api.run import run_api
    from streams.migrate import address_of
    from streams.query.archive import ClickHouseArchive

    settings = load_settings()
    asyncio.run(run_api(settings, ClickHouseArchive(address_of(settings))))
