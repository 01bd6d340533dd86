"""Feeds every decoder and parser with broken input, and ends with the first that does more than refuse it.

    python -m tests.fuzz.campaign --inputs 10000000 --seed 1         # what `make fuzz` runs
    python -m tests.fuzz.campaign --inputs 1000 --seed 1 --only tick

An input is chosen by seed and number alone: what the report names is made again by the same seed.
"""

from __future__ import annotations

import argparse
import random
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from tests.fuzz.targets import Target, all_targets

#: Inputs between two looks at the clock.
_BATCH: Final = 1_000
#: A batch that takes longer hangs, s; on an idle machine one takes a tenth of a second.
_HANGS_S: Final = 120
#: All the memory that this process may have beyond what it had at the start, bytes.
_MEMORY: Final = 1 << 30
_SAY_EVERY_S: Final = 60.0


class Hang(BaseException):
    """An input took too long."""


def _hang(*_: Any) -> None:
    raise Hang


def fuzz(targets: Sequence[Target], seed: int, inputs: int) -> tuple[Counter[str], str]:
    """Runs so many inputs; returns how many each target took, and how many it refused, and what went wrong, empty: nothing."""
    counted: Counter[str] = Counter()
    chosen = [target for target in targets for _ in range(target.weight)]
    signal.signal(signal.SIGALRM, _hang)
    said_s = time.monotonic()
    done = 0
    while done < inputs:
        draw = random.Random(f"{seed}.{done}")
        target = draw.choice(chosen)
        count = min(_BATCH if target.weight > 4 else _BATCH // 50, inputs - done)
        value: Any = None
        signal.alarm(_HANGS_S)
        try:
            for _ in range(count):
                value = target.make(draw)
                try:
                    target.run(value)
                except target.may_raise:
                    counted[f"{target.name}: refused"] += 1
        except (Exception, Hang) as error:
            return counted, f"{target.name}: {type(error).__name__}: {str(error)[:300]}, of {value!r:.2000}, batch {seed}.{done}"
        finally:
            signal.alarm(0)
        counted[target.name] += count
        done += count
        if time.monotonic() - said_s > _SAY_EVERY_S:
            said_s = time.monotonic()
            sys.stderr.write(f"{done:,} inputs\n")
    return counted, ""


def bound_memory() -> None:
    """An input that makes a decoder ask for far more than a record explains ends in MemoryError, which no target may raise."""
    has = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (has + _MEMORY, resource.RLIM_INFINITY))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="targets whose name contains this")
    asked = parser.parse_args(arguments)
    targets = [target for target in all_targets() if asked.only in target.name]
    bound_memory()
    began = time.monotonic()
    counted, wrong = fuzz(targets, asked.seed, asked.inputs)
    total = sum(count for name, count in counted.items() if not name.endswith(": refused"))
    for target in targets:
        print(f"{counted[target.name]:>12,} {target.name}, {counted[target.name + ': refused']:,} of them refused")  # noqa: T201
    print(f"{total:>12,} inputs of seed {asked.seed} in {time.monotonic() - began:.0f} s: {wrong or 'each answered or refused'}")  # noqa: T201
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
