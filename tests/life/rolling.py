"""A rolling upgrade, rehearsed: the parts of an earlier commit are replaced one by one while everything goes on, and the checker judges.

    python -m tests.life.rolling b00b342 [--seconds 12] [--seed 1]

On a real broker and the HTTP test server with ClickHouse's engine, over a made-up fleet. The order is that of `docs/cluster.md`: archive,
readers, workers, producer; on the way workers of both versions share their groups, and the new ones die once, so that the old take over
what the new have written. The commit needs `tests/faults/part.py`, which all since 30 November 2026 have.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from producers.fleet import FleetPlan
from tests.e2e.parts import clean_environment
from tests.faults import checker
from tests.faults.campaign import where
from tests.faults.keeper import Archive, Broker, FaultPart
from tests.faults.site import Site, log_of
from tests.platform.process import ROOT

#: Ticks a second of the workspaces whose hours pass quickly.
_TICKS: Final = 60


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """The code of a commit in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="wst-rolling-") as folder:
        code = Path(folder) / "code"
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", str(code), commit], cwd=ROOT, check=True)
        try:
            yield code
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(code)], cwd=ROOT, check=True)


class OldPart(FaultPart):
    """A part that runs the code in a folder."""

    code = ROOT

    def _command(self) -> Sequence[str]:
        # Python finds modules where it was started before anywhere else, and so do the processes it starts.
        _, *rest = super()._command()
        return ["env", f"--chdir={self.code}", f"PYTHONPATH={self.code}", *rest]


class RollingSite(Site):
    """A cluster whose parts begin as those of an earlier commit."""

    code = ROOT

    def prepare(self) -> None:
        """Makes topics and tables, or brings them forward, with the version that is being started now."""
        env = clean_environment(self.settings) | {"PYTHONPATH": str(self.code)}
        for arguments in (("topics", "apply"), ("migrate",)):
            subprocess.run([sys.executable, "-m", "schemas.wst", *arguments], cwd=self.code, env=env, check=True, stdout=subprocess.DEVNULL)

    def make_part(self, arguments: tuple[str, ...], settings: dict[str, str]) -> FaultPart:
        """A part of the version that is being started now."""
        if self.code == ROOT:
            return FaultPart(arguments, settings)
        part = OldPart(arguments, settings)
        part.code = self.code
        return part

    def replace(self, name: str) -> None:
        """Ends a part in good order, and starts today's in its place, with its folder."""
        self.drop(name)
        self.add(name, self._parts()[name])


def roll(site: RollingSite, old: Path, go_on: Callable[[str], None]) -> None:
    """All the steps; between them traffic goes on."""
    site.code = old
    site.begin()
    go_on("everything old")
    site.code = ROOT
    site.prepare()
    for name in ("sink 1", "sink 2", "api"):
        site.replace(name)
    go_on("new archive and readers")
    for name in ("worker state 1", "worker usage 1"):
        site.replace(name)
    go_on("old and new workers in one group")
    for name in ("worker state 1", "worker usage 1"):
        site.keepers[name].kill(time.monotonic(), 8.0)
    go_on("the new workers died, the old took over, the new came back")
    for name in ("worker state 2", "worker usage 2"):
        site.replace(name)
    go_on("all workers new")
    site.replace("producer")
    go_on("everything new")
    site.settle()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit")
    parser.add_argument("--seconds", type=float, default=12.0, help="between two steps")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--logs", type=Path, help="folder for the parts' logs")
    asked = parser.parse_args()
    began = time.monotonic()
    plan = FleetPlan(seed=asked.seed, seconds=asked.seconds * 6 + 60)
    with ExitStack() as stack:
        old = stack.enter_context(checked_out(asked.commit))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="wst-rolling-"))
        broker, archive = stack.enter_context(Broker()), stack.enter_context(Archive())
        site = RollingSite([broker], archive, f"rolling{time.time_ns() % 10**9}", Path(folder), plan)

        def go_on(what: str) -> None:
            until = time.monotonic() + asked.seconds
            while (left := until - time.monotonic()) > 0:
                site.look()
                for _ in range(_TICKS // 10):
                    site.hours.step()
                time.sleep(min(0.1, left))
            print(f"{time.monotonic() - began:6.0f} s  {what}", flush=True)  # noqa: T201

        try:
            roll(site, old, go_on)
            report = checker.check(where(site))
        finally:
            for name, keeper in site.keepers.items():
                print(f"{name}: ended by itself {dict(keeper.ends)}" if keeper.ends else f"{name}: as it was told", flush=True)  # noqa: T201
                if asked.logs:
                    (asked.logs / f"{name.replace(' ', '-')}.log").write_text(log_of(keeper.part))
            site.close()
    print(", ".join(f"{count:,} {what}" for what, count in report.compared.items()))  # noqa: T201
    print("\n".join(report.differences) or "nothing lost, nothing double, order kept")  # noqa: T201
    return int(bool(report.differences))


if __name__ == "__main__":
    sys.exit(main())
