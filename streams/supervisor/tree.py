"""The tree: starts parts in the order they need each other, starts again what dies, ends all as one."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from schemas.errors import WstError
from streams.supervisor.hanging import LOOK_S, LOOKS, Hanging
from streams.supervisor.part import Child, Part, describe_end, shorten

#: A part that ends so soon after its first start with status 2 or 3 has told why it cannot run.
_FIRST_S: Final = 60.0
#: A part that lived so long is started again without delay when it dies.
_STEADY_S: Final = 30.0
_DELAYS_S: Final = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
#: Time to end: first all parts but those that others need, then these. Together below 5 s.
_STOP_S: Final = 3.5
_STOP_NEEDED_S: Final = 0.8
_LOOK_AT_LOGS_S: Final = 60.0


class PartFailed(WstError):
    """A part cannot run, and has said why."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.exit_code = status  # type: ignore[misc]  # the part's own status is the tree's


@dataclass(slots=True)
class Seen:
    """How a part does, as `/healthz` and `wst doctor` read it from `parts.json`.

    Attributes:
        state: starting, up, restarting, done.
        since: when it came to that, seconds since the Unix epoch.
        restarts: how often it was started again because it had died.
        was_up: it was up at least once.
    """

    name: str
    state: str = "starting"
    pid: int = 0
    since: float = 0.0
    restarts: int = 0
    last_end: str = ""
    was_up: bool = False


class Tree:
    """Runs parts until told to stop.

    Args:
        env: environment of every part.
        folder: `logs/` and `parts.json` are written there.
        say: takes one line for people, about what died and was started again.
        looks, look_s: how long a part may hang before it is killed (`hanging`).
    """

    def __init__(
        self,
        parts: Sequence[Part],
        env: Mapping[str, str],
        folder: Path,
        say: Callable[[str], None],
        looks: int = LOOKS,
        look_s: float = LOOK_S,
    ) -> None:
        self._looks, self._look_s = looks, look_s
        self._parts = parts
        self._env = dict(env)
        self.folder = folder
        self._say = say
        self._running: dict[str, Child] = {}
        self._changed = asyncio.Condition()
        self._cannot_write = False
        self.seen = {part.name: Seen(part.name) for part in parts}

    async def run(self, stop: asyncio.Event) -> None:
        """Runs all parts until `stop` is set; all have ended when it returns or raises.

        Raises:
            PartFailed: a part cannot run at all.
        """
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)
        keepers = [asyncio.create_task(self._keep(part), name=part.name) for part in self._parts]
        stopping = asyncio.create_task(stop.wait())
        logs = asyncio.create_task(self._keep_logs_short())
        try:
            await asyncio.wait([*keepers, stopping], return_when=asyncio.FIRST_COMPLETED)
            while not stopping.done():
                for keeper in keepers:
                    if keeper.done():
                        keeper.result()
                pending = [keeper for keeper in keepers if not keeper.done()]
                await asyncio.wait([*pending, stopping], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (*keepers, stopping, logs):
                task.cancel()
            await asyncio.gather(*keepers, stopping, logs, return_exceptions=True)
            await self._stop_all()

    async def ready(self, name: str) -> str:
        """Waits for a part to be ready; returns what it said."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._said(name) is not None)
        return self._said(name) or ""

    async def _keep(self, part: Part) -> None:
        """Runs one part for as long as the tree runs."""
        deaths = 0
        while True:
            needed = await self._needs(part)
            hanging = Hanging((self.folder / file for file in part.alive), self._looks)
            child = await self._start(part, needed)
            watching = asyncio.create_task(self._kill_when_hung(child, hanging))
            try:
                await self._wait_for_end(child, needed)
            finally:
                watching.cancel()
            if not child.ended.done():
                # What it needs is gone, and its address with it.
                await child.stop(_STOP_NEEDED_S)
                await self._note(part, "restarting")
                continue
            status = child.ended.result()
            child.kill()
            if part.may_end and status == 0:
                await self._note(part, "done")
                return
            lived_s = asyncio.get_running_loop().time() - child.started_s
            if status in (2, 3) and lived_s < _FIRST_S and self._never_worked(part, needed):
                raise PartFailed(child.why() or f"{part.name} {describe_end(status)}", status)
            deaths = 0 if lived_s > _STEADY_S else deaths + 1
            await self._restart_after(part, child, status, _DELAYS_S[min(deaths, len(_DELAYS_S) - 1)])

    def _never_worked(self, part: Part, needed: Mapping[str, Child]) -> bool:
        """Whether a part that has ended never worked, and for no want of what it needs."""
        seen = self.seen[part.name]
        was_ready = seen.was_up and bool(part.provides)
        return seen.restarts == 0 and not was_ready and not any(other.ended.done() for other in needed.values())

    async def _restart_after(self, part: Part, child: Child, status: int, delay_s: float) -> None:
        end = child.hung or describe_end(status) + (f" ({why})" if (why := child.why()) else "")
        self._say(f"{part.name} {end}: starting it again" + (f" in {delay_s:g} s" if delay_s >= 1 else ""))
        self.seen[part.name].restarts += 1
        self.seen[part.name].last_end = end
        await self._note(part, "restarting")
        await asyncio.sleep(delay_s)

    async def _kill_when_hung(self, child: Child, hanging: Hanging) -> None:
        child.hung = await hanging.until_hung(self._look_s)
        child.kill()

    async def _needs(self, part: Part) -> dict[str, Child]:
        for name in part.needs:
            await self.ready(name)
        needed = {name: self._running[name] for name in part.needs if name in self._running}
        return needed if len(needed) == len(part.needs) else await self._needs(part)

    async def _start(self, part: Part, needed: Mapping[str, Child]) -> Child:
        provided = {child.part.provides: child.ready.result() for child in needed.values() if child.part.provides}
        child = await Child.start(part, self._env | provided, self._log(part))
        self._running[part.name] = child
        self.seen[part.name].pid = child.pid
        await self._note(part, "starting" if part.provides else "up")
        return child

    async def _wait_for_end(self, child: Child, needed: Mapping[str, Child]) -> None:
        """Returns when the child or anything it needs has ended; notes when it gets ready."""
        ends: list[asyncio.Task[int]] = [child.ended, *(other.ended for other in needed.values())]
        if child.part.provides:
            await asyncio.wait([*ends, child.ready], return_when=asyncio.FIRST_COMPLETED)
            if child.ready.done() and not child.ready.cancelled():
                await self._note(child.part, "up")
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if child.ended.done():
            self._running.pop(child.part.name, None)

    async def _stop_all(self) -> None:
        """Ends first those that nobody needs, then the others."""
        needed = {name for part in self._parts for name in part.needs}
        for names, within_s in ((set(self._running) - needed, _STOP_S), (needed, _STOP_NEEDED_S)):
            children = [child for name, child in self._running.items() if name in names]
            ended = await asyncio.gather(*(child.stop(within_s) for child in children))
            for child, by_itself in zip(children, ended, strict=True):
                if not by_itself:
                    self._say(f"{child.part.name} did not end within {within_s:g} s: killed")
        (self.folder / "parts.json").unlink(missing_ok=True)

    async def _note(self, part: Part, state: str) -> None:
        seen = self.seen[part.name]
        seen.state, seen.since, seen.was_up = state, time.time(), seen.was_up or state == "up"
        written = self.folder / "parts.json.new"
        with self._going_on():
            written.write_text(json.dumps([asdict(each) for each in self.seen.values()]))
            written.replace(self.folder / "parts.json")
        async with self._changed:
            self._changed.notify_all()

    async def _keep_logs_short(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_AT_LOGS_S)
            for part in self._parts:
                with self._going_on():
                    shorten(self._log(part))

    @contextmanager
    def _going_on(self) -> Iterator[None]:
        """A disk that is full harms what the supervisor writes and not what it runs: said once, until writing works again."""
        try:
            yield
        except OSError as error:
            if not self._cannot_write:
                self._say(
                    f"{self.folder} takes no more ({error.strerror or error}): make room; all goes on, `wst doctor` may tell old things"
                )
            self._cannot_write = True
        else:
            self._cannot_write = False

    def _said(self, name: str) -> str | None:
        child = self._running.get(name)
        if child is None or child.ended.done() or not child.ready.done() or child.ready.cancelled():
            return None
        return child.ready.result()

    def _log(self, part: Part) -> Path:
        return self.folder / "logs" / f"{part.name.replace(' ', '-')}.log"
