"""The thread that reads events: whatever happens to it or is asked of it, it goes on, and says so."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from producers.calls import backoff_s
from producers.engine import DockerEngine, EngineError, Events
from producers.stream import Broken, EventReader, Subscribed
from tests.platform.process import PATIENCE_S
from tests.producers.scripted import ScriptedEngine, scripted_engine


@pytest.fixture
def scripted() -> Iterator[ScriptedEngine]:
    with scripted_engine() as engine:
        yield engine


class Hooked(DockerEngine):
    """An engine of which a test decides what happens before its event stream is opened."""

    def __init__(self, url: str, before_events: Callable[[], object] = bool) -> None:
        super().__init__(url)
        self._before_events = before_events

    def events(self, since_ns: int | None) -> Events:
        """The stream, after that."""
        self._before_events()
        return super().events(since_ns)


@contextmanager
def reading(engine: DockerEngine, since_ns: int | None = None) -> Iterator[EventReader]:
    reader = EventReader(engine, since_ns)
    reader.start()
    try:
        yield reader
    finally:
        reader.stop()
        engine.close()


async def next_of(reader: EventReader) -> object:
    async with asyncio.timeout(PATIENCE_S):
        [item] = await reader.take(1)
    return item


async def test_an_error_that_nobody_thought_of_breaks_the_stream_and_is_said_and_reading_goes_on(
    scripted: ScriptedEngine, caplog: pytest.LogCaptureFixture
) -> None:
    errors = [ValueError("I/O operation on closed file."), RuntimeError("dictionary changed size during iteration")]

    def fail() -> None:
        if errors:
            raise errors.pop(0)

    engine = Hooked(scripted.url, fail)
    with reading(engine, since_ns=1) as reader:  # from the engine's memory on: what is said while the stream opens is in it
        assert await next_of(reader) == Broken("ValueError: I/O operation on closed file.")
        assert await next_of(reader) == Broken("RuntimeError: dictionary changed size during iteration")
        assert await next_of(reader) == Subscribed(continues=False)
        said = scripted.say("web", "start")
        assert await next_of(reader) == said
    assert [record.exc_info is not None for record in caplog.records] == [True, True]


def test_a_stream_whose_file_another_thread_has_closed_is_a_broken_one(scripted: ScriptedEngine) -> None:
    engine = DockerEngine(scripted.url)
    stream = engine.events(None)
    stream._response._fp.fp.close()  # type: ignore[attr-defined]  # as http.client does, where a socket cannot be shut down
    with pytest.raises(EngineError):
        next(iter(stream))
    engine.close()


async def test_what_is_to_be_read_again_is_although_the_stream_is_just_being_opened(scripted: ScriptedEngine) -> None:
    opening, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        opening.set()
        assert go_on.wait(PATIENCE_S)

    first, last = scripted.say("web", "start"), scripted.say("web", "die")
    engine = Hooked(scripted.url, wait)
    with reading(engine, last["timeNano"]) as reader:
        assert await asyncio.to_thread(opening.wait, PATIENCE_S)
        reader.read_again(first["timeNano"])
        go_on.set()
        taken = [await next_of(reader) for _ in range(5)]
    assert taken[0] == Subscribed(continues=False), "of the stream that nothing was asked of yet"
    assert isinstance(taken[1], Broken)
    assert taken[2:] == [Subscribed(continues=False, again_from_ns=first["timeNano"]), first, last]


async def test_what_is_to_be_read_again_is_remembered_while_the_engine_is_away(scripted: ScriptedEngine) -> None:
    first, last = scripted.say("web", "start"), scripted.say("web", "die")
    engine = Hooked(scripted.url)
    with reading(engine, last["timeNano"]) as reader:
        assert [await next_of(reader) for _ in range(2)] == [Subscribed(continues=False), last]
        scripted.fault = "500"
        reader.read_again(first["timeNano"])
        assert [type(await next_of(reader)) for _ in range(2)] == [Broken, Broken], "closed, and not to be opened"
        scripted.fault = None
        while isinstance(item := await next_of(reader), Broken):
            continue
        assert item == Subscribed(continues=False, again_from_ns=first["timeNano"])
        assert await next_of(reader) == first


async def test_a_stream_that_opens_and_ends_at_once_is_tried_less_and_less_often(
    scripted: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[int] = []

    def at_once(attempt: int) -> float:
        attempts.append(attempt)
        return 0.0

    monkeypatch.setattr("producers.stream.backoff_s", at_once)

    class Ends(DockerEngine):
        def events(self, since_ns: int | None) -> Events:
            stream = super().events(since_ns)
            stream.close()
            return stream

    with reading(Ends(scripted.url)) as reader:
        while len(attempts) < 5:
            await next_of(reader)
    assert attempts[:5] == [0, 1, 2, 3, 4]


async def test_a_pause_before_another_attempt_ends_when_the_engine_is_known_to_answer(
    scripted: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    pausing = threading.Event()

    def for_long(_: int) -> float:
        pausing.set()
        return PATIENCE_S * 10.0

    monkeypatch.setattr("producers.stream.backoff_s", for_long)
    engine = Hooked(scripted.url)
    scripted.fault = "500"
    with reading(engine) as reader:
        assert isinstance(await next_of(reader), Broken)
        assert await asyncio.to_thread(pausing.wait, PATIENCE_S)
        scripted.fault = None
        reader.hurry()
        assert await next_of(reader) == Subscribed(continues=False)


def test_attempts_are_counted_for_days() -> None:
    assert backoff_s(0) < 0.3
    assert 7 < backoff_s(100_000) < 13
