"""The private things of Faust, mode and aiokafka that the lane leans on: an upgrade that takes one away fails here, by name."""

from __future__ import annotations

import inspect
from importlib.metadata import version
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer import AIOKafkaConsumer, fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.producer import AIOKafkaProducer, sender
from faust.app import App
from faust.tables import TableManager
from faust.tables.recovery import Recovery
from faust.topics import Topic
from faust.transport import conductor
from faust.transport.consumer import Consumer, Fetcher
from faust.transport.drivers import aiokafka as driver
from faust.types.tuples import Message
from mode import Service


def test_the_versions_are_those_the_lane_was_written_against() -> None:
    assert version("faust-streaming") == "0.15.3"
    assert version("aiokafka").startswith("0.14.")


@pytest.mark.parametrize(
    ("owner", "names"),
    [
        (App, ["_new_transport", "_new_producer_transport", "on_start", "wait_until_stopped"]),
        (Topic, ["_compile_decode", "maybe_declare"]),
        (TableManager, ["on_start", "_update_channels", "recovery"]),
        (Recovery, ["_resume_streams", "_restart_recovery"]),
        (
            Consumer,
            [
                "_drain_messages", "_get_active_partitions", "_getmany", "_wait_for_ack", "_clean_unacked_messages", "_commit_handler",
                "_commit", "perform_seek", "wait_empty", "commit", "ack", "on_buffer_full", "on_buffer_drop", "verify_event_path",
                "stop_flow", "on_partitions_revoked",
            ],
        ),
        (driver.Consumer, ["_new_consumer_thread"]),
        (driver.AIOKafkaConsumerThread, ["_create_consumer", "on_start", "_ensure_consumer", "seek_to_beginning"]),
        (driver.Producer, ["_settings_extra", "_ensure_producer", "on_start"]),
        (GroupCoordinator, ["_do_heartbeat", "_on_join_complete", "_heartbeat_routine"]),
        (AIOKafkaProducer, ["create_batch", "send_batch"]),
        (AIOKafkaClient, ["send", "ready"]),
        (Service, ["wait_first", "wait_until_stopped", "crash_reason"]),
    ],
)  # fmt: skip
def test_what_the_lane_overrides_or_calls_is_there(owner: type, names: list[str]) -> None:
    assert [name for name in names if not hasattr(owner, name)] == []


@pytest.mark.parametrize(
    ("code", "what"),
    [
        (Consumer.__init__, ["_unacked_messages", "_read_offset", "can_resume_flow", "suspend_flow", "_waiting_for_ack"]),
        (Consumer.perform_seek, ["_read_offset", "seek_to_committed"]),
        (Fetcher._fetcher, ["consumer._drain_messages(self)"]),
        (AIOKafkaConsumer.__init__, ["self._fetch_max_wait_ms"]),
        (AIOKafkaConsumer.start, ["self._fetch_max_wait_ms", "self._coordinator = GroupCoordinator", "self._fetcher = Fetcher("]),
        (fetcher.Fetcher._fetch_requests_routine, ["self._proc_fetch_request("]),
        (fetcher.Fetcher._proc_fetch_request, ["self._records[tp] = FetchResult("]),
        (fetcher.FetchResult.__init__, ["self._partition_records = partition_records"]),
        (fetcher.PartitionRecords._unpack_records, ["consumer_record = self._consumer_record(tp, record)"]),
        (AIOKafkaProducer.__init__, ["self.client = AIOKafkaClient"]),
        # Looked up on the instance at each call, or wrapping them would do nothing.
        (GroupCoordinator._heartbeat_routine, ["await self._do_heartbeat()"]),
        (GroupCoordinator._do_rejoin_group, ["await self._on_join_complete("]),
        (sender.BaseHandler.do, ["self._sender.client.send("]),
        # The final commit of a rebalance comes before joining, while heartbeats still go out.
        (GroupCoordinator.ensure_active_group, ["await self._on_join_prepare", "await self._stop_heartbeat_task()"]),
        (App._on_partitions_revoked, ["stop_flow", "on_partitions_revoked", "self._consumer_wait_empty"]),
        (App._stop_consumer, ["self._consumer_wait_empty"]),
        (Recovery._resume_streams, ["consumer.perform_seek()"]),
        # Without tables of its own, Faust begins reading at once; recovering is the lane's.
        (Recovery._restart_recovery, ["if not self.tables", "self._resume_streams"]),
        (conductor.ConductorCompiler.build, ["chan.decode(message, propagate=True)"]),
        # A partition without a commit is left where it is: the lane seeks to its beginning itself.
        (AIOKafkaConsumer.seek_to_committed, ["if offset and offset > 0"]),
    ],
)  # fmt: skip
def test_the_code_the_lane_relies_on_still_reads_so(code: Any, what: list[str]) -> None:
    source = inspect.getsource(getattr(code, "fun", code))  # mode wraps a service's tasks
    assert [each for each in what if each not in source] == []


def test_a_commit_during_a_rebalance_comes_before_the_heartbeats_stop() -> None:
    source = inspect.getsource(GroupCoordinator.ensure_active_group)
    assert source.index("_on_join_prepare(prev_assignment)") < source.index("_stop_heartbeat_task()") < source.index("_do_rejoin_group(")


def test_a_message_carries_what_the_lane_puts_into_it() -> None:
    parameters = list(inspect.signature(Message.__init__).parameters)
    assert parameters[1:13] == [
        "topic", "partition", "offset", "timestamp", "timestamp_type", "headers", "key", "value", "checksum", "serialized_key_size",
        "serialized_value_size", "tp",
    ]  # fmt: skip
    assert "generation_id" in parameters
