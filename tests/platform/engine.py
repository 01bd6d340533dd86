"""A private Docker Engine: its own daemon, folders, socket, bridge and cgroup, beside any other one.

The `host` flavour is this machine's `dockerd` (20.10 on Debian 12); `trixie` is Debian 13's (26.1)
in a folder that `python -m tests.platform.engine26` makes.
"""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

import requests
from docker.api.client import APIClient
from docker.errors import DockerException

from tests.platform.engine_traces import CGROUPS, TRIXIE, Traces
from tests.platform.process import PATIENCE_S, ServerFailed, ServerProcess

IMAGE = "wst-busybox:test"
BUSYBOX = (Path("/usr/bin/busybox"), Path("/bin/busybox"))

# The daemon sees its own Debian, this machine's kernel, and its folder below /srv; the mounts end
# with it. The root is pivoted, not only changed: `docker exec` enters a container by its mount
# namespace, whose root below a mere chroot is THIS machine's, writable.
ENTER_TRIXIE = """\
set -e
mount --bind "$1" "$1"
for part in proc sys dev; do mount --rbind "/$part" "$1/$part"; done
mkdir -p "$2/run" "$1$3"
mount --bind "$2/run" "$1/run"  # where a restarted daemon finds the containers of the old one
mount --bind "$2" "$1$3"
pivot_root "$1" "$1/mnt"
cd /
umount --lazy /mnt
shift 3
exec "$@"
"""

Flavour = Literal["host", "trixie"]


def missing() -> str | None:
    """Say what keeps an engine from running here, or None."""
    if os.geteuid() != 0:
        return "not root"
    for program in ("dockerd", "docker", "containerd", "runc", "ip", "setpriv", "unshare"):
        if shutil.which(program) is None:
            return f"{program} not found"
    if _static_busybox() is None:
        return "no static busybox"
    if not any(CGROUPS.glob("*")):
        return "no cgroups mounted"
    return None


def missing_trixie() -> str | None:
    """Say what keeps the newer engine from running here, or None."""
    return missing() or (None if (TRIXIE / "ready").exists() else f"{TRIXIE.name} not built")


def _static_busybox() -> Path | None:
    for path in BUSYBOX:
        # A dynamic one names its loader, and would not run alone in an image.
        if path.exists() and b"/ld-linux" not in path.read_bytes():
            return path
    return None


def busybox_image() -> bytes:
    """Return a root file system as a tar: a static busybox and a link per applet."""
    busybox = _static_busybox()
    if busybox is None:
        raise ServerFailed("no static busybox: apt-get install busybox-static")
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in ("bin", "etc", "tmp", "proc", "sys", "dev"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(folder)
        tar.add(busybox, "bin/busybox")
        for applet in set(applets.split()) - {"busybox"}:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        users = tarfile.TarInfo("etc/passwd")
        entry = b"root:x:0:0:root:/:/bin/sh\n"
        users.size = len(entry)
        tar.addfile(users, io.BytesIO(entry))
    return buffer.getvalue()


class DockerEngine(ServerProcess):
    """One Docker Engine with the image `IMAGE` loaded and a bridge network of its own.

    The network has no way out (no rule of this machine's firewall is touched): containers reach
    each other and the host, which is enough to count bytes.
    """

    def __init__(self, flavour: Flavour = "host") -> None:
        """Prepare folders and a name for an engine; nothing runs before `start`."""
        super().__init__("engine" if flavour == "host" else f"engine-{flavour}")
        self.flavour = flavour
        self.socket_path = self.folder / "docker.sock"
        self.url = f"unix://{self.socket_path}"
        self._traces = Traces(self.folder)
        self.bridge = self._traces.bridge
        self._has_image = False

    # --- the daemon -----------------------------------------------------------------------

    def _command(self) -> Sequence[str]:
        base = self._traces.daemon_folder
        daemon = [
            "dockerd",
            f"--host=unix://{base / 'docker.sock'}",
            f"--data-root={base / 'data'}",
            f"--exec-root={base / 'exec'}",
            f"--pidfile={base / 'docker.pid'}",
            f"--bridge={self.bridge}",
            "--iptables=false",
            "--ip-forward=false",
            "--ip-masq=false",
            "--userland-proxy=false",
            # A cgroup that is ours alone says which processes to end, whatever became of the daemon.
            "--exec-opt=native.cgroupdriver=cgroupfs",
            f"--cgroup-parent=/{self.bridge}",
        ]
        if self.flavour == "host":
            return daemon
        enter = ["unshare", "-m", "--propagation", "private", "sh", "-c", ENTER_TRIXIE, "sh"]
        return [*enter, str(TRIXIE), str(self.folder), str(base), *daemon]

    def _is_ready(self) -> bool:
        if not self.socket_path.exists():
            return False
        try:
            with closing(self.api()) as client:
                return bool(client.ping())
        except (DockerException, requests.RequestException):
            return False

    def start(self) -> None:
        """Start the daemon, and load the test image the first time."""
        self._make_bridge()
        super().start()
        if not self._has_image:
            change = '--change=CMD ["sh"]'
            self.docker("import", change, "-", IMAGE, stdin=busybox_image())
            self._has_image = True

    def _make_bridge(self) -> None:
        if (Path("/sys/class/net") / self.bridge).exists():
            return
        subnet = f"10.{random.randint(64, 250)}.{random.randint(0, 255)}.1/24"
        for arguments in (
            ("link", "add", self.bridge, "type", "bridge"),
            ("address", "add", subnet, "dev", self.bridge),
            ("link", "set", self.bridge, "up"),
        ):
            subprocess.run(["ip", *arguments], check=True, capture_output=True)

    def kill(self) -> None:
        """Crash the daemon and its containerd (SIGKILL); containers live on until it is back."""
        super().kill()
        self._traces.kill_containerd()

    def close(self) -> None:
        """End all containers and the daemon; leave no mount, bridge, cgroup or folder behind."""
        self.kill()
        self._traces.remove()

    def _remove_abandoned(self, folder: Path) -> None:
        Traces(folder).remove()

    # --- what tests do with it ------------------------------------------------------------

    def docker(self, *arguments: str, stdin: bytes | None = None, check: bool = True) -> str:
        """Run the docker command line against this engine; return what it printed.

        Raises ServerFailed with its error output when it fails, unless `check` is false.
        """
        done = subprocess.run(
            ["docker", "--host", self.url, *arguments],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            env={"PATH": os.environ["PATH"], "DOCKER_CONFIG": str(self.folder / "client")},
            check=False,
        )
        if check and done.returncode != 0:
            said = done.stderr.decode(errors="replace")
            raise ServerFailed(f"docker {' '.join(arguments)}: {said}")
        return done.stdout.decode(errors="replace").strip()

    def run(self, name: str, *command: str, options: Sequence[str] = ()) -> str:
        """Start a container of the test image in the background; return its id."""
        return self.docker("run", "--detach", "--name", name, *options, IMAGE, *command)

    def api(self) -> APIClient:
        """Return an SDK client of this engine, at the API version the engine speaks."""
        return APIClient(base_url=self.url, version="auto", timeout=int(PATIENCE_S))

    def ps_inspect(self) -> dict[str, dict[str, Any]]:
        """Return what `docker inspect` says of every container, by name."""
        ids = self.docker("ps", "--all", "--quiet", "--no-trunc").split()
        if not ids:
            return {}
        seen: list[dict[str, Any]] = json.loads(self.docker("inspect", *ids))
        return {container["Name"].removeprefix("/"): container for container in seen}

    def remove_all(self) -> None:
        """Remove every container, running or not."""
        ids = self.docker("ps", "--all", "--quiet").split()
        if ids:
            self.docker("rm", "--force", "--volumes", *ids)
