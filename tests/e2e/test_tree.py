"""`wst up` on a real engine: one command, one process tree, killed whole and started again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.compare import events_against_witness, states_against_engine
from tests.e2e.parts import Part, clean_environment, json_lines, wst
from tests.e2e.walk import Walk
from tests.e2e.witness import Witness
from tests.platform.engine import DockerEngine
from tests.platform.process import PATIENCE_S, free_port, wait_until
from tests.schemas.test_json import check

pytestmark = [pytest.mark.engine]


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


def wait_for_same_states(engine: DockerEngine, settings: dict[str, str], timeout_s: float = PATIENCE_S) -> None:
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


def processes_of(data: str, part: str = "") -> list[int]:
    """Every process that has the data directory in its environment or command line; of one part only, such as `worker state`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes()
            said = (entry / "environ").read_bytes() + command
        except OSError:
            continue
        if data.encode() in said and b"schemas.wst" in command and part.replace(" ", "\0").encode() in command.removesuffix(b"\0"):
            found.append(int(entry.name))
    return found


def runs(data: str, part: str) -> bool:
    """Whether a part of a tree runs."""
    return bool(processes_of(data, part))


def says(part: Part, word: str, begin: int) -> bool:
    """Whether the log has a word behind so many bytes."""
    return word.encode() in part.log_path.read_bytes()[begin:]


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
                with suppress(ProcessLookupError):  # a part may have followed the one before it already
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
            wait_until(history_is_equal, "events equal what was heard")
        except TimeoutError:
            pytest.fail("\n".join(differences))
        fits_its_schema(settings)


def fits_its_schema(settings: dict[str, str]) -> None:
    """What a real engine and all parts come to is as schemas/json says."""
    for state in json.loads(wst("status", "--json", settings=settings)):
        check("state", state)
    types = set()
    for event in json_lines(wst("events", "--json", "--since", "1h", settings=settings)):
        check("event", event)
        types.add(event["type"])
    assert types >= {"status_changed", "container_update", "sync_start", "sync_complete"}


def test_a_duration_ends_by_itself_with_0_and_leaves_no_process(engine: DockerEngine, settings: dict[str, str]) -> None:
    engine.run("alone", "sleep", "1000", options=("--label", "com.docker.compose.project=solo"))
    done = subprocess.run(
        [sys.executable, "-m", "schemas.wst", "up", "--port", settings["WST_API_PORT"], "--duration", "30"],
        env=clean_environment(settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert "solo" in done.stdout
    assert processes_of(settings["WST_DATA_DIR"]) == []


def test_an_interrupt_ends_the_tree_cleanly(engine: DockerEngine, settings: dict[str, str]) -> None:
    with tree(settings) as up:
        wait_for_same_states(engine, settings)
        up.signal(signal.SIGINT)
        wait_until(lambda: not up.is_running, "the tree ends")
        assert "did not end" not in up.log_path.read_text()
        wait_until(lambda: processes_of(settings["WST_DATA_DIR"]) == [], "no process remains")


def test_a_part_that_dies_is_restarted_and_said_so(engine: DockerEngine, settings: dict[str, str]) -> None:
    with tree(settings) as up:
        wait_for_same_states(engine, settings)
        for number, victim in enumerate(("broker", "producer", "worker state", "worker usage", "serve")):
            # What the death before took with it may be on its way back.
            wait_until(partial(runs, settings["WST_DATA_DIR"], victim), f"{victim} runs")
            begin = up.log_path.stat().st_size
            for pid in processes_of(settings["WST_DATA_DIR"], victim):
                os.kill(pid, signal.SIGKILL)
            engine.run(f"after-{number}", "sleep", "1000", options=("--label", f"com.docker.compose.project=project-{number}"))
            wait_for_same_states(engine, settings)
            wait_until(partial(says, up, victim.split()[0], begin), f"the tree says that {victim} was started again")
