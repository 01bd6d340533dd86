"""The proxy before the Docker socket passes the producer's questions and nothing else."""

from __future__ import annotations

import json
import socket
import subprocess
from http.client import HTTPConnection

import docker
import pytest

from tests.compose.proxy import CLIENT_TIMEOUT_S, SocketProxy
from tests.platform.engine import IMAGE, DockerEngine
from tests.platform.process import PATIENCE_S, wait_until

pytestmark = pytest.mark.proxy

ALLOWED = (
    "/_ping",
    "/version",
    "/info",
    "/containers/json?all=1",
    "/containers/{name}/json",
    "/containers/{name}/stats?stream=0&one-shot=1",
)
REFUSED = (
    "/containers/{name}/archive?path=/etc/passwd",
    "/containers/{name}/export",
    "/containers/{name}/logs?stdout=1",
    "/containers/{name}/top",
    "/containers/{name}/attach/ws?stdin=1&stream=1",
    "/containers/{name}/exec",
    "/images/json",
    "/images/" + IMAGE + "/get",
    "/system/df",
    "/secrets",
    "/swarm",
    "/",
    # Ways around a rule that looks at one spelling and passes on another.
    "/containers/../images/json",
    "/containers/{name}/archive/../json",
    "/containers/{name}/archive%2f..%2fjson",
    "/containers/%2e%2e/json",
    "/containers/{name}%00/json",
    "//containers/json",
    "/containers/json/",
    "/v1.41/../containers/{name}/logs",
    "/v1.41/v1.41/containers/json",
    "/events/../images/json",
    "/images/json?x=/containers/json",
    "/images/json#/containers/json",
)


def status(proxy: SocketProxy, path: str, method: str = "GET", headers: dict[str, str] | None = None) -> int:
    """The answer's status; the path is sent as it stands."""
    connection = HTTPConnection("127.0.0.1", proxy.port, timeout=PATIENCE_S)
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in (headers or {}).items():
            connection.putheader(name, value)
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()


def docker_through(proxy: SocketProxy, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The docker command line against the proxy."""
    call = ["docker", "--host", proxy.url, *arguments]
    return subprocess.run(call, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def test_docker_ps_and_inspect_work_through_the_proxy(engine: DockerEngine, socket_proxy: SocketProxy) -> None:
    engine.run("seen", "sleep", "1000")
    assert docker_through(socket_proxy, "ps", "--format", "{{.Names}}").stdout.split() == ["seen"]
    assert docker_through(socket_proxy, "inspect", "--format", "{{.State.Status}}", "seen").stdout.strip() == "running"


def test_what_the_producer_asks_is_answered_in_any_api_version(engine: DockerEngine, socket_proxy: SocketProxy) -> None:
    engine.run("asked", "sleep", "1000")
    version = docker.APIClient(base_url=socket_proxy.url, version="auto").api_version
    for path in ALLOWED:
        for prefix in ("", f"/v{version}"):
            assert status(socket_proxy, prefix + path.format(name="asked")) == 200, prefix + path
    assert status(socket_proxy, "/_ping", "HEAD") == 200
    assert status(socket_proxy, "/containers/nobody/json") == 404, "the engine's own answer, not the proxy's"


@pytest.mark.parametrize("command", ["run", "stop", "exec", "logs", "cp", "export", "images"])
def test_docker_commands_that_do_more_are_refused(engine: DockerEngine, socket_proxy: SocketProxy, command: str) -> None:
    engine.run("target", "sleep", "1000")
    arguments = {
        "run": ["run", "--rm", IMAGE, "true"],
        "stop": ["stop", "--time", "0", "target"],
        "exec": ["exec", "target", "true"],
        "logs": ["logs", "target"],
        "cp": ["cp", "target:/etc/passwd", "-"],
        "export": ["export", "target"],
        "images": ["images"],
    }[command]
    done = docker_through(socket_proxy, *arguments)
    assert done.returncode != 0
    assert "403" in done.stderr
    assert list(engine.ps_inspect()) == ["target"]
    assert engine.ps_inspect()["target"]["State"]["Status"] == "running"


def test_every_other_path_is_refused_however_it_is_spelled(engine: DockerEngine, socket_proxy: SocketProxy) -> None:
    engine.run("target", "sleep", "1000")
    answers = {path: status(socket_proxy, path.format(name="target")) for path in REFUSED}
    assert {path: answer for path, answer in answers.items() if answer not in (400, 403)} == {}


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get"])
def test_every_other_method_is_refused_even_where_reading_is_allowed(socket_proxy: SocketProxy, method: str) -> None:
    assert status(socket_proxy, "/containers/json", method) in (400, 403)


def test_a_connection_cannot_be_upgraded_to_something_else(socket_proxy: SocketProxy) -> None:
    for protocol in ("tcp", "h2c", "websocket"):
        assert status(socket_proxy, "/info", headers={"Connection": "Upgrade", "Upgrade": protocol}) in (400, 403)


def test_a_second_request_hidden_in_the_first_is_judged_by_itself(engine: DockerEngine, socket_proxy: SocketProxy) -> None:
    engine.run("target", "sleep", "1000")
    hidden = b"POST /containers/target/kill HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    head = b"GET /_ping HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
    for first in (
        head + b"\r\n",
        head + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        head + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", socket_proxy.port), timeout=PATIENCE_S) as raw:
            raw.sendall(first + hidden)
            raw.shutdown(socket.SHUT_WR)
            answer = b""
            while chunk := raw.recv(65_536):
                answer += chunk
        # Refused, or not even read: the connection ended after the first answer.
        assert answer.count(b"HTTP/1.1 2") <= 1
    assert engine.ps_inspect()["target"]["State"]["Status"] == "running"


def test_an_event_comes_at_once_also_after_a_long_silence(engine: DockerEngine, socket_proxy: SocketProxy) -> None:
    with socket.create_connection(("127.0.0.1", socket_proxy.port), timeout=PATIENCE_S) as raw:
        raw.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 200 OK" in raw.recv(65_536)
        raw.settimeout(CLIENT_TIMEOUT_S + 1)
        with pytest.raises(TimeoutError):
            raw.recv(65_536)
        engine.docker("create", "--name", "late", IMAGE)
        heard = raw.recv(65_536).decode()
    # A chunk: its length, the event, each on a line.
    event = json.loads(heard.splitlines()[1])
    assert (event["Action"], event["Actor"]["Attributes"]["name"]) == ("create", "late")


def test_an_event_stream_that_nobody_reads_any_more_leaves_the_engine(engine: DockerEngine, socket_proxy: SocketProxy) -> None:
    before = socket_proxy.connections_to(engine.socket_path)
    for _ in range(3):
        connection = HTTPConnection("127.0.0.1", socket_proxy.port, timeout=PATIENCE_S)
        connection.request("GET", "/events")
        connection.getresponse()
        connection.close()
    wait_until(lambda: socket_proxy.connections_to(engine.socket_path) <= before, "the engine's event streams end")


def test_an_engine_that_is_away_is_an_error_of_the_proxy(private_engine: DockerEngine) -> None:
    with SocketProxy(private_engine.socket_path) as proxy:
        assert status(proxy, "/_ping") == 200
        private_engine.kill()
        assert status(proxy, "/_ping") == 503
