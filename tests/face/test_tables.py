"""The table of workspaces: whole in a pipe; in a terminal the name and the reason give way to the figures."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from streams.cli import tables, top, trend
from streams.query.present import state_json
from tests.face.api_parts import served, whole_state
from tests.face.test_cli import wst
from tests.platform.process import PATIENCE_S

NAME, REASON = "a-very-long-name-of-a-workspace-as-compose-makes-them@laptop", "web-1 was killed (OOM), " * 30 + "as its log says"
NOW = datetime(2026, 3, 5, 15, 30, 20, tzinfo=UTC)
MIB = 1 << 20


def wide_state() -> dict[str, Any]:
    """A workspace whose figures are as wide as figures get."""
    state = state_json(whole_state(NAME, reason=REASON, running=100, total=128))
    since = (NOW - timedelta(days=365, hours=23)).isoformat()
    return state | {"status_since": since, "metrics": {"cpu_percent": 1234.5, "memory_usage": 1023.9 * (1 << 20)}}


def drawn(width: int | None) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=width or 10_000, color_system=None)
    console.print(tables.workspaces([wide_state()], width, now=NOW))
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("width", [70, 80, 120, 200])
def test_in_a_terminal_the_figures_stay_whole_and_the_name_gives_way(width: int) -> None:
    header, line = drawn(width)
    assert max(len(header), len(line)) <= width
    name, status, condition, rest = line.split(maxsplit=3)
    assert NAME.startswith(name.removesuffix("…"))
    assert len(name) >= 6
    assert (status, condition) == ("active", "ok")
    assert rest.startswith("100/128  1234.5 %  1023.9 MiB  365d 23h")


def test_without_a_terminal_nothing_is_cut() -> None:
    assert drawn(None)[1] == f"{NAME}  active  ok         100/128  1234.5 %  1023.9 MiB  365d 23h  {REASON}"


def printed(show: Any, said: dict[str, Any], width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """What a terminal of that width is shown."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    show(said)
    return re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)


TOP = {
    "since": "2026-03-05T14:00:00Z", "until": "2026-03-05T15:00:00Z", "by": "memory",
    "workspaces": [{
        "workspace_id": NAME, "cpu_percent_mean": 1234.5, "cpu_percent_p95": 2345.6, "cpu_percent_max": 3456.7,
        "memory_used_bytes_mean": 1001.1 * MIB, "memory_used_bytes_p95": 1002.2 * MIB, "memory_used_bytes_max": 1003.3 * MIB,
        "network_bytes": 1004.4 * MIB, "disk_bytes": 1005.5 * MIB, "peak": None,
    }],
}  # fmt: skip
TREND = {
    "days": 30, "zone": "UTC",
    "trends": [{
        "workspace_id": NAME, "use": {"cpu_percent_mean": 1234.5, "memory_used_bytes_mean": 1001.1 * MIB},
        "slope": {"cpu_percent_per_day": -12.5, "memory_used_bytes_per_day": 1002.2 * MIB},
        "week_over_week": {"cpu_percent": {"change_percent": 150.0}, "memory_used_bytes": {"change_percent": -50.5}},
        "time_in_state": {"active_ratio": 0.5}, "busiest_hours": [{"hour": 9}, {"hour": 14}],
    }],
}  # fmt: skip


@pytest.mark.parametrize("width", [60, 80, 110, 200])
@pytest.mark.parametrize(
    ("show", "said", "kept", "last"),
    [
        (top._show, TOP, ["1001.1 MiB"], ["1234.5 %", "2345.6 %", "3456.7 %", "1002.2 MiB", "1003.3 MiB", "1004.4 MiB", "1005.5 MiB"]),
        (trend._show, TREND, ["1234.5 %", "1001.1 MiB"], ["-12.5 %", "+150.0 %", "+1002.2 MiB", "-50.5 %", "50%", "09h, 14h"]),
    ],
)
def test_the_figures_of_top_and_trend_are_whole_or_said_to_be_left_out(
    show: Any, said: Any, kept: list[str], last: list[str], width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(show, said, width, monkeypatch, capsys)
    (line,) = [each for each in text.splitlines() if each.startswith(NAME[:6])]
    assert len(line.rstrip()) <= width
    assert len(line.split()[0]) >= min(len(NAME), 10)
    assert [figure for figure in kept if figure not in line] == []
    assert "…" not in line.split(maxsplit=1)[1]
    whole = [figure for figure in last if figure in line]
    assert ("no room here for" in text) == (len(whole) < len(last))
    if width == 200:
        assert whole == last


def test_a_pipe_gets_names_and_reasons_whole_whatever_width_a_shell_has_set() -> None:
    with served(whole_state(NAME, reason=REASON, last_error=REASON)) as serving:
        listed = wst("status", WST_API=serving.url, COLUMNS="80").stdout.splitlines()
        one = wst("status", NAME, WST_API=serving.url, COLUMNS="80").stdout.splitlines()
    assert listed[1].startswith(f"{NAME}  active")
    assert listed[1].rstrip().endswith(REASON)
    assert [line.rstrip().endswith(REASON) for line in one if line.startswith(("why", "last error"))] == [True, True]


def test_a_terminal_that_watches_is_shown_what_fits_and_how_many_more_there_are() -> None:
    states = [whole_state(f"ws-{number:03}@laptop") for number in range(100)]
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("WST_", "COLUMNS", "LINES"))}
    with served(*states) as serving:
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        watching = subprocess.Popen(
            [sys.executable, "-m", "schemas.wst", "status", "--watch"],
            env=ours | {"WST_API": serving.url, "TERM": "xterm"}, stdin=slave, stdout=slave, stderr=slave,
        )  # fmt: skip
        os.close(slave)
        said = b""
        try:
            while b"100 workspaces" not in said:
                said += os.read(master, 65_536)
        finally:
            watching.send_signal(signal.SIGINT)
            watching.wait(PATIENCE_S)
            os.close(master)
    assert watching.returncode == 130
    assert b"and 80 more" in said
    assert said.partition(b"100 workspaces")[0].count(b"@laptop") == 20
