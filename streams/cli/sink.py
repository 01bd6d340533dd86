"""`wst sink`: carries facts, states, events, samples and windows into ClickHouse."""

from __future__ import annotations

import asyncio
import logging

import click

from schemas.logs import log_to_stderr
from schemas.memory import calm_collector, keep_little
from schemas.settings import load_settings


@click.command(epilog="Example: WST_CLICKHOUSE_URL=http://127.0.0.1:8123 wst sink")
def sink() -> None:
    """Carries what the topics say into the archive in ClickHouse."""
    from streams.sinks.run import run_until_signal

    keep_little()
    calm_collector(full_after=10)
    settings = load_settings()
    log_to_stderr(settings.log_format, logging.INFO)
    logging.getLogger("aiokafka").setLevel(logging.WARNING)
    asyncio.run(run_until_signal(settings))
