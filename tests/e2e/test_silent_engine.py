"""A real engine that stands still under a running tree: its workspaces are stale, and fresh again when it goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.parts import Part, json_lines, wst
from tests.platform.engine import DockerEngine
from tests.platform.process import free_port, wait_until

pytestmark = [pytest.mark.engine]


def test_an_engine_that_stands_still_makes_its_workspaces_stale_and_fresh_when_it_goes_on(
    private_engine: DockerEngine, tmp_path: Path
) -> None:
    port = free_port()
    settings = {
        "WST_DATA_DIR": str(tmp_path / "data"), "WST_ENGINES": private_engine.url, "WST_ENGINE_NAME": "laptop", "WST_SYNC_INTERVAL": "1s",
        "WST_COLLECT_INTERVAL": "2s", "WST_METRICS_UPDATE_EVERY": "0", "WST_API_PORT": str(port), "WST_API": f"http://127.0.0.1:{port}",
    }  # fmt: skip
    private_engine.run("web", "sleep", "1000", options=["--label", "workspace.id=shop"])

    def shop() -> dict[str, Any]:
        try:
            return next((state for state in json.loads(wst("status", "--json", settings=settings)) if state["workspace_id"] == "shop"), {})
        except AssertionError:
            return {}

    def engine_events() -> list[str]:
        events = json_lines(wst("events", "--since", "1h", "--type", "error", "--type", "recovery", "--json", settings=settings))
        return [event["data"].get("code") or f"-{event['data']['resolved_error']}" for event in events if event["stream"] == "engine"]

    with Part(("up", "--port", str(port)), settings):
        wait_until(lambda: shop().get("condition") == "ok", "the workspace is there")
        private_engine.pause()
        try:
            wait_until(lambda: shop().get("stale") is True, "the workspace is stale")
            stale = shop()
            assert (stale["status"], stale["condition"]) == ("active", "unknown")
            assert "laptop is silent" in stale["reason"]
            wait_until(lambda: "engine_silent" in engine_events(), "the archive has the error")
            assert "engine" in wst("doctor", settings=settings, check=False)
        finally:
            private_engine.resume()
        wait_until(lambda: shop().get("stale") is False, "the workspace is fresh again")
        wait_until(lambda: "-engine_silent" in engine_events(), "the archive has the recovery")
        said = engine_events()
        assert said.count("engine_silent") == said.count("-engine_silent") == 1
        assert (shop()["condition"], shop()["sync_attempts"]) == ("ok", 0)
        told = json_lines(wst("events", "--since", "1h", "--type", "metrics_update", "--json", settings=settings))
        assert [event["seq"] for event in told] == list(range(1, len(told) + 1))
        assert told
