"""The API's live view takes a record only under the key of whom it is about."""

from __future__ import annotations

from typing import Any

from aiokafka import ConsumerRecord, TopicPartition

from schemas import topics
from schemas.codec import codec
from schemas.settings import Settings
from streams.api.live import Live
from tests.sinks import records


def came(topic: topics.Topic, key: bytes, record: dict[str, Any], offset: int) -> ConsumerRecord[bytes, bytes]:
    value = codec(topic.subject).encode(record)
    return ConsumerRecord(topic.full("wst."), 0, offset, 1, 0, key, value, None, len(key), len(value), ())


def test_a_record_under_anothers_key_is_skipped_and_counted_and_shows_no_workspace_twice() -> None:
    live = Live(Settings(), None)
    told = (
        (topics.WORKSPACE_STATE, records.state()),
        (topics.WORKSPACE_CHANGES, records.event()),
        (topics.WORKSPACE_USAGE, records.usage(samples=[records.sample(memory_used_bytes=7)])),
    )
    for topic, record in told:
        live._take_all(TopicPartition(topic.full("wst."), 0), [came(topic, b"otherkey", record, 1)])
    assert (live.skipped, len(live.states), live.usage.metrics("shop@laptop", {"c1"})) == (3, 0, None)
    for topic, record in told:
        live._take_all(TopicPartition(topic.full("wst."), 0), [came(topic, key, record, 2) for key in (b"shop@laptop", b"otherkey")])
    assert live.skipped == 6
    assert [state["workspace_id"] for state in live.states] == ["shop@laptop"]
    assert live.usage.metrics("shop@laptop", {"c1"}) is not None
