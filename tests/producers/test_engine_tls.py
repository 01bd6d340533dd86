"""An engine over TCP with TLS, as the Docker client's environment names it; its CA is the test's own."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from producers.engine import DockerEngine
from schemas.errors import Unreachable
from tests.platform import engine as platform
from tests.platform.authority import made_up

pytestmark = pytest.mark.engine


class TlsEngine(platform.DockerEngine):
    """A private engine that also listens on loopback TCP, for clients its CA signed only."""

    def __init__(self, certificates: Path) -> None:
        super().__init__()
        self._certificates = certificates
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.tcp = f"tcp://127.0.0.1:{free.getsockname()[1]}"

    def _command(self) -> Sequence[str]:
        files = {"tlscacert": "ca.pem", "tlscert": "server-cert.pem", "tlskey": "server-key.pem"}
        tls = [f"--{option}={self._certificates / name}" for option, name in files.items()]
        return [*super()._command(), f"--host={self.tcp}", "--tlsverify", *tls]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_up(tmp_path_factory.mktemp("tls") / "certificates")


@pytest.fixture(scope="module")
def tls_engine(certificates: Path) -> Iterator[TlsEngine]:
    with TlsEngine(certificates) as running:
        yield running


def test_an_engine_over_tls_lists_tells_events_and_gives_stats(
    tls_engine: TlsEngine, certificates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(certificates))
    for bundle in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # as where a company's proxy is trusted: no word on this engine
        monkeypatch.setenv(bundle, str(made_up(tmp_path / bundle) / "ca.pem"))
    engine = DockerEngine(tls_engine.tcp)
    try:
        events = engine.events(None)
        container = tls_engine.run("over-tls", "sleep", "1000")
        first = next(iter(events))
        events.close()
        assert isinstance(first, dict)
        assert first["Actor"]["ID"] == container
        assert [row["Id"] for row in engine.list() if isinstance(row, dict)] == [container]
        [(read, stats)] = engine.stats([container], float("inf"))
        assert read == container
        assert isinstance(stats, dict)
        assert stats["cpu_stats"]["cpu_usage"]["total_usage"] > 0
    finally:
        engine.close()


def test_an_engine_whose_authority_is_another_is_refused_with_what_to_check(
    tls_engine: TlsEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(made_up(tmp_path / "other")))
    with pytest.raises(Unreachable, match="DOCKER_CERT_PATH"):
        DockerEngine(tls_engine.tcp)
