"""What an earlier version left is gone on with: its data directory by `wst up`, its topics and its database by the parts of a cluster.

`previous/` was made (`make_previous.py`) on 29 November 2026 by the code of the commit that stands in its `about.json`; this history
holds that code's work, but no longer that commit.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from schemas import topics
from schemas.journal import Journal
from schemas.publish import partition_of
from streams.supervisor.plan import PRODUCER, Source, environment, parts
from streams.supervisor.safety_copy import before_start, migration_names
from streams.supervisor.tree import Tree
from tests.e2e.parts import Part, clean_environment, wst
from tests.life.make_previous import PREVIOUS, summary
from tests.platform.clickhouse_http import ClickHouseHttpServer
from tests.platform.kafka import KafkaBroker
from tests.platform.process import PATIENCE_S, free_port, wait_until
from tests.platform.unpack import unpack

ABOUT = json.loads((PREVIOUS / "about.json").read_text())
PARTITIONS = 4
#: What was written grows older with each day this test is run on: nothing of it is forgotten for its age.
KEPT = {"WST_EPHEMERAL_TTL": str(10 * 365 * 86_400), "WST_KEEP_SAMPLES": "off", "WST_KEEP_HOURLY": "off", "WST_KEEP_DEAD_LETTERS": "off"}


@pytest.fixture
def previous(tmp_path: Path) -> Path:
    unpack(PREVIOUS / "data.tar.xz", tmp_path)
    return tmp_path / "data"


def as_before(states: str) -> list[str]:
    """What is not as the earlier version said it."""
    now = summary(states)
    differences = [f"{name}: lost" for name in ABOUT["states"].keys() - now.keys()]
    for name, must in ABOUT["states"].items():
        have = dict(now.get(name, {}))
        # What happened since, such as that nobody watches its engine, is told beside; what was is not changed by it.
        if have and int(str(have.pop("seq_at_least"))) < must["seq_at_least"]:
            differences.append(f"{name}: its events begin anew")
        if have and have != {key: value for key, value in must.items() if key != "seq_at_least"}:
            differences.append(f"{name}: {have} instead of {must}")
    return differences


@asynccontextmanager
async def tree(folder: Path) -> AsyncIterator[dict[str, str]]:
    """`wst up` on a directory, without the producer: there is no engine to watch. Yields settings for commands."""
    source, port = Source(), free_port()
    env = environment(clean_environment(KEPT), folder, port, source)
    said: list[str] = []
    running = Tree([part for part in parts(source) if part.name != PRODUCER], env, folder, said.append)
    stop = asyncio.Event()
    task = asyncio.create_task(running.run(stop))
    try:
        async with asyncio.timeout(PATIENCE_S):
            address = await running.ready("serve")
        yield {"WST_API": address, "WST_DATA_DIR": str(folder), "WST_PARTITIONS": str(PARTITIONS)} | KEPT
        assert said == []
    finally:
        stop.set()
        await task


async def until(condition: Callable[[], Any], what: str) -> None:
    await asyncio.to_thread(wait_until, condition, what, PATIENCE_S)


async def ask(*arguments: str, settings: dict[str, str]) -> str:
    return await asyncio.to_thread(wst, *arguments, settings=settings)


async def test_wst_up_goes_on_with_a_directory_of_an_earlier_version_and_its_copy_is_one_to_go_back_to(previous: Path) -> None:
    before = set(json.loads(await asyncio.to_thread((PREVIOUS / "about.json").read_text))["states"])
    assert len(before) > 5
    assert before_start(previous, migration_names()) == f"an earlier version wrote {previous}: a copy of it is in {previous}/before-upgrade"
    async with tree(previous) as settings:
        assert as_before(await ask("status", "--json", settings=settings)) == []
        # The archive was brought to this version with its rows, and all of it is read.
        counted = await ask("query", "SELECT count() FROM samples", "--format", "csv", settings=settings)
        assert int(counted.split()[-1]) > 100
        erased = await ask("query", "SELECT count() FROM docker_events", "--format", "csv", settings=settings)
        assert int(erased.split()[-1]) > 10
        # The log that the earlier version wrote folds to the same states and events.
        assert json.loads(await ask("replay", "--compare", "--json", settings=settings))["differences"] == []
        # And it goes on: a command is obeyed.
        name = next(name for name, state in ABOUT["states"].items() if not any(one[1] == "running" for one in state["containers"]))
        await ask("archive", name, settings=settings)
        assert json.loads(await ask("status", name, "--json", settings=settings))["status"] == "archived"
    assert before_start(previous, migration_names()) == ""
    # Rehearsed: the copy in the directory's place is the earlier version's directory again.
    back = previous.parent / "back"
    await asyncio.to_thread(shutil.copytree, previous / "before-upgrade", back, symlinks=True)
    await asyncio.to_thread(shutil.rmtree, previous)
    async with tree(back) as settings:
        assert as_before(await ask("status", "--json", settings=settings)) == []


def test_wst_up_refuses_a_directory_of_a_newer_version_in_one_line_with_2(previous: Path) -> None:
    (previous / "PROGRAM").write_text(json.dumps({"migrations": [*migration_names(), "9999_later.sql"]}))
    said = wst("up", "--demo", "--port", "0", "--data", str(previous), settings={}, check=False)
    assert said == ""
    with pytest.raises(AssertionError, match=r"ended with 2: wst: .* by a newer wst \(its archive has 9999_later.sql\): upgrade wst"):
        wst("up", "--demo", "--port", "0", "--data", str(previous), settings={})


@pytest.mark.kafka
@pytest.mark.clickhouse_http
def test_a_cluster_goes_on_with_the_topics_and_the_database_of_an_earlier_version(
    previous: Path, kafka: KafkaBroker, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        archive = ClickHouseHttpServer()
        shutil.copytree(previous / "archive", archive.folder / "data", symlinks=True)
        stack.enter_context(archive)
        port = free_port()
        settings = KEPT | {
            "WST_BROKERS": kafka.bootstrap,
            "WST_TOPIC_PREFIX": f"life-{uuid.uuid4().hex[:8]}.",
            "WST_PARTITIONS": str(PARTITIONS),
            "WST_CLICKHOUSE_URL": archive.url,
            "WST_DATA_DIR": str(tmp_path / "cluster"),
            "WST_API_PORT": str(port),
            "WST_API": f"http://127.0.0.1:{port}",
        }
        wst("topics", "apply", settings=settings)
        assert "0030_erased.sql" in wst("migrate", settings=settings)
        put_log(previous, settings)
        for arguments in (("sink",), ("api",), ("worker", "state"), ("worker", "usage")):
            stack.enter_context(Part(arguments, settings))
        differences = ["nothing compared yet"]

        def is_as_before() -> bool:
            time.sleep(0.5)
            said = wst("status", "--json", settings=settings, check=False)
            differences[:] = as_before(said) if said else ["no answer"]
            return not differences

        try:
            wait_until(is_as_before, "the states that the earlier version had", PATIENCE_S)
        except TimeoutError:
            pytest.fail("\n".join(differences))


def put_log(previous: Path, settings: dict[str, str]) -> None:
    """The inputs of the earlier version's log, as they were written, into a cluster's topics."""
    journal = Journal(previous / "journal.sqlite", PARTITIONS)
    producer = Producer({"bootstrap.servers": settings["WST_BROKERS"], "enable.idempotence": True, "log_level": 0})
    inputs = {f"wst.{topic.name}": topic for topic in (topics.DOCKER_EVENTS, topics.DOCKER_SNAPSHOTS, topics.DOCKER_STATS)}
    after = 0
    while entries := journal.read(after, 500):
        for entry in entries:
            record = entry.record
            if record.topic in inputs and record.value is not None:
                topic = inputs[record.topic].full(settings["WST_TOPIC_PREFIX"])
                place = partition_of(record.key, PARTITIONS)
                producer.produce(topic, record.value, record.key, place, headers=list(record.headers), timestamp=record.timestamp_ms)
        after = entries[-1].seq
    journal.close()
    assert producer.flush(60) == 0
