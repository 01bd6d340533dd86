"""Composition: the state app and the usage app, each on a cluster or on an embedded tree's wire."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import faust

from schemas import topics
from schemas.alive import say_alive
from schemas.journal import Journal
from schemas.kafka import client_arguments
from schemas.metrics import Figure, system
from schemas.metrics.telling import Teller, tell
from schemas.publish import Record
from schemas.settings import Settings
from streams.agents import StateAgent, Writer
from streams.dead_letters import DeadLetters
from streams.lane import Checkpoint, LaneApp, LaneSettings, Wire
from streams.lane.durability import Copy
from streams.lane.measured import lane_figures
from streams.policies import Policies
from streams.query.state_view import StateView
from streams.reconcile_agent import ReconcileAgent
from streams.rules import threshold_rules
from streams.silence import Silence
from streams.state_follower import StateFollower
from streams.topology import STATE_APP, USAGE_APP, AppPlan, engines_table, usage_table, workspaces_table
from streams.usage_agent import UsageAgent
from streams.usage_telling import UsageTelling, update_policy

T = TypeVar("T")

#: The relay stays at most 2 MB a partition ahead of a cursor: short intervals keep the wire moving.
_EMBEDDED_COMMIT_S: Final = 0.25
#: librdkafka's broker does not wake a waiting fetch, so the wait is the latency: short for state, whereas samples come
#: every few seconds, and each wait that ends without any costs a little.
_EMBEDDED_FETCH_WAIT_MS: Final = {STATE_APP.name: 10, USAGE_APP.name: 100}
_CLUSTER_FETCH_WAIT_MS: Final = 100


class JournalWire:
    """The journal as publisher and as keeper of the reader's cursors; one thread, for a journal is not for several at once."""

    def __init__(self, path: Path, partitions: int, reader: str) -> None:
        self._journal = Journal(path, partitions)
        self._reader = reader
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self.epoch = self._journal.epoch

    async def publish(self, records: Sequence[Record]) -> None:
        """Appends records; durable on return."""
        await self._in_thread(lambda: self._journal.append(records))

    async def remember(self, copy: Copy) -> None:
        """Sets the reader's cursor behind what a commit covered."""
        topic, partition = copy.tp
        await self._in_thread(lambda: self._journal.set_cursor(self._reader, topic, partition, copy.next_position))

    async def last_position(self) -> int:
        """Number of the last record."""
        return await self._in_thread(self._journal.last_seq)

    async def close(self) -> None:
        """Closes the journal after what is under way."""
        await self._in_thread(self._journal.close)
        self._thread.shutdown(wait=False)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)


def embedded_lane(settings: Settings, plan: AppPlan, journal: Path) -> LaneSettings:
    """Settings of an app in an embedded tree: its log is the journal, its tables survive in a checkpoint.

    The group is this process's own: where it was is in the checkpoint, that it is alone the checkpoint's lock says, and a
    group with a dead member would make its successor wait for the end of a session.
    """
    log = JournalWire(journal, settings.partitions, plan.name)
    wire = Wire(log, Checkpoint(settings.data_dir / f"{plan.name}.sqlite"), log.last_position, log.remember)
    return LaneSettings(
        app_id=f"{plan.app_id(settings.topic_prefix)}.{os.getpid()}.{time.time_ns()}",
        brokers=settings.brokers,
        partitions=settings.partitions,
        epoch=log.epoch,
        alive=partial(say_alive, settings.data_dir, plan.name),
        commit_interval_s=_EMBEDDED_COMMIT_S,
        fetch_wait_ms=_EMBEDDED_FETCH_WAIT_MS[plan.name],
        wire=wire,
    )


def cluster_lane(settings: Settings, plan: AppPlan, epoch: int) -> LaneSettings:
    """Settings of an app in a cluster."""
    return LaneSettings(
        app_id=plan.app_id(settings.topic_prefix),
        brokers=settings.brokers,
        partitions=settings.partitions,
        epoch=epoch,
        alive=partial(say_alive, settings.data_dir, plan.name),
        commit_interval_s=plan.commit_interval_s,
        fetch_wait_ms=_CLUSTER_FETCH_WAIT_MS,
        client=client_arguments(settings),
        options=_credentials(settings),
    )


def _credentials(settings: Settings) -> dict[str, Any]:
    """Kafka's security as Faust wants it."""
    arguments = client_arguments(settings)
    context = arguments.get("ssl_context")
    if "sasl_mechanism" in arguments:
        return {
            "broker_credentials": faust.SASLCredentials(
                mechanism=arguments["sasl_mechanism"],
                username=arguments["sasl_plain_username"],
                password=arguments["sasl_plain_password"],
                ssl_context=context,
            )
        }
    return {"broker_credentials": faust.SSLCredentials(context)} if context else {}


def state_app(settings: Settings, lane: LaneSettings) -> LaneApp:
    """docker.events → workspace.state and workspace.changes; docker.snapshots → observations and sync events."""
    app = LaneApp(lane)
    view = StateView()
    prefix = settings.topic_prefix
    embedded = lane.wire is not None
    workspaces, engines = workspaces_table(), engines_table()
    refused = DeadLetters("state", prefix, app.outputs.send)
    state = StateAgent(workspaces, Writer(prefix, app.outputs.send, refused), refused, view if embedded else None)
    app.reads(topics.DOCKER_EVENTS.full(prefix), state, workspaces, Policies(workspaces, settings, app.outputs.send).tick)
    refused_listings = DeadLetters("reconcile", prefix, app.outputs.send)
    silence = Silence(engines, prefix, app.outputs.send, view)
    reconcile = ReconcileAgent(engines, Writer(prefix, app.outputs.send, refused_listings), refused_listings, view, silence)
    app.reads(topics.DOCKER_SNAPSHOTS.full(prefix), reconcile, engines, silence.tick)
    if not embedded:
        app.before_start(StateFollower(settings, view, app.end).start)

    def figures() -> Iterator[Figure]:
        yield from lane_figures(app)
        yield from refused.figures()
        yield from refused_listings.figures()
        # A copy: another name may come while the text is made.
        yield from (system.FACTS.at(number, outcome) for outcome, number in tuple(state.outcomes.items()))

    app.runs_beside(partial(tell, Teller(settings, "worker state", figures)))
    return app


def usage_app(settings: Settings, lane: LaneSettings) -> LaneApp:
    """docker.stats → workspace.usage, metrics_update events, and signs of activity into docker.events."""
    app = LaneApp(lane)
    prefix = settings.topic_prefix
    table = usage_table()
    refused = DeadLetters("usage", prefix, app.outputs.send)
    writer = Writer(prefix, app.outputs.send, refused)
    telling = UsageTelling(writer, update_policy(settings), threshold_rules(settings))
    app.reads(topics.DOCKER_STATS.full(prefix), UsageAgent(table, writer, refused, telling), table)

    def figures() -> Iterator[Figure]:
        yield from lane_figures(app)
        yield from refused.figures()

    app.runs_beside(partial(tell, Teller(settings, "worker usage", figures)))
    return app


def make_app(settings: Settings, plan: AppPlan, lane: LaneSettings) -> LaneApp:
    """The app of a plan."""
    return (state_app if plan is STATE_APP else usage_app)(settings, lane)
