"""A listing among events: what around it is not settled, and engines whose listing knows later than their events."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from producers.watch import Pace
from tests.producers.scripted import ScriptedEngine, container_id, scripted_engine
from tests.producers.watching import watching

SECOND_NS = 10**9


@pytest.fixture
def scripted() -> Iterator[ScriptedEngine]:
    with scripted_engine() as engine:
        yield engine


async def test_a_container_with_an_event_around_the_listing_is_unsettled_and_its_event_comes_first(
    scripted: ScriptedEngine, tmp_path: Path
) -> None:
    scripted.add("web")
    async with watching(scripted.url, tmp_path, Pace(60, 0.3, 1)) as seen:
        scripted.say("web", "die", at_ns=scripted.now_ns() + SECOND_NS, exitCode="1")  # a second ahead: after any listing now
        await seen.until(lambda: seen.snapshots()[-1]["containers"][0]["unsettled"], "an unsettled entry")
        order = [record.topic for record in seen.outlet.records]
        unsettled = next(n for n, s in enumerate(seen.snapshots()) if s["containers"][0]["unsettled"])
        places = [n for n, topic in enumerate(order) if topic == "wst.docker.snapshots"]
        assert order.index("wst.docker.events") < places[unsettled]


async def test_a_change_between_the_time_of_a_listing_and_its_answer_is_unsettled_though_no_event_has_come_yet(
    scripted: ScriptedEngine, tmp_path: Path
) -> None:
    scripted.add("web")
    async with watching(scripted.url, tmp_path, Pace(60, 0.3, 1)) as seen:
        scripted.before_list = lambda: scripted.add("late") if len(scripted.containers) == 1 else None
        await seen.until(lambda: len(seen.snapshots()[-1]["containers"]) == 2, "it is listed")
        late = next(snapshot["containers"][1] for snapshot in seen.snapshots() if len(snapshot["containers"]) == 2)
        assert (late["unsettled"], late["inspect"]) == (True, None)
        await seen.until(lambda: not seen.snapshots()[-1]["containers"][-1]["unsettled"], "the next")
        assert seen.snapshots()[-1]["containers"][1]["inspect"]["started_at_ns"] == scripted.containers[container_id("late")]["started_ns"]


async def test_a_listing_that_an_inspect_made_after_it_contradicts_proves_no_state_however_long_it_lags(
    scripted: ScriptedEngine, tmp_path: Path
) -> None:
    web = scripted.add("web")
    async with watching(scripted.url, tmp_path, Pace(60, 0.3, 1)) as seen:
        scripted.lies["list"] = json.dumps(scripted.listed()).encode()
        scripted.containers[web]["state"] = "exited"
        scripted.say("web", "die", at_ns=scripted.now_ns() - 3_600 * SECOND_NS, exitCode="1")
        await seen.until(lambda: seen.facts("observation"), "the end and its details")
        before = len(seen.snapshots())
        await seen.until(lambda: len(seen.snapshots()) >= before + 3, "listings that lag")
        late = [snapshot["containers"][0] for snapshot in seen.snapshots()[before + 1 :]]
        assert all((entry["state"], entry["unsettled"], entry["inspect"]) == ("running", True, None) for entry in late)
        del scripted.lies["list"]
        await seen.until(lambda: seen.snapshots()[-1]["containers"][0]["state"] == "exited", "a listing that knows")
        known = len(seen.snapshots())
        await seen.until(lambda: len(seen.snapshots()) > known, "another")
        assert not any(snapshot["containers"][0]["unsettled"] for snapshot in seen.snapshots()[known - 1 :])


async def test_a_producer_that_was_stopped_while_a_listing_settled_hears_first_what_came_meanwhile(
    scripted: ScriptedEngine, tmp_path: Path
) -> None:
    scripted.add("web")
    async with watching(scripted.url, tmp_path) as seen:
        settled = asyncio.create_task(seen.watch.events.settled(3.0))
        await asyncio.sleep(0)
        time.sleep(3.1)  # noqa: ASYNC251  # as if all of it was stopped, the thread that reads events, too
        scripted.say("web", "die", exitCode="1")
        await settled
        assert seen.actions() == ["die"]


async def test_a_container_destroyed_while_it_was_listed_is_left_out(scripted: ScriptedEngine, tmp_path: Path) -> None:
    scripted.add("web")
    async with watching(scripted.url, tmp_path, Pace(60, 0.3, 1)) as seen:
        scripted.say("web", "destroy")
        await seen.until(lambda: not seen.snapshots()[-1]["containers"], "the listing without it")
