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

from tests.platform.process import CACHE, ServerFailed, ServerProcess, kill_if_there, wait_until

IMAGE = "wst-busybox:test"
TRIXIE = CACHE / "engine-trixie"
BUSYBOX = (Path("/usr/bin/busybox"), Path("/bin/busybox"))
CGROUPS = Path("/sys/fs/cgroup")

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
        self.bridge = f"wst{random.randrange(16**8):08x}"
        self._has_image = False

    # --- the daemon -----------------------------------------------------------------------

    @property
    def _daemon_folder(self) -> Path:
        """The engine's folder as its daemon sees it."""
        return self.folder if self.flavour == "host" else Path("/srv") / self.folder.name

    def _command(self) -> Sequence[str]:
        base = self._daemon_folder
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

    def kill(self) -> None:
        """Crash the daemon and its containerd (SIGKILL); containers live on until it is back."""
        super().kill()

        def containerd_gone() -> bool:
            daemons = [pid for pid, name in self._helper_pids().items() if Path(name).name == "containerd"]
            for pid in daemons:
                kill_if_there(pid)
            return not daemons

        wait_until(containerd_gone, f"containerd of {self.name} ends", 20)
        # A dead containerd that nobody has reaped yet counts as running: the next daemon would
        # wait for it, and then give up.
        for pid_file in (self.folder / "exec" / "containerd").glob("*.pid"):
            pid_file.unlink()

    def close(self) -> None:
        """End all containers and the daemon; leave no mount, bridge, cgroup or folder behind."""
        self.kill()
        self._kill_leftovers()
        self._unmount()
        subprocess.run(["ip", "link", "delete", self.bridge], capture_output=True, check=False)
        if self.flavour == "trixie":
            (TRIXIE / self._daemon_folder.relative_to("/")).rmdir()
        super().close()

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
        return APIClient(base_url=self.url, version="auto", timeout=10)

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

    # --- leaving nothing behind -----------------------------------------------------------

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

    def _cgroups(self) -> list[Path]:
        """Return this engine's cgroups, children first: of every hierarchy (v1), or the one (v2)."""
        tops = [CGROUPS / self.bridge, *CGROUPS.glob(f"*/{self.bridge}")]
        found = [path for top in tops if top.exists() for path in (top, *top.rglob("*/"))]
        return sorted(found, key=lambda path: len(path.parts), reverse=True)

    def _container_pids(self) -> set[int]:
        pids: set[int] = set()
        for cgroup in self._cgroups():
            try:
                pids.update(int(pid) for pid in (cgroup / "cgroup.procs").read_text().split())
            except FileNotFoundError:
                continue
        return pids

    def _helper_pids(self) -> dict[int, str]:
        """Return containerd and its shims, with their program: they name our folder as they run."""
        pids: dict[int, str] = {}
        exec_root = str(self._daemon_folder / "exec")
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                arguments = (entry / "cmdline").read_bytes().decode(errors="replace")
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            if exec_root in arguments:
                pids[int(entry.name)] = arguments.split("\0")[0]
        return pids

    def _kill_leftovers(self) -> None:
        def gone() -> bool:
            pids = self._container_pids() | self._helper_pids().keys()
            for pid in pids:
                kill_if_there(pid)
            return not pids

        self._thaw()
        wait_until(gone, f"processes of {self.name} end", 20)
        for cgroup in self._cgroups():
            cgroup.rmdir()

    def _thaw(self) -> None:
        # A paused container cannot die before it is thawed.
        for cgroup in self._cgroups():
            for switch, thawed in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
                if (cgroup / switch).exists():
                    (cgroup / switch).write_text(thawed)

    def _unmount(self) -> None:
        points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        ours = [point for point in points if point.startswith(f"{self.folder}/")]
        for point in sorted(ours, key=len, reverse=True):
            subprocess.run(["umount", "--lazy", point], check=False, capture_output=True)
