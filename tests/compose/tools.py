"""Compose v2: the machine's own, or Debian 13's in the cache.

`python -m tests.compose.tools` puts it there with apt, checked by Debian's keys; it needs no root and installs nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.platform.engine26 import MIRROR
from tests.platform.process import CACHE, ROOT

CACHED = CACHE / "compose" / "docker-compose"
#: What the parts run from unless WST_IMAGE says otherwise.
OUR_IMAGE = "workspace-status:local"
KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def command() -> list[str] | None:
    """The command line that is Compose v2 here, or None."""
    if CACHED.exists():
        return [str(CACHED)]
    for candidate in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(candidate[0]):
            said = subprocess.run([*candidate, "version", "--short"], capture_output=True, text=True, check=False)
            if said.returncode == 0 and int(said.stdout.strip().lstrip("v").split(".")[0]) >= 2:
                return candidate
    return None


def missing() -> str | None:
    """Say what keeps Compose from running here, or None."""
    return None if command() else "no Compose v2"


def fetch() -> None:
    """Take Debian 13's Compose into the cache where the machine has none."""
    if command():
        return
    if shutil.which("apt-get") is None or not KEYS.exists():
        sys.exit("Compose v2 not found; https://docs.docker.com/compose/install/ tells how to get it")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # apt's own user fetches; the folders are apt's alone, so that the machine's lists stay as they are.
        folder.chmod(0o755)
        for part in ("state/lists/partial", "cache/archives/partial", "unpacked"):
            (folder / part).mkdir(parents=True)
        (folder / "status").touch()
        (folder / "sources.list").write_text(f"deb [signed-by={KEYS}] {MIRROR} trixie main\n")
        options = {
            "Dir::State": folder / "state",
            "Dir::State::status": folder / "status",
            "Dir::Cache": folder / "cache",
            "Dir::Etc::sourcelist": folder / "sources.list",
            "Dir::Etc::sourceparts": "-",
            "Acquire::Languages": "none",
            "APT::Sandbox::User": "root",
        }
        apt = ["apt-get", "-qq", *(f"-o{key}={value}" for key, value in options.items())]
        _run([*apt, "update"], folder)
        _run([*apt, "download", "docker-compose"], folder)
        package = next(folder.glob("docker-compose_*.deb"))
        _run(["dpkg-deb", "-x", str(package), "unpacked"], folder)
        CACHED.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / "unpacked/usr/libexec/docker/cli-plugins/docker-compose", CACHED)


def _run(arguments: list[str], folder: Path) -> None:
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{arguments[0]} failed:\n{done.stdout}{done.stderr}")


def compose(*arguments: str, settings: dict[str, str] | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run Compose on the project's file, with no variable of this shell that the file reads."""
    program = command()
    assert program is not None, missing()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("WST_", "COMPOSE_", "DOCKER_"))}
    # No .env of this checkout either: the file is judged as a newcomer gets it.
    call = [*program, "--project-directory", str(ROOT), "--env-file", os.devnull, "--file", str(ROOT / "docker-compose.yml"), *arguments]
    return subprocess.run(call, env=environment | (settings or {}), capture_output=True, text=True, check=check)


if __name__ == "__main__":
    fetch()
