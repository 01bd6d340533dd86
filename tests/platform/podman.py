"""A private Podman behind its Docker-compatible service: an engine that is not Docker's."""

from __future__ import annotations

import resource
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.platform.engine import DockerEngine
from tests.platform.engine import missing as docker_missing

#: cgroupfs and host networking want neither systemd nor a firewall; runc is what Docker's tests need anyway.
CONFIG = """\
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
[containers]
netns = "host"
# Its own defaults may be above what this process may give away.
default_ulimits = ["nofile={limit}:{limit}", "nproc={limit}:{limit}"]
"""


def missing() -> str | None:
    """Say what keeps Podman from running here, or None."""
    # Docker's command line speaks to it, and its tests' image is loaded into it.
    return docker_missing() or (None if shutil.which("podman") else "podman not found")


class PodmanEngine(DockerEngine):
    """Podman's service on a socket and storage of its own; containers share the host's network."""

    def __init__(self) -> None:
        """Prepare folders for an engine; nothing runs before `start`."""
        super().__init__()
        self._config = self.folder / "containers.conf"
        allowed = (resource.getrlimit(which)[1] for which in (resource.RLIMIT_NOFILE, resource.RLIMIT_NPROC))
        self._config.write_text(CONFIG.format(limit=min(1024, *(limit for limit in allowed if limit != resource.RLIM_INFINITY))))

    def _podman(self, folder: Path) -> list[str]:
        places = [f"--root={folder / 'root'}", f"--runroot={folder / 'run'}", f"--tmpdir={folder / 'tmp'}"]
        return ["env", f"CONTAINERS_CONF={folder / self._config.name}", "podman", *places, "--storage-driver=vfs"]

    def _command(self) -> Sequence[str]:
        return [*self._podman(self.folder), "system", "service", "--time=0", self.url]

    def _make_bridge(self) -> None:
        """Containers share the host's network."""

    def kill(self) -> None:
        """Crash the service (SIGKILL); containers live on without it."""
        super(DockerEngine, self).kill()

    def close(self) -> None:
        """End all containers and the service."""
        self.kill()
        self._remove_abandoned(self.folder)

    def _remove_abandoned(self, folder: Path) -> None:
        subprocess.run([*self._podman(folder), "rm", "--all", "--force", "--time=0"], capture_output=True, check=False)
        subprocess.run(["umount", "--quiet", folder / "root" / "vfs"], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)
