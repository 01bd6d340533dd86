"""`wst sink` in a process of its own, to kill and pause."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

from tests.platform.process import PATIENCE_S, ROOT, ServerProcess


class SinkProcess(ServerProcess):
    """A sink with settings from the environment."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        super().__init__("sink")
        self._environment = environment
        self._begun = 0

    def _command(self) -> Sequence[str]:
        self._begun = self.log_path.stat().st_size if self.log_path.exists() else 0
        settings = [f"{name}={value}" for name, value in self._environment.items()]
        return ["env", f"--chdir={self.folder}", f"PYTHONPATH={ROOT}", *settings, sys.executable, "-m", "schemas.wst", "sink"]

    def _is_ready(self) -> bool:
        return b"wst.sink: reading" in self.log_path.read_bytes()[self._begun :]


def wst(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end, with nothing but these settings."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("WST_")}
    command = [sys.executable, "-m", "schemas.wst", *arguments]
    return subprocess.run(command, env=own | settings, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
