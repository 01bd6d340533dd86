"""Fixtures of the Compose file, the proxy and the image."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.compose.image import IMAGE, build
from tests.compose.proxy import SocketProxy
from tests.compose.tools import compose
from tests.platform.engine import DockerEngine


@pytest.fixture(scope="session")
def stack() -> dict[str, Any]:
    """The Compose file as Compose reads it, with all defaults and all profiles."""
    answer: dict[str, Any] = json.loads(compose("--profile", "*", "config", "--format", "json").stdout)
    return answer


@pytest.fixture
def socket_proxy(engine: DockerEngine) -> Iterator[SocketProxy]:
    """The proxy of the Compose file before the session's engine."""
    with SocketProxy(engine.socket_path) as proxy:
        yield proxy


@pytest.fixture
def image(engine: DockerEngine) -> str:
    """The name of the image, built in the session's engine."""
    build(engine)
    return IMAGE
