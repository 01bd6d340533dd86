"""Confluent's framing: written where a registry is set, read beside single-object encoding, never stored."""

from __future__ import annotations

import io
import json
import time
from typing import Any

import httpx
import pytest
from fastavro import parse_schema, schemaless_reader
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas import topics
from schemas.codec import Undecodable, codec, framed, plain, versions
from schemas.errors import SettingError, Unreachable
from schemas.publish import make_record
from schemas.registry import Registry, use
from schemas.settings import Settings
from schemas.tick_decoder import TickDecoder
from streams.cli.topic_admin import TopicAdmin
from streams.core.facts import Position
from streams.log_epoch import read_epoch, read_to_end
from streams.sinks.letters import KafkaLetters
from streams.sinks.rows import arrived
from tests.platform.kafka import KafkaBroker
from tests.platform.registry import SchemaRegistry
from tests.schemas.tiny_registry import TinyRegistry, forget_ids, tiny_registry
from tests.sinks.records import event

EVENT = codec("event")


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Any:
    forget_ids(monkeypatch)
    with tiny_registry() as made:
        yield made


def test_every_version_of_every_subject_is_registered_once_and_asked_for_once_a_process(registry: TinyRegistry) -> None:
    use(registry.url, "wst.")
    use(registry.url, "wst.")
    every = [json.dumps(schema) for topic in topics.ALL for schema in versions(topic.subject).values()]
    assert sorted(registry.schemas) == sorted(every)
    assert set(registry.subjects) == {f"wst.{topic.name}-value" for topic in topics.ALL}
    # Looked up, then registered.
    assert len(registry.asked) == 2 * len(every)


def test_one_that_may_only_look_up_is_enough_where_the_schemas_are_there(registry: TinyRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    use(registry.url, "wst.")
    forget_ids(monkeypatch)
    asked = len(registry.asked)
    use(registry.url, "wst.")
    assert not [path for path, _ in registry.asked[asked:] if path.endswith("/versions")]


def test_both_framings_are_read_and_what_is_kept_needs_no_registry(registry: TinyRegistry) -> None:
    ours = EVENT.encode(event(3))
    assert framed(ours) == ours
    use(registry.url, "wst.")
    theirs = framed(ours)
    assert theirs is not None
    number = int.from_bytes(theirs[1:5], "big")
    assert (theirs[:1], json.loads(registry.schemas[number - 1])) == (b"\0", EVENT.schema)
    assert EVENT.decode(theirs) == EVENT.decode(ours)
    assert plain(theirs) == ours
    one = arrived("workspace.changes", Position(1, 0, 3), b"shop@laptop", theirs, (), 1)
    assert one.value == ours


def test_a_consumer_reads_it_with_no_more_than_the_registry_and_avro(registry: TinyRegistry) -> None:
    use(registry.url, "wst.")
    theirs = framed(EVENT.encode(event(3))) or b""
    schema = json.loads(registry.schemas[int.from_bytes(theirs[1:5], "big") - 1])
    record = schemaless_reader(io.BytesIO(theirs[5:]), parse_schema(schema), None)
    assert record["seq"] == 3  # type: ignore[index,call-overload]


def test_ticks_are_read_in_either_framing(registry: TinyRegistry) -> None:
    fields = {"workspace_id": "w", "workspace_name": "w", "engine_id": "E", "engine_name": "e", "tick_at_ns": 1, "interval_ms": 1}
    tick = {"generation": 0, "part": 0, "parts": 1, "host_cpus": 1, "host_memory_bytes": 1, "labels": {}, "samples": []} | fields
    ours = codec("stats_tick").encode(tick)
    use(registry.url, "wst.")
    assert TickDecoder().decode(framed(ours)) == TickDecoder().decode(ours) == codec("stats_tick").decode(ours)


@given(st.binary(max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_comes_after_the_magic_byte_only_one_error_is_raised(registry: TinyRegistry, rest: bytes) -> None:
    use(registry.url, "wst.")
    value = b"\0" + rest
    try:
        EVENT.decode(value)
    except Undecodable as error:
        assert error.code in ("undecodable", "unknown_schema")  # noqa: PT017
    assert framed(plain(value)) == value


@pytest.mark.parametrize(
    ("refuse", "say", "error", "says"),
    [
        (401, b"", SettingError, "refuses /subjects/wst.docker.events-value: no"),
        (409, b"", SettingError, "refuses"),
        (500, b"", Unreachable, "says 500"),
        (0, b"<html>", Unreachable, "no schema registry answers at"),
        (0, b"[]", Unreachable, "is no schema registry"),
        (0, b'{"id": -1}', Unreachable, "is no schema registry"),
    ],
)
def test_a_registry_that_refuses_or_is_none_is_told(
    registry: TinyRegistry, refuse: int, say: bytes, error: type[Exception], says: str
) -> None:
    registry.refuse, registry.say = refuse, say
    with pytest.raises(error, match=says):
        use(registry.url, "wst.")
    assert framed(EVENT.encode(event(1)))[:2] == b"\xc3\x01"  # type: ignore[index]


def test_one_that_is_away_is_said_without_its_password_and_with_it_it_is_asked(registry: TinyRegistry) -> None:
    with pytest.raises(Unreachable) as error:
        use("http://user:hunter2@127.0.0.1:1", "wst.")
    assert "hunter2" not in str(error.value)
    with pytest.raises(SettingError, match="is no http"):
        use("file:///etc/passwd", "wst.")
    use(registry.url.replace("://", "://user:hunter2@"), "wst.")
    assert registry.asked[0][1] == "Basic dXNlcjpodW50ZXIy"


@pytest.mark.kafka
async def test_on_kafka_writers_use_it_and_readers_take_both(registry: TinyRegistry, kafka: KafkaBroker, unique: str) -> None:
    plain_ones = Settings(brokers=kafka.bootstrap, topic_prefix=f"{unique}.", partitions=1)
    async with TopicAdmin(plain_ones) as admin:
        await admin.apply(await admin.plan())
    epoch = await read_epoch(plain_ones)
    changes = topics.WORKSPACE_CHANGES

    async def put(given: Settings, seq: int) -> None:
        writer = KafkaLetters(given)
        record = make_record(
            changes, given.topic_prefix, "shop@laptop", event(seq), kind="x", record_id="x", timestamp_ms=int(time.time() * 1000)
        )
        await writer.publish([record])
        await writer.close()

    await put(plain_ones, 1)
    with_registry = plain_ones.model_copy(update={"schema_registry_url": registry.url})
    await put(with_registry, 2)
    records = [record async for record in read_to_end(with_registry, changes.full(with_registry.topic_prefix))]
    assert [record.value[:1] for record in records] == [b"\xc3", b"\0"]
    assert [EVENT.decode(record.value)["seq"] for record in records] == [1, 2]
    assert await read_epoch(with_registry) == epoch
    async with TopicAdmin(with_registry) as admin:
        assert await admin.plan() == []


def _asked(url: str, path: str, method: str = "GET", body: Any = None) -> Any:
    return httpx.request(method, url + path, json=body, timeout=30, trust_env=False).raise_for_status().json()


def test_a_real_registry_that_insists_on_full_compatibility_takes_every_version_once_and_gives_it_back(
    schema_registry: SchemaRegistry, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_ids(monkeypatch)
    url, prefix = schema_registry.url, f"{unique}."
    _asked(url, "/config", "PUT", {"compatibility": "FULL_TRANSITIVE"})
    use(url, prefix)
    for topic in topics.ALL:
        assert _asked(url, f"/subjects/{prefix}{topic.name}-value/versions") == sorted(versions(topic.subject))
    theirs = framed(EVENT.encode(event(3))) or b""
    given_back = json.loads(_asked(url, f"/schemas/ids/{int.from_bytes(theirs[1:5], 'big')}")["schema"])
    record = schemaless_reader(io.BytesIO(theirs[5:]), parse_schema(given_back), None)
    assert record["seq"] == 3  # type: ignore[index,call-overload]
    assert EVENT.decode(theirs) == EVENT.decode(EVENT.encode(event(3)))
    # Whoever comes after looks up what is there.
    forget_ids(monkeypatch)
    use(url, prefix)
    assert framed(EVENT.encode(event(3))) == theirs
    changed = EVENT.schema | {"fields": [field for field in EVENT.schema["fields"] if field["name"] != "id"]}
    with pytest.raises(SettingError, match=f"refuses /subjects/{unique}.workspace.changes-value/versions"):
        Registry(url).id_of(f"{prefix}workspace.changes-value", changed)
