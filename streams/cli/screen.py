"""What `wst up` shows: a live table in a terminal, plain lines anywhere else."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from schemas.wst import visible
from streams.cli import tables
from streams.cli.text import shown

Json = dict[str, Any]


class Screen(Protocol):
    """Shows how the tree does."""

    def progress(self, text: str) -> None:
        """What is being waited for."""

    def say(self, line: str) -> None:
        """Something happened that people should know."""

    def show(self, states: Sequence[Json]) -> None:
        """The workspaces as they are now."""

    def close(self) -> None:
        """Nothing more will come."""


def make_screen(console: Console, title: str, banner: str) -> Screen:
    """The screen that fits where the output goes."""
    return LiveScreen(console, title, banner) if console.is_terminal else PlainScreen(console, title, banner)


class LiveScreen:
    """A table that redraws itself, with a scroll of what happened above it."""

    def __init__(self, console: Console, title: str, banner: str) -> None:
        self._console = console
        self._title = title
        self._banner = banner
        self._progress = "starting"
        self._states: Sequence[Json] | None = None
        self._live = Live(self._draw(), console=console, auto_refresh=False, transient=False)
        self._live.start()

    def progress(self, text: str) -> None:
        """Shows what is waited for in the line below the table."""
        if text != self._progress:
            self._progress = text
            self._redraw()

    def say(self, line: str) -> None:
        """Prints a line above the table."""
        self._console.print(shown(f"{_clock()} {line}", "yellow"))

    def show(self, states: Sequence[Json]) -> None:
        """Redraws the table."""
        self._states = states
        self._redraw()

    def close(self) -> None:
        """Leaves the last table standing."""
        self._live.stop()

    def _redraw(self) -> None:
        self._live.update(self._draw(), refresh=True)

    def _draw(self) -> RenderableType:
        lines: list[RenderableType] = [Text(self._banner, style="black on yellow")] if self._banner else []
        if self._states is not None:
            lines.append(tables.workspaces(self._states, self._console.width, rows=max(3, self._console.height - 7)))
            lines.append(shown(f"{tables.summary(self._states)} · {self._title} · Ctrl-C ends", "dim"))
        if self._progress:
            lines.append(shown(self._progress, "cyan"))
        return Group(*lines)


class PlainScreen:
    """One line per change, for logs and pipes."""

    #: Changes shown of one look; a fleet that starts would fill a log.
    _MOST = 100

    def __init__(self, console: Console, title: str, banner: str) -> None:
        self._console = console
        self._known: dict[str, tuple[Any, ...]] = {}
        for line in (banner, title):
            if line:
                self._print(line)

    def progress(self, text: str) -> None:
        """Prints what is waited for."""
        if text:
            self._print(text)

    def say(self, line: str) -> None:
        """Prints a line."""
        self._print(line)

    def show(self, states: Sequence[Json]) -> None:
        """Prints the workspaces that changed."""
        changed = [state for state in tables.by_need(states) if self._known.get(state["workspace_id"]) != _essence(state)]
        self._known = {state["workspace_id"]: _essence(state) for state in states}
        for state in changed[: self._MOST]:
            what = f"{state['status']}, {state['condition']}, {state['running']}/{state['total']} running: {state['reason']}"
            self._print(f"{state['workspace_id']} is {what}")
        if len(changed) > self._MOST:
            self._print(f"and {len(changed) - self._MOST} more; {tables.summary(states)}")

    def close(self) -> None:
        """Nothing to do."""

    def _print(self, line: str) -> None:
        self._console.print(visible(f"{_clock()} {line}"), markup=False, highlight=False, soft_wrap=True)


def _essence(state: Json) -> tuple[Any, ...]:
    return (state["status"], state["condition"], state["running"], state["total"])


def _clock() -> str:
    return datetime.fromtimestamp(time.time(), UTC).astimezone().isoformat(sep=" ", timespec="seconds")
