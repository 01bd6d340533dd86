"""Makes the folder with Debian 13 and its Docker 26 that `DockerEngine("trixie")` runs from.

Run as root: `python -m tests.platform.engine26`. Takes about half a minute and 500 MB.
"""

from __future__ import annotations

import shutil
import subprocess
import sys

from tests.platform.engine_traces import TRIXIE

MIRROR = "http://deb.debian.org/debian"


def build() -> None:
    """Bootstrap Debian 13 with its Docker Engine; nothing to do where that is done."""
    if (TRIXIE / "ready").exists():
        return
    if shutil.which("debootstrap") is None:
        sys.exit("debootstrap not found: apt-get install debootstrap")
    shutil.rmtree(TRIXIE, ignore_errors=True)
    TRIXIE.parent.mkdir(parents=True, exist_ok=True)
    packages = "--include=docker.io,iptables"
    command = ["debootstrap", "--variant=minbase", packages, "trixie", str(TRIXIE), MIRROR]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"debootstrap failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    (TRIXIE / "ready").touch()


if __name__ == "__main__":
    build()
