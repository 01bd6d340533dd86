"""The producer on a real Docker Engine: every action of the table, and nothing secret anywhere."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from producers.recording import read
from producers.watch import Pace
from schemas import topics
from tests.platform.engine import IMAGE, DockerEngine
from tests.platform.process import PATIENCE_S, wait_until
from tests.producers.watching import watching

pytestmark = pytest.mark.engine
SLEEP = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done")
COMPOSE = ("--label", "com.docker.compose.project=shop", "--label", "com.docker.compose.service=web")


async def do(engine: DockerEngine, *arguments: str) -> str:
    return await asyncio.to_thread(engine.docker, *arguments)


async def test_every_action_of_the_table_becomes_a_fact_in_the_engines_order(engine: DockerEngine, tmp_path: Path) -> None:
    async with watching(engine.url, tmp_path, Pace(1, 60, 1)) as seen:
        probe = ("--health-cmd", "test ! -e /tmp/sick", "--health-interval", "0.2s", "--health-retries", "1")
        await asyncio.to_thread(engine.run, "web", *SLEEP, options=[*COMPOSE, *probe, "--memory", "32m", "--cpus", "0.5"])

        async def healthy(expected: str) -> None:
            await seen.until(lambda: expected in [f["engine_event"]["health"] for f in seen.facts()], expected)

        def limits() -> list[int]:
            return [f["observation"]["inspect"]["cpu_limit_nanocpus"] for f in seen.facts("observation")]

        await healthy("healthy")
        await do(engine, "exec", "web", "touch", "/tmp/sick")
        await healthy("unhealthy")
        await do(engine, "pause", "web")
        await do(engine, "unpause", "web")
        await do(engine, "update", "--cpus", "0.7", "web")
        await seen.until(lambda: limits()[-1] == 700_000_000, "the new limit")
        await do(engine, "restart", "--time", "2", "web")
        await do(engine, "stop", "--time", "2", "web")
        await do(engine, "start", "web")
        await do(engine, "rename", "web", "web2")
        await do(engine, "kill", "web2")
        await do(engine, "rm", "web2")
        await seen.until(lambda: "destroy" in seen.actions(), "the removal")
        story = [a for a in seen.actions() if not a.startswith(("exec_", "health_status"))]
        again = ["kill", "die", "stop", "start", "restart"]
        assert story == [
            "create",
            "start",
            "pause",
            "unpause",
            "update",
            *again,
            "kill",
            "die",
            "stop",
            "start",
            "rename",
            "kill",
            "die",
            "destroy",
        ]
        times = [fact["time_ns"] for fact in seen.facts()]
        assert times == sorted(times)
        assert {fact["workspace_id"] for fact in seen.facts()} == {"shop@laptop"}
        assert {f["engine_event"]["program"] for f in seen.facts() if f["engine_event"]["action"] == "exec_start"} == {"touch"}
        codes = [f["engine_event"]["exit_code"] for f in seen.facts() if f["engine_event"]["action"] == "die"]
        assert codes == [0, 0, 137]
        assert limits()[0] == 500_000_000


async def test_an_oom_kill_and_a_crash_loop_are_told_with_their_details(engine: DockerEngine, tmp_path: Path) -> None:
    async with watching(engine.url, tmp_path) as seen:
        grow = ("sh", "-c", "exec tail -c 100m /dev/zero")
        await asyncio.to_thread(engine.run, "eater", *grow, options=["--memory", "12m", "--memory-swap", "12m"])
        await asyncio.to_thread(engine.run, "crasher", "sh", "-c", "exit 3", options=["--restart", "on-failure:2"])
        await seen.until(lambda: "oom" in seen.actions("eater") and seen.actions("crasher").count("die") == 3, "the ends")

        def details(name: str) -> list[dict[str, object]]:
            return [f["observation"]["inspect"] for f in seen.facts("observation") if f["container"]["name"] == name]

        await seen.until(lambda: any(d["oom_killed"] for d in details("eater")), "the flag")
        await seen.until(lambda: any(d["restart_count"] == 2 and d["exit_code"] == 3 for d in details("crasher")), "the restarts")


async def test_the_listing_of_a_real_engine_settles_to_what_docker_ps_shows(engine: DockerEngine, tmp_path: Path) -> None:
    for number in range(5):
        await asyncio.to_thread(engine.run, f"c{number}", *SLEEP)
    await do(engine, "pause", "c1")
    await do(engine, "stop", "--time", "1", "c2")
    await do(engine, "create", "--name", "c5", IMAGE, "true")
    async with watching(engine.url, tmp_path, Pace(60, 1, 1)) as seen:
        await seen.until(lambda: len(seen.snapshots()) >= 3, "listings")
        shown = engine.ps_inspect()
        listed = {entry["container"]["name"]: entry for entry in seen.snapshots()[-1]["containers"]}
        assert {name: entry["state"] for name, entry in listed.items()} == {name: c["State"]["Status"] for name, c in shown.items()}
        assert not any(entry["unsettled"] for entry in listed.values())
        total = seen.watch.shared.counts.total
        assert total["calls.inspect"] == 6, "none in the steady state"
        assert total["calls.info"] - 0 == total["calls.list"]


async def test_counters_are_those_docker_shows(engine: DockerEngine, tmp_path: Path) -> None:
    await asyncio.to_thread(engine.run, "busy", "sh", "-c", "while :; do :; done", options=["--cpus", "0.3"])
    async with watching(engine.url, tmp_path, Pace(1, 60, 1)) as seen:
        await seen.until(lambda: len(seen.values(topics.DOCKER_STATS)) >= 3, "ticks")
        from schemas.counters import COLUMNS, unpack

        samples = [dict(zip(COLUMNS, unpack(t["samples"][0]["counters"]), strict=True)) for t in seen.values(topics.DOCKER_STATS)]
        first, last = samples[0], samples[-1]
        cores = (last["cpu_total_ns"] - first["cpu_total_ns"]) / (last["read_ns"] - first["read_ns"])
        assert 0.2 < cores < 0.4
        assert last["cpu_limit_nanocpus"] == 300_000_000
        assert last["started_at_ns"] > 0


def environment(engine: DockerEngine, data: Path, **more: str) -> dict[str, str]:
    settings = {"DOCKER_HOST": engine.url, "WST_DATA_DIR": str(data), "WST_COLLECT_INTERVAL": "1", "WST_SYNC_INTERVAL": "1"}
    return {**{k: v for k, v in os.environ.items() if not k.startswith("WST_")}, **settings, **more}


def test_a_password_in_an_exec_a_health_check_and_a_label_is_in_no_journal_log_or_recording(engine: DockerEngine, tmp_path: Path) -> None:
    secret = "hunter2-s3cr3t"
    probe = ("--health-cmd", f"test -n {secret}", "--health-interval", "0.3s")
    hidden = ("--label", f"db.password={secret}", "--env", f"PASSWORD={secret}")
    data, recording = tmp_path / "data", tmp_path / "x.wstrec.gz"
    runs = {
        "producer": environment(engine, data, WST_JOURNAL=str(data / "journal.sqlite")),
        "record": environment(engine, tmp_path / "other"),
    }
    logs = {name: (tmp_path / f"{name}.log").open("wb") for name in runs}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "schemas.wst", name, *([str(recording)] if name == "record" else [])], env=env, stderr=logs[name]
        )
        for name, env in runs.items()
    ]
    try:
        wait_until(lambda: all(b"watching" in Path(log.name).read_bytes() for log in logs.values()), "both watch")
        engine.run("web", "sh", "-c", f"echo {secret}; exec sleep 1000", options=[*COMPOSE, *probe, *hidden])
        engine.docker("exec", "web", "sh", "-c", f"echo {secret}")
        engine.docker("exec", "-e", f"PASSWORD={secret}", "web", "true")
        engine.docker("exec", secret, "true", check=False)
        wait_until(lambda: b"exec_die" in _readable(data), "the exec is in the journal")
        wait_until(lambda: b"health_status" in _readable(data), "the health check has run")
        engine.docker("rm", "-f", "web")
        wait_until(lambda: b"destroy" in _readable(data), "the end is in the journal")
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        assert [process.wait(PATIENCE_S) for process in processes] == [0, 0]
    header, entries = read(recording)
    assert any(entry.kind == "event" and "exec" in entry.answer["Action"] for entry in entries)
    everything = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    everything[recording] = repr((header, entries)).encode()
    assert len(everything) >= 5
    assert [path.name for path, content in everything.items() if secret.encode() in content] == []


def _readable(data: Path) -> bytes:
    """All bytes of the journal, as SQLite keeps them."""
    return b"".join(path.read_bytes() for path in data.glob("journal.sqlite*"))


def test_killed_and_started_again_the_producer_misses_no_event(engine: DockerEngine, tmp_path: Path) -> None:
    from schemas.codec import codec
    from schemas.journal import Journal

    journal = tmp_path / "journal.sqlite"
    env = environment(engine, tmp_path, WST_JOURNAL=str(journal))

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-m", "schemas.wst", "producer"], env=env, stderr=subprocess.DEVNULL)

    def seen() -> list[tuple[str, str]]:
        if not journal.exists():
            return []
        reader = Journal(journal, 4)
        facts = {}
        for entry in reader.read(0, 10_000):
            if entry.record.topic == "wst.docker.events":
                fact = codec("fact").decode(entry.record.value)
                if fact["engine_event"]:
                    facts[fact["id"]] = (fact["container"]["name"], fact["engine_event"]["action"])
        reader.close()
        return list(facts.values())

    process = start()
    wait_until(lambda: b"docker.snapshots" in _readable(tmp_path), "it watches")
    expected: list[tuple[str, str]] = []
    for number in range(3):
        name = f"job{number}"
        engine.docker("run", "--detach", "--name", name, IMAGE, "true")
        process.kill()
        process.wait()
        engine.docker("wait", name)
        engine.docker("rm", name)
        process = start()
        expected += [(name, action) for action in ("create", "start", "die", "destroy")]
        wait_until(lambda name=name: (name, "destroy") in seen(), f"the end of {name}")  # type: ignore[misc]
    process.terminate()
    assert process.wait(PATIENCE_S) == 0
    assert [fact for fact in seen() if fact[1] != "attach"] == expected
