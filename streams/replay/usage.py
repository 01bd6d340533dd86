"""Where a replay of usage reads ticks and windows from: a log. Each is only read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from schemas import topics
from schemas.codec import Undecodable, codec
from streams.core import usage
from streams.core.facts import Position
from streams.core.invalid import InvalidMessage
from streams.core.samples import unpack
from streams.core.usage import UsageState, fold_tick
from streams.keys import check_key
from streams.replay.windows import Sample, Tick, Told, WindowKey, WindowRefold, told_window

_TICK: Final = codec(topics.DOCKER_STATS.subject)
_USAGE: Final = codec(topics.WORKSPACE_USAGE.subject)


@dataclass(frozen=True, slots=True)
class Message:
    """A record of a topic."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    position: Position
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted of a replay of usage.

    Attributes:
        compare: with what the running system says.
        since_ns: only windows that begin since then.
        put: takes each window when it is done, with the last tick in it.
    """

    compare: bool
    since_ns: int = 0
    put: Callable[[dict[str, Any], Tick], None] | None = None


def windows_of_log(messages: Iterable[Message]) -> dict[WindowKey, Told]:
    """Of each window what was told last: the version with the most samples, or the closed one."""
    last: dict[WindowKey, tuple[tuple[int, bool], Position, Mapping[str, Any]]] = {}
    for message in messages:
        if dict(message.headers).get("wst-type") == b"samples":
            continue
        try:
            record = _USAGE.decode(message.value)
        except Undecodable:
            continue
        position = Position(record["epoch"], record["partition"], record["offset"])
        for window in record["windows"]:
            key = WindowKey(record["workspace_id"], record["engine_id"], window["container_id"] or "", window["grain"], window["start_ms"])
            version = window["sample_count"], window["final"]
            if key not in last or version > last[key][0]:
                last[key] = version, position, window
    return {key: Told(position, told_window(window)) for key, (_, position, window) in last.items()}


def ticks_of_log(messages: Iterable[Message], refold: WindowRefold, is_first: Callable[[Position], bool]) -> Iterator[Tick]:
    """Ticks with their samples as the fold derives them.

    Args:
        refold: told where the log has lost its beginning.
        is_first: whether nothing of a partition was ever before the first record it has now.
    """
    states: dict[str, UsageState] = {}
    begun: set[int] = set()
    for message in messages:
        if message.position.partition not in begun:
            begun.add(message.position.partition)
            refold.whole = refold.whole and is_first(message.position)
        try:
            tick = _TICK.decode(message.value)
            check_key(message.key, tick["workspace_id"])
            state = states.setdefault(tick["workspace_id"], usage.initial(tick["workspace_id"]))
            _, outputs = fold_tick(state, tick, message.position, message.timestamp_ms)
        except (Undecodable, InvalidMessage):
            continue  # refused by the worker, too
        for output in outputs:
            if output["kind"] == "samples":
                samples = [
                    Sample(one["container_id"], one["container_name"], one["service"] or "", one["outcome"], unpack(one["derived"]))
                    for one in output["samples"]
                ]
                whose = tick["workspace_id"], tick["workspace_name"], tick["engine_id"], tick["engine_name"], tick["labels"]
                yield Tick(*whose, message.position, tick["part"] == 0, samples)
