"""`wst up` on a real engine: one command, one process tree, killed whole and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.compare import events_against_witness, states_against_engine
from tests.e2e.parts import Part, clean_environment, json_lines, wst
from tests.e2e.walk import Walk
from tests.e2e.witness import Witness
from tests.platform.engine import DockerEngine
from tests.platform.process import free_port, wait_until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]


@pytest.fixture
def settings(engine: DockerEngine, tmp_path: Path) -> dict[str, str]:
    engine.remove_all()
    port = free_port()
    return {
        "WST_DATA_DIR": str(tmp_path / "data"),
        "WST_ENGINES": engine.url,
        "WST_ENGINE_NAME": "laptop",
        "WST_SYNC_INTERVAL": "4s",
        "WST_COLLECT_INTERVAL": "2s",
        "WST_API_PORT": str(port),
        "WST_API": f"http://127.0.0.1:{port}",
    }


def tree(settings: dict[str, str], *arguments: str) -> Part:
    return Part(("up", "--port", settings["WST_API_PORT"], *arguments), settings)


def wait_for_same_states(engine: DockerEngine, settings: dict[str, str], timeout_s: float = 60) -> None:
    differences: list[str] = []

    def same() -> bool:
        try:
            states = json.loads(wst("status", "--json", settings=settings))
        except AssertionError as not_up_yet:
            differences[:] = [str(not_up_yet)]
            return False
        differences[:] = states_against_engine(states, engine.ps_inspect())
        return not differences

    try:
        wait_until(same, "wst status equals docker inspect", timeout_s)
    except TimeoutError:
        pytest.fail("\n".join(differences))


def processes_of(data: str) -> list[int]:
    """Every process that has the data directory in its environment or command line."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            said = (entry / "environ").read_bytes() + (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if data.encode() in said and b"schemas.wst" in (entry / "cmdline").read_bytes():
            found.append(int(entry.name))
    return found


def test_killed_whole_in_the_middle_of_activity_and_started_again_nothing_is_missing_and_nothing_twice(
    engine: DockerEngine, settings: dict[str, str]
) -> None:
    walk = Walk(engine, seed=11, workspaces=3)
    with tree(settings) as up:
        wait_for_same_states(engine, settings)  # from here on it watches: what comes is to be there to the last event
        witness = Witness(engine)
        walk.begin()
        for round_number in range(3):
            for _ in range(8):
                walk.step()
            for pid in processes_of(settings["WST_DATA_DIR"]):  # all at once, as a power switch would
                os.kill(pid, signal.SIGKILL)
            up.kill()
            for _ in range(round_number * 2):  # what the engine still has afterwards is not lost either
                walk.step()
            up.start()
        for _ in range(8):
            walk.step()
        walk.settle()
        wait_for_same_states(engine, settings)
        heard = witness.close()
        differences: list[str] = []

        def history_is_equal() -> bool:
            events = json_lines(wst("events", "--json", "--since", "1h", settings=settings))
            differences[:] = events_against_witness(events, heard, walk.workspace_of)
            return not differences

        try:
            wait_until(history_is_equal, "events equal what was heard", 40)
        except TimeoutError:
            pytest.fail("\n".join(differences))


def test_a_duration_ends_by_itself_with_0_and_leaves_no_process(engine: DockerEngine, settings: dict[str, str]) -> None:
    engine.run("alone", "sleep", "1000", options=("--label", "com.docker.compose.project=solo"))
    done = subprocess.run(
        [sys.executable, "-m", "schemas.wst", "up", "--port", settings["WST_API_PORT"], "--duration", "30"],
        env=clean_environment(settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert "solo" in done.stdout
    assert processes_of(settings["WST_DATA_DIR"]) == []


def test_an_interrupt_ends_the_tree_cleanly_within_five_seconds(engine: DockerEngine, settings: dict[str, str]) -> None:
    with tree(settings) as up:
        wait_for_same_states(engine, settings)
        began = time.monotonic()
        up.signal(signal.SIGINT)
        wait_until(lambda: not up.is_running, "the tree ends", 10)
        assert time.monotonic() - began < 5
        wait_until(lambda: processes_of(settings["WST_DATA_DIR"]) == [], "no process remains", 1)


@pytest.mark.parametrize("victim", ["broker", "producer", "worker state", "worker usage", "serve"])
def test_a_part_that_dies_is_restarted_and_said_so(engine: DockerEngine, settings: dict[str, str], victim: str) -> None:
    engine.run("one", "sleep", "1000", options=("--label", "com.docker.compose.project=first"))
    with tree(settings) as up:
        wait_for_same_states(engine, settings)
        pid = next(
            pid
            for pid in processes_of(settings["WST_DATA_DIR"])
            if victim.replace(" ", "\0").encode() in Path(f"/proc/{pid}/cmdline").read_bytes().removesuffix(b"\0")
        )
        os.kill(pid, signal.SIGKILL)
        engine.run("two", "sleep", "1000", options=("--label", "com.docker.compose.project=second"))
        wait_for_same_states(engine, settings)
        assert victim.split(maxsplit=1)[0] in up.log_path.read_text()
