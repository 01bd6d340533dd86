"""The dashboard on a whole embedded tree that plays the demo: changes, charts, reasons and the past are the real ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.platform.process import PATIENCE_S, free_port


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a tree that plays the demo, many times as fast as it was recorded."""
    folder, port = tmp_path_factory.mktemp("tree"), free_port()
    command = [sys.executable, "-m", "schemas.wst", "up", "--demo", "--speed", "16", "--data", str(folder), "--port", str(port)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("WST_")}
    with (folder / "said").open("w") as said:
        process = subprocess.Popen(command, env=environment, stdout=said, stderr=said)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)


def wait_until_it_answers(page: Page, url: str) -> None:
    for _ in range(300):
        try:
            if httpx.get(f"{url}/healthz").status_code == 200:
                return
        except httpx.HTTPError:
            pass
        page.wait_for_timeout(100)
    raise AssertionError("the tree does not answer")


def test_a_real_incident_shows_itself_with_its_charts_its_reasons_and_the_past_before_it(page: Page, tree: str, pictures: Path) -> None:
    wait_until_it_answers(page, tree)
    page.goto(tree)
    shop = page.locator(".rows .row").filter(has=page.get_by_role("link", name="shop", exact=True))
    # Nothing is reloaded from here on: the container's crash comes by the wire.
    expect(shop.locator(".word")).to_have_text("Failing", timeout=180_000)
    # The list moves while it lives: what is clicked is this row, wherever it is by then.
    shop.dispatch_event("click")
    page.get_by_role("button", name="15 min").click()
    expect(page.locator(".cause .chain li").first).to_contain_text("demo said: shop-", timeout=180_000)
    expect(page.locator(".next code").first).to_contain_text("docker logs --since")
    expect(page.locator(".chart .legend b").first).not_to_have_text("–", timeout=180_000)
    expect(page.locator(".strip-words")).to_contain_text("active")
    expect(page.locator(".containers tbody tr").first).to_contain_text("shop-")
    page.locator(".detail .body").evaluate("node => { node.scrollTop = 0 }")
    page.screenshot(path=pictures / "workspace.jpg", type="jpeg", quality=80)

    box = page.locator(".chart canvas").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 40, steps=4)
    page.mouse.up()
    expect(page.locator(".zoomed")).to_be_visible()
    page.locator(".zoomed").click()
    expect(page.locator(".zoomed")).to_be_hidden()

    page.keyboard.press("t")
    page.locator("#time-bar").get_by_role("button", name="1 h").click()
    page.locator("#as-of").fill("0")
    expect(page.locator(".totals")).to_contain_text("0 workspaces")
    expect(page.locator(".detail .state")).to_contain_text("It was not there at that time.")
    expect(page.locator(".detail .commands")).to_be_hidden()
    expect(page.locator(".detail")).to_contain_text("Nothing was known of it at that time.")
    expect(page.get_by_text("There was no workspace at that time.")).to_be_visible()
    first = httpx.get(f"{tree}/api/v1/events", params={"workspace": "shop", "limit": 1}).json()["events"][0]
    soon_after = datetime.fromisoformat(first["timestamp"]) + timedelta(seconds=1)
    page.locator("#time-bar input[type=datetime-local]").fill(f"{soon_after:%Y-%m-%dT%H:%M:%S}")
    expect(shop.locator(".word")).not_to_have_text("Failing")
    page.screenshot(path=pictures / "back-in-time.jpg", type="jpeg", quality=80)
    page.get_by_role("button", name="Back to now").click()
    expect(page.locator("#time-bar")).to_be_hidden()
    expect(page.locator(".totals")).not_to_contain_text(" 0 workspaces")
