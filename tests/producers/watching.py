"""Running one engine's loops in a test, over memory, and waiting for what they publish."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from producers.engine import DockerEngine, Engine
from producers.engines import Given, identify
from producers.identity import Policy
from producers.publisher import MemoryOutlet
from producers.store import Store
from producers.watch import EngineWatch, Pace
from schemas import topics
from schemas.codec import codec
from tests.platform.process import PATIENCE_S

Json = dict[str, Any]
BY_NAME = {topic.full("wst."): topic for topic in topics.ALL}


class Watching:
    """A running watch and its records."""

    def __init__(self, watch: EngineWatch, outlet: MemoryOutlet) -> None:
        self.watch = watch
        self.outlet = outlet
        self.task: asyncio.Task[None] | None = None

    def ended(self) -> bool:
        """The watch has failed."""
        return self.task is not None and self.task.done()

    def values(self, topic: topics.Topic) -> list[Json]:
        """All values of a topic so far."""
        return [codec(topic.subject).decode(r.value) for r in self.outlet.records if r.topic == topic.full("wst.")]

    def facts(self, kind: str = "engine_event") -> list[Json]:
        """All facts of a kind so far."""
        return [fact for fact in self.values(topics.DOCKER_EVENTS) if fact["kind"] == kind]

    def actions(self, name: str | None = None) -> list[str]:
        """Actions of the events so far, of one container."""
        return [fact["engine_event"]["action"] for fact in self.facts() if name in (None, fact["container"]["name"])]

    def snapshots(self) -> list[Json]:
        """All listings so far."""
        return self.values(topics.DOCKER_SNAPSHOTS)

    async def until(self, holds: Callable[[], object], what: str, timeout_s: float = PATIENCE_S) -> None:
        """Waits until something holds of what was published."""
        async with asyncio.timeout(timeout_s):
            while not holds():
                self.outlet.news.clear()
                try:
                    async with asyncio.timeout(0.05):
                        await self.outlet.news.wait()
                except TimeoutError:
                    continue
        assert holds(), what


@asynccontextmanager
async def watching(
    engine: Engine | str,
    folder: Path,
    pace: Pace | None = None,
    *,
    policy: Policy | None = None,
    name: str | None = "laptop",
    timeout_s: float = 2.0,
    stream_timeout_s: float = PATIENCE_S,
    may_fail: bool = False,
) -> AsyncIterator[Watching]:
    """Watches an engine, or the one at a URL, until the block ends."""
    reached = DockerEngine(engine, timeout_s=timeout_s, stream_timeout_s=stream_timeout_s) if isinstance(engine, str) else engine
    store = Store(folder)
    outlet = MemoryOutlet()
    [given] = await identify([Given(reached, name)], store)
    watch = EngineWatch(reached, given, policy or Policy(), pace or Pace(60, 60, 1), store, outlet, "wst.")
    task = asyncio.create_task(watch.run())
    try:
        seen = Watching(watch, outlet)
        seen.task = task
        await seen.until(lambda: seen.snapshots() or task.done(), "the first listing")
        if task.done():
            await task
        yield seen
        assert may_fail or not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        watch.close()
        store.close()
