"""Debian's Chromium without a screen, driven over its own protocol; nothing is downloaded for it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

#: In a container there are no namespaces to nest; pages here come from our own loopback server only.
_ARGUMENTS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--hide-scrollbars", "--force-color-profile=srgb")


def missing() -> str | None:
    """Why there is no browser here; None: there is one."""
    return None if shutil.which("chromium") else "chromium is not on the PATH"


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser for as long as the context is open."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()
