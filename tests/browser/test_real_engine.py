"""The dashboard on a real engine: what containers do shows itself by the wire, without a reload, and leads to its reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Request, expect

from tests.e2e.parts import Part, answers
from tests.platform.engine import DockerEngine
from tests.platform.process import PATIENCE_S, free_port, wait_until

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

#: What a machine that does much else may need; the figure is benchmarks/dashboard.py's.
PATIENCE_MS = 1_000 * PATIENCE_S
SHOP = ("--label", "workspace.id=shop", "--label", "workspace.name=Shop", "--network", "none")


@pytest.fixture
def tree(engine: DockerEngine, tmp_path: Path) -> Iterator[str]:
    """Address of a tree that watches a real engine."""
    engine.remove_all()
    port = free_port()
    told = {"WST_DATA_DIR": str(tmp_path / "data"), "WST_ENGINES": engine.url, "WST_ENGINE_NAME": "laptop"}
    told |= {"WST_COLLECT_INTERVAL": "2s", "WST_SYNC_INTERVAL": "10s"}
    with Part(("up", "--port", str(port)), told):
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(url), "the tree answers", PATIENCE_S)
        yield url


def test_a_stop_and_a_crash_of_real_containers_come_by_the_wire_and_the_page_leads_to_the_reason(
    page: Page, engine: DockerEngine, tree: str
) -> None:
    said: list[dict[str, Any]] = []
    asked: list[str] = []

    def hear(frame: str | bytes) -> None:
        said.append(json.loads(frame))

    page.on("websocket", lambda socket: socket.on("framereceived", hear))
    page.goto(tree)
    expect(page.locator("#live .words")).to_have_text("live", timeout=PATIENCE_MS)
    page.evaluate("window.same = true")
    page.on("request", lambda request: asked.append(_path(request)))
    shop = page.locator(".rows .row").filter(has=page.get_by_role("link", name="Shop", exact=True))

    engine.run("shop-web", "sleep", "100000", options=SHOP)
    expect(shop.locator(".word")).to_have_text("Active", timeout=PATIENCE_MS)
    expect(shop.locator(".memory .figure")).not_to_have_text("–", timeout=PATIENCE_MS)
    engine.docker("stop", "--time", "0", "shop-web")
    expect(shop.locator(".word")).to_have_text("Inactive", timeout=PATIENCE_MS)
    told = [one for each in said if each["type"] == "states" for one in each["workspaces"]]
    assert [one["status"] for one in told if one["workspace_id"] == "shop"][-1] == "inactive"

    engine.run("shop-job", "sh", "-c", "exit 3", options=SHOP)
    expect(shop.locator(".word")).to_have_text("Failing", timeout=PATIENCE_MS)
    expect(page.locator("#alert-count")).to_have_text("1", timeout=PATIENCE_MS)
    assert page.evaluate("window.same"), "the page was not loaded again"
    assert "/api/v1/workspaces" not in asked, "nor did it ask for the list"

    shop.click()
    expect(page.locator(".cause .chain")).to_contain_text(["shop-job die with exit code 3"], timeout=PATIENCE_MS)
    expect(page.locator(".next code").first).to_contain_text("docker logs --since")
    engine.docker("rm", "shop-job")
    expect(shop.locator(".word")).to_have_text("Inactive", timeout=PATIENCE_MS)
    expect(page.locator("#alert-count")).to_be_hidden(timeout=PATIENCE_MS)
    assert page.evaluate("window.same")


def _path(request: Request) -> str:
    return request.url.partition("?")[0].removeprefix(request.frame.url.rpartition("/")[0])
