"""The command line as its users see it: output, exit statuses, one line for whatever is wrong."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from schemas.wst import run
from streams.cli.config import UNKNOWN
from streams.cli.times import parse_time
from tests.face.api_parts import Served, served, whole_event, whole_state
from tests.platform.process import PATIENCE_S
from tests.sinks.records import HOSTILE, T0_NS, event

SHOP = whole_state("shop@laptop")
BLOG = whole_state("blog@laptop", workspace_name="blog", status="inactive", condition="failing", running=0, reason="web-1 was killed (OOM)")


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def wst(*arguments: str, **settings: str) -> Done:
    """Runs a command in this process, in an environment without other settings."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("WST_", "DOCKER_"))}
    said, complained = io.StringIO(), io.StringIO()
    with mock.patch.dict(os.environ, ours | {"COLUMNS": "160", "TZ": "Asia/Seoul"} | settings, clear=True):
        time.tzset()
        try:
            with redirect_stdout(said), redirect_stderr(complained):
                status = run([*arguments])
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
    time.tzset()
    return Done(status, said.getvalue(), complained.getvalue())


def wst_process(*arguments: str, **settings: str) -> Done:
    """Runs a command as its users do."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("WST_", "DOCKER_"))}
    done = subprocess.run(
        [sys.executable, "-m", "schemas.wst", *arguments],
        env=ours | settings,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def api() -> Iterator[Served]:
    events = tuple(event(seq, at_ns=T0_NS + seq * 10**9) for seq in range(1, 5))
    with served(SHOP, BLOG, whole_state("shop@server"), events=events) as serving:
        yield serving


def test_status_shows_what_is_failing_first(api: Served) -> None:
    done = wst("status", WST_API=api.url)
    lines = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert lines[0].split()[:3] == ["WORKSPACE", "STATUS", "CONDITION"]
    assert [line.split()[0] for line in lines[1:4]] == ["blog@laptop", "shop@laptop", "shop@server"]
    assert "web-1 was killed (OOM)" in lines[1]
    assert lines[4] == "3 workspaces: 2 active, 1 inactive, 1 failing"


def test_status_for_programs_is_a_list_and_of_one_workspace_an_object(api: Served) -> None:
    listed = json.loads(wst("status", "--json", WST_API=api.url).stdout)
    assert [state["workspace_id"] for state in listed] == ["blog@laptop", "shop@laptop", "shop@server"]
    assert json.loads(wst("status", "blog", "--json", WST_API=api.url).stdout) == listed[0]


def test_status_of_one_workspace_shows_its_containers_and_times_with_offset(api: Served) -> None:
    done = wst("status", "blog", WST_API=api.url)
    assert "+09:00" in done.stdout
    assert "web-1 (img:1 on laptop): running" in done.stdout


@pytest.mark.parametrize("name", [".", ".."])
def test_a_workspace_whose_name_reads_like_a_path_is_found_by_it(name: str) -> None:
    with served(whole_state("odd@laptop", workspace_name=name)) as odd:
        assert json.loads(wst("status", name, "--json", WST_API=odd.url).stdout)["name"] == name


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("status", "none"), 1, "there is no workspace 'none'"),
        (("status", "shop"), 1, "'shop' is the name of 2 workspaces: shop@laptop, shop@server"),
        (("events", "--type", "nonsense"), 2, "type: 'nonsense' is none of"),
        (("events", "--since", "whenever"), 2, "'whenever' is no time; write it as 2h, 2h ago, yesterday 14:00"),
        (("nonsense",), 2, "No such command 'nonsense'"),
        (("status", "--nonsense"), 2, "No such option"),
        (("up", "--demo", "--engine", "unix:///x"), 2, "--engine, --demo and --recording exclude each other"),
        (("up", "--port", "99999"), 2, "99999 is not in the range"),
        (("up", "--demo", "--duration", "nan"), 2, "nan is no number"),
        (("up", "--demo", "--duration", "inf"), 2, "inf is no number"),
        (("up", "--demo", "--duration", "-1"), 2, "-1.0 is not in the range"),
        (("up", "--demo", "--speed", "nan"), 2, "nan is no number"),
        (("up", "--recording", "/nowhere"), 2, "does not exist"),
    ],
)
def test_whatever_is_wrong_is_one_line_and_an_exit_status(api: Served, arguments: tuple[str, ...], status: int, said: str) -> None:
    done = wst(*arguments, WST_API=api.url)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert done.stderr.startswith("wst: ")
    assert len(done.stderr.splitlines()) == 1


def test_without_an_api_the_status_is_3_and_the_line_says_what_to_start() -> None:
    for command in (("status",), ("events",), ("events", "--json"), ("status", "x", "--json")):
        done = (wst_process if command == ("status",) else wst)(*command, WST_API="http://127.0.0.1:1")
        assert (done.returncode, done.stdout) == (3, "")
        assert done.stderr.startswith("wst: no API answers at http://127.0.0.1:1 (")
        assert done.stderr.endswith("start `wst up` or `wst api`, or set WST_API\n")


def test_something_else_on_the_port_is_not_taken_for_our_api(tmp_path: Path) -> None:
    server = subprocess.Popen(
        [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert server.stdout is not None
        port = server.stdout.readline().split(b"port ")[1].split()[0].decode()
        done = wst("status", WST_API=f"http://127.0.0.1:{port}")
    finally:
        server.kill()
        server.communicate()
    assert (done.returncode, done.stdout) == (3, "")
    assert "is no API of wst" in done.stderr


def test_a_wrong_setting_is_named_and_a_secret_is_not_shown() -> None:
    done = wst("status", WST_COLLECT_INTERVAL="often")
    assert done.returncode == 2
    assert done.stderr.startswith("wst: WST_COLLECT_INTERVAL = 'often' makes no sense")
    assert wst("status", WST_API="ftp://x").returncode == 2
    shown = wst("config", WST_API_TOKEN="geheim", WST_CLICKHOUSE_URL="http://me:pass@host:8123/?password=x")
    assert shown.returncode == 0
    assert "geheim" not in shown.stdout + shown.stderr
    assert "pass" not in shown.stdout.replace("password", "").replace("passwor", "")
    assert "(hidden)@host:8123" in shown.stdout


def test_config_shows_no_password_of_any_address() -> None:
    told = {
        "WST_SCHEMA_REGISTRY_URL": "http://me:geheim@registry:8081",
        "WST_ENGINES": "tcp://me:geheim@h:1 build=tcp://me:geheim@build:2",
        "WST_API": "http://me:geheim@far:8321",
    }
    for arguments in (("config",), ("config", "--json")):
        shown = wst(*arguments, **told).stdout
        assert "geheim" not in shown
        assert all(host in shown for host in ("***@registry:8081", "tcp://***@h:1", "***@build:2", "***@far:8321"))
    assert "geheim" not in wst("status", WST_API="http://me:geheim@127.0.0.1:1").stderr


def test_a_variable_that_is_no_setting_is_shown_without_its_value_and_told_when_a_tree_starts() -> None:
    shown = {row["name"]: row for row in json.loads(wst("config", "--json", WST_API_TOKN="geheim").stdout)}
    assert shown["WST_API_TOKN"] == {"name": "WST_API_TOKN", "value": "", "from": "WST_API_TOKN", "description": UNKNOWN}
    assert UNKNOWN in wst("config", WST_API_TOKN="geheim").stdout
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = wst("up", "--demo", "--port", str(taken.getsockname()[1]), WST_COLECT_INTERVAL="5s")
    assert done.stderr.splitlines()[0] == (
        "wst: warning: no setting of wst, so without effect: WST_COLECT_INTERVAL (`wst config` lists them all)"
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 2)


def test_config_tells_where_each_value_comes_from(tmp_path: Path) -> None:
    (tmp_path / "wst").mkdir()
    (tmp_path / "wst" / "wst.toml").write_text('engine_name = "laptop"\n')
    shown = {row["name"]: row for row in json.loads(wst("config", "--json", XDG_CONFIG_HOME=str(tmp_path), WST_SYNC_INTERVAL="1m").stdout)}
    assert (shown["WST_ENGINE_NAME"]["value"], shown["WST_ENGINE_NAME"]["from"]) == ("laptop", str(tmp_path / "wst" / "wst.toml"))
    assert (shown["WST_SYNC_INTERVAL"]["value"], shown["WST_SYNC_INTERVAL"]["from"]) == ("60", "WST_SYNC_INTERVAL")
    assert shown["WST_COLLECT_INTERVAL"]["from"] == "default"


def test_events_show_the_oldest_first_and_for_programs_one_object_a_line(api: Served) -> None:
    lines = wst("events", "--json", "--since", "3d", WST_API=api.url).stdout.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == [1, 2, 3, 4]
    assert [json.loads(line)["seq"] for line in wst("events", "--json", WST_API=api.url).stdout.splitlines()] == [1, 2, 3, 4]
    plain = wst("events", "--workspace", "shop@laptop", "--type", "status_changed", WST_API=api.url).stdout.splitlines()
    assert len(plain) == 4
    assert "status_changed" in plain[0]
    assert "shop@laptop" in plain[0]


def test_events_follow_what_comes_each_once(api: Served) -> None:
    following = subprocess.Popen(
        [sys.executable, "-m", "schemas.wst", "events", "--follow", "--json", "--since", "3d"],
        env=os.environ | {"WST_API": api.url},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert following.stdout is not None
        seen = [json.loads(following.stdout.readline())["seq"] for _ in range(4)]
        api.call(lambda: api.live.recent.add(whole_event(4)))
        api.call(lambda: api.live.recent.add(whole_event(5)))
        seen.append(json.loads(following.stdout.readline())["seq"])
        assert seen == [1, 2, 3, 4, 5]
    finally:
        following.kill()
        following.communicate()


@pytest.mark.parametrize("command", [("status", "--watch"), ("status", "--watch", "--json"), ("events", "--follow")])
def test_ctrl_c_ends_what_goes_on_without_a_traceback(api: Served, command: tuple[str, ...]) -> None:
    watching = subprocess.Popen(
        [sys.executable, "-u", "-m", "schemas.wst", *command],
        env=os.environ | {"WST_API": api.url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert watching.stdout is not None
    assert watching.stdout.readline()
    watching.send_signal(signal.SIGINT)
    _, complaint = watching.communicate(timeout=PATIENCE_S)
    assert (watching.returncode, complaint.strip()) == (130, "")


def test_a_reader_that_goes_away_gets_no_complaint(api: Served) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as gone:
        done = subprocess.run(
            [sys.executable, "-m", "schemas.wst", "events", "--json", "--since", "3d"],
            env=os.environ | {"WST_API": api.url},
            stdout=gone,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.stderr == ""


def hostile_state() -> dict[str, Any]:
    name = HOSTILE + "[bold]x[/bold] [link=http://evil]y[/link] :smile: \u202egnp.exe \x9b31m"
    return whole_state("evil@laptop", workspace_name=name, reason=name, labels={name: name}, last_error=name)


def test_hostile_names_reach_the_terminal_as_visible_text() -> None:
    with served(hostile_state(), events=(event(1, message=HOSTILE, workspace_id="evil@laptop"),)) as serving:
        for command in (("status",), ("status", "evil@laptop"), ("events",)):
            # As a terminal would get it: with colours, which must be ours alone.
            said = wst(*command, WST_API=serving.url, FORCE_COLOR="1").stdout
            plain = wst(*command, WST_API=serving.url, NO_COLOR="1", TERM="dumb").stdout
            assert "\\x1b[31m" in plain.replace("\n", "")
            assert not any(ord(char) < 32 and char != "\n" for char in plain)
            assert "\x9b" not in said + plain
            assert "\u202e" not in said + plain
            assert "\x1b[31m<script" not in said
        whole = wst("status", "evil@laptop", WST_API=serving.url, COLUMNS="2000").stdout
        assert "[bold]x[/bold] [link=http://evil]y[/link] :smile:" in whole


def test_an_error_line_shows_control_characters_instead_of_obeying_them(api: Served) -> None:
    done = wst("status", "a\x1b[2Jb\nc", WST_API=api.url)
    assert done.returncode == 1
    assert "\x1b" not in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_help_is_quick_names_every_command_and_each_has_an_example() -> None:
    done = wst("--help")
    assert done.returncode == 0
    for name in ("up", "status", "events", "doctor", "config", "topics", "api"):
        assert f"\n  {name} " in done.stdout
        assert f"Example: {'' if name != 'api' else 'WST_API_HOST=0.0.0.0 '}" in wst(name, "--help").stdout
    for hidden in ("broker", "serve"):
        assert f"\n  {hidden} " not in done.stdout


def test_help_imports_nothing_heavy() -> None:
    heavy = ("faust", "aiokafka", "docker", "chdb", "pandas", "fastapi", "confluent_kafka", "clickhouse_connect", "pydantic", "rich")
    code = f"import sys; from schemas.wst import run; run(['--help']); print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_command_whose_extra_is_missing_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['rich'] = None; sys.modules['confluent_kafka'] = None; from schemas.wst import run; "
        "sys.exit(run(sys.argv[1:]))"
    )
    for arguments, extra in ((["config"], "streams"), (["broker"], "embedded")):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            env=os.environ | {"WST_JOURNAL": "/tmp/wst-test-of-missing/journal.sqlite", "WST_DATA_DIR": "/tmp/wst-test-of-missing"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert done.stderr.startswith("wst: ")
        assert f"pip install 'workspace-status[{extra}]'" in done.stderr


NOW = datetime(2026, 3, 5, 15, 30, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2h", NOW - timedelta(hours=2)),
        ("2h ago", NOW - timedelta(hours=2)),
        ("90s", NOW - timedelta(seconds=90)),
        (" 5m ago ", NOW - timedelta(minutes=5)),
        ("yesterday 14:00", "2026-03-04 14:00"),
        ("today 09:05", "2026-03-05 09:05"),
        ("14:00:01", "2026-03-05 14:00:01"),
        ("yesterday", "2026-03-04"),
        ("2026-01-31", "2026-01-31"),
        ("2026-01-31T12:00:00+01:00", datetime.fromisoformat("2026-01-31T12:00:00+01:00")),
        ("2026-01-31T12:00:00Z", datetime(2026, 1, 31, 12, tzinfo=UTC)),
    ],
)
def test_times_are_read_as_people_write_them(text: str, expected: datetime | str) -> None:
    assert parse_time(text, NOW) == (datetime.fromisoformat(expected).astimezone() if isinstance(expected, str) else expected)


@pytest.mark.parametrize("text", ["", "soon", "25:00", "yesterday 9", "tomorrow 10:00", "2026-13-01", "1e400h", "-2h"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_time(text, NOW)
