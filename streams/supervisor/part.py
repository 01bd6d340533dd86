"""One part of the tree: how it is started, what it says, how it ends."""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from streams.ready import READY

_ERROR: Final = "wst: "
_LOG_BYTES: Final = 5_000_000
_TAIL_BYTES: Final = 65_536
#: How often a part's output is looked at while it starts, s.
_LISTEN_S: Final = 0.03
_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True)
class Part:
    """What to run.

    Attributes:
        argv: program and arguments.
        env: environment beside the tree's own.
        needs: parts that have to be ready before it starts, and with which it is started again.
        provides: variable that carries what the part says it is ready with to those that need it; empty: it says nothing.
        may_end: ending with status 0 is its normal end.
        alive: files in the tree's folder that it touches again and again as it comes round with its work (`schemas.alive`).
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    provides: str = ""
    may_end: bool = False
    alive: tuple[str, ...] = ()


class Child:
    """A running part. It writes straight into its log file: a supervisor that is paused holds nobody up.

    Attributes:
        ready: done with what the part says it is ready with, at once where it says nothing; cancelled when it ends before.
        ended: done with the exit status; negative: the signal that ended it.
        hung: why it was killed for hanging; empty: it was not.
    """

    hung = ""

    def __init__(self, part: Part, process: asyncio.subprocess.Process, log: Path, log_begin: int) -> None:
        loop = asyncio.get_running_loop()
        self.part = part
        self.pid = process.pid
        self.started_s = loop.time()
        self._process = process
        self._log = log
        self._log_begin = log_begin
        self.ended: asyncio.Task[int] = loop.create_task(process.wait())
        self.ready: asyncio.Task[str] = loop.create_task(self._listen())
        self.ended.add_done_callback(lambda _: self.ready.cancel())

    @classmethod
    async def start(cls, part: Part, env: Mapping[str, str], log: Path) -> Child:
        """Starts the part in a session of its own, so that Ctrl-C reaches the supervisor alone.

        Raises:
            OSError: the program cannot be run.
        """
        with suppress(OSError):  # said where it is tried again
            shorten(log)
        with log.open("ab") as out:
            begin = out.tell()
            process = await asyncio.create_subprocess_exec(
                *part.argv,
                env={**env, **part.env},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=die_with_parent(),
            )
            return cls(part, process, log, begin)

    def why(self) -> str:
        """The line for people that it ended with; empty when it said none."""
        lines = self._said(_TAIL_BYTES).splitlines()
        return next((line.removeprefix(_ERROR) for line in reversed(lines) if line.startswith(_ERROR)), "")

    def kill(self) -> None:
        """Ends the part and whatever it has started, at once, if it is still there."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    async def stop(self, within_s: float) -> bool:
        """Asks it to end and kills it when it has not after so many seconds; returns whether it ended by itself."""
        if not self.ended.done():
            # The part alone: it ends its own children in the order it needs.
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)
        done, _ = await asyncio.wait([self.ended], timeout=within_s)
        self.kill()
        await self.ended
        return bool(done)

    async def _listen(self) -> str:
        # To listen for what never comes would cost more than anything else in an idle supervisor.
        while self.part.provides:
            for line in self._said(_TAIL_BYTES).splitlines(keepends=True):
                if line.startswith(READY) and line.endswith("\n"):
                    return line.removeprefix(READY).strip()
            await asyncio.sleep(_LISTEN_S)
        return ""

    def _said(self, at_most_bytes: int) -> str:
        """The end of what this run has written."""
        with self._log.open("rb") as log:
            size = log.seek(0, os.SEEK_END)
            begin = self._log_begin if self._log_begin <= size else 0
            log.seek(max(begin, size - at_most_bytes))
            return log.read().decode("utf-8", "replace")


def shorten(log: Path) -> None:
    """Puts a long log aside under `….1` and begins it anew; whoever has it open goes on appending."""
    if log.exists() and log.stat().st_size > _LOG_BYTES:
        aside = log.with_name(log.name + ".1")
        try:
            shutil.copyfile(log, aside)
        except OSError:
            aside.unlink(missing_ok=True)  # half a copy takes room for nothing
            raise
        os.truncate(log, 0)


def die_with_parent() -> Callable[[], None] | None:
    """What a child does before it becomes its program, so that it never outlives a supervisor that was killed (Linux)."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def arrange() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return arrange


def describe_end(status: int) -> str:
    """An exit status in words."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"
