"""What an engine leaves on a machine when it is killed, and how to remove it: processes, cgroups, mounts, a bridge."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.platform.process import CACHE, kill_if_there, wait_until

TRIXIE = CACHE / "engine-trixie"
CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Traces:
    """The traces of the engine whose folder this is; the folder's name tells all others."""

    folder: Path

    @property
    def is_trixie(self) -> bool:
        """Whether the daemon runs in a Debian 13 of its own."""
        return self.folder.name.startswith("wst-engine-trixie-")

    @property
    def bridge(self) -> str:
        """The name of the engine's bridge, and of its cgroup: ours alone, within the kernel's 15 characters."""
        return f"wst{hashlib.sha256(self.folder.name.encode()).hexdigest()[:8]}"

    @property
    def daemon_folder(self) -> Path:
        """The engine's folder as its daemon sees it."""
        return Path("/srv") / self.folder.name if self.is_trixie else self.folder

    def remove(self) -> None:
        """End the engine's containers and helpers, and take everything away; the daemon must be dead."""
        self._thaw()
        wait_until(self._killed, f"processes of {self.folder.name} end")
        for cgroup in self._cgroups():
            cgroup.rmdir()
        self._unmount()
        subprocess.run(["ip", "link", "delete", self.bridge], capture_output=True, check=False)
        if self.is_trixie:
            with suppress(FileNotFoundError):
                (TRIXIE / self.daemon_folder.relative_to("/")).rmdir()
        shutil.rmtree(self.folder, ignore_errors=True)

    def helpers(self) -> dict[int, str]:
        """Return containerd and its shims by process id, with their program: they name the folder as they run."""
        exec_root = str(self.daemon_folder / "exec")
        found: dict[int, str] = {}
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                arguments = (entry / "cmdline").read_bytes().decode(errors="replace")
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            program = Path(arguments.split("\0")[0]).name
            if exec_root in arguments and program.startswith("containerd"):
                found[int(entry.name)] = program
        return found

    def kill_containerd(self) -> None:
        """End containerd, but not the containers; return when a new one can take its place."""

        def gone() -> bool:
            daemons = [pid for pid, program in self.helpers().items() if program == "containerd"]
            for pid in daemons:
                kill_if_there(pid)
            return not daemons

        wait_until(gone, f"containerd of {self.folder.name} ends")
        # A dead containerd that nobody has reaped yet counts as running: the next daemon would
        # wait for it, and then give up.
        for pid_file in (self.folder / "exec" / "containerd").glob("*.pid"):
            pid_file.unlink()

    def _cgroups(self) -> list[Path]:
        """Return the engine's cgroups, children first: of every hierarchy (v1), or the one (v2)."""
        tops = [CGROUPS / self.bridge, *CGROUPS.glob(f"*/{self.bridge}")]
        found = [path for top in tops if top.exists() for path in (top, *top.rglob("*/"))]
        return sorted(found, key=lambda path: len(path.parts), reverse=True)

    def _thaw(self) -> None:
        # A paused container cannot die before it is thawed.
        for cgroup in self._cgroups():
            for switch, thawed in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
                if (cgroup / switch).exists():
                    (cgroup / switch).write_text(thawed)

    def _killed(self) -> bool:
        pids = set(self.helpers())
        for cgroup in self._cgroups():
            with suppress(FileNotFoundError):
                pids.update(int(pid) for pid in (cgroup / "cgroup.procs").read_text().split())
        for pid in pids:
            kill_if_there(pid)
        return not pids

    def _unmount(self) -> None:
        points = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        ours = [point for point in points if point.startswith(f"{self.folder}/")]
        for point in sorted(ours, key=len, reverse=True):
            subprocess.run(["umount", "--lazy", point], check=False, capture_output=True)
