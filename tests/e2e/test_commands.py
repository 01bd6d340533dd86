"""Commands on a real engine, in the tree of `wst up`: refused, obeyed, undone by what happens, forgotten, folded again."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.parts import Part, wst
from tests.e2e.test_tree import settings  # noqa: F401  # the same tree
from tests.platform.engine import DockerEngine
from tests.platform.process import wait_until

pytestmark = [pytest.mark.engine]

SHOP = "shop@laptop"


def of(workspace: str, environment: dict[str, str]) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(wst("status", workspace, "--json", settings=environment))
    except AssertionError:
        return None
    return found


def wait_for(environment: dict[str, str], what: str, **wanted: Any) -> None:
    def so() -> bool:
        state = of(SHOP, environment)
        return state is not None and all(state[name] == value for name, value in wanted.items())

    wait_until(so, what)


def test_archived_started_again_and_forgotten_as_asked_and_the_same_after_a_restart(
    engine: DockerEngine,
    settings: dict[str, str],  # noqa: F811
) -> None:
    environment = settings | {"WST_SYNC_INTERVAL": "600s"}
    engine.run("web", "sleep", "1000", options=("--label", "com.docker.compose.project=shop", "--stop-timeout", "0"))
    with Part(("up", "--port", settings["WST_API_PORT"]), environment) as up:
        wait_for(environment, "it runs", status="active")
        with pytest.raises(AssertionError, match="1 of its containers run; stop them first"):
            wst("archive", "shop", settings=environment)
        engine.docker("stop", "-t", "0", "web")
        wait_for(environment, "it stopped", status="inactive")
        assert "is archived: archived, archived by " in wst("archive", "shop", "--why", "over", settings=environment)
        engine.docker("start", "web")
        wait_for(environment, "it came back", status="active")
        state = of("shop", environment)
        assert state is not None
        assert "web" in state["reason"]

        synced = json.loads(wst("sync", "--engine", "laptop", "--json", settings=environment))
        assert [sync["engine"] for sync in synced["syncs"]] == ["laptop"]
        assert json.loads(wst("sync", "shop", "--json", settings=environment))["workspace"]["workspace_id"] == SHOP
        wst("set", "sync-interval", "2s", settings=environment)
        before = json.loads(wst("engines", "--json", settings=environment))[0]["last_listing"]
        wait_until(
            lambda: json.loads(wst("engines", "--json", settings=environment))[0]["sync_interval_seconds"] == 2, "the interval is 2 s", 30
        )
        [listed] = json.loads(wst("engines", "--json", settings=environment))
        assert listed["last_listing"] > before
        assert (listed["state"], listed["producer_alive"]) == ("ok", True)

        wst("rename", "shop", "Web shop", settings=environment)
        engine.docker("rm", "-f", "web")
        wait_for(environment, "nothing of it is left", total=0)
        count = "SELECT count() AS n FROM workspace_changes WHERE workspace_id = 'shop@laptop'"
        assert json.loads(wst("query", count, "--format", "json", settings=environment)) != [{"n": 0}]
        erased = wst("forget", "Web shop", "--erase", "--yes", settings=environment)
        assert erased == "shop@laptop is forgotten, its rows in the archive are being deleted\n"
        wait_until(lambda: json.loads(wst("query", count, "--format", "json", settings=environment)) == [{"n": 0}], "it is erased")
        up.restart()
        wait_until(lambda: "no workspaces yet" in wst("status", settings=environment, check=False), "forgotten after a restart")
        assert json.loads(wst("engines", "--json", settings=environment))[0]["sync_interval_seconds"] == 2
