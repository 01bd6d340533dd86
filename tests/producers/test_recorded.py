"""Playing a recording: time only goes forward, loops join without a seam, secrets never were in it."""

from __future__ import annotations

import gzip
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from producers.engine_json import mapping, time_ns
from producers.identity import Policy
from producers.recorded import RecordedEngine
from producers.recording import Entry, Header, read
from producers.sanitize import Sanitizer
from producers.watch import Pace
from schemas.errors import SettingError
from tests.producers.test_engine_contract import played
from tests.producers.test_record import INSPECT, LISTED, message
from tests.producers.watching import watching

DEMO = Path(str(resources.files("producers").joinpath("data", "demo.wstrec.gz")))


class Clock:
    """A clock a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def moved(engine: RecordedEngine) -> Clock:
    clock = Clock()
    engine.playback._clock = clock
    engine.playback._began = 0.0
    return clock


def test_the_bundled_recording_shows_what_it_promises_and_is_small() -> None:
    _, entries = read(DEMO)
    events = [entry.answer for entry in entries if entry.kind == "event"]
    actions = {event["Action"].split(":")[0] for event in events}
    assert DEMO.stat().st_size < 2_000_000
    assert {
        "create",
        "start",
        "die",
        "oom",
        "kill",
        "stop",
        "restart",
        "pause",
        "unpause",
        "health_status",
        "destroy",
        "rename",
        "update",
    } <= actions
    listings = [entry.answer for entry in entries if entry.kind == "list"]
    assert max(map(len, listings)) >= 14
    assert listings[-1] == [], "it ends with an empty engine, so that a loop has no seam"


@pytest.mark.parametrize("speed", [0.5, 1.0, 7.0])
def test_over_loops_time_only_goes_forward_and_ids_are_never_used_again(speed: float) -> None:
    engine = played(speed, loop=True)
    clock = moved(engine)
    length = engine.playback.round_ns / 1e9
    before, seen = 0, [set[str](), set[str](), set[str]()]
    while clock.now < 3 * length:
        told = time_ns(engine.info()["SystemTime"])
        assert told is not None
        assert told >= before
        before = told
        number = engine._where()[0]
        ids = {str(mapping(entry)["Id"]) for entry in engine.list()}
        if number < 3:
            seen[number] |= ids
        clock.now += 1.3
    rounds = [ids for ids in seen if ids]
    assert all(not one & other for n, one in enumerate(rounds) for other in rounds[:n])


def test_events_of_two_loops_have_rising_times_and_positions() -> None:
    engine = played(loop=True)
    got = [event for event, _ in zip(engine.played(None), range(1_600), strict=False)]
    assert [position for position, _ in got] == sorted(position for position, _ in got)
    assert got[-1][0] > engine.playback.round_ns
    assert got[-1][1]["timeNano"] - got[0][1]["timeNano"] > engine.playback.round_ns * 0.9


def test_played_fast_it_begins_in_the_past_and_never_runs_ahead_of_now() -> None:
    engine = played(10.0, loop=True)
    clock = moved(engine)
    began = engine.playback.base_ns
    while clock.now < 600:
        ahead = began + engine.playback.position() - (began + engine.playback.round_ns + clock.now * 1e9)
        assert ahead <= 0
        clock.now += 7
    assert ahead == 0, "it has caught up"


async def test_a_whole_round_gives_every_event_once_in_order_in_one_generation(tmp_path: Path) -> None:
    engine = played(100.0)
    expected = [entry.answer for entry in engine._events if not entry.answer["Action"].startswith("exec_")]
    async with watching(engine, tmp_path, Pace(0.25, 0.25, 0, 100.0), name=None) as seen:
        await seen.until(lambda: engine.over() and not seen.snapshots()[-1]["containers"], "the end")
        facts = [fact for fact in seen.facts() if not fact["engine_event"]["action"].startswith("exec_")]
        assert [fact["engine_event"]["action"] for fact in facts] == [event["Action"].split(":")[0] for event in expected]
        assert {fact["generation"] for fact in facts} == {0}
        assert not seen.watch.shared.counts.total["dead_letters"]


def test_a_sanitised_answer_holds_no_secret() -> None:
    clean = Sanitizer(Policy(), lambda command: f"{len(command):x}")
    secret = "hunter2"
    raws: list[Any] = [
        clean.event(message(f"exec_create: psql --password={secret}", **{"db.password": secret})),
        clean.event({**message("start"), "status": secret, secret: 1}),
        clean.listed(
            {**LISTED, "Command": secret, "Labels": {"db.password": secret, "com.docker.compose.project": "p"}, "Mounts": [secret]}
        ),
        clean.inspect(
            {
                **INSPECT,
                "Config": {"Env": [secret], "Cmd": [secret], "Healthcheck": {"Test": ["CMD", "x", secret]}, "Labels": {"a": secret}},
                "State": {"Error": f'exec: "psql {secret}": executable file not found in $PATH'},
            }
        ),
        clean.info({"ID": "x", "Labels": [secret], "HttpProxy": secret}),
        clean.stats({"read": "t", "name": secret, "cpu_stats": {secret: secret}}),
    ]
    assert all(secret not in str(raw) for raw in raws)
    assert raws[0]["Action"].startswith("exec_create: psql ")
    assert (
        clean.event(message("exec_start: x y"))["Action"].split(": ")[1]
        == clean.inspect({**INSPECT, "Config": {"Healthcheck": {"Test": ["CMD", "x", "y"]}}})["Config"]["Healthcheck"]["Test"][1]
    ), "a health check is still known by its exec"


@pytest.mark.parametrize("content", [b"", b"nonsense", gzip.compress(b"{}\n", mtime=0), gzip.compress(b'{"wst_recording": 99}\n', mtime=0)])
def test_what_is_no_recording_is_refused_in_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(SettingError, match=r"recording|read"):
        read(tmp_path / "x")


def test_a_recording_that_was_cut_off_ends_where_it_was_cut(tmp_path: Path) -> None:
    whole = DEMO.read_bytes()
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
    _, entries = read(tmp_path / "cut")
    assert 100 < len(entries) < len(read(DEMO)[1])


def test_a_recording_without_events_plays_too() -> None:
    engine = RecordedEngine("x", Header(1, "1.41", 5.0), [Entry(0, "info", "", {"ID": "a"}), Entry(1, "list", "", [])])
    assert engine.list() == []
    assert list(engine.played(None)) == []


BROKEN = {
    "nested": gzip.compress(b"[" * 100_000),
    "no number": gzip.compress(b'{"wst_recording": 1, "began_ns": Infinity, "api_version": "1", "collect_s": 1}\n'),
    "too large": gzip.compress(b'{"wst_recording": 1, "began_ns": 1, "api_version": "1", "collect_s": 1}\n[1e999, "list", "", null]\n'),
    "cut": gzip.compress(b'{"wst_recording": 1}')[:12],
    "damaged": gzip.compress(b"x" * 100)[:14] + b"\xff" * 20,
}


@pytest.mark.parametrize("kind", BROKEN)
def test_whatever_is_wrong_with_a_recording_is_said_in_one_line(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "broken.wstrec.gz"
    path.write_bytes(BROKEN[kind])
    with pytest.raises(SettingError, match=r"broken\.wstrec\.gz (is no recording|cannot be read)"):
        read(path)
