"""Feeds every decoder and parser with hostile input, and ends with the first that does more than refuse it.

    python -m tests.fuzz.campaign --inputs 10000000 --seed 1         # what `make fuzz` runs
    python -m tests.fuzz.campaign --inputs 1000 --seed 1 --only tick
    python -m tests.fuzz.campaign --seed 1 --at 123000               # once more the batch that a report names 1.123000

An input is chosen by seed and number alone: what the report names is made again by the same seed and the same `--only`.
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.fuzz.target import Target

#: A batch that takes longer hangs, s; on an idle machine one takes a tenth of a second.
_HANGS_S: Final = 120
#: All the memory that this process may have beyond what it had at the start, bytes.
_MEMORY: Final = 1 << 30
_SAY_EVERY_S: Final = 60.0


class Hang(BaseException):
    """An input took too long."""


def _hang(*_: Any) -> None:
    raise Hang


@dataclass(slots=True)
class Seen:
    """What became of the inputs, by target.

    Attributes:
        cpu_s: making and taking them.
        wrong: what must not be; empty: nothing.
    """

    taken: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    cpu_s: dict[str, float] = field(default_factory=dict)
    wrong: str = ""


def fuzz(targets: Sequence[Target], seed: int, inputs: int, begin: int = 0) -> Seen:
    """Runs so many inputs, or up to the first that goes wrong."""
    seen = Seen()
    signal.signal(signal.SIGALRM, _hang)
    said_s = time.monotonic()
    done = begin
    while done < begin + inputs:
        draw = random.Random(f"{seed}.{done}")
        target = draw.choice(targets)
        count = min(target.batch, begin + inputs - done)
        value: Any = None
        cpu_s = time.process_time()
        signal.alarm(_HANGS_S)
        try:
            for _ in range(count):
                value = target.make(draw)
                try:
                    target.run(value)
                except target.may_raise as error:
                    if _of_memory(error):
                        raise
                    seen.refused[target.name] += 1
        except (Exception, Hang) as error:
            seen.wrong = f"{target.name}: {type(error).__name__}: {str(error)[:300]}, of {value!r:.2000}, batch {seed}.{done}"
            return seen
        finally:
            signal.alarm(0)
        seen.taken[target.name] += count
        seen.cpu_s[target.name] = seen.cpu_s.get(target.name, 0.0) + time.process_time() - cpu_s
        done += count
        if time.monotonic() - said_s > _SAY_EVERY_S:
            said_s = time.monotonic()
            sys.stderr.write(f"{done:,} inputs, at most {_peak_mb():,} MB\n")
    return seen


def _of_memory(error: BaseException) -> bool:
    """Whether a refusal hides that the memory did not suffice."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, MemoryError):
            return True
        inner = inner.__cause__ or inner.__context__
    return False


def _peak_mb() -> int:
    """The most memory that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def bound_memory() -> None:
    """An input that makes a decoder ask for far more than a record explains ends in MemoryError, which no target may raise."""
    has = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (has + _MEMORY, resource.RLIM_INFINITY))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=10_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="targets whose name contains this")
    parser.add_argument("--at", type=int, help="only the batch that begins with this input")
    asked = parser.parse_args(arguments)
    from tests.fuzz.targets import all_targets

    targets = [target for target in all_targets() if asked.only in target.name]
    bound_memory()
    had_mb, began = _peak_mb(), time.monotonic()
    seen = fuzz(targets, asked.seed, 1 if asked.at is not None else asked.inputs, asked.at or 0)
    for target in targets:
        taken, cpu_s = seen.taken[target.name], seen.cpu_s.get(target.name, 0.0)
        each = f"{1e6 * cpu_s / taken:,.0f} µs each" if taken else ""
        print(f"{taken:>12,} {target.name}, {seen.refused[target.name]:,} of them refused, {each}")  # noqa: T201
    took = f"in {time.monotonic() - began:.0f} s, {sum(seen.cpu_s.values()):.0f} s of CPU, memory {had_mb:,} to {_peak_mb():,} MB"
    print(f"{sum(seen.taken.values()):>12,} inputs of seed {asked.seed} {took}: {seen.wrong or 'each answered or refused'}")  # noqa: T201
    return int(bool(seen.wrong))


if __name__ == "__main__":
    sys.exit(main())
