"""The engine: containers really start, run out of memory, pause, fail their checks and count bytes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.platform.engine import DockerEngine
from tests.platform.engine_traces import Traces
from tests.platform.process import ROOT, wait_until

# Doubles a string until the kernel ends the shell.
EAT_MEMORY = ("sh", "-c", "x=0123456789; while :; do x=$x$x; done")


@pytest.fixture(params=[pytest.param(name, marks=getattr(pytest.mark, name)) for name in ("engine", "engine26")])
def any_engine(request: pytest.FixtureRequest) -> DockerEngine:
    """Each engine that there is, so that the older and the newer one behave alike."""
    engine: DockerEngine = request.getfixturevalue(request.param)
    return engine


def state(engine: DockerEngine, name: str) -> dict[str, Any]:
    return dict(engine.ps_inspect()[name]["State"])


def events(engine: DockerEngine, name: str, since: str) -> list[str]:
    """Return what happened to a container, by the engine's own events."""
    now = engine.docker("info", "--format", "{{.SystemTime}}")
    lines = engine.docker("events", "--since", since, "--until", now, "--filter", f"container={name}", "--format", "{{.Action}}")
    return lines.splitlines()


def test_a_container_over_its_memory_limit_is_oom_killed_and_an_event_says_so(any_engine: DockerEngine) -> None:
    before = any_engine.docker("info", "--format", "{{.SystemTime}}")
    # Docker 20.10 on a busy machine hears of the exit before the kernel's word, now and then, and then never knows why.
    for number in range(5):
        name = f"glutton-{number}"
        any_engine.run(name, *EAT_MEMORY, options=["--memory=16m", "--memory-swap=16m"])
        any_engine.docker("wait", name)
        if state(any_engine, name)["OOMKilled"]:
            break
    assert state(any_engine, name)["OOMKilled"] is True
    assert state(any_engine, name)["ExitCode"] == 137
    seen = events(any_engine, name, before)
    assert seen.index("start") < seen.index("oom") < seen.index("die")


def test_a_paused_container_is_paused_and_can_be_removed(any_engine: DockerEngine) -> None:
    any_engine.run("sleeper", "sleep", "1000")
    any_engine.docker("pause", "sleeper")
    assert state(any_engine, "sleeper")["Status"] == "paused"
    any_engine.docker("unpause", "sleeper")
    assert state(any_engine, "sleeper")["Status"] == "running"
    any_engine.docker("pause", "sleeper")
    any_engine.remove_all()
    assert any_engine.ps_inspect() == {}


def test_a_health_check_turns_healthy_and_unhealthy(any_engine: DockerEngine) -> None:
    check = ["--health-cmd=test -e /tmp/well", "--health-interval=200ms", "--health-retries=1"]
    any_engine.run("patient", "sleep", "1000", options=check)
    any_engine.docker("exec", "patient", "touch", "/tmp/well")
    wait_until(lambda: state(any_engine, "patient")["Health"]["Status"] == "healthy", "healthy")
    any_engine.docker("exec", "patient", "rm", "/tmp/well")
    wait_until(lambda: state(any_engine, "patient")["Health"]["Status"] == "unhealthy", "unhealthy")


def test_exec_lands_in_the_container_and_not_on_this_machine(any_engine: DockerEngine) -> None:
    any_engine.run("box", "sleep", "1000")
    assert any_engine.docker("exec", "box", "readlink", "/bin/ls") == "busybox"
    assert any_engine.docker("exec", "box", "sh", "-c", "ls / | grep -c root || true") == "0"


def test_network_counters_count_what_crosses_the_bridge(any_engine: DockerEngine) -> None:
    any_engine.run("talker", "sleep", "1000")

    gateway = any_engine.ps_inspect()["talker"]["NetworkSettings"]["Gateway"]
    any_engine.docker("exec", "talker", "ping", "-c", "10", "-i", "0.1", "-s", "4000", gateway)
    counters: dict[str, Any] = any_engine.api().stats("talker", stream=False)
    assert counters["networks"]["eth0"]["rx_bytes"] >= 10 * 4000
    assert counters["networks"]["eth0"]["tx_bytes"] >= 10 * 4000


def test_a_killed_engine_comes_back_with_its_containers_ended(private_engine: DockerEngine) -> None:
    private_engine.run("survivor", "sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done")
    private_engine.docker("create", "--name", "never-started", "wst-busybox:test")
    identity = private_engine.docker("info", "--format", "{{.ID}}")
    private_engine.kill()
    private_engine.start()
    assert private_engine.docker("info", "--format", "{{.ID}}") == identity
    assert state(private_engine, "survivor")["Status"] == "exited"
    assert state(private_engine, "never-started")["Status"] == "created"


def test_a_paused_engine_accepts_connections_and_answers_none(private_engine: DockerEngine) -> None:
    private_engine.pause()
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run(["docker", "--host", private_engine.url, "ps"], capture_output=True, timeout=1, check=False)
    private_engine.resume()
    assert private_engine.docker("ps", "--quiet") == ""


@pytest.mark.engine
def test_an_engine_leaves_nothing_behind_even_when_it_was_killed_with_running_and_paused_containers() -> None:
    with DockerEngine() as engine:
        engine.run("running", "sleep", "1000")
        engine.run("frozen", "sleep", "1000")
        engine.docker("pause", "frozen")
        pids = [container["State"]["Pid"] for container in engine.ps_inspect().values()]
        engine.kill()
    assert not engine.folder.exists()
    assert not (Path("/sys/class/net") / engine.bridge).exists()
    assert str(engine.folder) not in Path("/proc/self/mountinfo").read_text()
    assert not [pid for pid in pids if b"sleep" in cmdline(pid)]


@pytest.mark.engine
def test_the_next_engine_removes_what_a_killed_test_run_left() -> None:
    script = """
from tests.platform.engine import DockerEngine
engine = DockerEngine()
engine.start()
engine.run("orphan", "sleep", "1000")
print(engine.folder, flush=True)
input()
"""
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        folder = Path(run.stdout.readline().decode().strip())
        run.kill()
    traces = Traces(folder)
    assert (Path("/sys/class/net") / traces.bridge).exists()
    DockerEngine().close()
    assert not folder.exists()
    assert not traces.helpers()
    assert not (Path("/sys/class/net") / traces.bridge).exists()


def cmdline(pid: int) -> bytes:
    """Return a process's arguments; nothing for one that is gone or waits to be reaped."""
    path = Path(f"/proc/{pid}/cmdline")
    return path.read_bytes() if path.exists() else b""


def test_inspect_gives_every_container_by_name(engine: DockerEngine) -> None:
    engine.run("one", "true", options=["--label", "workspace.id=shop"])
    engine.docker("wait", "one")
    seen = engine.ps_inspect()
    assert list(seen) == ["one"]
    assert seen["one"]["Config"]["Labels"] == {"workspace.id": "shop"}
    assert json.loads(engine.docker("inspect", "one"))[0]["Id"] == seen["one"]["Id"]
