"""The commands: one line and a fix where an engine is out of reach, a clean and quick end, no second producer."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from producers.cli import play
from producers.control import JournalControl, control_record
from schemas.codec import codec
from schemas.journal import Journal
from schemas.wst import SPEEDS
from streams.cli.up import up
from tests.platform.process import PATIENCE_S, free_port, wait_until
from tests.producers.scripted import ScriptedEngine, scripted_engine


@pytest.fixture
def scripted() -> Iterator[ScriptedEngine]:
    with scripted_engine() as engine:
        engine.add("web")
        yield engine


def command(*arguments: str, data: Path, **settings: str) -> subprocess.Popen[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("WST_", "DOCKER_"))}
    env |= {"WST_DATA_DIR": str(data), "WST_JOURNAL": str(data / "journal.sqlite"), **settings}
    line = [sys.executable, "-m", "schemas.wst", *arguments]
    return subprocess.Popen(line, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


def watches(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    line = process.stderr.readline()
    assert "watching the engine" in line, line


def test_an_engine_that_is_not_there_is_one_line_with_the_fix_and_exit_3(tmp_path: Path) -> None:
    for url in (f"unix://{tmp_path}/none.sock", f"tcp://127.0.0.1:{free_port()}"):
        process = command("producer", data=tmp_path, WST_ENGINES=url)
        _, error = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 3
        assert error.count("\n") == 1
        assert url in error
        assert "start Docker" in error


def test_an_engine_that_is_silent_is_one_line_with_the_fix_and_exit_3(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "s.sock"))
        silent.listen()
        process = command("producer", data=tmp_path, WST_ENGINES=f"unix://{tmp_path}/s.sock")
        _, error = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 3
    assert error.count("\n") == 1
    assert "silent" in error


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("fault", [None, "hang"])
def test_a_signal_ends_it_cleanly_even_when_the_engine_hangs(
    scripted: ScriptedEngine, tmp_path: Path, number: signal.Signals, fault: str | None
) -> None:
    process = command("producer", data=tmp_path, WST_ENGINES=scripted.url, WST_COLLECT_INTERVAL="1", WST_SYNC_INTERVAL="1")
    watches(process)
    wait_until(lambda: scripted.calls["list"] > 0, "a listing")
    scripted.fault = fault
    if fault:
        assert scripted.hung.wait(20)
    process.send_signal(number)
    _, error = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert "Traceback" not in error


def snapshots(path: Path) -> list[dict[str, Any]]:
    """Records of `docker.snapshots` in a journal."""
    journal = Journal(path, 4)
    entries = [entry for partition in range(4) for entry in journal.read_partition("wst.docker.snapshots", partition, 0, 1_000)]
    journal.close()
    return [codec("snapshot").decode(entry.record.value) for entry in entries]


def test_a_second_producer_of_a_data_directory_is_refused(scripted: ScriptedEngine, tmp_path: Path) -> None:
    first = command("producer", data=tmp_path, WST_ENGINES=scripted.url)
    watches(first)
    second = command("producer", data=tmp_path, WST_ENGINES=scripted.url)
    _, error = second.communicate(timeout=PATIENCE_S)
    assert second.returncode == 1
    assert "another producer uses the data directory" in error
    first.terminate()
    assert first.wait(PATIENCE_S) == 0


def test_a_second_live_producer_of_an_engine_is_refused_and_a_successor_is_not(scripted: ScriptedEngine, tmp_path: Path) -> None:
    journal = str(tmp_path / "journal.sqlite")
    first = command("producer", data=tmp_path / "a", WST_ENGINES=scripted.url, WST_JOURNAL=journal)
    watches(first)
    wait_until(lambda: scripted.calls["list"] > 0, "a listing")
    second = command("producer", data=tmp_path / "b", WST_ENGINES=scripted.url, WST_JOURNAL=journal)
    _, error = second.communicate(timeout=PATIENCE_S)
    assert second.returncode == 1
    assert "another producer" in error.splitlines()[-1]
    assert [s["error_code"] for s in snapshots(tmp_path / "journal.sqlite") if s["outcome"] == "refused"] == ["duplicate_engine_id"]
    first.terminate()
    assert first.wait(PATIENCE_S) == 0
    listings = scripted.calls["list"]
    third = command("producer", data=tmp_path / "b", WST_ENGINES=scripted.url, WST_JOURNAL=journal)
    watches(third)
    wait_until(lambda: scripted.calls["list"] > listings, "it lists")
    third.terminate()
    assert third.wait(PATIENCE_S) == 0


def test_two_engines_of_one_name_are_refused(scripted: ScriptedEngine, tmp_path: Path) -> None:
    with scripted_engine() as other:
        other.engine_id = "OTHER"
        process = command("producer", data=tmp_path, WST_ENGINES=f"{scripted.url},{other.url}")
        _, error = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    assert "two engines are called scripted" in error.splitlines()[-1]


def test_a_producer_whose_engine_has_the_name_of_another_live_one_is_refused_and_control_records_without_content_are_nothing(
    scripted: ScriptedEngine, tmp_path: Path
) -> None:
    journal = tmp_path / "journal.sqlite"
    empty = control_record("wst.", "*", "interval", {"name": "sync", "interval_ms": 500}, time.time_ns())
    value = codec("control").encode(codec("control").decode(empty.value) | {"interval": None})
    Journal(journal, 4).append([empty._replace(value=value)])
    first = command("producer", data=tmp_path / "a", WST_ENGINES=scripted.url, WST_ENGINE_NAME="laptop", WST_JOURNAL=str(journal))
    watches(first)
    wait_until(lambda: scripted.calls["list"] > 0, "a listing")
    with scripted_engine() as other:
        other.engine_id = "OTHER"
        second = command("producer", data=tmp_path / "b", WST_ENGINES=other.url, WST_ENGINE_NAME="laptop", WST_JOURNAL=str(journal))
        _, error = second.communicate(timeout=PATIENCE_S)
        assert second.returncode == 1
        assert "has an engine called laptop already: give this one another WST_ENGINE_NAME" in error.splitlines()[-1]
        [refused] = [s for s in snapshots(journal) if s["outcome"] == "refused"]
        assert (refused["error_code"], refused["engine_id"], refused["parts"]) == ("duplicate_engine_name", "OTHER", 2)
        assert "two live engines are called laptop" in refused["error"]
        third = command("producer", data=tmp_path / "b", WST_ENGINES=other.url, WST_ENGINE_NAME="build", WST_JOURNAL=str(journal))
        watches(third)
        for process in (first, third):
            process.terminate()
            assert process.wait(PATIENCE_S) == 0


def test_an_interval_and_a_sync_request_reach_it_through_the_journal(scripted: ScriptedEngine, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite", 4)
    now = time.time_ns()
    journal.append([control_record("wst.", "*", "interval", {"name": "sync", "interval_ms": 500}, now)])
    process = command("producer", data=tmp_path, WST_ENGINES=scripted.url, WST_SYNC_INTERVAL="1h")
    watches(process)
    wait_until(lambda: scripted.calls["list"] >= 4, "the interval asked for before its start holds")
    request = {"id": "r1", "workspace_id": "", "expires_at_ns": now + 10**12, "by": "me"}
    journal.append([control_record("wst.", "SCRIPTED", "sync_request", request, now)])
    wait_until(
        lambda: any(b"r1" in (e.record.value or b"") and e.record.topic.endswith("snapshots") for e in journal.read(0, 9_999)), "an answer"
    )
    process.terminate()
    assert process.wait(PATIENCE_S) == 0
    journal.close()


async def test_the_control_records_are_read_from_the_first_on_with_a_mark_between_old_and_new(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = Journal(path, 4)
    for number in range(3):
        journal.append([control_record("wst.", f"e{number}", "interval", {"name": "sync", "interval_ms": number}, number)])
    reader = JournalControl(path, 4, "wst.").read()
    old = [await anext(reader) for _ in range(4)]
    assert sorted(record["target"] for record in old if record) == ["e0", "e1", "e2"]
    assert old[3] is None
    journal.append([control_record("wst.", "e9", "interval", {"name": "sync", "interval_ms": 9}, 9)])
    new = await anext(reader)
    assert new is not None
    assert new["target"] == "e9"
    await reader.aclose()  # type: ignore[attr-defined]
    journal.close()


def test_a_broker_that_is_away_leaves_no_client_behind(scripted: ScriptedEngine, tmp_path: Path) -> None:
    process = command("producer", data=tmp_path, WST_ENGINES=scripted.url, WST_JOURNAL="", WST_BROKERS=f"127.0.0.1:{free_port()}")
    watches(process)
    assert process.stderr is not None
    wait_until(lambda: scripted.calls["list"] > 0, "it watches all the same")
    process.terminate()
    error = process.stderr.read()
    assert process.wait(PATIENCE_S) == 0
    assert "requests to this producer cannot be read" in error
    assert "Unclosed" not in error


def test_the_bundled_recording_plays_into_the_journal(tmp_path: Path) -> None:
    process = command("play", "--once", "--speed", "200", data=tmp_path)
    _, error = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, error
    journal = Journal(tmp_path / "journal.sqlite", 4)
    assert len(journal.read(0, 10_000)) > 200
    journal.close()


@pytest.mark.parametrize("speed", SPEEDS)
def test_whatever_speed_up_takes_play_takes(speed: float) -> None:
    for taker in (up, play):
        assert taker.make_context("x", ["--speed", f"{speed:g}"]).params["speed"] == speed
        with pytest.raises(click.BadParameter):
            taker.make_context("x", ["--speed", f"{speed * 1.01 if speed > 1 else speed / 1.01:g}"])
