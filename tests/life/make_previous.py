"""Makes `previous/`: the data directory that an earlier commit's own code leaves, for tests of what comes after it.

    python -m tests.life.make_previous c3efee1

The commit is checked out beside, its `wst up` plays the bundled recording, its `wst status` says what it made of it, and
its data directory is packed. To be run again for each release, before the next one changes what is written.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from tests.platform.process import ROOT, free_port, wait_until

PREVIOUS = Path(__file__).parent / "previous"
#: Goes into the repository: no more than that, bytes.
LIMIT = 500_000
#: At twenty times its speed the recording shows all it has to show in that time, s.
PLAYED_S = 30
#: A part of a table: its partition, the first and last block in it, and how often it was merged.
_PART = re.compile(r"(.+?)_(\d+)_(\d+)_(\d+)(?:_\d+)?")


def make(revision: str, code: Path, folder: Path) -> None:
    """Runs the code of a commit for a while, and packs what it left."""
    data, port = folder / "data", free_port()
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("WST_", "DOCKER_"))}
    env = ours | {"HOME": str(folder), "PYTHONPATH": str(code), "WST_API": f"http://127.0.0.1:{port}"}

    # From its folder, so that its modules and those of the parts it starts are its own.
    def wst(*arguments: str) -> list[str]:
        return [sys.executable, "-m", "schemas.wst", *arguments]

    def status() -> str:
        return subprocess.run(wst("status", "--json"), env=env, cwd=code, capture_output=True, text=True, check=False).stdout

    up = subprocess.Popen(wst("up", "--demo", "--speed", "20", "--data", str(data), "--port", str(port)), env=env, cwd=code)
    try:
        wait_until(lambda: "workspace_id" in status(), "the first workspaces", 120)
        time.sleep(PLAYED_S)
        # It would play for ever: what is at rest can be compared.
        os.kill(player(data), signal.SIGSTOP)
        said = ""

        def is_quiet() -> bool:
            nonlocal said
            before, said = (
                said,
                subprocess.run(wst("status", "--json"), env=env, cwd=code, capture_output=True, text=True, check=True).stdout,
            )
            return before != "" and summary(before) == summary(said)

        wait_until(is_quiet, "the states to be at rest", 120)
    finally:
        up.send_signal(signal.SIGINT)
        up.wait(60)
    PREVIOUS.mkdir(exist_ok=True)
    (PREVIOUS / "about.json").write_text(json.dumps({"revision": revision, "states": summary(said)}, indent=1) + "\n")
    make_small(data)
    with tarfile.open(PREVIOUS / "data.tar.xz", "w:xz") as packed:
        packed.add(data, "data")
    size = (PREVIOUS / "data.tar.xz").stat().st_size
    if size > LIMIT:
        raise SystemExit(f"{size:,} bytes are more than {LIMIT:,}")


def make_small(data: Path) -> None:
    """Does what each program does by itself sooner or later: write-ahead logs into their databases, merged parts of tables away."""
    for left in (*data.glob("logs"), *data.glob("metrics"), *data.glob("*.lock"), data / "lock"):
        shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
    for path in data.glob("*.sqlite"):
        database = sqlite3.connect(path)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()
    for table in (data / "archive" / "store").glob("*/*"):
        found = ((path, _PART.fullmatch(path.name)) for path in table.iterdir())
        parts = {path: (name[1], int(name[2]), int(name[3]), int(name[4])) for path, name in found if name is not None}
        for path, (partition, first, last, level) in parts.items():
            if any(p == partition and a <= first and last <= b and more > level for p, a, b, more in parts.values()):
                shutil.rmtree(path)


def player(data: Path) -> int:
    """Process of the part that plays the recording."""
    parts = json.loads((data / "parts.json").read_text())
    return next(int(part["pid"]) for part in parts if part["name"] == "play")


def summary(states: str) -> dict[str, dict[str, object]]:
    """Of each workspace what time alone does not change."""
    return {
        state["workspace_id"]: {
            "status": state["status"],
            "seq_at_least": state["seq"],
            "containers": sorted([one["name"], one["state"], one["exit_code"]] for one in state["containers"]),
        }
        for state in json.loads(states)
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revision", help="commit whose code runs")
    revision = parser.parse_args().revision
    folder = Path(tempfile.mkdtemp(prefix="wst-previous-"))
    code = folder / "code"
    subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(code), revision], cwd=ROOT, check=True)
    try:
        make(revision, code, folder)
    finally:
        subprocess.run(["git", "worktree", "remove", "--force", str(code)], cwd=ROOT, check=True)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
