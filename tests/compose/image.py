"""The image, built in a private engine on a base made of Debian's packages.

`python -m tests.compose.image` makes that base in the cache, as root: no registry of images is needed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.platform import engine
from tests.platform.engine import DockerEngine
from tests.platform.process import CACHE, ROOT, ServerFailed

BASE = CACHE / "image" / "base-bookworm.tar"
BASE_IMAGE = "wst-base:test"
IMAGE = "workspace-status:test"
PRODUCER_IMAGE = "workspace-status-producer:test"
#: What only people read, or apt alone.
_LEFT_OUT = ("./dev/*", "./proc/*", "./sys/*", "./var/cache/apt/*", "./var/lib/apt/lists/*", "./usr/share/doc/*", "./usr/share/locale/*")
#: This machine's certificate authorities: behind a proxy with its own, pip in the build needs them as pip out here does.
_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")


def missing() -> str | None:
    """Say what keeps the image from being built here, or None."""
    return engine.missing() or (None if BASE.exists() else f"{BASE.name} not made")


def make_base() -> None:
    """Bootstrap a Debian with Python into a tar; nothing to do where that is done."""
    if BASE.exists():
        return
    if shutil.which("debootstrap") is None:
        sys.exit("debootstrap not found: apt-get install debootstrap")
    BASE.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BASE.parent) as name:
        root = Path(name) / "root"
        packages = "--include=ca-certificates,python3-venv"
        _run(["debootstrap", "--variant=minbase", packages, "bookworm", str(root)])
        if _AUTHORITIES.exists():
            shutil.copy(_AUTHORITIES, root / _AUTHORITIES.relative_to("/"))
        made = Path(name) / "base.tar"
        _run(["tar", "--create", f"--file={made}", f"--directory={root}", *(f"--exclude={path}" for path in _LEFT_OUT), "."])
        made.rename(BASE)


def _run(arguments: list[str]) -> None:
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{arguments[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def build(where: DockerEngine, name: str = IMAGE, context: Path = ROOT, **arguments: str) -> None:
    """Build a folder's Dockerfile in an engine, where that engine has not done so yet; `arguments` are build arguments."""
    if where.docker("images", "--quiet", name):
        return
    if not where.docker("images", "--quiet", BASE_IMAGE):
        where.docker("import", str(BASE), BASE_IMAGE)
    options = [f"--build-arg={key}={value}" for key, value in ({"BASE": BASE_IMAGE} | arguments).items()]
    done = subprocess.run(
        # The private engine's own network has no way out.
        ["docker", "--host", where.url, "build", "--network=host", f"--tag={name}", *options, str(context)],
        # The builder that is part of every engine: another one would have to be fetched.
        env={"PATH": os.environ["PATH"], "DOCKER_CONFIG": str(where.folder / "client"), "DOCKER_BUILDKIT": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ServerFailed(f"docker build: {done.stdout[-4000:]}{done.stderr[-2000:]}")


if __name__ == "__main__":
    make_base()
