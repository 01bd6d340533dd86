"""Podman's Docker-compatible service as an engine: other actions, no health in listings, a new id at every call."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from producers.record import STATE_ACTIONS
from producers.watch import Pace
from schemas import topics
from schemas.counters import COLUMNS, unpack
from tests.platform.engine import DockerEngine
from tests.platform.podman import PodmanEngine
from tests.producers.watching import watching

pytestmark = pytest.mark.podman
SLEEP = ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done")
COMPOSE = ("--label", "com.docker.compose.project=shop", "--label", "com.docker.compose.service=web")


@pytest.fixture(scope="module")
def _shared_podman() -> Iterator[PodmanEngine]:
    with PodmanEngine() as running:
        yield running


@pytest.fixture
def podman(_shared_podman: PodmanEngine) -> Iterator[PodmanEngine]:
    yield _shared_podman
    _shared_podman.remove_all()


async def test_what_runs_on_podman_is_tracked_from_its_start_to_its_removal(podman: PodmanEngine, tmp_path: Path) -> None:
    async def do(*arguments: str) -> None:
        await asyncio.to_thread(podman.docker, *arguments)

    async with watching(podman.url, tmp_path, Pace(1, 1, 1), timeout_s=10) as seen:
        await asyncio.to_thread(podman.run, "web", *SLEEP, options=COMPOSE)
        await seen.until(lambda: len(seen.values(topics.DOCKER_STATS)) >= 3, "ticks")
        await do("pause", "web")
        await do("unpause", "web")
        await do("kill", "web")
        await seen.until(lambda: "die" in seen.actions(), "its end")
        await do("rm", "web")
        await seen.until(lambda: "destroy" in seen.actions(), "the removal")
        await seen.until(lambda: not seen.snapshots()[-1]["containers"], "a listing without it")
        moves = [action for action in seen.actions() if action in STATE_ACTIONS]
        assert moves == ["create", "start", "pause", "unpause", "kill", "die", "destroy"]
        assert {fact["workspace_id"] for fact in seen.facts()} == {"shop@laptop"}
        assert [f["engine_event"]["exit_code"] for f in seen.facts() if f["engine_event"]["action"] == "die"] == [137]
        listed = [entry["state"] for snapshot in seen.snapshots() for entry in snapshot["containers"]]
        assert "running" in listed
        ticks = [tick["samples"][0] for tick in seen.values(topics.DOCKER_STATS) if tick["samples"]]
        readings = [dict(zip(COLUMNS, unpack(sample["counters"]), strict=True)) for sample in ticks]
        assert readings[-1]["cpu_total_ns"] > readings[0]["cpu_total_ns"] > 0
        assert readings[-1]["memory_usage_bytes"] > 0


async def test_a_workspace_named_by_its_label_spans_engines(podman: PodmanEngine, engine: DockerEngine, tmp_path: Path) -> None:
    told: dict[str, set[str]] = {}
    for number, one in enumerate((podman, engine)):
        one.run("part", *SLEEP, options=("--label", "workspace.id=everywhere"))
        async with watching(one.url, tmp_path / str(number), name=f"host{number}", timeout_s=10) as seen:
            await seen.until(seen.snapshots, "a listing")
            [listing] = seen.snapshots()[:1]
            told[listing["engine_id"]] = {entry["workspace_id"] for entry in listing["containers"]}
    assert list(told.values()) == [{"everywhere"}] * 2


async def test_it_goes_by_one_id_though_it_says_another_at_every_call(podman: PodmanEngine, tmp_path: Path) -> None:
    ids = []
    for _ in range(2):  # as after a restart of the producer
        async with watching(podman.url, tmp_path, timeout_s=10) as seen:
            ids.append(seen.snapshots()[0]["engine_id"])
    assert ids[0] == ids[1]
