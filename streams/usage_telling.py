"""What the usage agent tells beside samples and windows: `metrics_update` events, alerts, and signs of activity as facts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from schemas import topics
from schemas.identity import notice_fact_id
from schemas.settings import Settings
from streams.agents import Writer
from streams.core.figures import figures_of
from streams.core.notices import notice_fact
from streams.core.samples import IN_WINDOWS, unpack
from streams.core.thresholds import Alert, Measured, Rule, all_calm, judge, leave, own_thresholds, rules_of
from streams.core.updates import (
    Update,
    UpdatePolicy,
    activity,
    activity_of,
    is_activity_due,
    is_due,
    is_update_due,
    update,
    update_whole,
)
from streams.core.usage import UsageState
from streams.lane import Input

Record = Mapping[str, Any]

_MB: Final = 1 << 20
#: Workspaces whose rules are remembered.
_RULES_KEPT: Final = 100_000


def update_policy(settings: Settings) -> UpdatePolicy:
    """The policy of the settings."""
    every_s, quantum_s = settings.metrics_update_every, settings.activity_every
    return UpdatePolicy(
        None if every_s is None else round(every_s * 1e9),
        None if quantum_s is None else round(quantum_s * 1e9),
        round(settings.activity_cpu * 1_000),
        settings.activity_network,
    )


class UsageTelling:
    """Tells what a tick comes to."""

    def __init__(self, writer: Writer, policy: UpdatePolicy, rules: tuple[Rule, ...] = ()) -> None:
        self._writer = writer
        self._policy = policy
        self._rules = rules
        self._of: dict[str, tuple[Record, tuple[Rule, ...]]] = {}

    def tell(self, state: UsageState, outputs: Sequence[Record], tick: Record, record: Input) -> None:
        """Takes a tick that was folded just now, with what the fold made of it."""
        if state.position != record.position:
            return  # folded before
        samples: Sequence[Record] = next((output["samples"] for output in outputs if output["kind"] == "samples"), ())
        self._judge(state, samples, tick, record)
        if not samples:
            return
        entry = state.updates.of(tick["engine_id"])
        derived = [sample["derived"] for sample in samples]
        busy = activity(entry, tick, derived, self._policy)
        if busy is not None:
            self._tell_activity(tick, busy, record)
        if is_due(entry, tick, self._policy):
            found = update(entry, tick, figures_of(derived, tick["host_memory_bytes"]))
            if found is not None:
                self._tell_update(state, found, tick, record)

    def tell_calm(
        self,
        state: UsageState,
        whose: tuple[str, int, int],
        derived: Callable[[], Sequence[bytes]],
        tick: Callable[[], Record],
        record: Input,
    ) -> None:
        """Takes a tick in one part that was folded just now, of an engine without watches, whose samples are all below the levels.

        Args:
            whose: its engine's id, its instant, and the memory of the engine's host.
            derived: gives its packed derived samples; asked where they are wanted, which is seldom.
            tick: gives the rest of it, likewise.
        """
        engine_id, at_ns, host_memory_bytes = whose
        entry = state.updates.of(engine_id)
        if is_activity_due(entry, at_ns, self._policy):
            busy = activity_of(entry, at_ns, derived(), self._policy)
            if busy is not None:
                self._tell_activity(tick(), busy, record)
        if is_update_due(entry, at_ns, self._policy):
            found = update_whole(entry, figures_of(derived(), host_memory_bytes), at_ns)
            if found is not None:
                self._tell_update(state, found, tick(), record)

    def levels(self, workspace_id: str, labels: Record) -> tuple[float, float] | None:
        """Percent of CPU and memory that no threshold of a workspace lies below; None: each sample must be looked at."""
        found = {"cpu": float("inf"), "memory": float("inf")}
        for rule in self._rules_of(workspace_id, labels):
            if rule.metric not in found or rule.above is None or rule.above <= 0:
                return None
            found[rule.metric] = min(found[rule.metric], rule.above)
        return found["cpu"], found["memory"]

    def is_watched(self, state: UsageState, engine_id: str) -> bool:
        """Whether anything of an engine's containers is near or above a threshold."""
        return engine_id in state.updates.watches

    def _judge(self, state: UsageState, samples: Iterable[Record], tick: Record, record: Input) -> None:
        """Thresholds: what is raised, and what is over."""
        engine_id: str = tick["engine_id"]
        watches = state.updates.watches.get(engine_id, {})
        rules = self._rules_of(state.workspace_id, tick["labels"])
        if not watches and all_calm(rules, [one["derived"] for one in samples]):
            return
        measured = [
            Measured(one["container_id"], one["container_name"], unpack(one["derived"])) for one in samples if one["outcome"] in IN_WINDOWS
        ]
        interval_ns = tick["interval_ms"] * 1_000_000
        alerts = judge(watches, rules, measured, interval_ns)
        if watches:
            stopped = not tick["samples"]
            now_ns = tick["tick_at_ns"] if stopped else state.engines[engine_id].highest_ns
            alerts += leave(watches, rules, now_ns, interval_ns, stopped=stopped)
            state.updates.watches[engine_id] = watches
        if not watches:
            state.updates.watches.pop(engine_id, None)
        for alert in alerts:
            self._tell_alert(state, alert, tick, record)

    def _rules_of(self, workspace_id: str, labels: Record) -> tuple[Rule, ...]:
        """The rules of a workspace, found anew when its labels change."""
        known = self._of.get(workspace_id)
        if known is None or known[0] != labels:
            if len(self._of) >= _RULES_KEPT:
                self._of.clear()
            known = self._of[workspace_id] = labels, rules_of(self._rules, workspace_id, own_thresholds(labels))
        return known[1]

    def _tell_alert(self, state: UsageState, alert: Alert, tick: Record, record: Input) -> None:
        section = {
            "rule": alert.rule,
            "metric": alert.metric,
            "value": alert.value,
            "threshold": alert.threshold,
            "since_ns": alert.since_ns,
            "container_id": alert.container_id,
            "labels": tick["labels"],
            "dedup_key": f"{tick['workspace_id']}/{alert.container_id}/{alert.rule}/{alert.since_ns}",
        }
        self._tell(state, alert.type, alert.at_ns, alert.message, "alert", section, tick, record)

    def _tell_activity(self, tick: Record, busy: tuple[int, int], record: Input) -> None:
        cpu, network = busy
        quantum_ns = self._policy.quantum_ns or 1
        fact = notice_fact(
            "activity",
            (tick["workspace_id"], tick["workspace_name"]),
            tick["tick_at_ns"],
            notice_fact_id,
            recorded_at_ns=record.timestamp_ms * 1_000_000,
            about=f"{tick['engine_id']}\n{quantum_ns}",
            identity_ns=tick["tick_at_ns"] // quantum_ns,
            engine=(tick["engine_id"], tick["engine_name"], tick["generation"]),
            reason=f"CPU {cpu / 1_000:.1f} %, network {network:,} bytes/s",
            value=cpu,
        )
        self._writer.write(topics.DOCKER_EVENTS, tick["workspace_id"], fact, "notice", fact["id"], record)

    def _tell_update(self, state: UsageState, found: Update, tick: Record, record: Input) -> None:
        new = found.new_metrics
        said = f"{tick['workspace_name']} uses {new.get('cpu_percent', 0):.1f} % CPU and {new.get('memory_usage', 0) / _MB:,.1f} MiB"
        self._tell(state, "metrics_update", found.updated_at_ns, said, "metrics_update", found._asdict(), tick, record)

    def _tell(
        self, state: UsageState, kind: str, at_ns: int, said: str, section: str, content: Record, tick: Record, record: Input
    ) -> None:
        """One event of stream usage, with the next number."""
        state.updates.seq += 1
        epoch, partition, offset = record.position
        event = {
            "type": kind,
            "id": f"usage.{epoch}.{state.updates.seq}.{tick['workspace_id']}",
            "stream": "usage",
            "seq": state.updates.seq,
            "workspace_id": tick["workspace_id"],
            "engine_id": tick["engine_id"],
            "timestamp_ns": at_ns,
            "message": said,
            "cause": {"topic": record.topic, "epoch": epoch, "partition": partition, "offset": offset},
            section: content,
        }
        self._writer.write(topics.WORKSPACE_CHANGES, tick["workspace_id"], event, kind, str(event["id"]), record)
