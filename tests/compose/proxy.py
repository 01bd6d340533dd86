"""The socket proxy with its real configuration, run by this machine's HAProxy."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Sequence
from pathlib import Path

from tests.platform.process import ROOT, ServerProcess, free_port

CONFIG = ROOT / "deploy" / "socket-proxy" / "haproxy.cfg"
#: In place of the file's five minutes: a quiet stream has to outlive this many seconds.
CLIENT_TIMEOUT_S = 2


def missing() -> str | None:
    """Say what keeps the proxy from running here, or None."""
    return None if shutil.which("haproxy") else "haproxy not found"


class SocketProxy(ServerProcess):
    """HAProxy before an engine's socket: only socket, address and the client's time limit are the test's."""

    def __init__(self, engine_socket: Path) -> None:
        super().__init__("proxy")
        self.port = free_port()
        self.url = f"tcp://127.0.0.1:{self.port}"
        text = CONFIG.read_text()
        for old, new in (
            ("unix@/var/run/docker.sock", f"unix@{engine_socket}"),
            ("bind :2375", f"bind 127.0.0.1:{self.port}"),
            ("timeout client 5m", f"timeout client {CLIENT_TIMEOUT_S}s"),
        ):
            assert old in text, f"{CONFIG} no longer says {old!r}"
            text = text.replace(old, new)
        self._config = self.folder / "haproxy.cfg"
        self._config.write_text(text)

    def _command(self) -> Sequence[str]:
        return ["haproxy", "-db", "-f", str(self._config)]

    def _is_ready(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def connections_to(self, engine_socket: Path) -> int:
        """How many connections the engine's socket has, whoever made them."""
        lines = Path("/proc/net/unix").read_text().splitlines()
        connected = [line.split() for line in lines if line.endswith(f" {engine_socket}")]
        return sum(fields[5] == "03" for fields in connected)
