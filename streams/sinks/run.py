"""The sink put together from the settings: for its own process, and beside the API in one."""

from __future__ import annotations

import asyncio
import signal
from functools import partial

from aiokafka.errors import KafkaError

from schemas.alive import say_alive
from schemas.errors import Unreachable
from schemas.metrics.telling import telling
from schemas.settings import Settings
from schemas.watchdog import attended, end_hung
from streams import migrate, retention, stall
from streams.sinks.clickhouse import ClickHouseSink, connect
from streams.sinks.consumer import SinkConsumer
from streams.sinks.counters import Policy
from streams.sinks.letters import letters
from streams.sinks.source import GroupSource, WireSource


class SinkPart:
    """A sink with all it needs; `consumer.counters` and `consumer.lag()` say how it is doing."""

    def __init__(self, settings: Settings, policy: Policy | None = None) -> None:
        self._settings = settings
        self._sink = ClickHouseSink(migrate.address_of(settings))
        self._letters = letters(settings)
        source = WireSource(settings) if settings.journal else GroupSource(settings)
        alive = partial(say_alive, settings.data_dir, "sink")
        self.consumer = SinkConsumer(source, self._sink, self._letters, settings.topic_prefix, policy, alive=alive)

    async def prepare(self) -> None:
        """Makes sure that the archive is there; an embedded one is brought to this version.

        Raises:
            WstError: it is out of reach, refuses us, or lacks its tables.
        """
        await asyncio.to_thread(_prepare, self._settings)

    async def run(self) -> None:
        """Consumes until `stop`, or until cancelled.

        Raises:
            WstError: what keeps it from going on, in one line.
        """
        watching = asyncio.create_task(stall.watch(self.consumer.standing, end_hung))
        try:
            await self.consumer.run()
        except KafkaError as error:
            raise Unreachable(f"Kafka at {self._settings.brokers} refuses the sink ({error})", "see its log, and WST_KAFKA_…") from error
        finally:
            watching.cancel()
            await self._letters.close()
            await self._sink.close()

    def stop(self) -> None:
        """Ends `run` after the batch under way."""
        self.consumer.stop()


def _prepare(settings: Settings) -> None:
    address = migrate.address_of(settings)
    client = connect(address)
    try:
        if settings.journal is None:
            migrate.require(address, client)
        else:
            migrate.apply(address, client)
            retention.apply(address, client, retention.rules(settings))
    finally:
        client.close()


async def run_until_signal(settings: Settings) -> None:
    """Runs a sink until SIGINT or SIGTERM.

    Raises:
        WstError: what keeps it from going on, in one line.
    """
    part = SinkPart(settings)
    await part.prepare()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, part.stop)
    async with telling(settings, "sink", part.consumer.figures), attended("the sink's loop"):
        await part.run()
