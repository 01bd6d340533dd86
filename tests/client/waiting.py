from __future__ import annotations

import asyncio
from collections.abc import Callable

from streams import Tracker
from tests.platform.process import PATIENCE_S


async def until(condition: Callable[[], object], timeout_s: float = PATIENCE_S) -> None:
    """Waits for a condition, looking often."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0.01)


async def until_known(tracker: Tracker, workspace: str) -> None:
    """Waits until a tracker has a workspace's state."""
    await until(lambda: tracker.get_workspace_state(workspace) is not None)


async def until_forgotten(tracker: Tracker, workspace: str) -> None:
    """Waits until a tracker has it no more."""
    await until(lambda: tracker.get_workspace_state(workspace) is None)
