"""Runs a tree and shows its workspaces until it is told to end."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from schemas.errors import WstError
from streams.supervisor.tree import Tree

Json = dict[str, Any]
_LOOK_EVERY_S: Final = 1.0


class Shows(Protocol):
    """What a watch needs of a screen."""

    def progress(self, text: str) -> None:
        """What is being waited for."""

    def show(self, states: Sequence[Json]) -> None:
        """The workspaces as they are now."""


class NeverReady(WstError):
    """The time was up before the tree could be used."""


async def run_tree(tree: Tree, screen: Shows, fetch: Callable[[str], list[Json]], duration_s: float | None) -> None:
    """Runs the tree until Ctrl-C, SIGTERM, the end of its terminal, or until its time is up; all parts have ended on return.

    Args:
        fetch: the workspaces, from the API at an address; called in a thread; raises WstError when it does not answer.

    Raises:
        PartFailed: a part cannot run at all.
        NeverReady: its time was up before its API answered.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    timer = loop.call_later(duration_s, stop.set) if duration_s is not None else None
    watching = asyncio.create_task(_watch(tree, screen, fetch))
    try:
        await tree.run(stop)
        if timer is not None and timer.when() <= loop.time() and not tree.seen["serve"].was_up:
            raise NeverReady("the API was not up in time", f"the logs are in {tree.folder / 'logs'}")
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def _watch(tree: Tree, screen: Shows, fetch: Callable[[str], list[Json]]) -> None:
    began_s = asyncio.get_running_loop().time()
    starting = asyncio.create_task(_show_progress(tree, screen))
    first = True
    try:
        while True:
            address = await tree.ready("serve")
            try:
                states = await asyncio.to_thread(fetch, address)
            except WstError:
                # It is just starting again: the next address comes with `ready`.
                states = []
            if states:
                if first:
                    starting.cancel()
                    took_s = asyncio.get_running_loop().time() - began_s
                    screen.progress(f"{len(states)} workspace{'' if len(states) == 1 else 's'} after {took_s:.1f} s, API at {address}")
                    first = False
                screen.show(states)
            await asyncio.sleep(_LOOK_EVERY_S if states else _LOOK_EVERY_S / 5)
    finally:
        starting.cancel()


async def _show_progress(tree: Tree, screen: Shows) -> None:
    shown = ""
    while True:
        waiting = [seen.name for seen in tree.seen.values() if seen.state not in ("up", "done")]
        text = f"starting: {', '.join(waiting)}" if waiting else "all parts are up, waiting for the first workspace"
        if text != shown:
            screen.progress(text)
            shown = text
        await asyncio.sleep(0.2)
