"""Makes the bundled recording from a real engine: `python -m tests.producers.make_recording [FILE]`.

A private daemon, eleven made-up workspaces, four minutes of their life: starts, stops, crashes, an OOM kill, health
changes, pauses, restarts, renames, removals, load on CPU, memory, network and disk. It begins and ends with an empty
engine, so that it plays in a loop without a seam.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

from tests.platform.engine import IMAGE, DockerEngine

TARGET = Path(__file__).resolve().parents[2] / "producers" / "data" / "demo.wstrec.gz"
MAX_BYTES = 2_000_000

PROBE = ("--health-cmd", "test ! -e /tmp/sick", "--health-interval", "2s", "--health-retries", "2", "--health-timeout", "2s")
IDLE = "trap 'exit 0' TERM; while :; do sleep 1; done"
SERVE = f"mkdir -p /srv; dd if=/dev/urandom of=/srv/page bs=64k count=4 2>/dev/null; httpd -p 80 -h /srv; {IDLE}"
WRITE = "trap 'exit 0' TERM; while :; do dd if=/dev/zero of=/data bs=256k count=8 conv=fsync 2>/dev/null; sleep 3; done"
WORK = "trap 'exit 0' TERM; while :; do i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; done"
FILL = "for n in 1 2 3 4 5 6 7; do dd if=/dev/zero of=/dev/shm/$n bs=1M count=8 2>/dev/null; sleep 6; done; sleep 40; rm /dev/shm/*"
CRASH = "sleep 4; exit 1"
#: A kernel that counts block I/O lazily begins with the first limit on the device; this one is out of reach.
COUNT_DISK_BYTES = 10 << 30


class Page(BaseHTTPRequestHandler):
    """A page of 200 KB."""

    def do_GET(self) -> None:
        """Serves it."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(bytes(200_000))

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


def compose(project: str, service: str, *more: str) -> list[str]:
    """The labels Compose gives."""
    labels = {
        "project": project,
        "service": service,
        "container-number": "1",
        "project.working_dir": f"/home/dev/{project}",
        "oneoff": "False",
    }
    given = [part for key, value in labels.items() for part in ("--label", f"com.docker.compose.{key}={value}")]
    return ["--name", f"{project}-{service}-1", *given, *more]


class Scene:
    """The made-up machine."""

    def __init__(self, engine: DockerEngine) -> None:
        self.engine = engine
        self.names: list[str] = []
        self._background: list[subprocess.Popen[bytes]] = []
        self._over = threading.Event()

    def run(self, script: str, *options: str) -> str:
        """Starts a container and returns its name."""
        self.engine.docker("run", "-d", *options, IMAGE, "sh", "-c", script)
        return options[options.index("--name") + 1]

    def do(self, *arguments: str) -> None:
        """A docker command; what it says does not matter here."""
        subprocess.run(["docker", "-H", self.engine.url, *arguments], check=False, capture_output=True)

    def meanwhile(self, container: str, script: str) -> None:
        """An exec that goes on while the scene does."""
        command = ["docker", "-H", self.engine.url, "exec", container, "sh", "-c", script]
        self._background.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def serve(self) -> str:
        """A page on the bridge's own address: firewalls that other engines set up may part containers, never these two."""
        gateway = self.engine.docker("network", "inspect", "-f", "{{(index .IPAM.Config 0).Gateway}}", "bridge")
        server = ThreadingHTTPServer((gateway, 0), Page)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://{gateway}:{server.server_port}/"

    def fetch_from(self, container: str) -> None:
        """Asks a container for its page, again and again, from this machine."""
        address = self.engine.docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", container)

        def fetch() -> None:
            while not self._over.wait(0.7):
                try:
                    with urlopen(f"http://{address}/page", timeout=2) as page:
                        page.read()
                except OSError:
                    continue  # it is being started, or gone

        threading.Thread(target=fetch, daemon=True).start()

    def end(self) -> None:
        """Removes all there is."""
        self._over.set()
        left = self.engine.docker("ps", "-aq").split()
        if left:
            self.engine.docker("rm", "-f", *left)
        for process in self._background:
            process.wait()


def disk_options() -> list[str]:
    """Options that make the kernel count the block I/O of a container; none where there is no such disk."""
    root = next(line.split()[2] for line in Path("/proc/self/mountinfo").read_text().splitlines() if line.split()[4] == "/")
    uevent = Path(f"/sys/dev/block/{root}/uevent")
    match = re.search(r"DEVNAME=(\S+)", uevent.read_text()) if uevent.exists() else None
    return [f"--device-{way}-bps=/dev/{match[1]}:{COUNT_DISK_BYTES}" for way in ("read", "write")] if match else []


def begin(scene: Scene) -> None:
    """Eleven workspaces come up."""
    disk = disk_options()
    scene.fetch_from(scene.run(SERVE, *compose("shop", "web", *PROBE, "--restart", "unless-stopped", "--memory", "128m")))
    fetch = f"trap 'exit 0' TERM; while :; do wget -q -O /dev/null {scene.serve()} || sleep 1; sleep 0.4; done"
    scene.run(fetch, *compose("shop", "api", "--restart", "unless-stopped", "--cpus", "0.5"))
    scene.run(WRITE, *compose("shop", "db", *PROBE, *disk, "--memory", "256m"))
    scene.run(IDLE, *compose("shop", "worker", "--restart", "on-failure"))
    scene.run(IDLE, *compose("blog", "app"))
    scene.run(IDLE, *compose("blog", "cache", "--memory", "64m"))
    atlas = (
        "--label",
        "devcontainer.local_folder=/home/ana/projects/atlas",
        "--label",
        "devcontainer.config_file=/home/ana/projects/atlas/.devcontainer.json",
    )
    scene.run(IDLE, "--name", "atlas", *atlas, "--cpus", "0.8", *disk)
    folder = ("--label", "devcontainer.local_folder=/home/ana/projects/paper")
    scene.run(IDLE, *compose("paper_devcontainer", "app", *folder))
    scene.run(IDLE, *compose("paper_devcontainer", "db", "--network", "container:paper_devcontainer-app-1"))
    coder = ("--label", "coder.workspace_id=6f0c1f0e-7f8d-4a5e-9a55-3c1a8d1c2b10", "--label", "coder.workspace_name=notebooks")
    scene.run(IDLE, "--name", "coder-ben-notebooks", *coder, "--memory", "48m", "--memory-swap", "48m")
    ml = ("--label", "workspace.id=ml-train", "--label", "workspace.name=ML training", "--label", "workspace.team=research")
    scene.run(WORK, "--name", "trainer", *ml, "--cpus", "0.2")
    scene.run(IDLE, *compose("legacy", "app"))
    scene.run(
        IDLE, "--name", "agent", "--label", "com.docker.stack.namespace=monitor", "--label", "com.docker.swarm.service.name=monitor_agent"
    )
    scene.run(IDLE, "--name", "happy_turing", "--label", "dev.containers.id=default-ta-5fd3c")
    scene.run(IDLE, "--name", "lab", "--label", "workspace.id=lab", "--label", "workspace.name=Zoë's <lab>")
    scene.run("sleep 9; exit 0", "--name", "migration")


def crash(scene: Scene) -> None:
    """The worker is replaced by one that crashes."""
    scene.do("rm", "-f", "shop-worker-1")
    scene.run(CRASH, *compose("shop", "worker", "--restart", "on-failure:6"))


def mend(scene: Scene) -> None:
    """The worker works again."""
    scene.do("rm", "-f", "shop-worker-1")
    scene.run(IDLE, *compose("shop", "worker", "--restart", "on-failure"))


def eat(scene: Scene) -> None:
    """The notebook eats its memory, in a process the kernel kills together with the container."""
    scene.do("rm", "-f", "coder-ben-notebooks")
    coder = ("--label", "coder.workspace_id=6f0c1f0e-7f8d-4a5e-9a55-3c1a8d1c2b10", "--label", "coder.workspace_name=notebooks")
    grow = "sleep 12; exec tail -c 200m /dev/zero"
    scene.run(grow, "--name", "coder-ben-notebooks", *coder, "--memory", "48m", "--memory-swap", "48m")


def job(number: int, code: int) -> Callable[[Scene], None]:
    """A short-lived job, removed when it is done."""

    def start(scene: Scene) -> None:
        scene.do("run", "--rm", "--name", f"job-{number}", IMAGE, "sh", "-c", f"echo {number}; exit {code}")

    return start


#: Seconds since the begin → what happens.
TIMELINE: tuple[tuple[float, Callable[[Scene], None]], ...] = (
    (14, lambda s: s.meanwhile("atlas", "i=0; while [ $i -lt 3000000 ]; do i=$((i+1)); done")),
    (17, lambda s: s.meanwhile("blog-cache-1", FILL)),
    (20, job(1, 0)),
    (24, crash),
    (30, lambda s: s.do("exec", "shop-web-1", "touch", "/tmp/sick")),
    (38, lambda s: s.do("stop", "-t", "2", "blog-app-1")),
    (44, lambda s: s.do("pause", "legacy-app-1")),
    (50, eat),
    (56, lambda s: s.do("exec", "shop-web-1", "rm", "/tmp/sick")),
    (62, lambda s: s.do("start", "blog-app-1")),
    (68, job(2, 2)),
    (74, lambda s: s.do("rm", "migration")),
    (80, lambda s: s.do("start", "coder-ben-notebooks")),
    (86, lambda s: s.do("unpause", "legacy-app-1")),
    (90, mend),
    (94, lambda s: s.meanwhile("atlas", "dd if=/dev/zero of=/tmp/big bs=1M count=150 conv=fsync; rm /tmp/big")),
    (100, lambda s: s.do("restart", "-t", "1", "shop-db-1")),
    (112, lambda s: s.do("stop", "-t", "2", "blog-app-1", "blog-cache-1")),
    (116, lambda s: s.do("kill", "happy_turing")),
    (122, lambda s: s.do("update", "--cpus", "0.4", "trainer")),
    (128, lambda s: s.do("rename", "agent", "monitor-agent")),
    (134, lambda s: s.do("kill", "-s", "TERM", "lab")),
    (140, lambda s: s.do("start", "blog-app-1", "blog-cache-1")),
    (146, job(3, 0)),
    (150, lambda s: s.do("start", "happy_turing")),
    (156, lambda s: s.do("stop", "-t", "2", "trainer")),
    (162, lambda s: s.meanwhile("atlas", "i=0; while [ $i -lt 2000000 ]; do i=$((i+1)); done")),
    (168, lambda s: s.do("rm", "-f", "coder-ben-notebooks")),
    (174, lambda s: s.do("start", "lab")),
    (180, lambda s: s.do("pause", "paper_devcontainer-app-1")),
    (188, lambda s: s.do("unpause", "paper_devcontainer-app-1")),
    (194, lambda s: s.do("start", "trainer")),
    (204, lambda s: s.do("stop", "-t", "2", "legacy-app-1")),
    (212, job(4, 0)),
    (220, lambda s: None),
)  # fmt: skip


def main() -> None:
    """Records the scene."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET
    target.parent.mkdir(parents=True, exist_ok=True)
    with DockerEngine() as engine:
        settings = {"DOCKER_HOST": engine.url, "WST_ENGINE_NAME": "demo", "WST_DATA_DIR": str(engine.folder / "wst")}
        recorder = subprocess.Popen([sys.executable, "-m", "schemas.wst", "record", str(target)], env={**os.environ, **settings})
        scene = Scene(engine)
        try:
            time.sleep(3)
            began = time.monotonic()
            begin(scene)
            for at, act in TIMELINE:
                time.sleep(max(began + at - time.monotonic(), 0))
                act(scene)
            scene.end()
            time.sleep(3)
        finally:
            recorder.send_signal(signal.SIGTERM)
            status = recorder.wait()
    if status or target.stat().st_size > MAX_BYTES:
        raise SystemExit(f"no good recording: exit status {status}, {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
