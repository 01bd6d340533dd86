"""The health check of workers, sink and producer: true while they do their work, false when they hang."""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from schemas.alive import say_alive
from tests.e2e.parts import Part, wst
from tests.platform.clickhouse_http import ClickHouseHttpServer
from tests.platform.engine import DockerEngine
from tests.platform.kafka import KafkaBroker
from tests.platform.process import wait_until

WATCHED = {"worker-state": "alive.state", "worker-usage": "alive.usage", "sink": "alive.sink", "producer": "alive.producer"}


def check_of(stack: dict[str, Any], service: str, folder: Path) -> bool:
    """What Compose's check of a service says of a data directory."""
    kind, script = stack["services"][service]["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    return subprocess.run(["sh", "-c", script.replace("/data", str(folder))], capture_output=True, check=False).returncode == 0


def test_the_check_believes_only_a_file_touched_within_the_last_minute(stack: dict[str, Any], tmp_path: Path) -> None:
    for service in WATCHED:
        folder = tmp_path / service
        folder.mkdir()
        assert not check_of(stack, service, folder)
        say_alive(folder, "part")
        assert check_of(stack, service, folder)
        long_ago = time.time() - 90
        os.utime(folder / "alive.part", (long_ago, long_ago))
        assert not check_of(stack, service, folder)
        say_alive(folder, "part")
        assert check_of(stack, service, folder)


def test_a_data_directory_that_takes_nothing_stops_no_part(tmp_path: Path) -> None:
    say_alive(tmp_path / "missing", "part")
    assert not (tmp_path / "missing").exists()


def test_each_part_touches_its_file_again_and_again_while_it_works(
    kafka: KafkaBroker, engine: DockerEngine, clickhouse_http: ClickHouseHttpServer, unique: str, tmp_path: Path
) -> None:
    common = {
        "WST_BROKERS": kafka.bootstrap,
        "WST_TOPIC_PREFIX": f"{unique}.",
        "WST_PARTITIONS": "1",
        "WST_ENGINES": engine.url,
        "WST_CLICKHOUSE_URL": clickhouse_http.url,
        "WST_CLICKHOUSE_DATABASE": unique,
    }
    wst("topics", "apply", settings=common)
    wst("migrate", settings=common)
    with ExitStack() as running:
        files = []
        for service, file in WATCHED.items():
            folder = tmp_path / service
            folder.mkdir()
            running.enter_context(Part(service.split("-"), common | {"WST_DATA_DIR": str(folder)}))
            files.append(folder / file)
        wait_until(lambda: all(file.exists() for file in files), "every part says that it is alive")
        for path in files:
            path.unlink()
        wait_until(lambda: all(file.exists() for file in files), "every part says so again and again")
