"""A secret in an exec, a health check, an environment variable, a command line or a label reaches nothing that is kept or shown."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.parts import Part, clean_environment, json_lines, wst
from tests.platform.engine import IMAGE, DockerEngine
from tests.platform.process import PATIENCE_S, free_port, wait_until

pytestmark = [pytest.mark.engine]

SECRET = "hunter2-correct-horse"

DUMP_ARCHIVE = """
import sys, clickhouse_connect
client = clickhouse_connect.get_client(interface="chdb", path=sys.argv[1])
tables = client.query("SELECT name FROM system.tables WHERE database = 'wst' AND name != 'usage_daily_in'").result_rows
for (name,) in tables:
    print(name, len(client.raw_query(f"SELECT * FROM wst.{name} FORMAT JSONEachRow")))
    sys.stdout.write(client.raw_query(f"SELECT * FROM wst.{name} FORMAT JSONEachRow").decode(errors="replace"))
"""


def test_a_secret_is_in_no_topic_row_log_page_or_recording(engine: DockerEngine, tmp_path: Path) -> None:
    engine.remove_all()
    data, recording = tmp_path / "data", tmp_path / "live.wstrec.gz"
    port = free_port()
    settings = {
        "WST_DATA_DIR": str(data),
        "WST_ENGINES": engine.url,
        "WST_SYNC_INTERVAL": "2s",
        "WST_COLLECT_INTERVAL": "1s",
        "WST_API_PORT": str(port),
        "WST_API": f"http://127.0.0.1:{port}",
    }
    said: list[str] = []
    with Part(("up", "--port", str(port)), settings) as up:
        recorder = subprocess.Popen(
            [sys.executable, "-m", "schemas.wst", "record", str(recording), "--duration", "12"],
            env=clean_environment(settings | {"WST_DATA_DIR": str(tmp_path / "other")}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        time.sleep(2)
        engine.run(
            "keeper",
            "sh",
            "-c",
            f"PW={SECRET}; trap 'exit 0' TERM; while :; do sleep 0.2; done",
            options=(
                *("--label", "com.docker.compose.project=vault", "--label", f"db.password={SECRET}"),
                *("--env", f"TOKEN={SECRET}", "--health-cmd", f"test -n {SECRET}", "--health-interval", "1s"),
            ),
        )
        engine.docker("run", "--detach", "--label", "com.docker.compose.project=broken", IMAGE, f"psql {SECRET}", check=False)
        engine.docker("exec", "keeper", "sh", "-c", f"echo {SECRET}")
        engine.docker("exec", "--env", f"P={SECRET}", "keeper", "true")
        wait_until(lambda: "vault" in wst("status", settings=settings, check=False), "the workspace is tracked")
        # Once more, now that the engine is surely watched: a tree that starts slowly has not heard the first.
        engine.docker("exec", "keeper", "sh", "-c", f"echo {SECRET}")
        wait_until(
            lambda: any(
                e["data"].get("health") == "healthy" for e in json_lines(wst("events", "--json", "--since", "1h", settings=settings))
            ),
            "its health check was heard",
            30,
        )
        counted = ("query", "SELECT count() AS n FROM docker_events WHERE action = 'exec_create'", "--json")
        wait_until(lambda: int(json.loads(wst(*counted, settings=settings))[0]["n"]) > 0, "the archive has the exec")
        wait_until(lambda: "psql …" in wst("status", "--json", settings=settings), "the error of what could not be started is known")
        said += [
            recorder.communicate(timeout=PATIENCE_S)[0],
            wst("status", "--json", settings=settings),
            wst("events", "--json", settings=settings),
        ]
        said += [wst("status", "vault", settings=settings), wst("config", settings=settings), wst("doctor", settings=settings, check=False)]
        said.append(up.log_path.read_text(errors="replace"))
    assert '"vault' in said[1], "nothing was looked at"
    with sqlite3.connect(data / "journal.sqlite") as journal:
        topics = {topic for (topic,) in journal.execute("SELECT DISTINCT topic FROM records")}
    assert {"wst.docker.events", "wst.docker.snapshots", "wst.docker.stats"} <= topics
    archive = subprocess.run(
        [sys.executable, "-c", DUMP_ARCHIVE, str(data / "archive")], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL
    ).stdout
    assert "exec_create" in archive
    said.append(archive)
    said.append(subprocess.run(["gzip", "-dc", str(recording)], capture_output=True, check=True).stdout.decode(errors="replace"))
    assert json.loads(said[-1].splitlines()[0])
    for text in said:
        assert SECRET not in text
    for path in [path for path in data.rglob("*") if path.is_file()]:
        assert SECRET.encode() not in path.read_bytes(), path
