"""The test session: real parts as fixtures, groups of tests, and logs of servers under failures."""

from __future__ import annotations

import signal
from collections.abc import Generator, Iterator
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import settings

from tests.platform import groups
from tests.platform.clickhouse_http import ClickHouseHttpServer
from tests.platform.engine import DockerEngine
from tests.platform.kafka import KafkaBroker
from tests.platform.process import ServerProcess
from tests.platform.registry import SchemaRegistry

# A busy machine makes an example slow now and then: that is no failure of a property.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pictures", action="store_true", help="make the pictures of docs/ anew (tests/browser)")


def pytest_configure(config: pytest.Config) -> None:
    # A run that is told to end (`timeout`, CI) tears its fixtures down as on Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A shell lets what it runs in its background ignore Ctrl-C, and so would all that tests start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for group in groups.GROUPS:
        config.addinivalue_line("markers", f"{group.name}: needs a {group.part}")
    config.addinivalue_line("markers", "missing_part(line): fails, as a part is missing in CI")


@pytest.hookimpl(tryfirst=True)  # before xdist reads which tests stay together
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    groups.assign(items)
    groups.leave_out(config, items)


@pytest.hookimpl(tryfirst=True)  # before any fixture tries to start the part
def pytest_runtest_setup(item: pytest.Item) -> None:
    missing = item.get_closest_marker("missing_part")
    if missing is not None:
        pytest.fail(missing.args[0], pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for name, server in getattr(item, "funcargs", {}).items():
            if isinstance(server, ServerProcess):
                report.sections.append((f"end of the log of {name}", server.log_tail()))
    return report


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """In a parallel run the processes collect, and this one tells what they left out: all of them the same."""
    node.config.stash[groups.LEFT_OUT] = getattr(node, "workeroutput", {}).get("left_out", {})


def pytest_sessionfinish(session: pytest.Session) -> None:
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["left_out"] = session.config.stash.get(groups.LEFT_OUT, {})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = groups.summary(terminalreporter.config)
    if lines:
        terminalreporter.section("groups left out")
        for line in lines:
            terminalreporter.line(line)


@pytest.fixture
def unique() -> str:
    """A short name that no other test uses: for topics, databases, containers."""
    return f"t{uuid4().hex[:10]}"


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaBroker]:
    """The session's Kafka broker; begin the names of topics and groups with `unique`."""
    with KafkaBroker() as broker:
        yield broker


@pytest.fixture
def private_kafka() -> Iterator[KafkaBroker]:
    """A Kafka broker of the test's own, to kill and pause."""
    with KafkaBroker() as broker:
        yield broker


@pytest.fixture(scope="session")
def schema_registry() -> Iterator[SchemaRegistry]:
    """The session's schema registry; begin the names of subjects with `unique`."""
    with SchemaRegistry() as registry:
        yield registry


@pytest.fixture(scope="session")
def _shared_engine() -> Iterator[DockerEngine]:
    with DockerEngine() as engine:
        yield engine


@pytest.fixture
def engine(_shared_engine: DockerEngine) -> Iterator[DockerEngine]:
    """The session's Docker Engine, without containers before and after the test."""
    yield _shared_engine
    _shared_engine.remove_all()


@pytest.fixture
def private_engine() -> Iterator[DockerEngine]:
    """A Docker Engine of the test's own, to kill and pause."""
    with DockerEngine() as engine:
        yield engine


@pytest.fixture
def engine26() -> Iterator[DockerEngine]:
    """A Docker Engine 26 of the test's own."""
    with DockerEngine("trixie") as engine:
        yield engine


@pytest.fixture(scope="session")
def clickhouse_http() -> Iterator[ClickHouseHttpServer]:
    """The session's ClickHouse over HTTP; make a database of the name `unique` in it."""
    with ClickHouseHttpServer() as server:
        yield server


@pytest.fixture
def private_clickhouse_http() -> Iterator[ClickHouseHttpServer]:
    """A ClickHouse over HTTP of the test's own, to kill, pause and break."""
    with ClickHouseHttpServer() as server:
        yield server
