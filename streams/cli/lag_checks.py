"""What `wst doctor` says of lag: who is behind, and whether it falls back further between two looks."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from schemas.errors import WstError
from streams.cli.checks import Finding

if TYPE_CHECKING:
    from schemas.settings import Settings

#: Records behind, by who and which topic.
Lags = Mapping[str, int]

#: Fewer than these may be one batch.
WORTH_A_LOOK: Final = 1_000
_MANY: Final = 10_000
#: Between two looks, s: longer than a part takes to tell its figures anew.
BETWEEN_S: Final = 6.0
_LAG: Final = "wst_lane_lag_records"


def growing(first: Lags, later: Lags) -> Iterator[Finding]:
    """Findings of two looks; nothing is said of who keeps up."""
    for reader, lag in sorted(later.items()):
        more = lag - first.get(reader, lag)
        if more > 0 and lag >= WORTH_A_LOOK:
            fix = "more workers or a faster archive, unless it was just started: docs/troubleshooting.md, lag grows"
            yield Finding("fault", "lag", f"{reader}: {lag:,} records behind, and {more:,} more than just before", fix)
        elif lag > _MANY:
            yield Finding("warning", "lag", f"{reader}: {lag:,} records behind", "it catches up: wait a moment")


def lag(look: Callable[[], Lags], pause: Callable[[float], None] = time.sleep) -> Iterator[Finding]:
    """Looks once, and a second time where somebody is behind."""
    first = look()
    if max(first.values(), default=0) < WORTH_A_LOOK:
        return
    pause(BETWEEN_S)
    yield from growing(first, look())


def of_health(health: Mapping[str, Any]) -> Lags:
    """Of the API, and of the sink of a tree."""
    sink = health.get("sink", {}).get("lag", {})
    return {**health.get("lag", {}), **{f"{topic} (sink)": behind for topic, behind in sink.items()}}


def of_figures(text: str) -> Lags:
    """Of the workers of a tree, as its API tells Prometheus."""
    from prometheus_client.parser import text_string_to_metric_families

    found: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        for figure in family.samples:
            if figure.name == _LAG:
                found[f"{figure.labels.get('topic')} ({figure.labels.get('part')})"] += round(figure.value)
    return found


def of_groups(settings: Settings) -> Lags:
    """Of the workers and sinks of a cluster: the end of what they read less what they have committed.

    Raises:
        Unreachable: no broker answers.
    """
    import asyncio

    from streams.cli.group_lag import group_lag
    from streams.sinks.source import READER
    from streams.topology import APPS

    groups = {f"worker {name}": plan.app_id(settings.topic_prefix) for name, plan in APPS.items()}
    return asyncio.run(group_lag(settings, {**groups, "sink": f"{settings.topic_prefix}{READER}"}))


def look_of(settings: Settings, ask_health: Callable[[], Mapping[str, Any] | WstError], *, cluster: bool) -> Callable[[], Lags]:
    """A look at everyone who can be seen from here; who is out of reach is said by another check."""

    def look() -> Lags:
        from streams.cli.client import Api

        health = ask_health()
        found: dict[str, int] = {}
        try:
            if not isinstance(health, WstError):
                found |= of_health(health)
                found |= of_figures(Api(settings).get_bytes("/metrics").decode())
            if cluster:
                found |= of_groups(settings)
        except WstError:
            return found
        return found

    return look
