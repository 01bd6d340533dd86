"""What rounds did and found, for people and for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

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
