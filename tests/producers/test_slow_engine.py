"""Engines that take their time: no reading begins after the deadline, and a crowd of containers is asked in parts."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from producers.engine import DockerEngine, EngineError
from tests.platform.process import PATIENCE_S
from tests.producers.scripted import scripted_engine


@contextmanager
def black_hole() -> Iterator[DockerEngine]:
    """An engine over TCP that was well, and then lets connections wait without ever taking or refusing them."""
    with ExitStack() as held:
        listener = held.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        gone = threading.Event()

        def answer() -> None:
            body = json.dumps({"Version": "26.1.5", "ApiVersion": "1.45"}).encode()
            while not gone.is_set():
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65_536)
                    connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

        answering = threading.Thread(target=answer)
        answering.start()
        engine = DockerEngine("tcp://{}:{}".format(*listener.getsockname()), timeout_s=1.0)
        gone.set()
        socket.create_connection(listener.getsockname()).close()  # wakes it up
        answering.join()
        while True:
            waiting = held.enter_context(socket.socket())
            waiting.settimeout(0.2)
            try:
                waiting.connect(listener.getsockname())
            except TimeoutError:
                break  # its queue is full
        yield engine
        engine.close()


def test_after_the_deadline_none_is_asked_however_long_a_connection_takes() -> None:
    with black_hole() as engine:
        ids = [f"c{number}" for number in range(10)]
        answers = list(engine.stats(ids, time.monotonic() + 0.3))
    assert [container_id for container_id, _ in answers] == ids
    assert all(isinstance(answer, EngineError) for _, answer in answers)
    assert sum("before it was asked" in str(answer) for _, answer in answers) >= 9  # one connection's time limit is longer


def test_an_old_engine_with_a_crowd_of_containers_is_asked_in_parts() -> None:
    with scripted_engine() as scripted:
        scripted.version = "20.10.24"
        scripted.stats_delay_s = 0.3
        ids = [scripted.add(f"c{number}") for number in range(300)]
        engine = DockerEngine(scripted.url)
        answers = dict(engine.stats(ids, time.monotonic() + PATIENCE_S))
        engine.close()
        assert all(isinstance(answer, dict) for answer in answers.values())
        assert len(answers) == 300
        assert 6 < scripted.most_at_once <= 256
