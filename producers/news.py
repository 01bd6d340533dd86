"""Waiting for whichever comes first: something new, or a time."""

from __future__ import annotations

import asyncio


async def wait_for(news: asyncio.Event, until: float | None) -> bool:
    """Waits for news, or until a time of the event loop's clock, s; None: only for news. Returns whether there were any."""
    news.clear()
    try:
        async with asyncio.timeout_at(until):
            await news.wait()
    except TimeoutError:
        return False
    return True
