"""One browser for a file, a new page for each test, and where its pictures go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.platform.browser import chromium
from tests.platform.process import CACHE, PATIENCE_S, ROOT

#: A busy machine is slow, and no fault of the page: what is waited for may take as long as a page's own steps.
_PATIENCE_MS = 1_000 * PATIENCE_S
expect.set_options(timeout=_PATIENCE_MS)


@pytest.fixture(scope="module")  # no longer: Playwright's loop runs in this thread, where later tests want loops of their own
def browser() -> Iterator[Browser]:
    """A browser without a screen."""
    with chromium() as found:
        yield found


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a profile of its own; that a script of it failed fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 780}, color_scheme="light", locale="en-GB", timezone_id="UTC")
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.set_default_timeout(_PATIENCE_MS)
    yield page
    context.close()
    assert faults == []


@pytest.fixture
def pictures(request: pytest.FixtureRequest) -> Path:
    """Where screenshots go: into the docs where `--pictures` asks for it, else aside."""
    folder = ROOT / "docs" / "pictures" if request.config.getoption("--pictures") else CACHE / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
