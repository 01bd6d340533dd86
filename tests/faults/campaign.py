"""A fault campaign: rounds of traffic under kills, pauses and failures, each ended by the independent checker.

    python -m tests.faults.campaign --seed 1 --minutes 20        # what `make faults` runs
    python -m tests.faults.campaign --seed 1 --rounds 1 --seconds 15

The seed decides traffic, faults and their moments as far as a program can: how processes interleave is the machine's. A round that
is not clean is kept: its topics' broker is gone, but the report names the round's own seed, with which it is run alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from producers.fleet import FleetPlan
from schemas.settings import Settings
from streams.log_epoch import read_epoch
from tests.e2e.parts import wst
from tests.faults import checker
from tests.faults.injector import Injector
from tests.faults.keeper import Archive, Broker, Keeper
from tests.faults.report import Round, line_of, write_report
from tests.faults.site import Site, log_of

#: Between two faults, s, on average.
_APART_S: Final = 1.2


def run_round(
    seed: int,
    seconds: float,
    brokers: Sequence[Broker],
    archive: Archive,
    folder: Path,
    afterwards: Callable[[checker.Site], None] = lambda _: None,
) -> Round:
    """Traffic under faults, then rest, then the checker.

    Args:
        afterwards: told where everything lies, while the servers still run.
    """
    done = Round(seed)
    draw = random.Random(seed)
    plan = FleetPlan(seed=seed, seconds=seconds, label_bytes=draw.choice((0, 0, 64 << 10)))
    site = Site(brokers, archive, f"f{seed}x{time.time_ns() % 10**9}", folder, plan)
    began = time.monotonic()
    try:
        site.begin()
        site.keepers |= {f"broker {number}": Keeper(f"broker {number}", broker) for number, broker in enumerate(brokers, 1)}
        site.keepers["clickhouse"] = Keeper("clickhouse", archive)
        _traffic(site, Injector(site, done, draw), seconds, draw)
        done.seconds = time.monotonic() - began
        began = time.monotonic()
        site.settle()
        done.settled_s = time.monotonic() - began
        found = where(site)
        _judge(site, found, done)
        afterwards(found)
    except Exception as error:
        done.violations.append(f"the round did not come to its end: {type(error).__name__}: {error}")
    finally:
        _note(site, done)
        site.close()
    return done


def _traffic(site: Site, injector: Injector, seconds: float, draw: random.Random) -> None:
    ends = time.monotonic() + seconds
    strikes_at, strikes, ticks = time.monotonic() + 1.0, 0, 0
    while (now := time.monotonic()) < ends or strikes < seconds / _APART_S / 2:
        site.look()
        if now >= strikes_at:
            injector.strike()
            strikes += 1
            strikes_at = now + draw.expovariate(1 / _APART_S)
        due = int((seconds - max(ends - now, 0)) * 60)
        while ticks < due:
            site.hours.step()
            ticks += 1
        time.sleep(0.05)


def where(site: Site) -> checker.Site:
    """Where the checker has to look."""
    settings = Settings(brokers=site.bootstrap, topic_prefix=site.prefix, partitions=4)
    epoch = asyncio.run(read_epoch(settings))
    engine = site.settings["WST_ENGINE_NAME"]
    return checker.Site(site.bootstrap, site.prefix, site.archive.url, site.name, epoch, site.heard(), engine)


def _judge(site: Site, found: checker.Site, done: Round) -> None:
    report = checker.check(found)
    done.compared, done.violations = report.compared, report.differences
    for source in ("kafka", "archive"):
        said = json.loads(wst("replay", "--from", source, "--compare", "--json", settings=site.settings, check=False) or "{}")
        done.compared[f"replayed from {source}"] = said.get("facts", 0)
        if said.get("differences", ["nothing was said"]):
            done.violations.append(f"replay from {source}: {str(said.get('differences'))[:500]}")


def _note(site: Site, done: Round) -> None:
    """Kills at worst moments, ends, and of a round that is not clean what its parts said last."""
    for line, count in site.deeds().items():
        number, part, point = line.split()
        counter = done.kills if number == "SIGKILL" else done.pauses
        counter[f"{part.replace('-', ' ')} {point}"] += count
    for name, keeper in site.keepers.items():
        # -9 at a point of its own choice stands among the kills.
        ends = {status: count for status, count in keeper.ends.items() if status != "-9"}
        if ends:
            done.ends[name] = ends
    if done.violations:
        for name, keeper in site.keepers.items():
            target = site.folder / f"{name.replace(' ', '-')}.log"
            target.write_text(log_of(keeper.part))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="of the campaign; round n has seed × 1000 + n")
    parser.add_argument("--minutes", type=float, default=20.0, help="no round begins after so long")
    parser.add_argument("--rounds", type=int, default=0, help="so many rounds at most")
    parser.add_argument("--round-seed", type=int, help="run the one round of this seed")
    parser.add_argument("--seconds", type=float, default=60.0, help="of faults in a round")
    parser.add_argument("--report", type=Path, help="write NAME.md and NAME.json")
    asked = parser.parse_args(arguments)
    began, rounds = time.monotonic(), []
    folder = Path(tempfile.mkdtemp(prefix="wst-faults-"))
    with ExitStack() as stack:
        first = stack.enter_context(Broker())
        brokers = (first, stack.enter_context(Broker(joins=first)))
        archive = stack.enter_context(Archive())
        number = 0
        while not number or (time.monotonic() - began < asked.minutes * 60 and (not asked.rounds or number < asked.rounds)):
            seed = asked.round_seed if asked.round_seed is not None else asked.seed * 1000 + number
            own = folder / str(seed)
            own.mkdir()
            done = run_round(seed, asked.seconds, brokers, archive, own)
            rounds.append(done)
            number += 1
            if not done.violations:
                shutil.rmtree(own)
            print(line_of(done), flush=True)  # noqa: T201
            if asked.round_seed is not None:
                break
    if asked.report:
        write_report(asked.report, asked.seed, rounds, time.monotonic() - began)
    return int(any(done.violations for done in rounds))


if __name__ == "__main__":
    sys.exit(main())
