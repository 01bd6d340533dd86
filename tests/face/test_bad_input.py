"""What the API gets from those who mean no good, or do not know better: a 4xx with a hint, and everybody else is answered as ever."""

from __future__ import annotations

import errno
import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from urllib.parse import urlsplit

import httpx
import pytest

from tests.browser.fleet import fleet
from tests.face.api_parts import Served, served, whole_state
from tests.platform.process import PATIENCE_S


@pytest.fixture(scope="module")
def api() -> Iterator[Served]:
    with served(whole_state("shop@laptop")) as serving:
        yield serving


def said_to(api: Served, raw: bytes) -> bytes:
    """What is answered to these very bytes, until the line is closed; empty: it was cut off."""
    address = urlsplit(api.url)
    with closing(socket.create_connection((str(address.hostname), address.port or 0), timeout=60)) as line:
        try:
            line.sendall(raw)
            line.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: line.recv(65_536), b""))
        except OSError as error:
            # Which of these it is hangs on how far the server was when it closed the line.
            if isinstance(error, ConnectionError) or error.errno == errno.ENOTCONN:
                return b""
            raise


def request(target: str, *headers: str) -> bytes:
    lines = [f"GET {target} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def answers_others(api: Served) -> None:
    assert [each["name"] for each in httpx.get(f"{api.url}/api/v1/workspaces").json()] == ["shop"]


@pytest.mark.parametrize(
    "headers",
    [[f"X-{number}: {'y' * 100}" for number in range(3_000)], ["X: " + "y" * 300_000], ["X: y" * 1 + "\r\n" + "Z: z\r\n" * 50_000]],
    ids=["many", "long", "short"],
)
def test_a_flood_of_headers_is_cut_off(api: Served, headers: list[str]) -> None:
    answer = said_to(api, request("/api/v1/workspaces", *headers))
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    assert b"shop@laptop" not in answer
    answers_others(api)


def test_headers_that_come_whole_are_measured_too(api: Served) -> None:
    assert said_to(api, request("/api/v1/workspaces", "X: " + "y" * 40_000)).startswith(b"HTTP/1.1 431")
    assert said_to(api, request("/api/v1/workspaces", "X: " + "y" * 30_000)).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00\xff\xfe\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET",
    ],
    ids=["zeros", "version", "bytes", "tls", "half"],
)
def test_what_is_no_request_is_no_fault_of_ours(api: Served, raw: bytes) -> None:
    answer = said_to(api, raw)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")
    answers_others(api)


@pytest.mark.parametrize(
    "path",
    [
        "/../../../../etc/passwd", "/assets/../../../../etc/passwd", "/assets/..%2f..%2fetc/passwd", "/assets/%2e%2e/%2e%2e/etc/passwd",
        "/assets/..\\..\\etc\\passwd", "/assets//etc/passwd", "//etc/passwd", "/assets/app.css%00.js", "/assets/%00", "/assets/./../app.py",
        "/api/v1/export/..%2f..%2fetc%2fpasswd", "/api/v1/workspaces/..%2f..%2fetc%2fpasswd",
    ],
)  # fmt: skip
def test_a_path_leads_nowhere_but_to_our_own_pages(api: Served, path: str) -> None:
    answer = said_to(api, request(path))
    assert answer.startswith(b"HTTP/1.1 4"), answer[:100]
    assert b"root:" not in answer
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    assert json.loads(body)["detail"]


@pytest.mark.parametrize(
    ("path", "params", "named"),
    [
        ("events", {"limit": str(10**9)}, "limit"),
        ("events", {"limit": "-1"}, "limit"),
        ("events", {"limit": "9" * 5_000}, "limit"),
        ("workspaces", {"limit": "NaN"}, "limit"),
        ("workspaces", {"cursor": "' OR 1=1 --"}, "cursor"),
        ("events", {"cursor": "%%%%"}, "cursor"),
        ("workspaces", {"status": "<script>"}, "status"),
        ("events", {"since": "9" * 400 + "d"}, "since"),
        ("events", {"since": "2026-02-30T00:00:00Z"}, "since"),
        ("events", {"until": "\x1b[2J"}, "until"),
        ("as-of", {"time": "yesterday"}, "time"),
        ("as-of", {"time": "0000-00-00T00:00:00Z"}, "time"),
        ("workspaces/shop/history", {"step": "0s"}, "step"),
        ("workspaces/shop/history", {"since": "30d", "step": "1ms"}, "step"),
        ("trends", {"days": "100000000"}, "days"),
        ("trends", {"zone": "../../etc/passwd"}, "zone"),
        ("top", {"by": "everything"}, "by"),
        ("query", {"sql": "SELECT 1", "format": "../x"}, "format"),
    ],
)
def test_a_question_that_makes_no_sense_gets_a_problem_that_names_what(api: Served, path: str, params: dict[str, str], named: str) -> None:
    answer = httpx.get(f"{api.url}/api/v1/{path}", params=params)
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert named in problem["detail"] + problem["title"]
    assert not any(ord(sign) < 32 for sign in problem["detail"])
    answers_others(api)


@pytest.mark.parametrize(
    "body",
    [b"[" * 60_000, b'{"by":' * 9_000, b"\xff\xfe", b"{}{}", b'{"by": 1e999}', b'{"by": "' + b"x" * 60_000 + b'"}', b"null", b'"archive"'],
    ids=["deep-list", "deep-object", "no-text", "two", "infinite", "long", "null", "text"],
)
def test_a_body_that_makes_no_sense_is_refused_or_read_as_nothing(api: Served, body: bytes) -> None:
    answer = httpx.post(f"{api.url}/api/v1/workspaces/shop/archive", content=body, headers={"content-type": "application/json"})
    assert 400 <= answer.status_code < 500 or (answer.status_code, body) == (503, b"null"), answer.text
    answers_others(api)


def connected(api: Served) -> socket.socket:
    address = urlsplit(api.url)
    return socket.create_connection((str(address.hostname), address.port or 0), timeout=PATIENCE_S)


def is_cut(line: socket.socket) -> bool:
    """Whether the other side has ended the connection."""
    try:
        line.send(b"x")
        return False
    except ConnectionError:
        return True


@pytest.mark.parametrize(
    "begin", [b"", b"GET /api/v1/work", b"GET / HTTP/1.1\r\nX: ", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n"]
)
def test_a_request_that_never_comes_to_its_end_is_cut_off_however_slowly_it_goes_on(begin: bytes) -> None:
    with served(whole_state("shop@laptop"), patience_s=0.4) as api, closing(connected(api)) as line:
        line.sendall(begin)
        deadline = time.monotonic() + PATIENCE_S
        while not is_cut(line):
            assert time.monotonic() < deadline
            answers_others(api)
            time.sleep(0.05)


def test_who_does_not_read_an_answer_is_cut_off_and_who_waits_for_one_is_not() -> None:
    with served(*fleet(400), patience_s=0.4) as api, closing(connected(api)) as line:
        whole = len(httpx.get(f"{api.url}/api/v1/workspaces").content)
        line.sendall(b"GET /api/v1/workspaces HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 12)
        place = httpx.get(f"{api.url}/api/v1/events/live").json()["next"]
        waited = httpx.get(f"{api.url}/api/v1/events/live", params={"after": place, "wait": 2}, timeout=PATIENCE_S)
        assert waited.json()["events"] == [], "a long answer is no lack of patience"
        # What was on its way still comes; then the line is cut, long before all twelve answers.
        read = 0
        with suppress(ConnectionError):
            while more := line.recv(65_536):
                read += len(more)
        assert read < 10 * whole
