"""One thing that is fuzzed.

The invariant: an answer, or one of the errors named; never another, never a hang, never more memory than an input's size explains.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.fuzz.mutate import bytes_like, json_like


@dataclass(frozen=True, slots=True)
class Target:
    """Something that is fuzzed.

    Attributes:
        make: makes one input.
        run: takes it; raises only what `may_raise` names.
        batch: inputs it is given at a time, by what one costs: all targets get about the same time.
    """

    name: str
    make: Callable[[random.Random], Any]
    run: Callable[[Any], object]
    may_raise: tuple[type[Exception], ...]
    batch: int


def of_bytes(
    name: str, corpus: Sequence[bytes], run: Callable[[bytes], object], may_raise: tuple[type[Exception], ...], batch: int
) -> Target:
    """A target that takes bytes."""
    if not corpus:
        raise ValueError(f"{name}: nothing to begin with")
    return Target(name, lambda draw: bytes_like(draw, corpus), run, may_raise, batch)


def of_json(name: str, corpus: Sequence[Any], run: Callable[[Any], object], may_raise: tuple[type[Exception], ...], batch: int) -> Target:
    """A target that takes a JSON document."""
    if not corpus:
        raise ValueError(f"{name}: nothing to begin with")
    return Target(name, lambda draw: json_like(draw, corpus), run, may_raise, batch)
