"""An engine whose JSON makes no sense is failed calls and dead letters: the producer goes on, and nothing looks gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from producers.engine import DockerEngine
from producers.watch import Pace
from schemas.errors import Unreachable
from tests.producers.scripted import ScriptedEngine, container_id, scripted_engine
from tests.producers.watching import watching

NONSENSE = {
    "null": b"null",
    "list": b"[1,null]",
    "object": b'{"a":null}',
    "word": b'"x"',
    "no bottom": b"[" * 100_000,
    "broken": b"{broken",
}


@pytest.fixture
def scripted() -> Iterator[ScriptedEngine]:
    with scripted_engine() as engine:
        engine.add("web")
        yield engine


@pytest.mark.parametrize("kind", ["info", "list", "json", "stats"])
@pytest.mark.parametrize("answer", NONSENSE)
async def test_answers_that_make_no_sense_are_outlived(scripted: ScriptedEngine, tmp_path: Path, kind: str, answer: str) -> None:
    async with watching(scripted.url, tmp_path, Pace(0.1, 0.1, 0)) as seen:
        scripted.lies = {kind: NONSENSE[answer]}
        scripted.add("other")
        asked = scripted.calls["info"]
        await seen.until(lambda: seen.ended() or scripted.calls["info"] > asked + 2, "listings are tried")
        scripted.lies = {}

        def listed() -> int:
            return sum(snapshot["outcome"] == "listed" for snapshot in seen.snapshots())

        before = listed()
        # One may still be under way.
        await seen.until(lambda: seen.ended() or listed() > before + 1, "a listing after")
        assert not seen.ended()
        listings = [snapshot for snapshot in seen.snapshots() if snapshot["outcome"] == "listed"]
        entries = listings[-1]["containers"]
        assert {entry["container"]["id"] for entry in entries} == {container_id("web"), container_id("other")}
        if (kind, answer) == ("list", "object"):
            assert all(snapshot["containers"] for snapshot in listings), "no container is gone"


@pytest.mark.parametrize("answer", NONSENSE)
def test_an_engine_that_makes_no_sense_at_the_start_does_not_answer(scripted: ScriptedEngine, answer: str) -> None:
    scripted.lies = {"version": NONSENSE[answer]}
    with pytest.raises(Unreachable):
        DockerEngine(scripted.url)


async def test_events_nested_however_deep_are_outlived(scripted: ScriptedEngine, tmp_path: Path) -> None:
    async with watching(scripted.url, tmp_path) as seen:
        # Somewhere between is what can just be read, and not be written.
        for depth in range(850, 1000):
            scripted.say_raw({"raw": '{"Type":"container","Action":"start","timeNano":' + "[" * depth + "]" * depth + "}"})
        scripted.say("web", "pause")
        await seen.until(lambda: seen.actions() or seen.ended(), "the event after")
        assert seen.actions() == ["pause"]
        assert seen.watch.shared.counts.total["malformed"] == 150
