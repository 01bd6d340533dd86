"""The usage fold in five ways of reading Kafka from Python: same schema, same fold, same check of values and outputs, one core each.

    python -m benchmarks.peers --install     # once: Quix Streams and Bytewax into build/peers, apart from the project's own packages
    python -m benchmarks.peers               # 500 workspaces × 4 containers; writes docs/pictures/peers.svg and prints the table
    python -m benchmarks.peers --kills 3     # instead: killed in mid-run, and what is lost or double then (`kills.py` here)

The lane, plain Faust (`benchmarks/lane_usage.py`), a bare aiokafka loop, Quix Streams and Bytewax (`workers.py` here) get a topic each,
filled alike, and run one after the other on the last core. `samples/s of a core` is samples by the process's CPU seconds, threads included.
Wherever a framework leaves a choice it was made in its favour: states stay objects, a commit a second, large producer batches.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.lane_usage import (
    CONTAINERS,
    LANE,
    PARTITIONS,
    PLAIN,
    STATS,
    USAGE,
    Expected,
    bench,
    changelog,
    check,
    fill,
    of_the_fold,
    read,
)
from benchmarks.peers.kills import Damage, Victim, compare, suffer
from benchmarks.peers.kills import table as damage_table
from benchmarks.peers.workers import BARE, BYTEWAX, QUIX, bytewax_values, quix_values
from schemas import topics

ROOT: Final = Path(__file__).resolve().parents[2]
INSTALLED: Final = ROOT / "build" / "peers"
WANTED: Final = ("quixstreams>=3.28,<4", "bytewax==0.21.1")
PICTURE: Final = ROOT / "docs" / "pictures" / "peers.svg"
NAMES: Final = {LANE: "wst, batch lane", BARE: "bare aiokafka loop", BYTEWAX: "Bytewax", QUIX: "Quix Streams", PLAIN: "plain Faust"}


def install() -> None:
    """Puts the two frameworks into a folder of their own: their wishes for other packages need not be ours."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", "--target", str(INSTALLED), *WANTED]
    subprocess.run(command, check=True)


def environment(kind: str) -> dict[str, str]:
    """What a worker's process needs to find its framework."""
    return {"PYTHONPATH": str(INSTALLED)} if kind in (QUIX, BYTEWAX) else {}


def measure(kind: str, bootstrap: str, ticks: int, folder: Path) -> dict[str, Any]:
    """Runs a peer on the last core and returns what it measured."""
    last_core = max(os.sched_getaffinity(0))
    command = [sys.executable, "-m", "benchmarks.peers.workers", kind, bootstrap, str(ticks), str(folder)]
    pin: Callable[[], None] = lambda: os.sched_setaffinity(0, {last_core})  # noqa: E731
    more = os.environ | environment(kind)
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1_800, preexec_fn=pin, env=more, cwd=ROOT)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        sys.exit(f"{kind} failed ({done.returncode}):\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def values(kind: str, bootstrap: str, folder: Path) -> dict[bytes, bytes]:
    """What a worker left as its durable state, by workspace."""
    if kind == QUIX:
        return quix_values(bootstrap)
    if kind == BYTEWAX:
        return bytewax_values(folder)
    return {message.key(): message.value() for message in read(bootstrap, changelog(kind))}


def check_peer(kind: str, bootstrap: str, folder: Path, expected: Expected) -> None:
    """Exactly what is asked of the lane: each value as the reference has it, each output once at least."""
    if kind == BARE:
        check(bootstrap, kind, expected)
        return
    durable = values(kind, bootstrap, folder)
    wrong = [key for key, value in expected.values() if key not in durable or of_the_fold(durable[key]) != value]
    assert not wrong, f"{len(wrong)} of {len(durable)} values differ"
    ids = {dict(message.headers())["wst-id"] for message in read(bootstrap, USAGE.full(f"{kind}."))}
    assert ids == expected.ids, (
        f"of {len(expected.ids)} outputs {len(expected.ids - ids)} are missing; {len(ids - expected.ids)} are others"
    )


def prepare(kind: str, bootstrap: str, create: Callable[[str], None], workspaces: int, ticks: int) -> Expected:
    """Topics of a kind, filled with a fleet's ticks."""
    written = (USAGE, topics.WORKSPACE_CHANGES, topics.DOCKER_EVENTS, topics.DEAD_LETTERS)
    for topic in (*(each.full(f"{kind}.") for each in (STATS, *written)), changelog(kind)):
        create(topic)
    print(f"{kind}: {workspaces:,} workspaces × {CONTAINERS} containers × {ticks} ticks")
    return fill(bootstrap, kind, workspaces, ticks)


def kill(kind: str, bootstrap: str, create: Callable[[str], None], asked: argparse.Namespace) -> Damage:
    """One worker killed in mid-run, several times."""
    expected = prepare(kind, bootstrap, create, asked.workspaces, asked.ticks)
    with tempfile.TemporaryDirectory(prefix="wst-peer-") as folder:
        victim = Victim(kind, bootstrap, Path(folder), environment(kind), has_group=kind != BYTEWAX)
        try:
            away_s = suffer(victim, expected, asked.kills)
        finally:
            victim.close()
        damage = compare(kind, bootstrap, values(kind, bootstrap, Path(folder)), expected)
    damage.away_s = away_s
    print(f"  {damage}")
    return damage


def bench_peer(kind: str, bootstrap: str, create: Callable[[str], None], workspaces: int, ticks: int) -> float:
    """One peer over a fleet's ticks; returns samples by CPU second."""
    expected = prepare(kind, bootstrap, create, workspaces, ticks)
    with tempfile.TemporaryDirectory(prefix="wst-peer-") as folder:
        found = measure(kind, bootstrap, expected.ticks, Path(folder))
        check_peer(kind, bootstrap, Path(folder), expected)
    samples = expected.ticks * CONTAINERS
    print(
        f"  {samples / found['cpu_s']:,.0f} samples/s of a core ({found['cpu_s'] / samples * 1e6:.2f} µs each), "
        f"{samples / found['wall_s']:,.0f} by the clock, {found['peak_mb']:,} MB at most; values and outputs equal the reference"
    )
    return float(samples / found["cpu_s"])


def table(found: dict[str, float]) -> Iterator[str]:
    """Markdown, best first."""
    yield "| on one core | samples/s | the lane does |"
    yield "|---|---|---|"
    for kind, rate in sorted(found.items(), key=lambda pair: -pair[1]):
        yield f"| {NAMES[kind]} | {rate:,.0f} | {found[LANE] / rate:.1f} × |"


def plot(found: dict[str, float]) -> str:
    """Bars as SVG: no tool needed to look at it, nothing to install to make it."""
    ordered = sorted(found.items(), key=lambda pair: -pair[1])
    most, height = ordered[0][1], 30
    bars = []
    for number, (kind, rate) in enumerate(ordered):
        top, width = 10 + number * height, 420 * rate / most
        bars.append(
            f'<text x="150" y="{top + 15}" text-anchor="end">{NAMES[kind]}</text>'
            f'<rect x="160" y="{top}" width="{width:.0f}" height="20" fill="{"#2563a8" if kind == LANE else "#9aa7b4"}"/>'
            f'<text x="{168 + width:.0f}" y="{top + 15}">{rate:,.0f}</text>'
        )
    size = 20 + height * len(ordered)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 660 {size}" font-family="sans-serif" font-size="13">'
        f'<title>Samples folded a second on one core</title><rect width="660" height="{size}" fill="#fff"/>{"".join(bars)}</svg>\n'
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--install", action="store_true", help="install Quix Streams and Bytewax into build/peers, and end")
    parser.add_argument("--workspaces", type=int, default=500)
    parser.add_argument("--ticks", type=int, default=60)
    parser.add_argument("--kills", type=int, default=0, help="kill each that many times in mid-run, and see what is lost or double")
    parser.add_argument("--only", nargs="*", choices=list(NAMES), default=list(NAMES))
    asked = parser.parse_args()
    if asked.install:
        install()
        return
    if not INSTALLED.is_dir() and {QUIX, BYTEWAX} & set(asked.only):
        sys.exit("Quix Streams and Bytewax are not installed: python -m benchmarks.peers --install")
    from tests.platform.kafka import KafkaBroker

    found: dict[str, float] = {}
    damage: dict[str, Damage] = {}
    with KafkaBroker({"log.retention.hours": "-1", "auto.create.topics.enable": "false"}) as broker:
        create = lambda name: broker.create_topic(name, PARTITIONS, max_message_bytes="17000000")  # noqa: E731
        for kind in asked.only:
            if asked.kills:
                damage[kind] = kill(kind, broker.bootstrap, create, asked)
            elif kind in (LANE, PLAIN):
                found[kind] = bench(broker.bootstrap, create, kind, asked.workspaces, asked.ticks)
            else:
                found[kind] = bench_peer(kind, broker.bootstrap, create, asked.workspaces, asked.ticks)
    if damage:
        print("\n".join(damage_table(damage, NAMES, asked.kills, asked.workspaces)))
    if LANE in found:
        print("\n".join(table(found)))
        PICTURE.write_text(plot(found))
        print(f"Written: {PICTURE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
