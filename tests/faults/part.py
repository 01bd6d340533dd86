"""A part of wst in a process of its own that dies or stands still where it hurts most.

    python -m tests.faults.part worker state        # as `wst worker state`
    python -m tests.faults.part producer            # the real producer, over a made-up fleet

`WST_FAULT=kill:after-changelog:3` sends this process SIGKILL at the third passing of that point, `stop:…` SIGSTOP: then somebody
else has to send SIGCONT. What it did is a line in the file `WST_FAULT_NOTES`, written before.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from tests.faults import clock

#: Points by part, in the order in which a part passes them.
POINTS: Final = {
    "worker state": (
        "before-outputs", "after-outputs", "after-changelog", "after-commit", "in-recovery", "after-recovery", "revoked", "mid-slice",
    ),
    "worker usage": (
        "before-outputs", "after-outputs", "after-changelog", "after-commit", "in-recovery", "after-recovery", "revoked", "window-close",
    ),
    "sink": ("before-insert", "after-insert", "before-positions", "after-positions"),
    "producer": ("after-journal", "before-cursor", "after-cursor"),
}  # fmt: skip


class Points:
    """Counts passings, and strikes at the one that was asked for."""

    def __init__(self, fault: str, notes: Path, part: str) -> None:
        kind, _, rest = fault.partition(":")
        self._point, _, count = rest.partition(":")
        self._left = int(count or 1)
        self._number = signal.SIGSTOP if kind == "stop" else signal.SIGKILL
        self._notes = notes
        self._part = part

    def passed(self, point: str) -> None:
        """The process is at a point."""
        if point != self._point:
            return
        self._left -= 1
        if self._left == 0:
            with self._notes.open("a") as notes:
                notes.write(f"{self._number.name} {self._part.replace(' ', '-')} {point}\n")
            os.kill(os.getpid(), self._number)

    def around(self, owner: Any, name: str, before: str = "", after: str = "") -> None:
        """Makes an async method of a class pass points before and after its work."""
        work = getattr(owner, name)

        async def passing(*arguments: Any, **named: Any) -> Any:
            self.passed(before)
            result = await work(*arguments, **named)
            self.passed(after)
            return result

        setattr(owner, name, passing)

    def at(self, owner: Any, name: str, before: str, after: str = "", when: Callable[..., bool] = lambda *_: True) -> None:
        """Makes a method of a class pass points before and after its work, where `when` holds of its arguments."""
        work = getattr(owner, name)

        def passing(*arguments: Any, **named: Any) -> Any:
            if not when(*arguments):
                return work(*arguments, **named)
            self.passed(before)
            result = work(*arguments, **named)
            self.passed(after)
            return result

        setattr(owner, name, passing)


def script_worker(points: Points) -> None:
    """The steps of a commit, of a recovery, of a rebalance, and the middle of a slice."""
    from streams.agents import StateAgent
    from streams.lane.changelog import Changelog
    from streams.lane.committer import Committer
    from streams.lane.consumer import LaneConsumer
    from streams.usage_agent import UsageAgent

    points.around(Committer, "_settle", "before-outputs", "after-outputs")
    points.around(Changelog, "write", "", "after-changelog")
    points.around(LaneConsumer, "commit_copy", "", "after-commit")
    points.around(Changelog, "recover", "in-recovery", "after-recovery")
    points.around(LaneConsumer, "on_partitions_revoked", "revoked")
    points.at(StateAgent, "fold", "mid-slice")
    closes = lambda _agent, _state, outputs, *_cause: any(_is_final(each) for each in outputs)  # noqa: E731
    points.at(UsageAgent, "_publish", "window-close", when=closes)


def _is_final(output: Any) -> bool:
    return any(window["final"] for window in output["windows"])


def script_sink(points: Points) -> None:
    """The insert, and the positions after it."""
    from streams.sinks.clickhouse import ClickHouseSink
    from streams.sinks.source import GroupSource

    points.around(ClickHouseSink, "write", "before-insert", "after-insert")
    points.around(GroupSource, "commit", "before-positions", "after-positions")


def script_producer(points: Points) -> None:
    """The journal, and the cursor behind what the broker has taken."""
    from producers.outbox import Facts, KafkaOutlet

    points.around(KafkaOutlet, "publish", "", "after-journal")
    points.at(Facts, "_advance", "before-cursor", "after-cursor")


def run_producer() -> None:
    """The producer over a made-up fleet, whose history begins at the time that stands in a file."""
    from producers import app, log
    from producers.cli import _run
    from producers.engines import Given
    from schemas.settings import load_settings
    from tests.faults.traffic import made_up

    settings = load_settings()
    log.configure(settings.log_format)
    _run(app.run(settings, [Given(made_up(Path(os.environ["WST_FLEET"])), settings.engine_name, settings.engine_id)]))


def shorten_sessions(seconds: float) -> None:
    """A dead member is missed sooner: a campaign would else wait for the end of sessions most of its time."""
    import streams.app
    import streams.sinks.source

    lane = streams.app.cluster_lane
    streams.app.cluster_lane = lambda *given: replace(lane(*given), session_s=seconds)
    streams.sinks.source._SESSION_MS = round(seconds * 1000)  # type: ignore[misc]


def main() -> None:
    part = " ".join(sys.argv[1:])
    if path := os.environ.pop("WST_FAULT_CLOCK", ""):
        clock.follow(Path(path))
    if fault := os.environ.pop("WST_FAULT", ""):
        points = Points(fault, Path(os.environ["WST_FAULT_NOTES"]), part)
        scripts = {"sink": script_sink, "producer": script_producer}
        scripts.get(part, script_worker)(points)
    if session_s := os.environ.pop("WST_FAULT_SESSION_S", ""):
        shorten_sessions(float(session_s))
    if part == "producer":
        run_producer()
    else:
        from schemas.wst import main as wst

        wst()


if __name__ == "__main__":
    main()
