"""How long a sync that is asked for takes, over a real engine with 30 containers, until its outcome is there for who asked.

    python -m benchmarks.forced_sync embedded      # wst up, asked by Tracker and by the command line
    python -m benchmarks.forced_sync kafka         # the parts on a real broker, asked by Tracker

From `force_sync()` to its answer: the engine listed, compared, and the `sync_complete` read back. The interval is ten minutes, so that no
listing comes by itself. Of the command line the whole run counts, Python's start included.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.latency import FORMS, embedded, kafka
from schemas.settings import Settings
from streams import Tracker
from tests.e2e.parts import wst
from tests.platform.engine import IMAGE, DockerEngine

CONTAINERS = 30
TIMES = 40
BY_COMMAND = 10


async def by_tracker(settings: dict[str, str], form: str) -> list[float]:
    """Seconds of each, by the Python library."""
    api = Settings(api=settings["WST_API"], _env_file=None)
    log = Settings(brokers=settings.get("WST_BROKERS", ""), topic_prefix=settings.get("WST_TOPIC_PREFIX", "wst."), _env_file=None)
    took = []
    async with Tracker(api if form == "embedded" else log) as tracker:
        await tracker.force_sync()
        for _ in range(TIMES):
            begun = time.perf_counter()
            (answer,) = await tracker.force_sync()
            took.append(time.perf_counter() - begun)
            assert answer.get("data", answer)["corrections"] == 0, answer
    return took


def by_command(settings: dict[str, str]) -> list[float]:
    """Seconds of each, by `wst sync`."""
    took = []
    for _ in range(BY_COMMAND):
        begun = time.perf_counter()
        wst("sync", settings=settings)
        took.append(time.perf_counter() - begun)
    return took


def show(what: str, took: list[float]) -> None:
    took = sorted(ms * 1000 for ms in took)
    print(f"{what}: {len(took)} syncs of {CONTAINERS} containers: median {statistics.median(took):.0f}, most {took[-1]:.0f} ms", flush=True)


def run(form: str) -> None:
    """Measures one form, and prints what was found."""
    with DockerEngine() as engine, tempfile.TemporaryDirectory() as folder:
        engine.docker("create", "--name", "first", IMAGE, "true")
        for number in range(CONTAINERS - 1):
            engine.run(f"c{number}", "sleep", "100000", options=("--label", f"com.docker.compose.project=p{number // 3}"))
        with (embedded if form == "embedded" else kafka)(engine, str(Path(folder) / "data"), WST_SYNC_INTERVAL="600s") as settings:
            time.sleep(5)  # the first sync is through, groups have settled
            show(f"{form}, Tracker", asyncio.run(by_tracker(settings, form)))
            if form == "embedded":
                show(f"{form}, wst sync", by_command(settings))


def main() -> None:
    """Runs the form that is named, or both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("form", nargs="?", choices=FORMS, help="both unless one is named")
    named = parser.parse_args().form
    for form in [named] if named else FORMS:
        run(form)


if __name__ == "__main__":
    main()
