"""The independent checker: what was published, against what was folded, told, windowed and archived.

It shares with the product the schemas and the pure core, and nothing else: it reads the topics with a plain consumer, folds each once
from the beginning in one pass, and asks ClickHouse itself. Each difference is a line; none: nothing was lost, doubled or disordered.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import clickhouse_connect
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from schemas import topics
from schemas.codec import codec
from streams.core import changes, usage_bytes, workspace
from streams.core.facts import Position, parse_fact
from streams.core.usage import UsageState, fold_tick
from streams.core.usage import initial as no_usage
from streams.core.windows import NUMBERS
from streams.core.workspace import WorkspaceState
from tests.e2e.witness import container_chains, status_chains
from tests.faults.chains import Stretch, busy_then, has_its_end, is_part_of, unwatched

Json = dict[str, Any]
#: Lines of one kind that are worth reading.
_SHOWN: Final = 5
#: Silence of the broker while a topic is read, s.
_PATIENCE_S: Final = 30.0
_NO_LEADER_YET: Final = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)
_NONE: Final = b"\x00mark"


@dataclass(frozen=True, slots=True)
class Found:
    """A record as a plain consumer gets it."""

    partition: int
    offset: int
    key: bytes
    value: bytes | None
    headers: Mapping[str, bytes]
    timestamp_ms: int


@dataclass(slots=True)
class Report:
    """Differences by what was compared, and how much was."""

    differences: list[str] = field(default_factory=list)
    compared: dict[str, int] = field(default_factory=dict)

    def same(self, what: str, have: Mapping[Any, Any], must: Mapping[Any, Any]) -> None:
        """Two mappings are equal."""
        self.compared[what] = self.compared.get(what, 0) + len(must)
        lost, more = must.keys() - have.keys(), have.keys() - must.keys()
        other = [key for key in must.keys() & have.keys() if have[key] != must[key]]
        self._list(f"{what}: lost", lost)
        self._list(f"{what}: invented", more)
        for key in sorted(other, key=str)[:_SHOWN]:
            self.differences.append(f"{what}: {key!r} is {_short(have[key], must[key])}")
        if len(other) > _SHOWN:
            self.differences.append(f"{what}: … {len(other)} differ")

    def _list(self, what: str, keys: Iterable[Any]) -> None:
        all_keys = sorted(keys, key=str)
        self.differences += [f"{what} {key!r}" for key in all_keys[:_SHOWN]]
        if len(all_keys) > _SHOWN:
            self.differences.append(f"{what} … {len(all_keys)} in all")

    def fault(self, line: str) -> None:
        """Something that must not be."""
        self.differences.append(line)


def _short(have: Any, must: Any) -> str:
    if isinstance(have, dict) and isinstance(must, dict):
        keys = [key for key in must.keys() | have.keys() if have.get(key) != must.get(key)]
        return "; ".join(f"{key}: {str(have.get(key))[:120]} instead of {str(must.get(key))[:120]}" for key in sorted(keys)[:4])
    return f"{str(have)[:200]} instead of {str(must)[:200]}"


def watermarks(consumer: Consumer, topic: str, number: int) -> tuple[int, int]:
    """First offset of a partition, and the one behind its last; a broker that has just come back first finds out that it leads it."""
    patience = time.monotonic() + _PATIENCE_S
    while True:
        try:
            low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), 10)
        except KafkaException as error:
            if error.args[0].code() not in _NO_LEADER_YET or time.monotonic() > patience:
                raise
            time.sleep(0.2)
        else:
            return low, high


class Topics:
    """Reads topics whole, outside of any group's business."""

    def __init__(self, bootstrap: str, prefix: str) -> None:
        self._settings = {"bootstrap.servers": bootstrap, "group.id": f"{prefix}checker", "enable.auto.commit": False, "log_level": 0}
        self._prefix = prefix

    def read(self, name: str) -> Iterator[Found]:
        """Every record of a topic, each partition's in order."""
        consumer = Consumer(self._settings)
        try:
            full = self._prefix + name
            numbers = consumer.list_topics(full, 10).topics[full].partitions
            ends = {number: watermarks(consumer, full, number) for number in numbers}
            left = {number for number, (low, high) in ends.items() if high > low}
            consumer.assign([TopicPartition(full, number, ends[number][0]) for number in left])
            patience = time.monotonic() + _PATIENCE_S
            while left:
                messages = consumer.consume(2_000, 0.2)
                if messages:
                    patience = time.monotonic() + _PATIENCE_S
                elif time.monotonic() > patience:
                    raise TimeoutError(f"{full} ends at {ends}, and {left} were not read so far")
                for message in messages:
                    if message.error() is not None:
                        raise RuntimeError(str(message.error()))
                    number, offset = message.partition() or 0, message.offset() or 0
                    headers: Any = dict(message.headers() or ())
                    yield Found(number, offset, message.key() or b"", message.value(), headers, message.timestamp()[1])
                    if offset + 1 >= ends[number][1]:
                        left.discard(number)
        finally:
            consumer.close()


@dataclass(slots=True)
class Refolded:
    """The facts and ticks of the log, folded once, in one pass."""

    epoch: int
    facts: dict[str, Json] = field(default_factory=dict)
    fact_at: dict[str, tuple[int, int]] = field(default_factory=dict)
    states: dict[str, WorkspaceState] = field(default_factory=dict)
    events: dict[str, Json] = field(default_factory=dict)
    usage: dict[str, UsageState] = field(default_factory=dict)
    samples: dict[tuple[str, int], Json] = field(default_factory=dict)
    windows: dict[tuple[Any, ...], Json] = field(default_factory=dict)

    def take_facts(self, found: Iterable[Found], topic: str) -> None:
        """docker.events → states and changes."""
        decode, event = codec("fact").decode, codec("event")
        for record in found:
            value = decode(record.value)
            self.facts.setdefault(value["id"], value)
            self.fact_at.setdefault(value["id"], (record.partition, record.offset))
            name = value["workspace_id"]
            state = self.states.get(name) or workspace.initial(name)
            state, told = workspace.fold(state, parse_fact(value), Position(self.epoch, record.partition, record.offset))
            self.states[name] = state
            for change in told:
                if change.id in self.events:
                    raise AssertionError(f"the pure fold gives two changes the id {change.id}")
                self.events[change.id] = event.decode(event.encode(changes.to_record(change, topic)))

    def take_ticks(self, found: Iterable[Found]) -> None:
        """docker.stats → derived samples and windows."""
        decode, coder = codec("stats_tick").decode, codec("usage")
        for record in found:
            tick = decode(record.value)
            name = tick["workspace_id"]
            state = self.usage.get(name) or no_usage(name)
            position = Position(self.epoch, record.partition, record.offset)
            self.usage[name], outputs = fold_tick(state, tick, position, record.timestamp_ms)
            for output in outputs:
                said = coder.decode(coder.encode(output))
                if said["kind"] == "samples":
                    self.samples[name, record.offset] = said
                for window in said["windows"]:
                    newest(self.windows, window_key(said, window), window)


def window_key(usage: Json, window: Json) -> tuple[Any, ...]:
    """What a window is of."""
    return usage["workspace_id"], usage["engine_id"], window["grain"], window["start_ms"], window["container_id"]


def version(window: Json) -> tuple[int, bool]:
    """Of two publications of a window the later one."""
    return window["sample_count"], window["final"]


def newest(windows: dict[tuple[Any, ...], Json], key: tuple[Any, ...], window: Json) -> None:
    """Keeps the latest publication."""
    known = windows.get(key)
    if known is None or version(window) >= version(known):
        windows[key] = window


@dataclass(frozen=True, slots=True)
class Site:
    """Where to look.

    Attributes:
        heard: the engine's whole history, raw; workspace_of: names of workspaces by container.
        engine: name of the fleet's engine.
    """

    bootstrap: str
    prefix: str
    clickhouse_url: str
    database: str
    epoch: int
    heard: list[Json]
    engine: str

    @property
    def workspace_of(self) -> dict[str, str]:
        return {e["Actor"]["ID"]: e["Actor"]["Attributes"]["com.docker.compose.project"] for e in self.heard}


def check(site: Site) -> Report:
    """Compares everything; the system must be at rest."""
    report, log = Report(), Topics(site.bootstrap, site.prefix)
    again = Refolded(site.epoch)
    again.take_facts(log.read(topics.DOCKER_EVENTS.name), site.prefix + topics.DOCKER_EVENTS.name)
    again.take_ticks(log.read(topics.DOCKER_STATS.name))
    check_facts(report, site, again)
    check_states(report, log, again)
    told = check_changes(report, log, again)
    check_chains(report, site, told, unwatched(snapshots(log)))
    windows = check_usage(report, log, again)
    check_archive(report, site, again, told, windows)
    return report


def check_facts(report: Report, site: Site, again: Refolded) -> None:
    """What the engine said, once each, in its order within a workspace."""
    must = {(e["Actor"]["ID"], e["Action"], e["timeNano"]): True for e in site.heard}
    of_engine = [fact for fact in again.facts.values() if fact["kind"] == "engine_event"]
    have = {(fact["container"]["id"], fact["engine_event"]["action"], fact["time_ns"]): True for fact in of_engine}
    report.same("engine events in the log", have, must)
    latest: dict[str, int] = defaultdict(int)
    for fact in of_engine:  # by first position, as they were read: a workspace has one partition
        if fact["time_ns"] < latest[fact["workspace_id"]]:
            report.fault(f"order: {fact['workspace_id']} has {fact['engine_event']['action']} of {fact['time_ns']} too late in the log")
        latest[fact["workspace_id"]] = max(latest[fact["workspace_id"]], fact["time_ns"])


def check_states(report: Report, log: Topics, again: Refolded) -> None:
    """The table as a recovery would find it, and the last state published, against the fold in one pass."""
    must = {name: workspace.canonical(state) for name, state in again.states.items()}
    durable = last(log.read("state-workspaces-changelog"))
    states = {name: workspace.from_bytes(value) for name, value in durable.items() if value is not None}
    report.same("durable states", {name: workspace.canonical(state) for name, state in states.items()}, must)
    report.same(
        "positions of durable states",
        {name: (state.partition, state.offset) for name, state in states.items()},
        {name: (state.partition, state.offset) for name, state in again.states.items()},
    )
    coder = codec("state")
    published = {name: coder.decode(value) for name, value in last(log.read(topics.WORKSPACE_STATE.name)).items() if value is not None}
    records = {name: workspace.to_record(state) for name, state in again.states.items()}
    must_say = {name: coder.decode(coder.encode(record)) for name, record in records.items() if record is not None}
    report.same("published states", published, must_say)


def last(found: Iterable[Found]) -> dict[str, bytes | None]:
    """The last value of each key."""
    return {record.key.decode(): record.value for record in found if record.key != _NONE}


def check_changes(report: Report, log: Topics, again: Refolded) -> dict[str, Json]:
    """Every change once by its id, the same in every repeat, numbered without a gap, in order. Returns all of them."""
    decode = codec("event").decode
    told: dict[str, Json] = {}
    highest: dict[tuple[str, str], int] = defaultdict(int)
    repeats = 0
    for record in log.read(topics.WORKSPACE_CHANGES.name):
        event = decode(record.value)
        known = told.get(event["id"])
        if known is not None:
            repeats += 1
            if _said(known) != _said(event):
                report.fault(f"changes: a repeat of {event['id']} says another thing: {_short(event, known)}")
            continue
        told[event["id"]] = event
        of = (event["stream"], event["workspace_id"] or event["engine_id"])
        if event["seq"] != highest[of] + 1:
            report.fault(f"changes: {of} goes on with number {event['seq']} after {highest[of]}")
        highest[of] = event["seq"]
    report.compared["repeated changes"] = repeats
    report.same("changes of state", {key: event for key, event in told.items() if event["stream"] == "state"}, again.events)
    report.compared["changes of usage and engines"] = sum(1 for event in told.values() if event["stream"] != "state")
    return told


def _said(event: Json) -> Json:
    """What a repeat has to say again.

    How much a sync repaired is counted against the states as their view had them when the listing was folded: folded again, the
    view may have come further. Readers drop the repeat by its id.
    """
    if event["type"] != "sync_complete":
        return event
    return {**event, "message": "", "sync": {**event["sync"], "corrections": 0}}


def snapshots(log: Topics) -> Iterator[Json]:
    """What was said of the engine, in the order it was said in."""
    decode = codec("snapshot").decode
    return (decode(record.value) for record in log.read(topics.DOCKER_SNAPSHOTS.name))


def check_chains(report: Report, site: Site, told: Mapping[str, Json], stretches: Sequence[Stretch]) -> None:
    """The states that containers and workspaces went through, against what the engine did: no fold is asked here.

    Args:
        stretches: when nobody watched, as the log says.
    """
    containers: dict[str, list[str]] = defaultdict(list)
    statuses: dict[str, list[str]] = defaultdict(list)
    for event in sorted(told.values(), key=lambda event: int(event["seq"])):
        if event["type"] == "container_update":
            chain = containers[event["container_update"]["container_id"]]
            if not chain or chain[-1] != event["container_update"]["new_state"]:
                chain.append(event["container_update"]["new_state"])
        elif event["type"] == "status_changed":
            statuses[event["workspace_id"]].append(event["status_changed"]["new_status"])
    unseen = busy_then(site.heard, stretches)
    unseen_workspaces = {f"{site.workspace_of[name]}@{site.engine}" for name in unseen}
    must = {f"{name}@{site.engine}": chain for name, chain in status_chains(site.heard, site.workspace_of).items()}
    for what, have, want, vague, holds in (
        ("states of containers", containers, container_chains(site.heard), unseen, is_part_of),
        ("statuses of workspaces", statuses, must, unseen_workspaces, has_its_end),
    ):
        report.same(what, {k: v for k, v in have.items() if k not in vague}, {k: v for k, v in want.items() if k not in vague})
        report.compared[f"{what}, where nobody watched"] = len(vague)
        for name in sorted(vague):
            if name in want and not holds(have.get(name, []), want[name]):
                report.fault(f"{what}: {name!r} is {_short(have.get(name, []), want[name])}")


def check_usage(report: Report, log: Topics, again: Refolded) -> dict[tuple[Any, ...], Json]:
    """Derived samples and windows; returns the latest publication of each window."""
    decode = codec("usage").decode
    samples: dict[tuple[str, int], Json] = {}
    versions: dict[tuple[Any, ...], Json] = {}
    windows: dict[tuple[Any, ...], Json] = {}
    for record in log.read(topics.WORKSPACE_USAGE.name):
        said = decode(record.value)
        if said["kind"] == "samples":
            known = samples.setdefault((said["workspace_id"], said["offset"]), said)
            if known != said:
                report.fault(f"samples: a repeat of {said['workspace_id']} at {said['offset']} says another thing: {_short(said, known)}")
        for window in said["windows"]:
            key = window_key(said, window)
            same = versions.setdefault((*key, *version(window)), window)
            if same != window:
                report.fault(f"windows: {key} has two contents of version {version(window)}: {_short(window, same)}")
            newest(windows, key, window)
    report.same("derived samples", samples, again.samples)
    final = {key: window for key, window in again.windows.items() if window["final"]}
    report.same("final windows", {key: window for key, window in windows.items() if key in final}, final)
    for key, window in windows.items():
        if key in again.windows and window["sample_count"] < again.windows[key]["sample_count"]:
            report.fault(f"windows: {key} was published with {window['sample_count']} of {again.windows[key]['sample_count']} samples")
    durable = last(log.read("usage-usage-changelog"))
    values = {name: open_hours(usage_bytes.from_bytes(value)) for name, value in durable.items() if value is not None}
    report.same("durable windows", values, {name: open_hours(state) for name, state in again.usage.items()})
    return windows


def open_hours(state: UsageState) -> Json:
    """What a value holds of its windows, without what it remembers of their publication."""
    held: Json = {"position": tuple(state.position or ())}
    for engine_id, engine in state.engines.items():
        held[engine_id] = (engine.highest_ns, engine.generation, sorted(engine.readings.items()))
        for start, slot in engine.windows.hours.items():
            held[f"{engine_id} {start}"] = (slot.count, dict(zip(NUMBERS, slot.ticks.window().numbers(), strict=True)))
    return held


def check_archive(report: Report, site: Site, again: Refolded, told: Mapping[str, Json], windows: Mapping[tuple[Any, ...], Json]) -> None:
    """ClickHouse holds each once: the first position of a fact, the last state, the newest window."""
    client = clickhouse_connect.get_client(dsn=site.clickhouse_url, database=site.database)

    def ask(sql: str) -> list[tuple[Any, ...]]:
        result = client.query(sql, query_formats={"DateTime64": "int"})
        return [tuple(row) for row in result.result_rows]

    def counted(what: str, rows: list[tuple[Any, ...]], width: int) -> dict[Any, Any]:
        found = {row[:width]: row[width:] for row in rows}
        if len(found) != len(rows):
            report.fault(f"{what}: {len(rows) - len(found)} rows stand twice")
        return found

    facts = counted("archived facts", ask("SELECT id, log_partition, log_offset FROM docker_events"), 1)
    report.same("archived facts", facts, {(fact_id,): at for fact_id, at in again.fact_at.items()})
    events = counted("archived changes", ask("SELECT id, seq, message FROM workspace_changes"), 1)
    report.same("archived changes", events, {(key,): (event["seq"], event["message"]) for key, event in told.items()})
    states = counted("archived states", ask("SELECT workspace_id, seq, log_offset FROM workspaces"), 1)
    must = {(name,): (state.seq, state.offset) for name, state in again.states.items() if workspace.to_record(state) is not None}
    report.same("archived states", states, must)
    samples = counted("archived samples", ask("SELECT workspace_id, container_id, read_at, cpu_ns FROM samples"), 3)
    report.compared["archived samples"] = len(samples)
    report.same("archived samples by reading", dict.fromkeys(samples), dict.fromkeys(_readings(again.samples)))
    hours = counted(
        "archived hours",
        ask("SELECT workspace_id, engine_id, container_id, start, sample_count, final, cpu_core_ns FROM usage_hourly_rows FINAL"),
        4,
    )
    must_hours = {
        (key[0], key[1], key[4] or "", key[3]): (window["sample_count"], window["final"], window["cpu_core_ns"])
        for key, window in windows.items()
        if key[2] == "hour"
    }
    report.same("archived hours", hours, must_hours)
    (letters,) = ask("SELECT count() FROM dead_letters")[0]
    if letters:
        codes = ask("SELECT stage, code, any(reason), count() FROM dead_letters GROUP BY stage, code")
        report.fault(f"dead letters: {codes}")
    client.close()


def _readings(samples: Mapping[Any, Json]) -> Iterator[tuple[str, str, int]]:
    from streams.core.samples import unpack

    for said in samples.values():
        for one in said["samples"]:
            yield said["workspace_id"], one["container_id"], unpack(one["derived"])[0]
