"""Faust's consumer, changed in three places: it delivers whole batches, commits by the lane, and proves its lease."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar, Final, cast

from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage
from mode import Service
from mode.utils.futures import notify

from streams.lane.batch import Batch
from streams.lane.durability import Copy
from streams.lane.kafka import LaneProducer
from streams.lane.lease import Lease

#: How long one fetch waits in this process; a seek waits for the fetch that is under way.
_POLL_S: Final = 0.25
_NOTHING_ASSIGNED_S: Final = 0.05


class BatchMessage(ConsumerMessage):
    """Many records as one message: its value is the batch, its offset that of the last record."""


def as_message(batch: Batch, generation: int) -> BatchMessage:
    """A batch as Faust passes it on; Faust drops it when the group's generation has changed meanwhile."""
    last = batch.records[-1]
    value = cast(bytes, batch)  # decoding hands it on as it is
    return BatchMessage(
        *batch.tp,
        last.offset,
        last.timestamp / 1000,
        last.timestamp_type,
        None,
        None,
        value,
        None,
        0,
        0,
        batch.tp,
        generation_id=generation,
    )


class CommitRefused(Exception):
    """The group does not take the offset: the partition is another's, or about to be."""


class LaneConsumerThread(driver.AIOKafkaConsumerThread):
    """The thread that fetches and sends heartbeats, so that a long fold delays neither."""

    app: Any

    def _create_consumer(self, loop: asyncio.AbstractEventLoop) -> Any:
        consumer = super()._create_consumer(loop)
        # Faust hard-codes 1500 ms, and a produce does not wake a waiting fetch on librdkafka's broker.
        consumer._fetch_max_wait_ms = self.app.fetch_wait_ms
        return consumer

    async def on_start(self) -> None:
        """Starts the client, watches its heartbeats, and is watched itself."""
        await super().on_start()
        self._attending = asyncio.get_running_loop().create_task(self.app.watchdog.attend("the thread that fetches"))
        consumer = self._ensure_consumer()
        prove_membership(consumer._coordinator, self.app.lease)
        hand_on_as_read(consumer._fetcher)


def hand_on_as_read(fetcher: Any) -> None:
    """Leaves records as aiokafka's C code reads them: an object of its own for each costs more than to fetch it, and says nothing more.

    They have offset, timestamp and its type, key, value and headers; topic and partition are the batch's.
    """
    fetch = fetcher._proc_fetch_request

    async def fetch_as_read(*arguments: Any) -> bool:
        done: bool = await fetch(*arguments)
        for result in fetcher._records.values():
            records = getattr(result, "_partition_records", None)  # an error has none
            if records is not None:
                records._consumer_record = _as_read
        return done

    fetcher._proc_fetch_request = fetch_as_read


def _as_read(_: Any, record: Any) -> Any:
    return record


def prove_membership(coordinator: Any, lease: Lease) -> None:
    """Renews the lease with each heartbeat that the group answers well, from the moment it was sent."""
    heartbeat = coordinator._do_heartbeat
    joined = coordinator._on_join_complete

    async def proving_heartbeat() -> bool:
        asked_at = lease.clock()
        alive: bool = await heartbeat()
        if alive:
            lease.renew(asked_at)
        return alive

    async def proving_join(*arguments: Any) -> None:
        # A join may have waited long for others: prove it afresh, before anyone may send.
        await proving_heartbeat()
        await joined(*arguments)

    coordinator._do_heartbeat = proving_heartbeat
    coordinator._on_join_complete = proving_join


class LaneConsumer(driver.Consumer):
    """Delivers one fetched batch of a partition as one message and leaves the rest to the lane."""

    app: Any

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        #: Held while a fetch is taken and delivered, and while reading begins anew: no batch crosses a seek.
        self._reading = asyncio.Lock()
        self._revocations = 0

    def _new_consumer_thread(self) -> LaneConsumerThread:
        return LaneConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def _drain_messages(self, fetcher: Any) -> None:
        try:
            while not (self._stopped.is_set() or fetcher._stopped.is_set()):
                if not self.flow_active:
                    await self.wait_first(self.can_resume_flow.wait())
                    continue
                async with self._reading:
                    records = await self._fetch()
                    if records and self.flow_active:
                        await self.wait_first(self._deliver(records), self.suspend_flow.wait())
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            if not self.app.should_stop:
                self.app.end(f"reading failed: {type(error).__name__}: {error}")

    async def _fetch(self) -> Mapping[Any, Any]:
        active = self._get_active_partitions()
        if not active:
            await asyncio.sleep(_NOTHING_ASSIGNED_S)
            return {}
        found: Mapping[Any, Any] = await self._getmany(active, _POLL_S)
        return found

    async def _deliver(self, records: Mapping[Any, Any]) -> None:
        generation = self.app.consumer_generation_id
        for key, fetched in records.items():
            if not self.flow_active or self.app.consumer_generation_id != generation:
                return
            tp = ensure_TP(key)
            batch = Batch(tp, self.app.ledger.era, fetched)
            self.app.progress.fetched(tp, len(fetched), self.highwater(tp))
            await self.callback(as_message(batch, generation))

    def on_buffer_full(self, tp: TP) -> None:
        """Keeps fetching: a full buffer holds up the delivery, and with it the next fetch."""

    def on_buffer_drop(self, tp: TP) -> None:
        """See `on_buffer_full`."""

    def ack(self, message: Any) -> bool:
        """A batch has left the agent; what may be committed is the ledger's to say."""
        message.acked = True
        self._unacked_messages.discard(message)
        notify(self._waiting_for_ack)
        return True

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Notes at once that partitions go: whatever was beginning with them must not begin."""
        self._revocations += 1
        await super().on_partitions_revoked(revoked)

    async def perform_seek(self) -> None:
        """Begins reading anew, from what is durable.

        A rebalance may begin meanwhile, and Faust resumes the flow all the same: without a track nothing is folded.
        """
        seen = self._revocations
        try:
            async with self._reading:
                self.app.ledger.forget()
                await super().perform_seek()
                await self._begin_inputs(seen)
        except asyncio.CancelledError:
            if self._revocations == seen and not self.app.should_stop:
                # Faust gives it `broker_request_timeout`, and stops for good without a word.
                self.app.end("what is durable could not be read in time")
            raise

    async def _begin_inputs(self, seen: int) -> None:
        inputs = sorted(tp for tp in self.assignment() if self.app.is_input(tp.topic))
        self.app.let_go(inputs)
        ends = await self.highwaters(*inputs)
        for tp in inputs:
            committed: int | None = self._read_offset[tp]
            if not committed or committed > ends[tp]:
                # aiokafka leaves a partition without a commit where it is, which may be behind what was dropped;
                # and an offset behind the end is one of an earlier log.
                committed = None
                await self._thread.seek_to_beginning(driver.ensure_aiokafka_TP(tp))
            floor = await self.app.recover(tp, committed, ends[tp])
            if self._revocations != seen:
                return
            self.app.begin(tp, floor, committed)

    async def wait_empty(self) -> None:
        """Waits for the batches that agents have begun, then commits for the last time: no longer than a rebalance may take."""
        try:
            async with asyncio.timeout(self.app.lease.session_s):
                while self._unacked_messages:
                    await self._wait_for_ack(timeout=1)
                    self._clean_unacked_messages()
                await self.app.committer.finish()
        except TimeoutError:
            self.app.end("its agents did not finish their batches in time for a rebalance")

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Commits every partition that has come further."""
        done: bool = await self.app.committer.commit()
        return done

    async def commit_copy(self, copy: Copy) -> None:
        """Commits the offset of a copy.

        Raises:
            CommitRefused: it is not this worker's any more.
        """
        if copy.tp not in self.assignment() or not await self._commit({copy.tp: copy.next_offset}):
            raise CommitRefused(f"the group refused offset {copy.next_offset}")

    @Service.task
    async def _commit_handler(self) -> None:
        while not self.should_stop:
            await self.app.commit_due()
            await self.commit()

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Nothing: Faust's detector looks at acknowledgements that the lane does not keep."""


class LaneTransport(driver.Transport):
    """Makes the lane's consumer and producer."""

    Consumer: ClassVar[Any] = LaneConsumer
    Producer: ClassVar[Any] = LaneProducer
