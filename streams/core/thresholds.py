"""Thresholds: when a container uses too much for so long that someone should know, and when that is over. Pure.

| what | rule |
|---|---|
| a point | one folded sample: bad above the threshold, good at or below it, unknown where its value is; a missed tick is unknown too |
| raise | the last `in_a_row` points are bad, or `in_all` of the last `points` |
| resolve | all of the last `points` are known and good: unknown is not good, so nothing flaps between the two |
| else | it stays as it was |
| no sample for as long as the points take, while others of its engine come | the episode ends: it is no longer measured |

The shape is that of Coder's resource monitors. Points are bits, the newest lowest; only containers with a bad point are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from struct import Struct
from typing import Final, NamedTuple

from streams.core.samples import COLUMNS, Row

RAISED: Final = "alert_raised"
RESOLVED: Final = "alert_resolved"

LABEL: Final = "workspace.alert."
"""A workspace's own threshold, as a label: `workspace.alert.cpu=95`, or `off`."""

MAX_POINTS: Final = 240

_AT: Final = {name: place for place, name in enumerate(COLUMNS)}
_READ, _INTERVAL = _AT["read_ns"], _AT["interval_ns"]
_CPU, _CPUS, _CPU_LIMIT = _AT["cpu_millipercent"], _AT["online_cpus"], _AT["cpu_limit_nanocpus"]
_USED, _LIMIT = _AT["memory_used_bytes"], _AT["memory_limit_bytes"]

Value = Callable[[Row], float | None]
"""A metric of a folded sample; None: not known."""


def _cpu(row: Row) -> float | None:
    """Percent of the container's own limit, else of its host: above 80 of a hundred either way."""
    used, limit, cpus = row[_CPU], row[_CPU_LIMIT], row[_CPUS]
    if used < 0:
        return None
    if limit > 0:
        return used * 1_000_000 / limit
    return used / (1000 * cpus) if cpus > 0 else None


def _cpu_percent(row: Row) -> float | None:
    return row[_CPU] / 1000 if row[_CPU] >= 0 else None


def _memory(row: Row) -> float | None:
    used, limit = row[_USED], row[_LIMIT]
    return used * 100 / limit if used >= 0 and limit > 0 else None


def _gauge(column: str) -> Value:
    place = _AT[column]
    return lambda row: row[place] if row[place] >= 0 else None


def _rate(column: str, scale: float = 1.0) -> Value:
    """Per second of the sample's interval, times `scale`."""
    place = _AT[column]
    return lambda row: row[place] * 1_000_000_000 * scale / row[_INTERVAL] if row[place] >= 0 and row[_INTERVAL] > 0 else None


METRICS: Final[Mapping[str, tuple[str, Value]]] = {
    # name                           unit          value
    "cpu": ("%", _cpu),
    "cpu_percent": ("%", _cpu_percent),
    "cpu_throttled_percent": ("%", _rate("throttled_ns", 1e-7)),
    "memory": ("%", _memory),
    "memory_used_bytes": (" bytes", _gauge("memory_used_bytes")),
    "memory_usage_bytes": (" bytes", _gauge("memory_usage_bytes")),
    "network_rx_bytes_per_second": (" bytes/s", _rate("network_rx_bytes")),
    "network_tx_bytes_per_second": (" bytes/s", _rate("network_tx_bytes")),
    "block_read_bytes_per_second": (" bytes/s", _rate("block_read_bytes")),
    "block_write_bytes_per_second": (" bytes/s", _rate("block_write_bytes")),
    "page_faults_per_second": ("/s", _rate("page_faults")),
    "pids": (" processes", _gauge("pids")),
}
"""`cpu` and `memory` are shares of what the container may have; the others are as `samples` has them."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One threshold.

    Attributes:
        name: of the rule, and of its alerts; a later rule of the same name is for the workspaces it matches.
        metric: one of `METRICS`.
        above: a value above it is bad, in the metric's unit; None: the rule is off.
        points: how many samples are looked at, 2 to `MAX_POINTS`; 20 at 10 s are 200 s.
        in_a_row: so many bad ones in a row raise.
        in_all: so many bad ones of all raise.
        workspaces: globs on the workspace id; of rules of one name the last that matches holds.
    """

    name: str
    metric: str
    above: float | None
    points: int = 20
    in_a_row: int = 4
    in_all: int = 10
    workspaces: tuple[str, ...] = ("*",)


@dataclass(slots=True)
class Watch:
    """What is remembered of one container under one rule: only while a bad point is among the last ones, or it is raised.

    `bad` and `known` are the last points as bits, the newest lowest; `raised_ns` 0: not raised. Times are the engine's clock.
    """

    bad: int = 0
    known: int = 0
    last_ns: int = 0
    begin_ns: int = 0
    """Of the first bad point of the present run of them."""
    raised_ns: int = 0
    """Begin of the episode; with container and rule it tells one from the next."""
    value: float = 0.0
    container_name: str = ""


Watches = dict[tuple[str, str], Watch]
"""By container id and rule."""


class Alert(NamedTuple):
    """An episode began (`alert_raised`) or ended (`alert_resolved`). Names are untrusted."""

    type: str
    rule: str
    metric: str
    value: float
    threshold: float
    since_ns: int
    at_ns: int
    container_id: str
    container_name: str
    message: str


class Measured(NamedTuple):
    """A folded sample of a container."""

    container_id: str
    container_name: str
    row: Row


def rules_of(rules: tuple[Rule, ...], workspace_id: str, own: tuple[tuple[str, str], ...] = ()) -> tuple[Rule, ...]:
    """The rules that hold for a workspace, one a name.

    Args:
        own: what `own_thresholds` found among its labels.
    """
    chosen: dict[str, Rule] = {}
    for rule in rules:
        if any(fnmatchcase(workspace_id, glob) for glob in rule.workspaces):
            chosen[rule.name] = rule
    for name, text in own:
        if name in chosen:
            chosen[name] = replace(chosen[name], above=_threshold(text, chosen[name].above))
    return tuple(rule for rule in chosen.values() if rule.above is not None)


def own_thresholds(labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Rule and text of the labels that set a threshold, sorted."""
    return tuple(sorted((key[len(LABEL) :], text) for key, text in labels.items() if key.startswith(LABEL)))


_GLANCE: Final = ("online_cpus", "cpu_limit_nanocpus", "cpu_millipercent", "memory_used_bytes", "memory_limit_bytes")
_glance: Final = Struct("<" + "".join("q" if name in _GLANCE else "8x" for name in COLUMNS)).unpack_from


def all_calm(rules: Sequence[Rule], samples: Iterable[bytes]) -> bool:
    """Whether no packed sample is above any rule: what is so nearly always, told without looking at each value by itself.

    False where a rule is of another metric than `cpu` and `memory`: then each value must be looked at.
    """
    cpu_above = memory_above = float("inf")
    for rule in rules:
        if rule.above is None or rule.metric not in ("cpu", "memory"):
            return False
        if rule.metric == "cpu":
            cpu_above = min(cpu_above, rule.above)
        else:
            memory_above = min(memory_above, rule.above)
    for packed in samples:
        cpus, cpu_limit, cpu, used, limit = _glance(packed)
        # As `_cpu` and `_memory` have it, without a division; what is just at a threshold is looked at again.
        if cpu * 1_000_000 >= cpu_above * cpu_limit if cpu_limit > 0 else cpu >= cpu_above * 1000 * cpus and cpus > 0:
            return False
        if used * 100 >= memory_above * limit and limit > 0:
            return False
    return True


def _threshold(text: str, else_: float | None) -> float | None:
    """A label is anyone's text: what is neither a number above 0 nor `off` changes nothing."""
    if text.strip().lower() == "off":
        return None
    try:
        above = float(text)
    except ValueError:
        return else_
    return above if 0 < above < float("inf") else else_


def judge(watches: Watches, rules: Sequence[Rule], samples: Iterable[Measured], interval_ns: int) -> list[Alert]:
    """Takes the folded samples of one tick, each newer than its container's last; returns what began and ended.

    Args:
        interval_ns: between two ticks, for the points that were missed.
    """
    alerts: list[Alert] = []
    for rule in rules:
        value_of, name, above = METRICS[rule.metric][1], rule.name, rule.above
        for sample in samples:
            value = value_of(sample.row)
            key = (sample.container_id, name)
            bad = value is not None and above is not None and value > above
            watch = watches.get(key)
            if watch is None:
                if not bad:
                    continue
                watch = watches[key] = Watch(container_name=sample.container_name)
            alert = _take(watch, rule, sample, value, bad, interval_ns)
            if alert is not None:
                alerts.append(alert)
            if not watch.bad and not watch.raised_ns:
                del watches[key]
    return alerts


def _take(watch: Watch, rule: Rule, sample: Measured, value: float | None, bad: bool, interval_ns: int) -> Alert | None:
    """One point of one container."""
    at_ns = sample.row[_READ]
    mask = (1 << rule.points) - 1
    # Half a tick of delay is no missed one.
    steps = max((at_ns - watch.last_ns + interval_ns // 2) // max(interval_ns, 1), 1) if watch.last_ns else 1
    watch.bad = (watch.bad << min(steps, rule.points)) & mask
    watch.known = (watch.known << min(steps, rule.points)) & mask
    watch.last_ns = at_ns
    if value is not None:
        watch.known |= 1
        watch.value = value
    if bad:
        if not watch.bad:
            watch.begin_ns = at_ns
        watch.bad |= 1
    row_of_bad = (1 << rule.in_a_row) - 1
    if watch.raised_ns:
        if watch.known == mask and not watch.bad:
            return _resolve(watch, rule, sample.container_id, sample.container_name, at_ns, _compared(rule, "no longer above", watch.value))
    elif watch.bad & row_of_bad == row_of_bad or watch.bad.bit_count() >= rule.in_all:
        watch.raised_ns = watch.begin_ns
        return _alert(RAISED, watch, rule, sample.container_id, sample.container_name, at_ns, _compared(rule, "above", watch.value))
    return None


def leave(watches: Watches, rules: Sequence[Rule], now_ns: int, interval_ns: int, *, stopped: bool = False) -> list[Alert]:
    """Ends what is no longer measured, or no longer asked for: its engine has come to `now_ns`.

    Args:
        stopped: nothing of the workspace runs on the engine.
    """
    by_name = {rule.name: rule for rule in rules}
    alerts: list[Alert] = []
    for (container_id, name), watch in list(watches.items()):
        rule = by_name.get(name)
        if rule is not None and not stopped and now_ns - watch.last_ns < rule.points * interval_ns:
            continue
        del watches[container_id, name]
        if watch.raised_ns:
            why = "is no longer judged" if rule is None else "is over: it does not run" if stopped else "is no longer measured"
            alerts.append(_resolve(watch, rule or Rule(name, "", 0.0), container_id, watch.container_name, now_ns, why))
    return alerts


def _resolve(watch: Watch, rule: Rule, container_id: str, name: str, at_ns: int, why: str) -> Alert:
    alert = _alert(RESOLVED, watch, rule, container_id, name, at_ns, why)
    watch.raised_ns = 0
    return alert


def _alert(kind: str, watch: Watch, rule: Rule, container_id: str, name: str, at_ns: int, why: str) -> Alert:
    return Alert(
        kind,
        rule.name,
        rule.metric,
        watch.value,
        rule.above or 0.0,
        watch.raised_ns,
        at_ns,
        container_id,
        name,
        f"{name}: {rule.name} {why}",
    )


def _compared(rule: Rule, how: str, value: float) -> str:
    unit = METRICS[rule.metric][0]
    return f"is {how} {rule.above:g}{unit}, at {value:.4g}{unit}"
