"""The whole stack of docker-compose.yml, run for real: `python -m tests.compose.stack`, as root, about six minutes.

The engine has a network of its own, so that no firewall rule of this machine is touched. Stand-ins replace the
published images (`stand_ins/`): no registry of images is needed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.compose.image import BASE_IMAGE, IMAGE, build, make_base
from tests.compose.tools import compose, fetch
from tests.platform.engine import DockerEngine
from tests.platform.kafka import JARS, LOGGING, resolve_jars
from tests.platform.process import ROOT, wait_until

STAND_INS = Path(__file__).parent / "stand_ins"
EMBEDDED = "workspace-status-embedded:test"
KAFKA, PROXY, CLICKHOUSE = "stand-in-kafka:test", "stand-in-proxy:test", "stand-in-clickhouse:test"
#: A machine for tests may not let a daemon raise the number of open files.
OVERRIDE = "services: {clickhouse: {ulimits: !reset null}}\n"
_HOST_NETWORK = ("--bridge", "--iptables", "--ip-forward", "--ip-masq", "--userland-proxy")


class StackEngine(DockerEngine):
    """An engine that builds on this machine's network, and runs the stack in a network namespace of its own."""

    isolated = False

    def _command(self) -> Sequence[str]:
        command = super()._command()
        if not self.isolated:
            return command
        own = [argument for argument in command if not argument.startswith(_HOST_NETWORK)]
        return ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *own]

    def isolate(self) -> None:
        """Go on in the engine's own network."""
        self.stop()
        self.isolated = True
        self.start()


def build_stand_ins(engine: DockerEngine) -> None:
    """Build the images that stand in for the published ones."""
    resolve_jars()
    kafka, proxy, clickhouse = (engine.folder / name for name in ("kafka", "proxy", "clickhouse"))
    for context in (kafka, proxy, clickhouse):
        shutil.copytree(STAND_INS / context.name, context)
    shutil.copytree(JARS, kafka / "jars")
    shutil.copy(LOGGING, kafka)
    server = clickhouse / "tests" / "platform"
    server.mkdir(parents=True)
    for module in (ROOT / "tests" / "platform").glob("clickhouse_*.py"):
        shutil.copy(module, server)
    build(engine, EMBEDDED, EXTRAS="embedded")
    build(engine, KAFKA, kafka)
    build(engine, PROXY, proxy)
    build(engine, CLICKHOUSE, clickhouse, BASE=EMBEDDED)


class Stack:
    """The stack in an engine."""

    def __init__(self, engine: DockerEngine) -> None:
        self._override = engine.folder / "override.yml"
        self._override.write_text(OVERRIDE)
        self._settings = {
            "DOCKER_HOST": engine.url,
            "WST_DOCKER_SOCKET": str(engine.socket_path),
            "WST_IMAGE": IMAGE,
            "WST_BASE": BASE_IMAGE,
            "WST_KAFKA_IMAGE": KAFKA,
            "WST_PROXY_IMAGE": PROXY,
            "WST_CLICKHOUSE_IMAGE": CLICKHOUSE,
            "WST_ENGINE_NAME": "laptop",
        }

    def do(self, *arguments: str) -> str:
        """Run a command of Compose; end with what it says when it fails."""
        done = compose("--file", str(self._override), *arguments, settings=self._settings, check=False)
        if done.returncode != 0:
            sys.exit(f"docker compose {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}{self.logs()}")
        return done.stdout

    def logs(self) -> str:
        """The end of every part's log."""
        return compose("--file", str(self._override), "logs", "--tail=15", settings=self._settings, check=False).stdout

    def wst(self, *arguments: str) -> str:
        """Run a reading command beside the API."""
        return self.do("exec", "--no-TTY", "api", "wst", *arguments)

    def workspace(self, name: str) -> dict[str, Any] | None:
        """A workspace as the API shows it, or None."""
        states: list[dict[str, Any]] = json.loads(self.wst("status", "--json"))
        return next((state for state in states if state["workspace_id"] == name), None)

    def events(self, name: str) -> list[dict[str, Any]]:
        """The events of a workspace, in order."""
        return [json.loads(line) for line in self.wst("events", "--json", "--workspace", name).splitlines()]


def said(what: str, since: float) -> None:
    """Tell how long a step took."""
    sys.stdout.write(f"{what}: {time.monotonic() - since:.1f} s\n")
    sys.stdout.flush()


def follow_a_workspace(engine: DockerEngine, stack: Stack) -> None:
    """Follow one workspace through a start, a crash among more workers, and a stop after they left."""

    def shop() -> dict[str, Any]:
        return stack.workspace("shop") or {}

    began = time.monotonic()
    engine.run("shop-web", "sleep", "100000", options=("--label", "workspace.id=shop", "--network", "none"))
    wait_until(lambda: shop().get("status") == "active" and shop()["running"] == 1, "the workspace is active")
    wait_until(lambda: shop()["metrics"]["memory_usage"] is not None, "its memory is known")
    said("a workspace started and was sampled", began)

    began = time.monotonic()
    stack.do("up", "--detach", "--wait", "--scale", "worker-state=3", "--scale", "worker-usage=2")
    engine.run("shop-job", "sh", "-c", "exit 3", options=("--label", "workspace.id=shop", "--network", "none"))
    wait_until(lambda: shop()["condition"] == "failing", "the crash is known")
    said("scaled to three and two workers; a crash was seen", began)

    began = time.monotonic()
    stack.do("up", "--detach", "--wait", "--scale", "worker-state=1", "--scale", "worker-usage=1")
    engine.docker("stop", "--time", "0", "shop-web")
    wait_until(lambda: shop()["status"] == "inactive", "the workspace is inactive")
    said("scaled back; a stop was seen", began)

    events = stack.events("shop")
    numbers = sorted(event["seq"] for event in events if event["stream"] == "state")
    assert numbers == list(range(1, len(numbers) + 1)), f"numbers missing or twice: {numbers}"
    statuses = [event["data"]["new_status"] for event in events if event["type"] == "status_changed"]
    # A container is created before it runs.
    assert statuses == ["inactive", "active", "inactive"], statuses


def main() -> None:
    """Build, start, follow, stop."""
    fetch()
    make_base()
    subprocess.run(["sh", str(ROOT / "deploy" / "make-secrets.sh")], check=True)
    with StackEngine() as engine:
        began = time.monotonic()
        build(engine)
        build_stand_ins(engine)
        said("images built", began)
        engine.isolate()
        stack = Stack(engine)
        began = time.monotonic()
        stack.do("up", "--detach", "--wait")
        said("every part healthy", began)
        follow_a_workspace(engine, stack)
        sys.stdout.write(engine.docker("stats", "--no-stream", "--format", "{{.Name}}\t{{.MemUsage}}\t{{.CPUPerc}}") + "\n")
        began = time.monotonic()
        stack.do("down", "--volumes")
        said("ended", began)


if __name__ == "__main__":
    main()
