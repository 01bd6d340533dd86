"""How long `wst up` takes until it shows the first workspaces: on an empty directory, and on one with a long history.

    python -m benchmarks.start                     # 1,000,000 facts of 1,000 workspaces, on a real engine (as root)

Seconds from the command to the first workspace of the engine that the API shows, three containers of it. The facts are written into the
journal as a producer would have; the tree then runs until every reader has them all, ends, and is started again, three times.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from itertools import islice
from pathlib import Path
from urllib.request import urlopen

from benchmarks.fold_state import START_NS, events
from schemas import topics
from schemas.codec import codec
from schemas.journal import Journal
from schemas.publish import RecordMaker
from streams.embedded.readers import readers_by_topic
from tests.e2e.parts import Part
from tests.platform.engine import DockerEngine
from tests.platform.process import free_port, wait_until

PARTITIONS, CONTAINERS = 4, 3
_PATIENCE_S = 1_800.0
_FACTS = topics.DOCKER_EVENTS.full("wst.")


def shown(api: str) -> bool:
    """Whether the API shows a workspace of the engine."""
    try:
        with urlopen(f"{api}/api/v1/workspaces?q=idle", timeout=5) as answer:  # noqa: S310  # our own, on loopback
            return b"idle0" in answer.read()
    except OSError:
        return False


def start(what: str, folder: Path, engine: DockerEngine, *, until: str = "") -> None:
    """Starts the tree, prints how long the first workspaces took, and ends it; before that, once nothing waits any more."""
    api = f"http://127.0.0.1:{(port := free_port())}"
    begun = time.perf_counter()
    with Part(("up", "--port", str(port)), {"WST_DATA_DIR": str(folder), "WST_ENGINES": engine.url}):
        wait_until(lambda: shown(api), "the first workspaces", _PATIENCE_S)
        print(f"{what}: {time.perf_counter() - begun:.1f} s; load {os.getloadavg()[0]:.1f}", flush=True)
        if until:
            wait_until(lambda: is_read(folder), until, _PATIENCE_S)
            print(f"  all read after {time.perf_counter() - begun:.0f} s", flush=True)


def is_read(folder: Path) -> bool:
    """Whether every reader of the facts has all of them."""
    journal = Journal(folder / "journal.sqlite", PARTITIONS)
    try:
        have = {(cursor.consumer, cursor.partition): cursor.next_seq for cursor in journal.cursors() if cursor.topic == _FACTS}
        last = [journal.last_seq_of(_FACTS, partition) for partition in range(PARTITIONS)]
    finally:
        journal.close()
    return all(have.get((reader, n), 0) > last[n] for reader in readers_by_topic("wst.")[_FACTS] for n in range(PARTITIONS))


def write(folder: Path, facts: int) -> None:
    """Puts facts into the journal."""
    journal = Journal(folder / "journal.sqlite", PARTITIONS)
    decode, maker = codec("fact").decode, RecordMaker(topics.DOCKER_EVENTS, "wst.", "engine_event")
    made = enumerate(events(1_000, facts))
    while batch := list(islice(made, 20_000)):
        at_ms = START_NS // 10**6
        journal.append(
            [maker.of_encoded(decode(fact)["workspace_id"].encode(), fact, b"%d" % number, at_ms + number) for number, fact in batch]
        )
    journal.close()


def main() -> None:
    """Measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=int, default=1_000_000)
    given = parser.parse_args()
    with DockerEngine() as engine, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(CONTAINERS):
            engine.run(f"idle-{number}", "sleep", "100000", options=("--label", f"com.docker.compose.project=idle{number}"))
        start("first start, an empty directory", folder, engine)
        start("a later start", folder, engine)
        write(folder, given.facts)
        start(f"with {given.facts:,} facts that nobody has read", folder, engine, until="all to be read")
        for _ in range(3):
            start(f"with {given.facts:,} facts in the journal", folder, engine)


if __name__ == "__main__":
    main()
