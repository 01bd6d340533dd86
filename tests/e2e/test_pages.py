"""Each command that the docs show in a block is run, as it stands: here, on a real tree and engine, or where `ELSEWHERE` says."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.compose.tools import compose
from tests.e2e.pages import PAGES, Done, Home, lines_of
from tests.platform.engine import DockerEngine
from tests.platform.process import PATIENCE_S, ROOT, wait_until

_CLUSTER: Final = "tests/e2e/test_cluster.py"
#: Lines that are run by other tests, as they need a cluster, or are the test run itself: the file, and words in it.
ELSEWHERE: Final = {
    "make test": (".ci/run", "make lint types imports compat test"),
    "export WST_BROKERS=kafka:9092 WST_CLICKHOUSE_URL=http://user:password@clickhouse:8123": (_CLUSTER, '"WST_BROKERS"'),
    "wst topics apply": (_CLUSTER, 'wst("topics", "apply"'),
    "wst migrate": (_CLUSTER, 'wst("migrate"'),
    "wst producer": (_CLUSTER, '("producer"'),
    "wst worker": (_CLUSTER, '("worker"'),
    "wst sink": (_CLUSTER, '("sink"'),
    "wst api": (_CLUSTER, '("api"'),
    "wst topics plan": ("tests/face/test_topics.py", '"topics", "plan"'),
    "wst migrate --print": ("tests/sinks/test_migrate.py", '"--print"'),
    "export WST_BROKERS=kafka-1:9092,kafka-2:9092 WST_PARTITIONS=24 WST_REPLICATION_FACTOR=3": (
        "tests/compose/test_kafka_security.py",
        '"WST_PARTITIONS"',
    ),
    "export WST_CLICKHOUSE_URL_FILE=/etc/wst/clickhouse_url": ("tests/schemas/test_settings.py", "_FILE"),
    "WST_ENGINES=laptop=unix:///run/docker.sock,build=ssh://me@build wst producer": ("tests/producers/test_engine_ssh.py", "ssh://"),
    "WST_CLICKHOUSE_URL=http://clickhouse:8123 wst import all.tar": ("tests/query/test_carry.py", 'wst("import"'),
    "sh deploy/make-secrets.sh": ("tests/compose/test_compose_file.py", "make-secrets.sh"),
    "docker compose exec api wst status": ("tests/compose/stack.py", '"exec", "--no-TTY", "api", "wst"'),
}
_QUICK_START: Final = ROOT / "docs" / "quick-start.md"
#: Pages whose lines go on a tree that runs, one after the other; those with `--data` once it has ended.
_ON_A_TREE: Final = tuple(
    ROOT / name for name in ("README.md", "docs/recovery.md", "docs/export.md", "docs/metrics.md", "docs/sql-cookbook.md")
)


def _shown(page: Path) -> list[str]:
    return [line for line in lines_of(page) if line not in ELSEWHERE and not line.startswith(("docker compose", "kafka-acls.sh"))]


def test_no_line_of_any_page_is_left_out() -> None:
    here = {line for page in (_QUICK_START, *_ON_A_TREE) for line in _shown(page)} | {"make up"}
    for page in PAGES:
        assert [line for line in _shown(page) if line not in here] == [], page.name
    shown = {line for page in PAGES for line in lines_of(page)}
    assert set(ELSEWHERE) <= shown, "what is not shown any more needs no test"
    for line, (file, words) in ELSEWHERE.items():
        assert words in (ROOT / file).read_text("utf-8"), f"{line}: not in {file}"


def _make_up() -> str:
    """What `make up` runs once all is installed."""
    command = ["make", "--no-print-directory", "--just-print", "--assume-old=.venv/run.stamp", "up", "ARGS="]
    # Not as a part of the make that runs the tests.
    alone = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    done = subprocess.run(command, cwd=ROOT, env=alone, capture_output=True, text=True, check=True)
    return done.stdout.strip().splitlines()[-1]


@pytest.fixture
def home(engine: DockerEngine, tmp_path: Path) -> Home:
    engine.remove_all()
    return Home(tmp_path, engine)


@pytest.mark.engine
@pytest.mark.timeout(600)
def test_the_quick_start_goes_as_it_says(home: Home) -> None:
    lines = iter(lines_of(_QUICK_START))

    def state() -> dict[str, str]:
        done = home.run("wst status shop --json")
        return dict(json.loads(done.said)) if done.status == 0 else {}

    def next_is(line: str) -> str:
        assert next(lines) == line
        return line

    def went_well(line: str, *words: str) -> None:
        done = home.run(next_is(line))
        assert done.status == 0, done.said
        for word in words:
            assert word in done.said, done.said

    next_is("make up")
    with home.running(_make_up()) as tree:
        went_well('eval "$(.venv/bin/wst completion bash)"')
        went_well(".venv/bin/wst status", "no workspaces yet")
        assert home.run_until(next_is(".venv/bin/wst status --watch"), "no workspaces yet").status == 130
        crash = next_is("docker run -d --name shop --label workspace.id=shop busybox sh -c 'sleep 60; exit 3'")
        assert home.run(crash.replace("sleep 60", "sleep 12")).status == 0
        followed = home.run_until(next_is(".venv/bin/wst events --follow"), "code 3")
        assert "code 3" in followed.said, followed.said
        wait_until(lambda: state().get("condition") == "failing", "the crash is known", PATIENCE_S)
        went_well(".venv/bin/wst status shop", "failing", "shop (busybox on laptop): exited")
        went_well(".venv/bin/wst why shop", "exit code 3", "docker logs --since")
        wait_until(lambda: "unexpected_exit" in home.run("wst alerts").said, "its alert is in the archive", PATIENCE_S)
        went_well(".venv/bin/wst alerts", "unexpected_exit")
        went_well(".venv/bin/wst history shop --metric memory", "shop")
        went_well(".venv/bin/wst as-of '1h ago'")
        done = home.run(next_is(".venv/bin/wst why shop --at '5m ago'").replace("5m ago", "1s ago"))
        assert (done.status, "exit code 3" in done.said) == (0, True), done.said
        went_well("docker rm shop")
        wait_until(lambda: state().get("condition") == "ok", "the crash is over", PATIENCE_S)
        wait_until(lambda: "no alert lasts" in home.run("wst alerts").said, "its alert is resolved", PATIENCE_S)
        went_well(".venv/bin/wst archive shop --why 'tried it out'", "archived")
        went_well(".venv/bin/wst unarchive shop", "inactive")
        assert list(lines) == [], "the page shows more than this test runs"
    assert tree.returncode == 0


#: Lines that go on until they are interrupted, and what they say.
_GO_ON: Final = {".venv/bin/wst events --follow": ("wst events --follow --since 1h", "shop")}
#: The embedded archive is open to one process: these want the tree ended, as the page says.
_ENDED: Final = re.compile(r"--data |--from archive")


@pytest.mark.engine
@pytest.mark.timeout(900)
def test_what_the_pages_show_works_on_a_tree_with_a_past_and_on_one_that_has_ended(home: Home, engine: DockerEngine) -> None:
    cookbook = (ROOT / "docs" / "sql-cookbook.md").read_text("utf-8")
    question = re.findall(r"```sql\n(.*?)```", cookbook, re.DOTALL)[0]
    (home.folder / "question.sql").write_text(question)
    lines = list(dict.fromkeys(line for page in _ON_A_TREE for line in _shown(page) if line != "make up"))
    with home.running(_make_up()):
        engine.run("shop-web", "sleep", "100000", options=("--label", "workspace.id=shop", "--network", "none"))
        wait_until(lambda: _sampled(home), "it is sampled", PATIENCE_S)
        engine.docker("rm", "--force", "shop-web")
        wait_until(lambda: '"inactive"' in home.run("wst status shop --json").said, "it ended", PATIENCE_S)
        for line in lines:
            if _ENDED.search(line) or line.startswith("export "):
                continue
            if line in _GO_ON:
                asked, word = _GO_ON[line]
                assert home.run_until(asked, word).status == 130
                continue
            _well(line, home.run(line.replace("http://127.0.0.1:8321", home.url)))
    named = [line for line in lines if line.startswith("export ")]
    for line in lines:
        if _ENDED.search(line):
            _well(line, home.run("; ".join([*named, line.replace("wst export all.tar", "wst export again.tar")])))


def _sampled(home: Home) -> bool:
    done = home.run("wst status shop --json")
    return done.status == 0 and json.loads(done.said)["metrics"]["memory_usage"] is not None


def _well(line: str, done: Done) -> None:
    assert done.status == 0, f"{line}: {done.said}"
    assert "Traceback" not in done.said, line


@pytest.mark.compose
def test_compose_lines_name_services_and_a_profile_that_are_there() -> None:
    """Run for real by `python -m tests.compose.stack`, which needs six minutes and images."""
    services = set(compose("--profile", "*", "config", "--services").stdout.split())
    profiles = set(compose("config", "--profiles").stdout.split())
    shown = {line for page in PAGES for line in lines_of(page) if line.startswith("docker compose")}
    assert len(shown) >= 8
    for line in shown:
        words = line.split()[2:]
        while words[0] == "--profile":
            assert words[1] in profiles, line
            words = words[2:]
        verb, *rest = words
        assert verb in ("up", "build", "exec"), line
        for option, word in zip(["", *rest], rest, strict=False):
            if option == "--scale":
                assert word.partition("=")[0] in services, line
            elif word.startswith("-"):
                assert word in ("--detach", "--wait", "--scale"), line
            else:
                assert word in services or (rest.index(word) > 0 and verb == "exec"), line
