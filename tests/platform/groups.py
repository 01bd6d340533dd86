"""Groups of tests by the real part they need, and what happens where the part is missing.

On a laptop such a group is left out and named at the end of the run, with how to get it. Where
`CI=true` it fails: a machine that is there to test must be able to.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.compose import image, proxy, tools
from tests.platform import browser, clickhouse_http, disk, engine, kafka, podman, prometheus, registry
from tests.platform.process import ROOT


@dataclass(frozen=True, slots=True)
class Group:
    """Tests that carry the mark `name`, or use one of `fixtures`."""

    name: str
    part: str
    fixtures: frozenset[str]
    missing: Callable[[], str | None]
    how_to_get: str


# From quick to slow: tests run in this order, after those that need no part at all.
GROUPS = (
    Group(
        "compose",
        "Compose v2",
        frozenset({"stack"}),
        tools.missing,
        "on Debian 12: `python -m tests.compose.tools`; else Docker's own packages have it",
    ),
    Group(
        "prometheus",
        "Prometheus",
        frozenset(),
        prometheus.missing,
        "apt-get install prometheus",
    ),
    Group(
        "browser",
        "Chromium",
        frozenset({"browser"}),
        browser.missing,
        "apt-get install chromium",
    ),
    Group(
        "clickhouse_http",
        "ClickHouse over HTTP",
        frozenset({"clickhouse_http", "private_clickhouse_http"}),
        clickhouse_http.missing,
        "pip install chdb (part of `make test`)",
    ),
    Group(
        "kafka",
        "Apache Kafka broker",
        frozenset({"kafka", "private_kafka"}),
        kafka.missing,
        "apt-get install openjdk-17-jre-headless maven",
    ),
    Group(
        "disk",
        "file system of its own",
        frozenset(),
        disk.missing,
        "on Linux, as root",
    ),
    Group(
        "kcat",
        "kcat beside a Kafka broker",
        frozenset(),
        lambda: kafka.missing() or (None if shutil.which("kcat") else "kcat not found"),
        "what `kafka` needs, and apt-get install kcat",
    ),
    Group(
        "registry",
        "schema registry with Confluent's HTTP API",
        frozenset({"schema_registry"}),
        registry.missing,
        "apt-get install openjdk-17-jre-headless maven, then `python -m tests.platform.registry` (140 MB)",
    ),
    Group(
        "engine",
        "private Docker Engine",
        frozenset({"engine", "private_engine"}),
        engine.missing,
        "on Linux: apt-get install docker.io busybox-static iproute2, and run as root",
    ),
    Group(
        "ssh",
        "private Docker Engine behind sshd",
        frozenset(),
        lambda: engine.missing() or next((f"{name} not found" for name in ("sshd", "ssh", "ssh-keygen") if not shutil.which(name)), None),
        "what `engine` needs, and apt-get install openssh-server openssh-client",
    ),
    Group(
        "podman",
        "private Podman",
        frozenset(),
        podman.missing,
        "what `engine` needs, and apt-get install podman",
    ),
    Group(
        "proxy",
        "HAProxy before a private Docker Engine",
        frozenset({"socket_proxy"}),
        lambda: proxy.missing() or engine.missing(),
        "what `engine` needs, and apt-get install haproxy",
    ),
    Group(
        "image",
        "base image made of Debian's packages",
        frozenset({"image"}),
        image.missing,
        "what `engine` needs, apt-get install debootstrap, then `python -m tests.compose.image` as root",
    ),
    Group(
        "engine26",
        "private Docker Engine 26",
        frozenset({"engine26"}),
        engine.missing_trixie,
        "what `engine` needs, apt-get install debootstrap, then `make engine26` as root",
    ),
)


def in_ci() -> bool:
    """Say whether a missing part is a failure here."""
    return os.environ.get("CI", "").lower() == "true"


class LeftOut(pytest.StashKey[dict[str, tuple[int, str]]]):
    """Where the session keeps, by group, how many tests it left out and why."""


LEFT_OUT = LeftOut()


#: Parts that take so long to make that one process of a parallel run makes them for all.
_MADE_ONCE = ("image", "proxy")


def assign(items: list[pytest.Item]) -> None:
    """Mark each test with the groups of the fixtures it uses, and put quick groups first.

    In a parallel run the tests of a part that is made once, and those that share their file's fixtures, stay in one process.
    """
    for item in items:
        used = set(getattr(item, "fixturenames", ()))
        for group in GROUPS:
            if used & group.fixtures and item.get_closest_marker(group.name) is None:
                item.add_marker(group.name)
        once = next((name for name in _MADE_ONCE if item.get_closest_marker(name)), None)
        together = once or (item.path.relative_to(ROOT).as_posix() if _shares_with_its_file(item) else None)
        if together is not None:
            item.add_marker(pytest.mark.xdist_group(together))
    items.sort(key=_slowest_group)


def _shares_with_its_file(item: pytest.Item) -> bool:
    """Whether it uses a fixture that is made once for all tests of its file."""
    definitions = getattr(item, "_fixtureinfo").name2fixturedefs.values()  # noqa: B009 — pytest has no public way to ask
    return any(one.scope in ("module", "class") for same in definitions for one in same)


def _slowest_group(item: pytest.Item) -> int:
    ranks = (rank for rank, group in enumerate(GROUPS, 1) if item.get_closest_marker(group.name))
    return max(ranks, default=0)


def leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the groups whose part is missing; in CI make them fail instead."""
    left_out: dict[str, tuple[int, str]] = {}
    for group in GROUPS:
        members = [item for item in items if item.get_closest_marker(group.name)]
        reason = group.missing() if members else None
        if reason is None:
            continue
        left_out[group.name] = (len(members), reason)
        line = f"{group.part}: {reason}. To get it: {group.how_to_get}"
        for item in members:
            if in_ci():
                item.add_marker(pytest.mark.missing_part(line))
            else:
                item.add_marker(pytest.mark.skip(reason=line))
    config.stash[LEFT_OUT] = left_out


def summary(config: pytest.Config) -> list[str]:
    """Return a line per group that was left out, and how to get it."""
    by_name = {group.name: group for group in GROUPS}
    return [
        f"{name}: {count} tests need a {by_name[name].part} ({reason}). To get it: {by_name[name].how_to_get}"
        for name, (count, reason) in config.stash.get(LEFT_OUT, {}).items()
    ]
