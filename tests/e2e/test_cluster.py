"""Docker Engine → producer → Kafka → Faust → ClickHouse → `wst status`, with parts killed and paused in between."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import clickhouse_connect
import pytest

from tests.e2e.compare import events_against_witness, facts_against_witness, states_against_engine
from tests.e2e.parts import Part, json_lines, wst
from tests.e2e.walk import Walk
from tests.e2e.witness import Witness
from tests.platform.clickhouse_http import ClickHouseHttpServer
from tests.platform.engine import DockerEngine
from tests.platform.kafka import KafkaBroker
from tests.platform.process import free_port, wait_until

pytestmark = [pytest.mark.engine, pytest.mark.kafka, pytest.mark.clickhouse_http]

PARTS = {
    "producer": ("producer",),
    "state worker": ("worker", "state"),
    "usage worker": ("worker", "usage"),
    "sink": ("sink",),
    "api": ("api",),
}


@pytest.fixture
def settings(engine: DockerEngine, kafka: KafkaBroker, clickhouse_http: ClickHouseHttpServer, tmp_path: Path) -> dict[str, str]:
    engine.remove_all()
    port = free_port()
    return {
        "WST_BROKERS": kafka.bootstrap,
        "WST_TOPIC_PREFIX": f"e2e-{uuid.uuid4().hex[:8]}.",
        "WST_CLICKHOUSE_URL": clickhouse_http.url,
        "WST_CLICKHOUSE_DATABASE": f"e2e_{uuid.uuid4().hex[:8]}",
        "WST_DATA_DIR": str(tmp_path / "data"),
        "WST_ENGINES": engine.url,
        "WST_ENGINE_NAME": "laptop",
        "WST_SYNC_INTERVAL": "4s",
        "WST_COLLECT_INTERVAL": "2s",
        "WST_API_PORT": str(port),
        "WST_API": f"http://127.0.0.1:{port}",
    }


@pytest.fixture
def parts(settings: dict[str, str]) -> Iterator[dict[str, Part]]:
    wst("topics", "apply", settings=settings)
    wst("migrate", settings=settings)
    with ExitStack() as stack:
        started = {name: stack.enter_context(Part(arguments, settings)) for name, arguments in PARTS.items()}
        yield started
        for name, part in started.items():
            if not part.is_running:
                pytest.fail(f"{name} ended by itself:\n{part.log_tail()}")


def archived(settings: dict[str, str], question: str) -> list[tuple[object, ...]]:
    """Rows of ClickHouse, read as an analyst would."""
    client = clickhouse_connect.get_client(dsn=settings["WST_CLICKHOUSE_URL"], database=settings["WST_CLICKHOUSE_DATABASE"])
    try:
        return [tuple(row) for row in client.query(question).result_rows]
    finally:
        client.close()


def archived_facts(settings: dict[str, str]) -> set[tuple[str, str, int]]:
    """The engine events in ClickHouse."""
    rows = archived(settings, "SELECT container_id, action, toUnixTimestamp64Nano(at) FROM docker_events WHERE kind = 'engine_event'")
    return {(str(container), str(action), int(str(time_ns))) for container, action, time_ns in rows}


def archive_against_states(settings: dict[str, str]) -> list[str]:
    """What the archive says otherwise than `wst status`, or twice."""
    said = {
        (each["workspace_id"], each["status"], each["condition"], each["running"], each["total"])
        for each in json.loads(wst("status", "--json", settings=settings))
    }
    kept = set(archived(settings, "SELECT workspace_id, status, condition, running, total FROM workspaces"))
    ((samples, different),) = archived(settings, "SELECT count(), uniqExact(container_id, read_at) FROM samples")
    twice = [f"{samples} samples, {different} different ones"] if not samples or samples != different else []
    return [*(f"{each} only in {'the archive' if each in kept else 'wst status'}" for each in said ^ kept), *twice]


def test_a_walk_over_a_real_engine_ends_in_exactly_what_happened_though_parts_are_killed_and_paused(
    engine: DockerEngine, settings: dict[str, str], parts: dict[str, Part]
) -> None:
    engine.run("first", "sleep", "1000", options=("--label", "com.docker.compose.project=first"))
    wait_until(lambda: "first" in wst("status", settings=settings, check=False), "the producer watches the engine")
    engine.docker("rm", "--force", "first")
    wait_until(lambda: json.loads(wst("status", "--json", settings=settings))[0]["total"] == 0, "the first container is gone")
    witness = Witness(engine)
    walk = Walk(engine, seed=7)
    walk.begin()
    victims = ["state worker", "sink", "usage worker", "producer"]
    for number in range(80):
        walk.step()
        if number % 10 == 5:  # killed in the middle of activity, and started again a few steps later
            parts[victims[number // 10 % 4]].kill()
        if number % 10 == 8:
            parts[victims[number // 10 % 4]].start()
        if number == 42:
            parts["state worker"].pause()
            parts["sink"].pause()
        if number == 49:
            parts["state worker"].resume()
            parts["sink"].resume()
    walk.settle()
    time.sleep(2)  # time for who has lost its lease to notice, and to end itself
    for part in parts.values():  # what the supervisor does in earnest
        if not part.is_running:
            part.start()

    differences: list[str] = ["nothing compared yet"]

    def states_are_equal() -> bool:
        states = json.loads(wst("status", "--json", settings=settings))
        differences[:] = states_against_engine(states, engine.ps_inspect())
        return not differences

    try:
        wait_until(states_are_equal, "wst status equals docker inspect")
    except TimeoutError:
        pytest.fail("\n".join(differences))

    heard = witness.close()

    def history_is_equal() -> bool:
        events = json_lines(wst("events", "--json", "--since", "1h", settings=settings))
        differences[:] = events_against_witness(events, heard, walk.workspace_of)
        facts = {fact for fact in archived_facts(settings) if fact[0] in walk.workspace_of}
        differences.extend(facts_against_witness(facts, heard, walk.probed))
        differences.extend(archive_against_states(settings))
        return not differences

    try:
        wait_until(history_is_equal, "events and archive equal what was heard")
    except TimeoutError:
        pytest.fail("\n".join(differences))
