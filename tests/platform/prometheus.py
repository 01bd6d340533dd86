"""Prometheus on a loopback port, with a configuration of the test's own; `promtool` beside it."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # comes with apprise

from tests.platform.process import ServerProcess, free_port


def missing() -> str | None:
    """Say what keeps it from running here, or None."""
    return next((f"{name} not found" for name in ("prometheus", "promtool") if not shutil.which(name)), None)


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run promtool; what it says is in the result."""
    return subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False)


class Prometheus(ServerProcess):
    """A Prometheus that scrapes what its configuration names."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        super().__init__("prometheus")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))

    def _command(self) -> Sequence[str]:
        options = {"config.file": self.folder / "prometheus.yml", "storage.tsdb.path": self.folder / "data"}
        address = f"--web.listen-address=127.0.0.1:{self.port}"
        return ["prometheus", *(f"--{name}={value}" for name, value in options.items()), address]

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:  # noqa: S310  our own http address
                return bool(answer.status == 200)
        except OSError:
            return False

    def ask(self, path: str, **parameters: str) -> Any:
        """What its API answers: the `data` of it.

        Raises:
            ValueError: it does not understand the question; the text says why.
        """
        body = urllib.parse.urlencode(parameters).encode() or None
        try:
            with urllib.request.urlopen(f"{self.url}/api/v1/{path}", body, timeout=20) as answer:  # noqa: S310  our own http address
                return json.load(answer)["data"]
        except urllib.error.HTTPError as refused:
            raise ValueError(json.load(refused)["error"]) from refused

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series an instant query answers with."""
        found: list[dict[str, Any]] = self.ask("query", query=expression)["result"]
        return found
