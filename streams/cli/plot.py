"""A plot of text: columns of blocks, gaps left empty. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

Value = float | None

#: Eighths of a cell.
_BLOCKS: Final = " ▁▂▃▄▅▆▇█"
_EIGHTHS: Final = 8


def fitted(values: Sequence[Value], width: int) -> list[Value]:
    """At most so many columns: each the mean of what is known of its share, None where nothing is."""
    columns = min(width, len(values))
    shares = [values[number * len(values) // columns : (number + 1) * len(values) // columns] for number in range(columns)]
    return [_mean([value for value in share if value is not None]) for share in shares]


def _mean(known: Sequence[float]) -> Value:
    return sum(known) / len(known) if known else None


def sparkline(values: Sequence[Value], width: int) -> str:
    """One line; what is known is at least the lowest block, what is not known is a blank."""
    return "".join(rows(values, width, 1))


def rows(values: Sequence[Value], width: int, height: int) -> list[str]:
    """Lines from the top; zero is the bottom of the scale, the highest value its top."""
    columns = fitted(values, width)
    most = max((value for value in columns if value is not None), default=0.0)
    levels = [None if value is None else max(1, round(value / most * height * _EIGHTHS)) if most > 0 else 1 for value in columns]
    return [
        "".join(" " if level is None else _BLOCKS[min(_EIGHTHS, max(0, level - row * _EIGHTHS))] for level in levels)
        for row in reversed(range(height))
    ]


def plot(values: Sequence[Value], width: int, height: int, label: Callable[[float], str]) -> list[str]:
    """Lines with a scale at the left.

    Args:
        width: of all, with the scale.
        label: a value of the scale in words.
    """
    most = max((value for value in values if value is not None), default=0.0)
    marks = {0: label(most), height - 1: label(0.0)}
    margin = max(len(mark) for mark in marks.values())
    columns = max(1, width - margin - 2)
    return [f"{marks.get(number, ''):>{margin}} │{line}" for number, line in enumerate(rows(values, columns, height))]
