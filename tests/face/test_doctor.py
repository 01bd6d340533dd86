"""`wst doctor`: each fault is found, named and comes with what to do."""

from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from producers.control import control_record
from schemas.codec import codec
from schemas.errors import Unreachable
from schemas.journal import Journal
from streams.cli import checks, engine_checks, engine_probe
from streams.cli.checks import Finding
from streams.cli.engine_probe import NoAnswer, probe
from tests.face.api_parts import served, whole_state
from tests.face.test_cli import wst
from tests.platform.engine import DockerEngine

NOW_NS = 1_700_000_000 * 10**9


def alive(engine_id: str, producer_id: str, name: str = "laptop", ago_s: int = 1) -> dict[str, Any]:
    section = {"producer_id": producer_id, "engine_name": name, "host": f"host-{producer_id}", "interval_ms": 10_000}
    record = control_record("wst.", engine_id, "producer", section, NOW_NS - ago_s * 10**9)
    return codec("control").decode(record.value)


def levels(findings: list[Finding]) -> list[str]:
    return [finding.level for finding in findings]


def test_two_producers_of_one_engine_are_a_fault_but_a_dead_one_does_not_count() -> None:
    two = list(checks.producers([alive("E1", "a"), alive("E1", "b")], NOW_NS))
    assert levels(two) == ["fault"]
    assert two[0].what == "engine E1 has 2 producers (on host-a, host-b)"
    assert levels(list(checks.producers([alive("E1", "a"), alive("E1", "b", ago_s=31)], NOW_NS))) == ["ok"]


def test_two_engines_of_one_name_are_a_fault() -> None:
    found = list(checks.producers([alive("E1", "a"), alive("E2", "b")], NOW_NS))
    assert levels(found) == ["ok", "ok", "fault"]
    assert found[2].what == "2 engines are called laptop"
    assert "WST_ENGINE_NAME" in found[2].fix


def said(code: str, *, engine: str = "E1", over: bool = False) -> dict[str, Any]:
    data = {"resolved_error": code} if over else {"code": code}
    return {
        "stream": "engine", "type": "recovery" if over else "error", "engine_id": engine, "message": f"{engine}: {code}",
        "timestamp": "2026-01-31T12:00:00.000Z", "data": data,
    }  # fmt: skip


def test_an_engine_that_is_silent_or_does_not_answer_is_a_fault_until_it_is_heard_again() -> None:
    newest_first = [said("engine_silent", engine="E2"), said("engine_unreachable", over=True), said("engine_unreachable")]
    found = list(engine_checks.engines(newest_first))
    assert levels(found) == ["fault"]
    assert "E2: engine_silent" in found[0].what
    assert found[0].fix
    assert levels(list(engine_checks.engines([said("sync_failed")]))) == ["warning"]


def test_two_live_engines_under_one_name_are_a_fault_as_long_as_it_is_told() -> None:
    newest_first = [said("duplicate_engine_name", engine="E2"), said("duplicate_engine_name", engine="E2")]
    found = list(engine_checks.twice(newest_first))
    assert levels(found) == ["fault"]
    assert "WST_ENGINE_NAME" in found[0].fix
    assert list(engine_checks.engines(newest_first)) == []


@pytest.mark.parametrize(("ahead_s", "level"), [(0.3, "ok"), (-5.0, "warning"), (61.0, "fault"), (-3600.0, "fault")])
def test_a_clock_apart_is_said(ahead_s: float, level: str) -> None:
    assert checks.clock("laptop", ahead_s).level == level


class Usage(NamedTuple):
    total: int
    free: int


def test_a_data_directory_that_cannot_be_written_or_is_full_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "not" / "yet"
    assert levels(list(checks.data_dir(path, holds_all=True))) == ["ok"]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(100 << 30, 100 << 20))
    for holds_all in (True, False):
        assert [(finding.level, finding.fix) for finding in checks.data_dir(path, holds_all=holds_all)] == [
            ("fault", "make room: what cannot be written is not recorded")
        ]
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert [finding.what for finding in checks.data_dir(path, holds_all=True)] == [f"{path} cannot be written"]


@pytest.mark.parametrize(("free_mib", "level"), [(63, "ok"), (10, "warning"), (2, "fault")])
def test_a_small_volume_is_enough_for_one_part_and_too_little_for_a_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_mib: int, level: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(64 << 20, free_mib << 20))
    (found,) = checks.data_dir(tmp_path, holds_all=False)
    assert (found.level, found.what) == (level, f"{tmp_path}: {free_mib}.0 MiB of 64.0 MiB free")
    assert levels(list(checks.data_dir(tmp_path, holds_all=True))) == ["fault"]


def test_health_tells_of_parts_that_died_and_of_an_archive_that_is_away() -> None:
    health = {
        "status": "ok",
        "workspaces": 3,
        "parts": [
            {"name": "broker", "state": "up", "restarts": 0, "last_end": ""},
            {"name": "worker state", "state": "restarting", "restarts": 2, "last_end": "killed by SIGKILL"},
        ],
        "sink": {"lag": {"wst.docker.events": 5}, "away": True},
    }
    found = list(checks.api(health, "http://x"))
    assert [(finding.level, finding.part) for finding in found] == [
        ("ok", "api"),
        ("ok", "part"),
        ("warning", "part"),
        ("fault", "clickhouse"),
    ]
    assert "started again 2 times (killed by SIGKILL)" in found[2].what
    assert levels(list(checks.api(Unreachable("no API", "start it"), "http://x"))) == ["fault"]


def test_an_engine_that_is_not_there_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(NoAnswer, match="there is no such socket"):
        probe(f"unix://{tmp_path}/none.sock")
    with pytest.raises(NoAnswer, match="start Docker"):
        probe("tcp://127.0.0.1:1")
    assert probe("ssh://me@far") is None


def test_an_engine_that_takes_the_call_and_never_answers_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_probe, "_TIMEOUT_S", 0.2)
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.bind(str(tmp_path / "docker.sock"))
        hanging.listen()
        with pytest.raises(NoAnswer, match="it is silent: restart it"):
            probe(f"unix://{tmp_path}/docker.sock")


def test_a_refusal_of_an_engine_is_told_without_its_password() -> None:
    with served() as other, pytest.raises(NoAnswer) as refused:
        probe(other.url.replace("http://", "tcp://me:geheim@"))
    assert "geheim" not in str(refused.value)


@pytest.mark.engine
def test_a_real_engine_is_recognised_and_its_clock_agrees(engine: DockerEngine) -> None:
    seen = probe(engine.url)
    assert seen is not None
    assert seen.engine_id
    assert abs(seen.ahead_s) < 2


def test_the_command_exits_1_with_a_fault_and_0_without(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite", 4)
    section = {"producer_id": "a", "engine_name": "laptop", "host": "h", "interval_ms": 3_600_000}
    journal.append([control_record("wst.", "E1", "producer", section, checks.now_ns())])
    told = {"WST_DATA_DIR": str(tmp_path), "HOME": str(tmp_path)}
    nothing = wst("doctor", WST_API="http://127.0.0.1:1", **told)
    assert nothing.returncode == 1
    assert "no API answers at http://127.0.0.1:1" in nothing.stdout
    with served(whole_state("shop@laptop")) as api:
        well = wst("doctor", "--json", WST_API=api.url, WST_ENGINES="ssh://me@far", **told)
    found = json.loads(well.stdout)
    assert well.returncode == 0, found
    assert {finding["part"] for finding in found} == {"api", "engine", "data", "producer"}
    assert "engine E1 has one producer (on h)" in [finding["what"] for finding in found]


def test_the_running_trees_engines_and_directory_are_looked_at_not_this_shells(tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "parts.json").write_text("[]")
    tree = {
        "parts": [{"name": "producer", "state": "up", "restarts": 0, "last_end": ""}],
        "engines": [f"unix://{tmp_path}/gone.sock", "tcp://***@far:2375"],
        "data_dir": str(folder),
    }
    told = {"WST_DATA_DIR": str(tmp_path / "shell"), "HOME": str(tmp_path), "WST_ENGINES": "ssh://me@far"}
    with served(whole_state("shop@laptop"), health=tree) as api:
        done = wst("doctor", "--json", WST_API=api.url, **told)
        (folder / "parts.json").unlink()
        elsewhere = wst("doctor", "--json", WST_API=api.url, **told)
    found = [(finding["level"], finding["part"], finding["what"]) for finding in json.loads(done.stdout)]
    assert done.returncode == 1
    assert ("fault", "engine", f"the Docker Engine at unix://{tmp_path}/gone.sock (from the running tree) does not answer") in found
    assert ("ok", "engine", "tcp://***@far:2375 is reached over ssh or with a password: not looked at from here") in found
    assert [what.split(":")[0] for _, part, what in found if part == "data"] == [str(folder)]
    shells = json.loads(elsewhere.stdout)
    assert [finding["what"].split(":")[0] for finding in shells if finding["part"] == "data"] == [str(tmp_path / "shell")]


def test_a_misspelt_setting_is_a_fault_with_what_was_meant(tmp_path: Path) -> None:
    done = wst("doctor", "--json", WST_API="http://127.0.0.1:1", WST_COLECT_INTERVAL="5s", HOME=str(tmp_path))
    (finding,) = [finding for finding in json.loads(done.stdout) if finding["part"] == "settings"]
    assert (finding["level"], finding["what"]) == ("fault", "WST_COLECT_INTERVAL is no setting of wst")
    assert finding["fix"] == "is WST_COLLECT_INTERVAL meant?"
