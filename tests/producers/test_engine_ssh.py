"""An engine over ssh, as `DOCKER_HOST=ssh://…` names it: this machine's ssh and sshd, on loopback, with keys of the test's own."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from producers.engine import DockerEngine
from producers.watch import Pace
from schemas import topics
from schemas.errors import Unreachable
from tests.platform import engine as platform
from tests.platform.process import ServerProcess, free_port
from tests.producers.watching import watching

pytestmark = pytest.mark.ssh


class SshServer(ServerProcess):
    """An sshd whose only user's Docker client speaks to one engine."""

    def __init__(self, engine_url: str) -> None:
        super().__init__("sshd")
        self.folder.chmod(0o700)
        self.port = free_port()
        for name in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / name], check=True)
        Path("/run/sshd").mkdir(exist_ok=True)  # where sshd parts with its rights
        (self.folder / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.folder}/host\nAuthorizedKeysFile {self.folder}/user.pub\n"
            f"PidFile none\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\nStrictModes no\n"
            f"SetEnv DOCKER_HOST={engine_url} PATH={os.environ['PATH']}\n"
        )
        known = (self.folder / "host.pub").read_text()
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {known}")
        (self.folder / "ssh_config").write_text(f"IdentityFile {self.folder}/user\nUserKnownHostsFile {self.folder}/known_hosts\n")

    @property
    def url(self) -> str:
        """As WST_ENGINES would name it."""
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}"

    def client(self) -> Path:
        """A folder with an `ssh` that knows the keys: a user has them in ~/.ssh, which is no test's to write to."""
        folder = self.folder / "bin"
        folder.mkdir()
        (folder / "ssh").write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {self.folder}/ssh_config "$@"\n')
        (folder / "ssh").chmod(0o755)
        return folder

    def _command(self) -> Sequence[str]:
        return [shutil.which("sshd") or "sshd", "-D", "-e", "-f", str(self.folder / "sshd_config")]

    def _is_ready(self) -> bool:
        return "listening" in self.log_tail()


@pytest.fixture
def over_ssh(engine: platform.DockerEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshServer]:
    with SshServer(engine.url) as server:
        monkeypatch.setenv("PATH", f"{server.client()}:{os.environ['PATH']}")
        yield server


async def test_an_engine_over_ssh_lists_tells_events_and_gives_stats(
    engine: platform.DockerEngine, over_ssh: SshServer, tmp_path: Path
) -> None:
    async with watching(over_ssh.url, tmp_path, Pace(1, 2, 1), timeout_s=10) as seen:
        container = engine.run("web", "sh", "-c", "while :; do sleep 0.1; done")
        await seen.until(lambda: len(seen.values(topics.DOCKER_STATS)) >= 2, "ticks")
        engine.docker("kill", "web")
        await seen.until(lambda: "die" in seen.actions(), "its end")
        assert seen.actions()[:2] == ["create", "start"]
        assert {fact["container"]["id"] for fact in seen.facts()} == {container}


def test_an_ssh_server_that_does_not_answer_is_said_with_what_to_check(over_ssh: SshServer) -> None:
    over_ssh.kill()
    with pytest.raises(Unreachable, match="ssh"):
        DockerEngine(over_ssh.url, timeout_s=3)
