"""`wst sink`: carries facts, states, events, samples and windows into ClickHouse."""

from __future__ import annotations

import asyncio
import logging

import click

from schemas.settings import load_settings


@click.command(epilog="Example: WST_CLICKHOUSE_URL=http://127.0.0.1:8123 wst sink")
def sink() -> None:
    """Carries what the topics say into the archive in ClickHouse."""
    from streams.sinks.run import run_until_signal

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("aiokafka").setLevel(logging.WARNING)
    asyncio.run(run_until_signal(load_settings()))
