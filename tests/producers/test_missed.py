"""Events that may be missing around a listing: it waits for what is still to be read, and says a gap only where there is one.

engine    pause ─────── unpause ── stop ──────────────────────────────
producer  heard │ stands still, or its stream is shut │ reads again, lists
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from producers.record import Happened, event
from producers.registry import Registry
from producers.snapshots import Wanted
from producers.watch import Pace
from schemas.steady import steady_clock
from tests.platform.process import PATIENCE_S
from tests.producers.scripted import ScriptedEngine, scripted_engine
from tests.producers.test_record import RULES, message
from tests.producers.watching import Json, Watching, watching


@pytest.fixture
def scripted() -> Iterator[ScriptedEngine]:
    with scripted_engine() as engine:
        yield engine


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take long to open a stream."""
    monkeypatch.setattr("producers.snapshots._WHOLE_S", (PATIENCE_S, PATIENCE_S))


class Clock:
    """The steady clock, of which a test says how long the process stood still."""

    ahead_s = 0.0

    def __call__(self) -> float:
        return steady_clock() + self.ahead_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("producers.events.steady_clock", made)
    return made


async def looked(seen: Watching, at_ns: int) -> None:
    """Waits until the look for stalls knows of an event: what is read again begins there."""
    await seen.until(lambda: (seen.watch.events._heard_then_ns or 0) >= at_ns, "a look")


def stand_still(clock: Clock) -> None:
    """As a process that is stopped, for far longer."""
    time.sleep(1)
    clock.ahead_s += 60


def later_than(seen: Watching, at_ns: int) -> list[Json]:
    """Listings made after a time."""
    return [s for s in seen.snapshots() if s["outcome"] == "listed" and s["listed_at_ns"] > at_ns]


@pytest.mark.parametrize("sync_s", [60, 0.3])
@pytest.mark.parametrize("happened", ["nothing was missed", "one was dropped", "the engine forgot", "the engine forgot all but the last"])
async def test_after_a_process_stood_still_events_are_read_again_and_what_was_missed_is_a_stretch_nobody_watched(
    scripted: ScriptedEngine, tmp_path: Path, clock: Clock, happened: str, sync_s: float
) -> None:
    scripted.add("web")
    async with watching(scripted.url, tmp_path, Pace(60, sync_s, 1)) as seen:
        begin = scripted.say("web", "pause")
        await seen.until(lambda: seen.actions() == ["pause"], "the first")
        watched_since = seen.snapshots()[-1]["watched_since_ns"]
        await looked(seen, begin["timeNano"])
        (scripted.say if happened == "nothing was missed" else scripted.drop)("web", "unpause")
        last = scripted.say("web", "stop")
        stand_still(clock)  # what the stream still gave it waits to be taken
        if happened == "the engine forgot":
            scripted.ring.clear()
        elif happened == "the engine forgot all but the last":
            scripted.ring[:] = scripted.ring[-1:]
        await seen.until(lambda: later_than(seen, last["timeNano"]), "a listing after it")
        listed = later_than(seen, last["timeNano"])[0]
        if happened == "nothing was missed":
            assert listed["watched_since_ns"] == watched_since
        else:
            assert listed["watched_since_ns"] == listed["listed_at_ns"], "the first that is later than the loss says it"


async def test_a_machine_that_was_suspended_reads_events_again(scripted: ScriptedEngine, tmp_path: Path, clock: Clock) -> None:
    scripted.add("web")
    async with watching(scripted.url, tmp_path) as seen:
        begin = scripted.say("web", "pause")
        await looked(seen, begin["timeNano"])
        clock.ahead_s += 60
        await seen.until(lambda: seen.watch.shared.counts.total["repeats"], "what was heard before, again")
        assert seen.actions() == ["pause"]


async def test_what_an_engine_kept_for_a_process_that_stood_still_is_heard_though_it_remembers_less(
    scripted: ScriptedEngine, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.stream._QUEUE", 8)  # so that the thread that reads stands still with the rest
    monkeypatch.setattr("producers.events._DRAINS", 200)
    scripted.add("web")
    async with watching(scripted.url, tmp_path) as seen:
        begin = scripted.say("web", "pause")
        await looked(seen, begin["timeNano"])
        scripted.remembers = 20
        said = [scripted.say("web", "attach", filling="x" * 4_000)["timeNano"] for _ in range(400)]  # far more than a socket holds
        stand_still(clock)
        listed = len(seen.snapshots())
        await seen.until(lambda: len(seen.snapshots()) > listed, "a listing after it")
        assert [fact["time_ns"] for fact in seen.facts()] == [begin["timeNano"], *said]


async def test_while_the_stream_is_shut_no_listing_overtakes_what_is_still_to_be_heard(scripted: ScriptedEngine, tmp_path: Path) -> None:
    web = scripted.add("web")
    async with watching(scripted.url, tmp_path, Pace(60, 0.3, 1)) as seen:
        scripted.say("web", "pause")
        await seen.until(lambda: seen.actions() == ["pause"], "the first")
        watched_since = seen.snapshots()[-1]["watched_since_ns"]
        scripted.shut = True
        scripted.cut_streams()
        await seen.until(lambda: not seen.watch.events.is_whole(), "the stream is shut")
        scripted.containers[web]["state"] = "exited"
        ended = scripted.say("web", "die", exitCode="1")
        asked = scripted.calls["list"]
        await seen.until(lambda: scripted.calls["list"] > asked, "a listing is made")
        tried = scripted.calls["events"]
        await seen.until(lambda: scripted.calls["events"] > tried + 1, "and has settled by now")
        scripted.shut = False
        await seen.until(lambda: later_than(seen, ended["timeNano"]), "a listing after it")
        topics = [record.topic for record in seen.outlet.records]
        assert seen.actions() == ["pause", "die"]
        shown = next(n for n, s in enumerate(seen.snapshots()) if s["containers"][0]["state"] == "exited")
        places = [n for n, topic in enumerate(topics) if topic == "wst.docker.snapshots"]
        assert [n for n, topic in enumerate(topics) if topic == "wst.docker.events"][1] < places[shown]
        assert later_than(seen, ended["timeNano"])[0]["watched_since_ns"] == watched_since


async def test_a_process_that_was_stopped_while_it_waited_for_the_stream_waits_on(scripted: ScriptedEngine, tmp_path: Path) -> None:
    async with watching(scripted.url, tmp_path) as seen:
        scripted.shut = True
        scripted.cut_streams()
        await seen.until(lambda: not seen.watch.events.is_whole(), "the stream is shut")
        waited = asyncio.create_task(seen.watch.events.whole(1.0))
        await asyncio.sleep(0)
        time.sleep(1.2)  # noqa: ASYNC251
        await asyncio.sleep(0.1)
        assert not waited.done()
        scripted.shut = False
        await waited


async def test_a_listing_begun_before_events_were_lost_does_not_make_them_known(scripted: ScriptedEngine, tmp_path: Path) -> None:
    scripted.add("web")
    async with watching(scripted.url, tmp_path) as seen:
        begin = scripted.say("web", "pause")
        await seen.until(lambda: seen.actions() == ["pause"], "the first")
        opened = scripted.streams()
        lost: list[Json] = []

        def lose_events() -> None:
            if not lost:
                scripted.remembers = 0
                scripted.cut_streams()
                lost.append(scripted.drop("web", "unpause"))
                while scripted.streams() == opened:
                    time.sleep(0.01)

        scripted.before_list = lose_events
        seen.watch.syncs.want(Wanted("interval"))
        await seen.until(lambda: lost and later_than(seen, lost[0]["timeNano"]), "a listing after it")
        listed = [s for s in seen.snapshots() if s["listed_at_ns"] > begin["timeNano"]][-1]
        assert listed["watched_since_ns"] > lost[0]["timeNano"]


async def test_an_engine_whose_event_stream_never_opens_is_listed_and_every_stretch_is_one_nobody_watched(
    scripted: ScriptedEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.snapshots._WHOLE_S", (0.5, 0.5))
    scripted.add("web")
    scripted.shut = True
    async with watching(scripted.url, tmp_path, Pace(60, 0.3, 1)) as seen:
        await seen.until(lambda: len(seen.snapshots()) >= 3, "listings")
        assert all(s["watched_since_ns"] == s["listed_at_ns"] for s in seen.snapshots()[:3])
        scripted.shut = False
        await seen.until(lambda: seen.snapshots()[-1]["watched_since_ns"] < seen.snapshots()[-1]["listed_at_ns"], "it is watched")


def test_an_old_event_that_is_read_again_changes_no_later_state_and_revives_nothing() -> None:
    registry = Registry("E")
    who = happened_to("web").who

    def runs() -> bool:
        known = registry.get(who.container["id"])
        return known is not None and known.running

    registry.heard(who, "start", 20)
    registry.heard(who, "die", 10, late=True)
    assert runs(), "it was started after that end"
    registry.heard(happened_to("before").who, "rename", 15, late=True)
    assert (runs(), registry.heard(who, "attach", 21).who.container["name"]) == (True, "web")
    registry.heard(who, "die", 30, late=True)
    assert not runs(), "nothing later was heard of its state"
    registry.heard(who, "start", 5)
    assert runs(), "a clock that ran back"
    registry.heard(who, "destroy", 40)
    registry.heard(who, "start", 35, late=True)
    assert registry.get(who.container["id"]) is None


def happened_to(name: str) -> Happened:
    happened = event(message("start", name=name), RULES)
    assert isinstance(happened, Happened)
    return happened
