"""A real engine that crashes under a running tree and is started again, with what it does to the containers it finds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.parts import Part, json_lines, wst
from tests.platform.engine import DockerEngine
from tests.platform.process import free_port, wait_until

pytestmark = [pytest.mark.engine]

RESTARTED = "engine_restarted"
Container = tuple[str, int | None]


def test_after_a_crash_and_a_start_of_the_engine_states_are_what_it_says_and_the_restart_is_one_alert(
    private_engine: DockerEngine, tmp_path: Path
) -> None:
    port = free_port()
    settings = {
        "WST_DATA_DIR": str(tmp_path / "data"), "WST_ENGINES": private_engine.url, "WST_ENGINE_NAME": "laptop", "WST_SYNC_INTERVAL": "1s",
        "WST_COLLECT_INTERVAL": "2s", "WST_API_PORT": str(port), "WST_API": f"http://127.0.0.1:{port}",
    }  # fmt: skip
    for name, command, more in (
        ("web", ("sleep", "1000"), ()),
        ("db", ("sleep", "1000"), ("--restart", "always")),
        ("shell", ("sleep", "1000"), ("--rm",)),
        ("job", ("sh", "-c", "exit 3"), ()),
    ):
        private_engine.run(name, *command, options=["--label", "workspace.id=shop", *more])

    def of_the_engine() -> dict[str, Container]:
        states = {name: seen["State"] for name, seen in private_engine.ps_inspect().items()}
        return {name: (state["Status"], None if state["Running"] else state["ExitCode"]) for name, state in states.items()}

    def of_wst() -> dict[str, Container]:
        said = wst("status", "--json", settings=settings, check=False)
        shop = next((state for state in json.loads(said or "[]") if state["workspace_id"] == "shop"), None)
        if shop is None or shop["stale"]:
            return {}
        assert shop["running"] == sum(one["state"] == "running" for one in shop["containers"])
        return {one["name"]: (one["state"], None if one["state"] == "running" else one["exit_code"]) for one in shop["containers"]}

    def engine_events() -> list[tuple[int, str, str | None]]:
        events = json_lines(wst("events", "--since", "1h", "--json", settings=settings, check=False))
        return sorted((event["seq"], event["type"], event["data"].get("rule")) for event in events if event["stream"] == "engine")

    with Part(("up", "--port", str(port)), settings):
        wait_until(lambda: (seen := of_wst()) != {} and seen == of_the_engine(), "the states before")
        private_engine.kill()
        wait_until(lambda: of_wst() == {}, "the engine is silent")
        private_engine.start()
        wait_until(lambda: of_the_engine().get("db") == ("running", None), "the policy's container runs again")
        wait_until(lambda: (seen := of_wst()) != {} and seen == of_the_engine(), "the states after")
        assert of_the_engine()["web"][0] == "exited"
        wait_until(
            lambda: ("alert_resolved", RESTARTED) in {one[1:] for one in engine_events()}, "its restart is an alert that is resolved"
        )
        told = engine_events()
        assert [seq for seq, _, _ in told] == list(range(1, len(told) + 1))
        alerts = [kind for _, kind, rule in told if rule == RESTARTED]
        assert alerts == ["alert_raised", "alert_resolved"] * (len(alerts) // 2)
