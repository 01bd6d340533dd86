"""The parts of wst as processes of their own, started as a user starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from tests.platform.process import PATIENCE_S, ServerProcess


def clean_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without any setting of wst or Docker, and with the given ones."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("WST_", "DOCKER_"))}
    return ours | dict(settings)


def wst(*arguments: str, settings: Mapping[str, str], timeout_s: float = PATIENCE_S, check: bool = True) -> str:
    """Runs one command of wst to its end and returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "schemas.wst", *arguments],
        env=clean_environment(settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    if check and done.returncode != 0:
        raise AssertionError(f"wst {' '.join(arguments)} ended with {done.returncode}: {done.stderr}{done.stdout}")
    return done.stdout


def json_lines(text: str) -> list[dict[str, Any]]:
    """One JSON object a line."""
    return [json.loads(line) for line in text.splitlines() if line.strip()]


class Part(ServerProcess):
    """One part of wst: a worker, the sink, a producer, or the whole tree.

    Args:
        arguments: the command line behind `wst`.
        settings: `WST_…` variables.
        ready: text in its log that says it works; empty: ready as soon as it runs.
    """

    def __init__(self, arguments: Sequence[str], settings: Mapping[str, str], ready: str = "") -> None:
        super().__init__("wst-" + arguments[0])
        self.arguments = list(arguments)
        self.settings = dict(settings)
        self.ready = ready

    def _command(self) -> Sequence[str]:
        # The platform starts servers with this process's environment: `env` gives the part its own.
        own = [f"{name}={value}" for name, value in self.settings.items()]
        unset = [word for name in os.environ if name.startswith(("WST_", "DOCKER_")) for word in ("-u", name)]
        return ["env", *unset, *own, sys.executable, "-m", "schemas.wst", *self.arguments]

    def _is_ready(self) -> bool:
        return self.ready in self.log_path.read_text(errors="replace")


def answers(url: str) -> bool:
    """Whether an API may be asked there."""
    try:
        return httpx.get(f"{url}/readyz", timeout=5, trust_env=False).is_success
    except httpx.HTTPError:
        return False
