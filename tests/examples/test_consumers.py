"""The examples read what wst publishes, without its code, from a real broker."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas import topics
from schemas.publish import make_record
from schemas.settings import Settings
from streams.cli.topic_admin import TopicAdmin
from streams.sinks.letters import KafkaLetters
from tests.platform.kafka import KafkaBroker
from tests.schemas.tiny_registry import forget_ids, tiny_registry
from tests.sinks.records import HOSTILE, event

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples" / "consumers"
SCHEMAS = ROOT / "schemas" / "avro" / "event"
TOPIC = topics.WORKSPACE_CHANGES


async def publish(given: Settings, *seqs: int) -> None:
    writer = KafkaLetters(given)
    now_ms = int(time.time() * 1000)
    told = [event(seq, message=HOSTILE) for seq in seqs]
    prefix, key = given.topic_prefix, "shop@laptop"
    await writer.publish([make_record(TOPIC, prefix, key, each, kind="x", record_id="x", timestamp_ms=now_ms) for each in told])
    await writer.close()


async def topic_with_events(kafka: KafkaBroker, unique: str) -> Settings:
    """Three events, the second one twice."""
    given = Settings(brokers=kafka.bootstrap, topic_prefix=f"{unique}.", partitions=1)
    async with TopicAdmin(given) as admin:
        await admin.apply(await admin.plan())
    await publish(given, 1, 2, 2, 3)
    return given


def run(*argv: str, folder: Path) -> list[str]:
    """Lines of a program that has nothing of ours on its path."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(params=["imitated", pytest.param("real", marks=pytest.mark.registry)])
def registry_url(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "real":
        yield request.getfixturevalue("schema_registry").url
        return
    with tiny_registry() as registry:
        yield registry.url


@pytest.mark.kafka
def test_the_python_example_prints_each_event_once_in_either_framing(
    kafka: KafkaBroker, registry_url: str, unique: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_ids(monkeypatch)
    given = asyncio.run(topic_with_events(kafka, unique))
    shutil.copy(EXAMPLES / "python" / "consume.py", tmp_path)
    asyncio.run(publish(given.model_copy(update={"schema_registry_url": registry_url}), 3, 4))
    arguments = ["--brokers", kafka.bootstrap, "--topic", TOPIC.full(given.topic_prefix), "--group", f"{unique}.python"]
    more = ["--schemas", str(SCHEMAS), "--registry", registry_url, "--count", "4"]
    lines = run(sys.executable, "-P", "consume.py", *arguments, *more, folder=tmp_path)
    events = [json.loads(line) for line in lines]
    assert [each["seq"] for each in events] == [1, 2, 3, 4]
    assert {each["message"] for each in events} == {HOSTILE}
    assert events[0]["status_changed"]["new_status"] == "active"


@pytest.mark.kcat
def test_kcat_shows_who_each_event_is_about_and_its_type_as_the_readme_says(kafka: KafkaBroker, unique: str, tmp_path: Path) -> None:
    given = asyncio.run(topic_with_events(kafka, unique))
    (told,) = re.findall(r"`(kcat [^`]* -f [^`]*)`", (EXAMPLES / "README.md").read_text())
    here = {"127.0.0.1:9092": kafka.bootstrap, "wst.workspace.changes": TOPIC.full(given.topic_prefix)}
    lines = run(*(here.get(word, word) for word in shlex.split(told)), "-e", "-q", folder=tmp_path)
    assert len(lines) == 4
    for line in lines:
        key, headers = line.split(" ", 1)
        said = dict(header.split("=", 1) for header in headers.split(","))
        assert (key, said["wst-type"], said["wst-id"]) == ("shop@laptop", "x", "x")


@pytest.mark.kafka
def test_the_java_example_prints_each_event_once(kafka: KafkaBroker, unique: str, tmp_path: Path) -> None:
    given = asyncio.run(topic_with_events(kafka, unique))
    shutil.copytree(EXAMPLES / "java", tmp_path / "java", ignore=shutil.ignore_patterns("target"))
    pom = str(tmp_path / "java" / "pom.xml")
    run(
        "mvn", "-B", "-q", "-ntp", "-f", pom, "compile", "dependency:build-classpath", "-Dmdep.outputFile=target/classpath", folder=tmp_path
    )
    built = tmp_path / "java" / "target"
    classes = f"{built / 'classes'}:{(built / 'classpath').read_text().strip()}"
    topic = TOPIC.full(given.topic_prefix)
    lines = run("java", "-Xmx64m", "-cp", classes, "Consume", kafka.bootstrap, topic, str(SCHEMAS), "3", folder=tmp_path)
    assert [json.loads(line)["seq"] for line in lines] == [1, 2, 3]
