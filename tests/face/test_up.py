"""`wst up` before anything runs: which source, which directory, which port; and what it shows."""

from __future__ import annotations

import hashlib
import io
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from schemas.errors import SettingError
from streams.cli.screen import LiveScreen, PlainScreen
from streams.supervisor.data_dir import DataDir
from streams.supervisor.engine import find_engines
from streams.supervisor.plan import Source, environment, parts
from tests.face.api_parts import whole_state
from tests.platform.process import PATIENCE_S
from tests.sinks.records import HOSTILE


def context(home: Path, name: str, host: str) -> None:
    folder = home / ".docker" / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text(json.dumps({"Name": name, "Endpoints": {"docker": {"Host": host}}}))
    (home / ".docker" / "config.json").write_text(json.dumps({"currentContext": name}))


def urls(configured: list[str], environment: dict[str, str], home: Path, socket_path: Path) -> list[str]:
    return [engine.url for engine in find_engines(configured, environment, home, socket_path)]


def test_the_engine_is_found_where_the_docker_client_would_find_it(tmp_path: Path) -> None:
    nowhere, there = tmp_path / "none.sock", tmp_path / "docker.sock"
    there.touch()
    assert urls([], {}, tmp_path, nowhere) == []
    assert urls([], {}, tmp_path, there) == [f"unix://{there}"]
    context(tmp_path, "rootless", "unix:///run/user/1000/docker.sock")
    assert urls([], {}, tmp_path, there) == ["unix:///run/user/1000/docker.sock"]
    assert urls([], {"DOCKER_CONTEXT": "default"}, tmp_path, there) == [f"unix://{there}"]
    assert urls([], {"DOCKER_HOST": "tcp://far:2375"}, tmp_path, there) == ["tcp://far:2375"]
    assert urls(["ssh://me@far"], {"DOCKER_HOST": "tcp://far:2375"}, tmp_path, there) == ["ssh://me@far"]


def test_a_socket_that_leads_nowhere_was_meant_to_be_an_engine(tmp_path: Path) -> None:
    (tmp_path / "docker.sock").symlink_to(tmp_path / "gone")
    assert urls([], {}, tmp_path, tmp_path / "docker.sock") == [f"unix://{tmp_path / 'docker.sock'}"]


def test_a_context_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="the Docker context 'gone' cannot be read"):
        find_engines([], {"DOCKER_CONTEXT": "gone"}, tmp_path)


def test_parts_get_the_settings_of_an_embedded_tree_whatever_a_cluster_elsewhere_has(tmp_path: Path) -> None:
    own = {"WST_BROKERS": "kafka:9092", "WST_PARTITIONS": "12", "WST_KAFKA_SASL_PASSWORD": "x", "WST_SYNC_INTERVAL": "5s", "HOME": "/h"}
    own["WST_API"] = "https://elsewhere"
    env = environment(own, tmp_path / "a dir", 9000, Source(engines=("unix:///a", "unix:///b")), "0.0.0.0")
    assert env["WST_PARTITIONS"] == "4"
    assert env["WST_ENGINES"] == "unix:///a,unix:///b"
    assert env["WST_CLICKHOUSE_URL"] == f"chdb://{tmp_path}/a%20dir/archive"
    assert (env["WST_SYNC_INTERVAL"], env["HOME"]) == ("5s", "/h")
    assert (env["WST_API"], env["WST_API_PORT"]) == ("http://127.0.0.1:9000", "9000")
    assert "WST_KAFKA_SASL_PASSWORD" not in env


def test_a_recording_takes_the_place_of_the_producer() -> None:
    assert [part.name for part in parts(Source())] == ["broker", "producer", "worker state", "worker usage", "serve"]
    played = parts(Source(play=True, recording=Path("/r.jsonl"), speed=4))
    assert played[1].argv[-4:] == ("play", "/r.jsonl", "--speed", "4")
    assert parts(Source(play=True))[1].argv[-3:] == ("play", "--speed", "1")


def test_a_data_directory_has_one_tree_at_a_time(tmp_path: Path) -> None:
    held = DataDir.hold(tmp_path / "data")
    with pytest.raises(SettingError, match=rf"is in use by another `wst up` \(process {os.getpid()}, since 2"):
        DataDir.hold(tmp_path / "data")
    held.release()
    DataDir.hold(tmp_path / "data").release()


def test_a_directory_of_a_newer_wst_or_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "VERSION").write_text("99\n")
    with pytest.raises(SettingError, match="was written by a newer wst"):
        DataDir.hold(tmp_path)
    (tmp_path / "VERSION").write_text("what\n")
    with pytest.raises(SettingError, match="is this a data directory of wst"):
        DataDir.hold(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingError, match="cannot be used"):
        DataDir.hold(tmp_path / "file" / "below")


def test_clearing_empties_all_but_the_lock(tmp_path: Path) -> None:
    held = DataDir.hold(tmp_path)
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "x").touch()
    (tmp_path / "journal.sqlite").touch()
    outside = tmp_path.parent / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    (tmp_path / "link").symlink_to(outside)
    held.clear()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["VERSION", "lock"]
    assert (outside / "precious").exists()
    held.release()


def up(tmp_path: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("WST_", "DOCKER_"))}
    return subprocess.run(
        [sys.executable, "-m", "schemas.wst", "up", "--data", str(tmp_path / "data"), *arguments],
        env=ours | {"HOME": str(tmp_path)} | settings,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = up(tmp_path, "--port", str(port), "--duration", "1")
    assert done.returncode == 2
    assert (
        done.stderr
        == f"wst: port {port} on 127.0.0.1 cannot be used (Address already in use): give another one with --port, or 0 for any\n"
    )


def test_a_second_tree_on_the_same_directory_is_told_who_has_it(tmp_path: Path) -> None:
    held = DataDir.hold(tmp_path / "data")
    done = up(tmp_path, "--port", "0", "--demo", "--duration", "1")
    held.release()
    assert done.returncode == 2
    assert f"(process {os.getpid()}, since " in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_an_engine_that_is_configured_but_does_not_answer_is_3_with_the_fix_and_never_a_demo(tmp_path: Path) -> None:
    for arguments, settings in ((("--engine", f"unix://{tmp_path}/none.sock"), {}), ((), {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"})):
        done = up(tmp_path, "--port", "0", "--duration", "30", *arguments, **settings)
        assert done.returncode == 3, done.stdout + done.stderr
        assert done.stderr.splitlines() == [
            f"wst: the Docker Engine at unix://{tmp_path}/none.sock does not answer: "
            "there is no such socket; start Docker, or name an engine in WST_ENGINES"
        ]
        assert "DEMO" not in done.stdout


def screen_output(screen_class: Any, states: list[dict[str, Any]], terminal: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=150, height=12, color_system=None)
    screen = screen_class(console, "data in /d", "DEMO: a recording")
    screen.progress("starting: broker")
    screen.say("worker state killed by SIGKILL: starting it again")
    screen.show(states)
    screen.show(states)
    screen.close()
    return out.getvalue()


def as_json(record: dict[str, Any]) -> dict[str, Any]:
    from streams.query.present import state_json

    return state_json(record)


def test_a_pipe_gets_each_change_once_in_plain_lines() -> None:
    states = [as_json(whole_state("shop@laptop")), as_json(whole_state("evil@laptop", reason=HOSTILE, workspace_name=HOSTILE))]
    said = screen_output(PlainScreen, states, terminal=False)
    assert said.count("shop@laptop is active, ok, 1/1 running: web-1 runs") == 1
    assert "DEMO: a recording" in said
    assert "worker state killed by SIGKILL: starting it again" in said
    assert not any(ord(char) < 32 and char != "\n" for char in said)


def test_a_terminal_gets_a_table_that_fits_and_counts_the_rest() -> None:
    states = [as_json(whole_state(f"ws-{number:03}", condition="failing" if number == 70 else "ok")) for number in range(80)]
    states.append(as_json(whole_state("evil@laptop", reason=HOSTILE)))
    said = screen_output(LiveScreen, states, terminal=True)
    last = said[said.rindex("WORKSPACE") :].splitlines()
    assert last[1].startswith("ws-070")
    assert len(last) <= 12
    assert "and 76 more: `wst status` shows all" in said
    assert "81 workspaces: 81 active, 1 failing" in said
    assert "\x1b[31m" not in said
