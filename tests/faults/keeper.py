"""What a campaign breaks: parts that may carry a fault, brokers and an archive that nobody waits for, and the keeper of each."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.e2e.parts import Part
from tests.platform.clickhouse_http import ClickHouseHttpServer
from tests.platform.kafka import KafkaBroker
from tests.platform.line import Line
from tests.platform.process import ServerProcess, free_port

#: Hosts by the parts on them: each has its own line to the broker.
HOSTS: Final = {"engine": ("producer",), "folds": ("worker",), "reads": ("sink", "api")}
#: What a keeper does wait before it starts a part again, s.
_AGAIN_S: Final = 0.3


class FaultPart(Part):
    """A part whose process may carry a fault with it."""

    fault = ""

    def _command(self) -> Sequence[str]:
        command = list(super()._command())
        command[command.index("schemas.wst")] = "tests.faults.part"
        if self.fault:
            command.insert(command.index(sys.executable), f"WST_FAULT={self.fault}")
        return command


class Broker(KafkaBroker):
    """A broker that is waited for only once: a campaign goes on while it comes back.

    Args:
        joins: the other node of a cluster of two; each leads half of the partitions, and nobody follows.

    Attributes:
        lines: how each host of `HOSTS` reaches it; the campaign itself goes straight there.
    """

    waited = False

    def __init__(self, joins: Broker | None = None) -> None:
        self.lines = {host: Line(free_port()) for host in HOSTS}
        super().__init__(lines={host.upper(): line for host, line in self.lines.items()}, joins=joins)

    def start(self) -> None:
        for line in self.lines.values():
            line.open()
        super().start()

    def close(self) -> None:
        super().close()
        for line in self.lines.values():
            line.close()

    def _is_ready(self) -> bool:
        return self.waited or super()._is_ready()


class Archive(ClickHouseHttpServer):
    """The same of ClickHouse."""

    waited = False

    def _is_ready(self) -> bool:
        return self.waited or super()._is_ready()


@dataclass
class Keeper:
    """Keeps one part running, as a supervisor does.

    Attributes:
        ends: how often the part ended by itself, by exit status.
        resume_at: when a paused one goes on.
    """

    name: str
    part: ServerProcess
    choose: Callable[[], str] = lambda: ""
    wanted: bool = True
    start_at: float = 0.0
    resume_at: float | None = None
    ends: Counter[str] = field(default_factory=Counter)

    def look(self, now: float) -> None:
        """Starts what is down and due, lets go on what was paused long enough."""
        if not self.wanted:
            return
        if not self.part.is_running:
            self._note_end(now)
            if now >= self.start_at:
                if isinstance(self.part, FaultPart):
                    self.part.fault = self.choose()
                self.part.start()
        elif self.resume_at is not None and now >= self.resume_at:
            self.resume_at = None
            self.part.resume()

    def _note_end(self, now: float) -> None:
        process = self.part._process
        if process is not None:
            self.ends[str(process.returncode)] += 1
            self.part._process = None
            self.resume_at = None
            self.start_at = max(self.start_at, now + _AGAIN_S)

    def kill(self, now: float, down_s: float) -> bool:
        """SIGKILL, and a while without it; False: it is down already."""
        if not self.part.is_running:
            return False
        self.part.kill()
        self.resume_at = None
        self.start_at = now + down_s
        return True

    def pause(self, now: float, for_s: float) -> bool:
        """SIGSTOP, and SIGCONT later."""
        if not self.part.is_running or self.resume_at is not None:
            return False
        self.part.pause()
        self.resume_at = now + for_s
        return True

    def is_stopped(self) -> bool:
        """Stands still, whoever stopped it."""
        with suppress(OSError):
            return Path(f"/proc/{self.part.pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
        return False
