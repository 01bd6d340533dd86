"""Kafka's health check in docker-compose.yml asks the broker, and believes no open port."""

from __future__ import annotations

import socket
import subprocess

import pytest

from tests.platform.kafka import KafkaBroker
from tests.platform.process import ROOT, free_port

pytestmark = pytest.mark.kafka


def healthy(port: int) -> bool:
    """What the health check says of a port."""
    script = ["bash", str(ROOT / "deploy" / "kafka" / "healthcheck.sh"), "127.0.0.1", str(port)]
    return subprocess.run(script, capture_output=True, timeout=10, check=False).returncode == 0


def test_a_broker_that_answers_is_healthy(kafka: KafkaBroker) -> None:
    assert healthy(kafka.port)


def test_a_port_that_is_closed_or_only_open_is_not() -> None:
    assert not healthy(free_port())
    with socket.create_server(("127.0.0.1", 0)) as mute:
        assert not healthy(mute.getsockname()[1])


def test_a_paused_broker_is_not_healthy(private_kafka: KafkaBroker) -> None:
    private_kafka.pause()
    assert not healthy(private_kafka.port)
    private_kafka.resume()
