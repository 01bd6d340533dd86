"""One tree over three engines at once, each reached in its own way: TCP with TLS, ssh, and Podman's service on a unix socket."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.parts import Part, json_lines, wst
from tests.platform.authority import made_up
from tests.platform.engine import DockerEngine
from tests.platform.podman import PodmanEngine
from tests.platform.process import free_port, wait_until
from tests.producers.test_engine_ssh import SshServer
from tests.producers.test_engine_tls import TlsEngine

# Three daemons and a tree: where the machine is busy that takes minutes.
pytestmark = [pytest.mark.engine, pytest.mark.ssh, pytest.mark.podman, pytest.mark.timeout(900)]

SLEEP = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done")


@pytest.fixture
def engines(tmp_path: Path, engine26: DockerEngine) -> Iterator[tuple[dict[str, DockerEngine], dict[str, str]]]:
    """Three engines by name, and the settings that name them."""
    certificates = made_up(tmp_path / "certificates")
    engine26.remove_all()
    with ExitStack() as stack:
        near = stack.enter_context(TlsEngine(certificates))
        over_ssh = stack.enter_context(SshServer(engine26.url))
        pod = stack.enter_context(PodmanEngine())
        port = str(free_port())
        settings = {
            "WST_DATA_DIR": str(tmp_path / "data"), "WST_ENGINES": f"near={near.tcp},far={over_ssh.url},pod={pod.url}",
            "WST_SYNC_INTERVAL": "1s", "WST_COLLECT_INTERVAL": "2s", "WST_API_PORT": port, "WST_API": f"http://127.0.0.1:{port}",
            "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(certificates), "PATH": f"{over_ssh.client()}:{os.environ['PATH']}",
        }  # fmt: skip
        yield {"near": near, "far": engine26, "pod": pod}, settings


def test_one_workspace_lives_on_three_engines_and_the_others_keep_to_theirs(
    engines: tuple[dict[str, DockerEngine], dict[str, str]],
) -> None:
    by_name, settings = engines
    for name, engine in by_name.items():
        engine.run(f"part-{name}", *SLEEP, options=("--label", "workspace.id=everywhere"))
        own = ("--label", "com.docker.compose.project=shop", "--label", "com.docker.compose.service=web")
        engine.run(f"shop-{name}", *SLEEP, options=own)

    def states() -> dict[str, dict[str, Any]]:
        try:
            return {state["workspace_id"]: state for state in json.loads(wst("status", "--json", settings=settings))}
        except AssertionError:
            return {}

    def everywhere(**wanted: Any) -> bool:
        state = states().get("everywhere", {})
        return all(state.get(name) == value for name, value in wanted.items())

    def only_near_is_silent() -> bool:
        shown = states()
        stale = [shown.get(workspace_id, {}).get("stale") for workspace_id in ("shop@near", "shop@far", "shop@pod")]
        return stale == [True, False, False] and "near is silent" in shown["everywhere"]["reason"]

    with Part(("up", "--port", settings["WST_API_PORT"]), settings):
        wait_until(lambda: everywhere(status="active", running=3, total=3, stale=False), "all three parts are there")
        shown = states()
        assert {container["engine"] for container in shown["everywhere"]["containers"]} == set(by_name)
        assert {name for name in shown if name.startswith("shop@")} == {f"shop@{name}" for name in by_name}
        assert all(shown[f"shop@{name}"]["running"] == 1 for name in by_name)
        sampled = "SELECT uniqExact(engine) AS n FROM samples WHERE workspace_id = 'everywhere'"
        wait_until(lambda: json.loads(wst("query", sampled, "--format", "json", settings=settings)) == [{"n": 3}], "samples of all three")

        by_name["far"].docker("kill", "part-far")
        wait_until(lambda: everywhere(status="active", running=2), "one part less, and active all the same")
        by_name["near"].pause()
        try:
            # On a busy machine another engine may be silent for a moment, too, and is heard again.
            wait_until(
                lambda: everywhere(stale=True, condition="unknown", status="active") and only_near_is_silent(), "one engine is silent"
            )
        finally:
            by_name["near"].resume()
        wait_until(lambda: everywhere(stale=False), "it is heard again")

        answered = json.loads(wst("sync", "--json", settings=settings))
        assert {sync["engine"] for sync in answered["syncs"]} == set(by_name)
        for name in ("near", "pod"):
            by_name[name].docker("stop", f"part-{name}")
        wait_until(lambda: everywhere(status="inactive", running=0, total=3), "nothing of it runs")
        containers = [container for state in states().values() for container in state["containers"]]
        for name in by_name:
            listed = {inspect["Name"].removeprefix("/"): inspect["State"]["Status"] for inspect in by_name[name].ps_inspect().values()}
            assert {container["name"]: container["state"] for container in containers if container["engine"] == name} == listed
        told = json_lines(
            wst("events", "--since", "1h", "--type", "status_changed", "--workspace", "everywhere", "--json", settings=settings)
        )
        assert [event["data"]["new_status"] for event in told] == ["active", "inactive"]
