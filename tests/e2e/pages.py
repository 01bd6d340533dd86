"""The shell blocks of the docs, line by line, and a place where they are run as they stand: real tree, real engine, a home of its own."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.e2e.parts import answers, clean_environment
from tests.platform.engine import IMAGE, DockerEngine
from tests.platform.process import PATIENCE_S, ROOT, free_port, wait_until

PAGES: Final = sorted([ROOT / "README.md", ROOT / "README.ko.md", *(ROOT / "docs").glob("*.md")])
_BLOCK: Final = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)


def lines_of(page: Path) -> list[str]:
    """The commands of a page, without what is said beside them; one that goes on in the next line is one."""
    text = "\n".join(block.replace("\\\n", " ") for block in _BLOCK.findall(page.read_text("utf-8")))
    return [line for line in map(_bare, text.splitlines()) if line]


def _bare(line: str) -> str:
    """A line without its comment."""
    lexer = shlex.shlex(line, posix=False, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    at = 0
    for word in lexer:
        at = line.index(word, at)
        if word.startswith("#"):
            return line[:at].strip()
        at += len(word)
    return line.strip()


@dataclass(frozen=True, slots=True)
class Done:
    """How a line ended: all that was said, and its status."""

    said: str
    status: int


class Home:
    """A folder to run the docs' lines in: `wst` and `.venv/bin/wst` are there, `docker` reaches the engine, HOME is its own."""

    def __init__(self, folder: Path, engine: DockerEngine, **settings: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        programs = folder / ".venv" / "bin"
        programs.mkdir(parents=True)
        (programs / "wst").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m schemas.wst "$@"\n')
        (programs / "wst").chmod(0o755)
        engine.docker("tag", IMAGE, "busybox")
        told = {"WST_API_PORT": str(self.port), "WST_API": self.url, "WST_ENGINE_NAME": "laptop"}
        told |= {"WST_COLLECT_INTERVAL": "1s", "WST_SYNC_INTERVAL": "5s", "HOME": str(folder), "COLUMNS": "160"}
        told |= {"DOCKER_HOST": engine.url, "DOCKER_CONFIG": str(engine.folder / "client"), "PYTHONPATH": str(ROOT)}
        self._environment = clean_environment(told | settings)
        self._environment["PATH"] = f"{programs}:{os.environ['PATH']}"
        for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
            self._environment.pop(name, None)

    def _begun(self, line: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", "-c", line],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, line: str) -> Done:
        """Runs a line to its end."""
        running = self._begun(line)
        try:
            said, _ = running.communicate(timeout=PATIENCE_S)
        finally:
            _end(running, signal.SIGKILL)
        return Done(said, running.returncode)

    def run_until(self, line: str, word: str) -> Done:
        """Runs a line that goes on by itself until it says a word; then it is interrupted, as one would."""
        running = self._begun(line)
        said: list[str] = []
        assert running.stdout is not None
        try:
            for text in running.stdout:
                said.append(text)
                if word in text:
                    break
            _end(running, signal.SIGINT)
            rest, _ = running.communicate(timeout=PATIENCE_S)
        finally:
            _end(running, signal.SIGKILL)
        return Done("".join(said) + rest, running.returncode)

    @contextmanager
    def running(self, line: str) -> Iterator[subprocess.Popen[bytes]]:
        """Runs the line that starts a tree for as long as the context is open."""
        with (self.folder / "said").open("a") as log:
            tree = subprocess.Popen(
                ["bash", "-c", f"exec {line}"], cwd=self.folder, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        try:
            wait_until(lambda: answers(self.url) or tree.poll() is not None, "the tree answers", PATIENCE_S)
            assert tree.poll() is None, (self.folder / "said").read_text()
            yield tree
        finally:
            tree.send_signal(signal.SIGINT)
            tree.wait(PATIENCE_S)


def _end(running: subprocess.Popen[str], how: signal.Signals) -> None:
    """Ends all that a line has started."""
    if running.poll() is None or how is signal.SIGKILL:
        try:
            os.killpg(running.pid, how)
        except ProcessLookupError:
            return
