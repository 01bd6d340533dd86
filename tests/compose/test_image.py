"""The image: every part in it, nothing else in it, no root and no writable root file system needed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.compose.image import PRODUCER_IMAGE, build
from tests.compose.tools import OUR_IMAGE
from tests.platform.engine import DockerEngine
from tests.platform.process import ROOT

pytestmark = [pytest.mark.image]

#: As docker-compose.yml runs it.
LOCKED = ("--rm", "--network", "none", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges")


def inside(engine: DockerEngine, image: str, script: str, *options: str) -> str:
    """What a shell script prints in a container of the image."""
    return engine.docker("run", *(options or LOCKED), "--entrypoint", "sh", image, "-c", script)


def test_it_runs_as_a_user_without_rights_on_a_read_only_root(engine: DockerEngine, image: str) -> None:
    assert "Usage: wst" in engine.docker("run", *LOCKED, image, "--help")
    assert inside(engine, image, "id -u; id -g").split() == ["10321", "10321"]
    assert inside(engine, image, "touch /data/kept && stat -c %U:%a /data") == "wst:750"
    writable = inside(
        engine, image, "find / -xdev \\( -path /proc -o -path /sys \\) -prune -o -writable ! -type l -print 2>/dev/null; true", "--rm"
    )
    allowed = ("/data", "/tmp", "/var/tmp", "/run/lock", "/dev")
    assert [path for path in writable.split() if not path.startswith(allowed)] == []


def test_each_part_that_compose_starts_is_in_it(engine: DockerEngine, image: str, stack: dict[str, Any]) -> None:
    commands = {tuple(part["command"]) for part in stack["services"].values() if part["image"] == OUR_IMAGE}
    assert len(commands) >= 7
    script = "set -e; " + "; ".join(f"wst {' '.join(command)} --help" for command in sorted(commands))
    said = inside(engine, image, script)
    assert said.count("Usage:") == len(commands)
    assert "not installed" not in said


def test_no_installer_cache_source_or_secret_stays_behind(engine: DockerEngine, image: str) -> None:
    found = inside(
        engine, image, "ls -d /src /wheels /tools /root/.cache /opt/wst/bin/pip* /opt/wst/lib/python3*/site-packages/pip 2>/dev/null; true"
    )
    assert found == ""
    history = engine.docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", image)
    environment = json.loads(engine.docker("inspect", "--format", "{{json .Config.Env}}", image))
    assert not [word for word in ("TOKEN", "PASSWORD", "SECRET") if word in history.upper() or word in str(environment).upper()]


def test_the_versions_in_it_are_the_locked_ones(engine: DockerEngine, image: str) -> None:
    script = "from importlib.metadata import distributions as d; print(*sorted({f'{x.name.lower()}=={x.version}' for x in d()}), sep='\\n')"
    installed = set(engine.docker("run", *LOCKED, "--entrypoint", "python", image, "-c", script).split())
    locked = {line.lower().replace("_", "-") for line in _lock()}
    strange = {line for line in installed if line.replace("_", "-") not in locked}
    assert {line.split("==")[0] for line in strange} == {"workspace-status"}


def _lock() -> list[str]:
    return [line for line in (ROOT / "requirements.lock").read_text().splitlines() if line and not line.startswith("#")]


def test_the_producers_image_has_no_stream_processor(engine: DockerEngine) -> None:
    build(engine, PRODUCER_IMAGE, EXTRAS="")
    assert "Usage: wst producer" in engine.docker("run", *LOCKED, PRODUCER_IMAGE, "producer", "--help")
    packages = inside(engine, PRODUCER_IMAGE, "ls /opt/wst/lib/python3*/site-packages").split()
    assert {"faust", "clickhouse_connect", "fastapi"}.isdisjoint(packages)
