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
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from producers.fleet import FleetPlan
from schemas.settings import Settings
from streams.log_epoch import read_epoch
from tests.e2e.parts import wst
from tests.faults import checker
from tests.faults.site import SESSION_S, Archive, Broker, Keeper, Site, log_of
from tests.platform.clickhouse_http import Fault

#: Between two faults, s, on average.
_APART_S: Final = 1.2
_COUNTED: Final = ("kills", "pauses", "failures", "compared")


@dataclass
class Round:
    """What one round did and found.

    Attributes:
        kills, pauses, failures: by part, or part and moment.
        ends: exit statuses of parts that ended by themselves.
        violations: what the checker found; empty: nothing.
    """

    seed: int
    seconds: float = 0.0
    settled_s: float = 0.0
    kills: Counter[str] = field(default_factory=Counter)
    pauses: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    ends: dict[str, dict[str, int]] = field(default_factory=dict)
    compared: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)


class Injector:
    """Chooses faults and does them."""

    def __init__(self, site: Site, done: Round, draw: random.Random) -> None:
        self._site, self._done, self._draw = site, done, draw
        self._faults: list[tuple[int, Callable[[float], None]]] = [
            (10, self._kill_part),
            (3, self._pause_part),
            (1, self._kill_broker),
            (1, self._pause_broker),
            (2, self._kill_archive),
            (1, self._pause_archive),
            (3, self._fail_archive),
            (2, self._scale),
        ]
        self._extra: list[str] = []

    def strike(self) -> None:
        """One fault."""
        weights = [weight for weight, _ in self._faults]
        self._draw.choices([fault for _, fault in self._faults], weights)[0](time.monotonic())

    def _kill_part(self, now: float) -> None:
        keeper = self._draw.choice(self._killable())
        if keeper.kill(now, self._draw.choice((0.0, 0.2, 1.0, 2.5))):
            self._done.kills[_kind(keeper)] += 1

    def _pause_part(self, now: float) -> None:
        keeper = self._draw.choice(self._killable())
        if keeper.pause(now, self._draw.choice((0.4, SESSION_S * 0.4, SESSION_S * 0.8, SESSION_S * 1.6))):
            self._done.pauses[_kind(keeper)] += 1

    def _kill_broker(self, now: float) -> None:
        self._kill(self._site.keepers["broker"], now, self._draw.uniform(0.0, 3.0))

    def _kill_archive(self, now: float) -> None:
        self._kill(self._site.keepers["clickhouse"], now, self._draw.uniform(0.0, 4.0))

    def _kill(self, keeper: Keeper, now: float, down_s: float) -> None:
        if keeper.kill(now, down_s):
            self._done.kills[keeper.name] += 1

    def _pause_broker(self, now: float) -> None:
        if self._site.keepers["broker"].pause(now, self._draw.uniform(0.3, 4.0)):
            self._done.pauses["broker"] += 1

    def _pause_archive(self, now: float) -> None:
        if self._site.keepers["clickhouse"].pause(now, self._draw.uniform(0.3, 5.0)):
            self._done.pauses["clickhouse"] += 1

    def _fail_archive(self, now: float) -> None:
        del now
        kinds: tuple[Literal["refuse", "lose", "cut", "delay"], ...] = ("refuse", "lose", "cut", "delay")
        kind = self._draw.choice(kinds)
        keeper = self._site.keepers["clickhouse"]
        if not keeper.part.is_running or keeper.is_stopped():
            return
        fault = Fault(kind, "INSERT", times=self._draw.randrange(1, 4), delay_s=self._draw.choice((0.0, 0.5)))
        with suppress(OSError):  # it is just coming back
            self._site.archive.fail(fault)
            self._done.failures[f"clickhouse {kind}"] += 1

    def _scale(self, now: float) -> None:
        """A worker more, or one of those less, in good order."""
        del now
        if self._extra and self._draw.random() < 0.6:
            self._site.drop(self._extra.pop())
            self._done.failures["worker removed"] += 1
        elif len(self._extra) < 2:
            kind = self._draw.choice(("state", "usage"))
            name = f"worker {kind} {3 + sum(self._done.failures.values())}"
            self._site.add(name, ("worker", kind), fault=True)
            self._extra.append(name)
            self._done.failures["worker added"] += 1

    def _killable(self) -> list[Keeper]:
        return [keeper for name, keeper in self._site.keepers.items() if name not in ("broker", "clickhouse")]


def _kind(keeper: Keeper) -> str:
    """A part without its number."""
    return keeper.name.rstrip("0123456789 ")


def run_round(
    seed: int,
    seconds: float,
    broker: Broker,
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
    site = Site(broker, archive, f"f{seed}x{time.time_ns() % 10**9}", folder, plan)
    began = time.monotonic()
    try:
        site.begin()
        site.keepers |= {"broker": Keeper("broker", broker), "clickhouse": Keeper("clickhouse", archive)}
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
    settings = Settings(brokers=site.broker.bootstrap, topic_prefix=site.prefix, partitions=4)
    epoch = asyncio.run(read_epoch(settings))
    engine = site.settings["WST_ENGINE_NAME"]
    return checker.Site(site.broker.bootstrap, site.prefix, site.archive.url, site.name, epoch, site.heard(), engine)


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
        broker = stack.enter_context(Broker())
        archive = stack.enter_context(Archive())
        number = 0
        while not number or (time.monotonic() - began < asked.minutes * 60 and (not asked.rounds or number < asked.rounds)):
            seed = asked.round_seed if asked.round_seed is not None else asked.seed * 1000 + number
            own = folder / str(seed)
            own.mkdir()
            done = run_round(seed, asked.seconds, broker, archive, own)
            rounds.append(done)
            number += 1
            print(line_of(done), flush=True)  # noqa: T201
            if asked.round_seed is not None:
                break
    if asked.report:
        write_report(asked.report, asked.seed, rounds, time.monotonic() - began)
    return int(any(done.violations for done in rounds))


def line_of(done: Round) -> str:
    """A round in a line or, where something is wrong, more."""
    said = f"round {done.seed}: {done.kills.total()} kills, {done.pauses.total()} pauses, {done.failures.total()} other faults"
    said += f", {sum(done.compared.values()):,} things compared, {done.seconds:.0f}+{done.settled_s:.0f} s: "
    if not done.violations:
        return said + "clean"
    return said + f"{len(done.violations)} VIOLATIONS\n  " + "\n  ".join(done.violations)


def write_report(path: Path, seed: int, rounds: list[Round], took_s: float) -> None:
    """The campaign for people and for programs."""
    path.with_suffix(".json").write_text(json.dumps([vars(done) for done in rounds], indent=1) + "\n")
    kills, pauses, failures, compared = (summed(getattr(done, what) for done in rounds) for what in _COUNTED)
    bad = [done for done in rounds if done.violations]
    lines = [
        f"# Fault campaign, seed {seed}",
        "",
        f"{len(rounds)} rounds in {took_s / 60:.0f} minutes: **{kills.total()} kills, {pauses.total()} pauses, "
        f"{failures.total()} other faults; {sum(len(done.violations) for done in bad)} violations**.",
        "",
        *_table("Kills, by part and moment", kills),
        *_table("Pauses", pauses),
        *_table("Other faults", failures),
        *_table("Compared", compared),
    ]
    for done in bad:
        lines += [
            f'## Round {done.seed}: `make faults ARGS="--round-seed {done.seed}"`',
            "",
            *(f"- {line}" for line in done.violations),
            "",
        ]
    path.with_suffix(".md").write_text("\n".join(lines) + "\n")


def summed(counters: Iterable[Mapping[str, int]]) -> Counter[str]:
    """Counts of all rounds."""
    total: Counter[str] = Counter()
    for counted in counters:
        total.update(counted)
    return total


def _table(title: str, counted: Any) -> list[str]:
    rows = [f"| {what} | {count:,} |" for what, count in sorted(counted.items())]
    return [f"| {title} | |", "|---|---|", *rows, ""]


if __name__ == "__main__":
    sys.exit(main())
