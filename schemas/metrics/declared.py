"""What a metric is, and all that are declared: those of the fleet and those of the system itself.

Names keep to Prometheus's conventions: base units, `_total` for what only grows, `_timestamp_seconds` for instants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        kind: a counter begins at 0 with its process (or container) and only grows; a gauge goes up and down.
        unit: of the value; empty: a plain number.
        help: one sentence, without what unit and labels say.
        remedy: what to do when it is not as it should be; "-": nothing, it is there to be looked at.
        of_parts: each part of the system has its own: the label `part` says whose it is.
    """

    name: str
    kind: Literal["counter", "gauge"]
    unit: str
    help: str
    remedy: str
    labels: tuple[str, ...] = ()
    of_parts: bool = False

    def at(self, value: float, *labels: str) -> Figure:
        """A value of it, with its labels in the declared order."""
        return Figure(self, labels, value)


class Figure(NamedTuple):
    """One value of a metric; `labels` in the metric's order."""

    metric: Metric
    labels: tuple[str, ...]
    value: float


#: Gives what a part knows at the moment it is asked; never waits.
Figures = Callable[[], Iterable[Figure]]

#: Every metric there is, by name, in the order of docs/metrics.md.
DECLARED: Final[dict[str, Metric]] = {}


def declare(
    name: str, kind: Literal["counter", "gauge"], unit: str, said: str, remedy: str, labels: str = "", *, of_parts: bool = False
) -> Metric:
    """Declares a metric; `labels` with spaces between.

    Raises:
        ValueError: there is one of that name already.
    """
    if name in DECLARED:
        raise ValueError(f"{name} is declared twice")
    metric = Metric(name, kind, unit, said, remedy, tuple(labels.split()), of_parts)
    DECLARED[name] = metric
    return metric
