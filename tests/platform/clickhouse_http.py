"""ClickHouse as a server: the HTTP interface in a process of its own, with data that survive it."""

from __future__ import annotations

import importlib.util
import json
import ssl
import sys
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from tests.platform.process import ROOT, ServerProcess, free_port


@dataclass(frozen=True, slots=True)
class Fault:
    """How the server fails the next `times` requests whose text contains `match`.

    `refuse` answers an error and does nothing; `lose` does it and answers an error; `cut` does it
    and closes the connection half-way through the answer; `delay` only takes `delay_s` seconds,
    which the others can, too.
    """

    kind: Literal["refuse", "lose", "cut", "delay"]
    match: str = ""
    times: int = 1
    delay_s: float = 0.0
    message: str = "Code: 241. DB::Exception: Memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)"


def missing() -> str | None:
    """Say what keeps the server from running here, or None."""
    return None if importlib.util.find_spec("chdb") else "chdb is not installed"


class ClickHouseHttpServer(ServerProcess):
    """ClickHouse's engine behind its HTTP interface, on a loopback port."""

    def __init__(self, password: str = "", certificates: Path | None = None) -> None:
        """Prepare an empty database.

        Args:
            password: what clients must know, if anything.
            certificates: folder of `authority.made_up`; given: TLS only.
        """
        super().__init__("clickhouse")
        self.host = "127.0.0.1"
        self.port = free_port()
        self.url = f"{'https' if certificates else 'http'}://{self.host}:{self.port}"
        self.password = password
        self._certificates = certificates

    def _command(self) -> Sequence[str]:
        module = ["-m", "tests.platform.clickhouse_server"]
        options = [f"--port={self.port}", f"--data={self.folder / 'data'}", f"--password={self.password}"]
        if self._certificates is not None:
            options += [f"--certificate={self._certificates / 'server-cert.pem'}", f"--key={self._certificates / 'server-key.pem'}"]
        # From the repository's root, whatever directory the tests run in.
        return ["env", f"--chdir={ROOT}", sys.executable, *module, *options]

    def _is_ready(self) -> bool:
        trusted = None if self._certificates is None else ssl.create_default_context(cafile=str(self._certificates / "ca.pem"))
        try:
            with urllib.request.urlopen(f"{self.url}/ping", timeout=2, context=trusted) as answer:  # noqa: S310  our own http address
                return bool(answer.status == 200)
        except OSError:
            return False

    def client(self, **options: Any) -> Client:
        """Return a clickhouse-connect client; `options` as for `clickhouse_connect.get_client`."""
        options.setdefault("password", self.password)
        return clickhouse_connect.get_client(host=self.host, port=self.port, **options)

    def fail(self, *faults: Fault) -> None:
        """Let coming requests fail so; without arguments, no more."""
        body = json.dumps([asdict(fault) for fault in faults]).encode()
        urllib.request.urlopen(f"{self.url}/fault", data=body, timeout=5).close()  # noqa: S310  our own http address
