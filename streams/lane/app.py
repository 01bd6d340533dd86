"""The Faust app of the lane: its agents get batches, its tables are durable before an offset is committed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, cast

import faust
from faust.tables import TableManager
from faust.types import TP

from schemas.watchdog import Watchdog
from streams import stall
from streams.lane.batch import Positions
from streams.lane.changelog import Changelog
from streams.lane.committer import Committer
from streams.lane.consumer import LaneConsumer, LaneTransport
from streams.lane.durability import Copy, Durability
from streams.lane.ending import End, end_process
from streams.lane.folding import Folder, Folding
from streams.lane.kafka import KafkaPublisher, ProducerOf
from streams.lane.lease import Lease
from streams.lane.ledger import Ledger
from streams.lane.outputs import Outputs
from streams.lane.progress import Progress
from streams.lane.settings import LaneSettings
from streams.lane.table import Table

#: Between two looks of a clock at what it watches, s.
_TICK_S: Final = 1.0
#: Most of a partition that one fetch brings, bytes; the first record comes whatever its size.
_FETCH_BYTES: Final = 2 << 20
#: Batches that wait for an agent; each is a whole fetch of a partition.
_WAITING_BATCHES: Final = 8
#: Kafka gives a rebalance at least this many sessions before it expels who has not joined again.
_REBALANCE_SESSIONS: Final = 3
#: What a journal may take for an append while others write, s: nothing of it can arrive late, unlike on a network.
_JOURNAL_S: Final = 30.0
#: Never leave the group for want of a fetch: leaving gives partitions away at once, against the lease.
_MAX_POLL_INTERVAL_S: Final = 86_400.0


class LaneTopic(faust.Topic):
    """A topic whose messages are batches; decoding is the agent's."""

    def _compile_decode(self) -> None:
        super()._compile_decode()
        create = self._create_event

        async def decode(message: Any, *, propagate: bool = False) -> Any:
            return create(None, message.value, None, message)

        self.decode = decode  # type: ignore[method-assign]  # Faust compiles it per topic, too

    async def maybe_declare(self) -> None:
        """Nothing: topics are made by `wst topics apply`, and checked before the app starts."""


class LaneTables(TableManager):
    """Faust's table manager without the second it sleeps at each start."""

    async def on_start(self) -> None:
        """Nothing to wait for: the lane's tables are its own."""
        await self._update_channels()
        await self.recovery.start()


class LaneApp(faust.App):
    """A Faust app on the batch lane.

    Give it inputs with `reads`, then start it like any Faust app.

    Args:
        end: what happens when a promise cannot be kept; the process ends unless a test says otherwise.
    """

    def __init__(self, settings: LaneSettings, end: End = end_process) -> None:
        self.settings = settings
        self.end = end
        self.fetch_wait_ms = settings.fetch_wait_ms
        self.lease = Lease(settings.session_s, end)
        self.ledger = Ledger()
        self.progress = Progress()
        self.watchdog = Watchdog()
        self._lane_tables: dict[str, Table[Any]] = {}
        self._folders: dict[str, Folder] = {}
        self._ticks: dict[str, Callable[[int], None]] = {}
        self._beside: list[Callable[[], Awaitable[None]]] = []
        self._steps_before: list[Callable[[], Awaitable[None]]] = []
        session_s = settings.session_s
        super().__init__(
            settings.app_id,
            broker=[f"kafka://{server}" for server in settings.brokers.split(",")],
            store="memory://",
            Topic=LaneTopic,
            TableManager=LaneTables,
            topic_partitions=settings.partitions,
            topic_allow_declare=False,
            topic_disable_leader=True,
            table_standby_replicas=0,
            stream_buffer_maxsize=_WAITING_BATCHES,
            stream_recovery_delay=0.0,
            consumer_auto_offset_reset="earliest",
            consumer_group_instance_id=settings.instance_id,
            broker_session_timeout=session_s,
            broker_heartbeat_interval=session_s / 6,
            broker_rebalance_timeout=session_s * _REBALANCE_SESSIONS,
            broker_max_poll_interval=_MAX_POLL_INTERVAL_S,
            broker_commit_interval=settings.commit_interval_s,
            broker_max_poll_records=5_000,
            consumer_max_fetch_size=_FETCH_BYTES,
            web_enabled=False,
            worker_redirect_stdouts=False,
            **settings.options,
        )
        producer = ProducerOf(self)
        wire = settings.wire
        self._durability: Durability = (
            wire.durability if wire else Changelog(settings.app_id, producer, {**settings.client, "bootstrap_servers": settings.brokers})
        )
        publisher = wire.publisher if wire else KafkaPublisher(producer, settings.partitions)
        self.outputs = Outputs(publisher, self.lease, end)
        self.folding = Folding(
            ledger=self.ledger,
            outputs=self.outputs,
            positions=Positions(settings.epoch, from_header=wire is not None),
            progress=self.progress,
            end=end,
        )
        self.committer = Committer(
            epoch=settings.epoch,
            tables=self._lane_tables,
            ledger=self.ledger,
            outputs=self.outputs,
            durability=self._durability,
            commit_offset=self._commit_offset,
            lease=self.lease,
            delivery_s=_JOURNAL_S if wire else self.lease.delivery_s,
            progress=self.progress,
            end=end,
        )

    def reads(self, topic: str, folder: Folder, table: Table[Any] | None = None, tick: Callable[[int], None] | None = None) -> None:
        """Declares an input: who folds it, and the one table all that its records change lives in.

        One table, because two are written one after the other: the guard in the first would make a replay skip what
        the second has never seen.

        Args:
            tick: called every second with each partition that is read: sends what time decides, and changes no table. It may
                send the same again, as nobody remembers a tick.
        """
        self._folders[topic] = folder
        if tick is not None:
            self._ticks[topic] = tick
        if table is not None:
            self._lane_tables[topic] = table

        channel = self.topic(topic, key_type=bytes, value_type=bytes, partitions=self.settings.partitions)

        @self.agent(channel, name=f"{self.settings.app_id}:{topic}")
        async def consume(batches: Any) -> None:
            async for batch in batches:
                await self.folding.run(batch, folder)

    async def on_first_start(self) -> None:
        """Nothing: Faust would make a data directory where the process happens to stand."""

    def runs_beside(self, work: Callable[[], Awaitable[None]]) -> None:
        """Adds something that runs in the app's loop from its start to its end, such as telling its figures."""
        self._beside.append(work)

    def lag_of(self, tp: TP) -> int:
        """Records of a partition that is read behind what is committed, as far as is known."""
        track = self.ledger.get(tp)
        committed = self.progress.committed_offset.get(tp, track.committed_offset if track is not None else None)
        end = self.consumer.highwater(tp)
        return max(0, end - committed) if end and committed is not None else end or 0

    def before_start(self, step: Callable[[], Awaitable[None]]) -> None:
        """Adds something that has to be ready before the first record is folded."""
        self._steps_before.append(step)

    async def on_start(self) -> None:
        """Gets ready, then lets Faust start."""
        for step in self._steps_before:
            await step()
        await super().on_start()
        self.watchdog.start()
        self.add_future(self.watchdog.attend("the loop that folds"))
        self.add_future(stall.watch(self._standing, self.end))
        if self._ticks:
            self.add_future(self._tell_time())
        for work in self._beside:
            self.add_future(work())

    async def on_stop(self) -> None:
        """Leaves; that takes as long as it takes."""
        self.watchdog.stop()
        await super().on_stop()

    async def _standing(self) -> stall.Standing:
        """How far each partition is durable, and its end on the broker; nothing while reading begins anew."""
        read = self.ledger.partitions()
        ends = await self.consumer.highwaters(*read) if read else {}
        tracks = ((tp, self.ledger.get(tp)) for tp in read)
        return {f"{tp.topic}/{tp.partition}": (track.committed_offset or 0, ends[tp]) for tp, track in tracks if track is not None}

    async def _tell_time(self) -> None:
        """Between two slices, like everything that sends."""
        try:
            while not self.should_stop:
                await asyncio.sleep(_TICK_S)
                for tp in self.ledger.partitions():
                    if (tick := self._ticks.get(tp.topic)) is not None:
                        tick(tp.partition)
                        self.outputs.flush(tp)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self.end(f"a clock failed: {type(error).__name__}: {error}")

    def is_input(self, topic: str) -> bool:
        """Whether the lane folds a topic; the others are changelogs."""
        return topic in self._folders

    def let_go(self, owned: Sequence[TP]) -> None:
        """Forgets the tables' partitions that are another worker's now."""
        for topic, table in self._lane_tables.items():
            for partition in table.partitions():
                if TP(topic, partition) not in owned:
                    self._durability.drop(partition, table)

    async def recover(self, tp: TP, committed_offset: int | None, end_offset: int) -> int:
        """Fills a partition's table from what is durable; returns the log offset below which everything is.

        Ends the process when the log is not the one that was folded.
        """
        mark = await self._durability.recover(tp, self._lane_tables.get(tp.topic))
        epoch, wire = self.settings.epoch, self.settings.wire
        if mark is None and committed_offset and wire is None and tp.topic in self._lane_tables:
            self.end(f"{tp.topic}/{tp.partition} was folded up to {committed_offset}, and its changelog is empty: restore it or fold anew")
        if mark is not None and mark.epoch > epoch:
            self.end(f"{tp.topic}/{tp.partition} was folded up to log epoch {mark.epoch}, and this log says {epoch}")
        floor = mark.next_position if mark is not None and mark.epoch == epoch else 0
        log_end = await wire.last_position() + 1 if wire else end_offset
        if floor > log_end:
            self.end(
                f"{tp.topic}/{tp.partition} ends at {log_end}, and {floor} was folded already: the log is another one under an old epoch"
            )
        return floor

    def begin(self, tp: TP, floor: int, committed_offset: int | None) -> None:
        """Begins folding a recovered partition."""
        self._folders[tp.topic].begin(tp.partition)
        self.ledger.begin(tp, floor, committed_offset)

    async def commit_due(self) -> None:
        """Waits for the moment of the next commit."""
        self.settings.alive()
        await asyncio.sleep(self.settings.commit_interval_s)

    async def finish(self) -> None:
        """Takes no more input and commits what was folded."""
        self.consumer.stop_flow()
        self.flow_control.suspend()
        await self.consumer.wait_empty()

    async def _commit_offset(self, copy: Copy) -> None:
        await cast(LaneConsumer, self.consumer).commit_copy(copy)
        if self.settings.wire is not None:
            await self.settings.wire.remember(copy)

    def _new_transport(self) -> LaneTransport:
        return LaneTransport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> LaneTransport:
        return LaneTransport(self.conf.broker_producer, self)
