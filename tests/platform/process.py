"""A server in a process of its own that tests start, kill, pause and start again."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
OWNER = "owner.pid"
#: How long a busy machine may take for anything, s. Every wait ends as soon as the thing is there: only a failure takes this long.
PATIENCE_S = 180.0


class ServerFailed(RuntimeError):
    """A server did not come up, or ended by itself; carries the end of its log."""


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = PATIENCE_S) -> None:
    """Wait until `condition` holds; raise TimeoutError that names `what` after `timeout_s`.

    It pauses twice as long as each look took, often a command's whole run: who is waited for needs the processor, too.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        looked_at = time.monotonic()
        if condition():
            return
        now = time.monotonic()
        if now > deadline:
            raise TimeoutError(f"{what}: not within {timeout_s:g} s")
        time.sleep(max(0.02, 2 * (now - looked_at)))


_given: Final[set[int]] = set()


def free_port() -> int:
    """Return a loopback port that nobody listens on.

    It lies below the range the kernel hands out by itself, so that no outgoing connection can
    take it while a server that has to come back on the same port is down. No port is given twice: a server may listen on
    one later than it asks for the next, or not at the moment.
    """
    for _ in range(200):
        port = random.randint(20_000, 32_000)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            _given.add(port)
            return port
    raise ServerFailed("no free loopback port between 20000 and 32000")


def kill_if_there(pid: int) -> None:
    """Send SIGKILL to a process that may have ended already."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def abandoned_folders(prefix: str) -> Iterator[Path]:
    """Yield, once each, the folders of servers whose test run is no more."""
    for owner in Path(tempfile.gettempdir()).glob(f"{prefix}*/{OWNER}"):
        # Whoever unlinks it owns the folder: other runs may be looking at the same time.
        with suppress(FileNotFoundError):
            if not Path(f"/proc/{owner.read_text()}").exists():
                owner.unlink()
                yield owner.parent


class ServerProcess(ABC):
    """One server, its folder and its log; the folder survives `kill` and `restart`.

    Start it from a thread that outlives it (the main thread of the tests): the kernel ends the
    server with the thread that started it, so that a killed test run leaves nothing behind.
    """

    start_timeout_s = PATIENCE_S

    def __init__(self, name: str) -> None:
        """Make an empty folder for the server `name`; nothing runs before `start`."""
        self.name = name
        for abandoned in abandoned_folders(f"wst-{name}-"):
            self._remove_abandoned(abandoned)
        self.folder = Path(tempfile.mkdtemp(prefix=f"wst-{name}-"))
        (self.folder / OWNER).write_text(str(os.getpid()))
        self.log_path = self.folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def _remove_abandoned(self, folder: Path) -> None:
        """Remove what a test run that was killed left of a server of this kind."""
        shutil.rmtree(folder, ignore_errors=True)

    @abstractmethod
    def _command(self) -> Sequence[str]:
        """Return the command line that runs the server in the foreground."""

    @abstractmethod
    def _is_ready(self) -> bool:
        """Say whether the server answers as its clients expect."""

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None:
            raise ServerFailed(f"{self.name} is not running")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process exists (a paused one does)."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server and return when it answers; raises ServerFailed with its log."""
        if self.is_running:
            raise ServerFailed(f"{self.name} is running already")
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", *self._command()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            wait_until(self._ended_or_ready, f"{self.name} answers", self.start_timeout_s)
        except TimeoutError as late:
            self.kill()
            raise ServerFailed(f"{late}\n{self.log_tail()}") from late
        if not self.is_running:
            raise ServerFailed(f"{self.name} ended while starting\n{self.log_tail()}")

    def _ended_or_ready(self) -> bool:
        return not self.is_running or self._is_ready()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the server's process."""
        os.kill(self.pid, number)

    def pause(self) -> None:
        """Freeze the server (SIGSTOP): its port stays open, nothing answers."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on (SIGCONT)."""
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the server at once (SIGKILL), as a crash would; paused or not."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self, timeout_s: float = 20.0) -> None:
        """End the server in good order (SIGTERM), by SIGKILL if that takes too long."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def restart(self) -> None:
        """Start the server again on its folder and address, stopping it first if it runs."""
        self.stop()
        self.start()

    def log_tail(self, lines: int = 40) -> str:
        """Return the last lines of the server's log."""
        if not self.log_path.exists():
            return ""
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])

    def close(self) -> None:
        """Stop the server and remove its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
