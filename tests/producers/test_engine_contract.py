"""What every engine promises, over a real Docker Engine and a recording played."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from itertools import islice
from pathlib import Path

import pytest

from producers.engine import DockerEngine, Engine, EngineError
from producers.engine_json import mapping, time_ns, whole
from producers.recorded import RecordedEngine
from producers.recording import read
from producers.sample import Context, counters
from tests.platform.engine import DockerEngine as RealEngine


@dataclass(frozen=True, slots=True)
class Case:
    """An engine with at least one running container."""

    engine: Engine


def played(speed: float = 1.0, *, loop: bool = False) -> RecordedEngine:
    header, entries = read(Path(str(resources.files("producers").joinpath("data", "demo.wstrec.gz"))))
    return RecordedEngine("the bundled recording", header, entries, speed=speed, loop=loop)


@pytest.fixture(params=["recorded", pytest.param("docker", marks=pytest.mark.engine)])
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    if request.param == "recorded":
        recorded = played()
        recorded.playback._began -= 21  # a moment at which all is up and nothing happens
        recorded.playback.base_ns -= 21 * 10**9
        yield Case(recorded)
        return
    real: RealEngine = request.getfixturevalue("engine")
    for name in ("one", "two"):
        real.run(name, "sleep", "1000")
    docker = DockerEngine(real.url)
    yield Case(docker)
    docker.close()


def running(engine: Engine) -> list[str]:
    engine.info()
    return [str(mapping(entry)["Id"]) for entry in engine.list() if mapping(entry)["State"] == "running"]


def test_the_engine_says_who_it_is_and_what_time_it_is(case: Case) -> None:
    info = case.engine.info()
    told = time_ns(info["SystemTime"])
    assert told is not None
    assert abs(told - time.time_ns()) < 5 * 10**9
    assert info["ID"]
    assert whole(info["NCPU"])
    assert case.engine.api_version.startswith("1.")


def test_what_is_listed_can_be_inspected_and_what_is_not_is_gone(case: Case) -> None:
    for container_id in running(case.engine):
        details = case.engine.inspect(container_id)
        assert details is not None
        assert details["Id"] == container_id
        assert (time_ns(details["State"]["StartedAt"]) or 0) > 1
    assert case.engine.inspect("0" * 64) is None


def test_all_running_containers_are_sampled(case: Case) -> None:
    ids = running(case.engine)
    assert ids
    answers = dict(case.engine.stats(ids, time.monotonic() + 10))
    sampled = {container_id for container_id, answer in answers.items() if isinstance(counters(answer, Context()), bytes)}
    assert sampled == set(ids)


def test_a_stream_since_a_time_begins_with_the_events_from_then_on(case: Case) -> None:
    everything = case.engine.events(1)
    first = [mapping(message) for message in islice(everything, 4)]  # and not a fifth, which may never come
    everything.close()
    times = [message["timeNano"] for message in first]
    assert times == sorted(times)
    resumed = case.engine.events(times[2])
    assert mapping(next(iter(resumed)))["timeNano"] == times[2], "inclusive"
    resumed.close()


def test_a_stream_that_is_closed_by_another_thread_ends(case: Case) -> None:
    stream = case.engine.events(None)
    threading.Timer(0.2, stream.close).start()
    with pytest.raises(EngineError):
        for _ in stream:
            pass


@pytest.mark.engine
def test_one_dead_connection_costs_no_reading(private_engine: RealEngine) -> None:
    private_engine.run("one", "sleep", "1000")
    engine = DockerEngine(private_engine.url)
    ids = running(engine)
    assert isinstance(dict(engine.stats(ids, time.monotonic() + 10))[ids[0]], dict)
    private_engine.restart()
    private_engine.docker("start", "one")
    assert isinstance(dict(engine.stats(ids, time.monotonic() + 10))[ids[0]], dict)
    engine.close()


@pytest.mark.engine
def test_a_paused_daemon_costs_no_more_than_the_deadline(private_engine: RealEngine) -> None:
    for number in range(4):
        private_engine.run(f"c{number}", "sleep", "1000")
    engine = DockerEngine(private_engine.url, timeout_s=5)
    ids = running(engine)
    private_engine.pause()
    began = time.monotonic()
    answers = dict(engine.stats(ids, began + 1))
    assert time.monotonic() - began < 5  # one call's patience
    assert all(isinstance(answer, EngineError) for answer in answers.values())
    private_engine.resume()
    assert all(isinstance(answer, dict) for answer in dict(engine.stats(ids, time.monotonic() + 10)).values())
    engine.close()


@pytest.mark.engine26
def test_an_engine_since_25_is_asked_a_few_at_a_time(engine26: RealEngine) -> None:
    for number in range(10):
        engine26.run(f"c{number}", "sleep", "1000")
    engine = DockerEngine(engine26.url)
    answers = dict(engine.stats(running(engine), time.monotonic() + 10))
    assert len(answers) == 10
    assert all(isinstance(counters(answer, Context()), bytes) for answer in answers.values())
    engine.close()
