"""Asks an embedded archive from a process of its own, as the engine opens one directory a process: `ask.py DIR SQL…` prints JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from streams.sinks.clickhouse import Address, connect
from tests.platform.process import PATIENCE_S


def ask(directory: Path, *questions: str) -> list[list[list[Any]]]:
    """Rows of each question."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.sinks.ask", str(directory), *questions], stdout=subprocess.PIPE, check=True, timeout=PATIENCE_S
    )
    answers: list[list[list[Any]]] = json.loads(done.stdout)
    return answers


def main() -> None:
    client = connect(Address(f"chdb://{sys.argv[1]}", "wst"))
    json.dump([[list(row) for row in client.query(question).result_rows] for question in sys.argv[2:]], sys.stdout)
    client.close()


if __name__ == "__main__":
    main()
