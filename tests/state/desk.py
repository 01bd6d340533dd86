"""State and reconcile agents on one log in memory: what they send to themselves comes back, as through a broker."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from schemas import topics
from schemas.codec import codec
from schemas.publish import Record
from schemas.settings import Settings
from schemas.topics import Topic
from streams.agents import StateAgent, Writer
from streams.core.facts import Position
from streams.dead_letters import DeadLetters
from streams.engine_rows import EngineRow
from streams.lane import Input, Table
from streams.policies import Policies
from streams.query.state_view import StateView
from streams.reconcile_agent import ReconcileAgent
from streams.silence import Silence
from streams.topology import engines_table, workspaces_table
from tests.core_state import makers

Json = dict[str, Any]
PREFIX: Final = "wst."
ENGINE_KEY: Final = makers.ENGINE.encode()
EVENTS: Final = topics.DOCKER_EVENTS.full(PREFIX)
ENGINES: Final = "engines"
WORKSPACES: Final = "workspaces"


class Durable(NamedTuple):
    """What a topic's last commit made durable: records of the log before `next`, and the values of its table."""

    next: int = 0
    values: dict[bytes, bytes] = {}  # noqa: RUF012  # replaced, never changed


class Clock:
    """A monotonic and a wall clock that go when told."""

    def __init__(self) -> None:
        self.s = 0.0

    def monotonic_s(self) -> float:
        return 1_000.0 + self.s

    def now_ns(self) -> int:
        return makers.at(self.s)


class Log:
    """A log of one partition a topic, and the state app over it; `restart` is a death without a last commit.

    Attributes:
        written: everything ever appended: the inputs of producers, and what the agents sent.
    """

    def __init__(self, **settings: Any) -> None:
        self.settings = Settings(**settings)
        self.clock = Clock()
        self.written: list[Record] = []
        self.folded = 0
        self._durable = {ENGINES: Durable(), WORKSPACES: Durable()}
        self.engines: Table[EngineRow] = engines_table()
        self.workspaces = workspaces_table()
        self._begin()

    def _begin(self) -> None:
        self.view = StateView()
        self.sent: list[Record] = []
        refused = DeadLetters("state", PREFIX, self.sent.append)
        writer = Writer(PREFIX, self.sent.append, refused)
        self.silence = Silence(
            self.engines, PREFIX, self.sent.append, self.view, monotonic_s=self.clock.monotonic_s, now_ns=self.clock.now_ns
        )
        self.state = StateAgent(self.workspaces, writer, refused, self.view)
        self.reconcile = ReconcileAgent(self.engines, writer, refused, self.view, self.silence)
        self.policies = Policies(
            self.workspaces, self.settings, self.sent.append, monotonic_s=self.clock.monotonic_s, now_ns=self.clock.now_ns
        )
        self.state.begin(0)
        self.reconcile.begin(0)

    def commit(self, *names: str) -> None:
        """What is folded is durable: of both topics, or of those only whose commit was through before the worker died."""
        for name in names or tuple(self._durable):
            table = self._tables[name]
            taken = {key: table.take(0, key) for key in table.dirty(0)}
            table.confirm(0, taken)
            self._durable[name] = Durable(self.folded, self._durable[name].values | taken)

    def restart(self) -> None:
        """The worker dies: a successor begins at the last commits, and sends what follows from there again."""
        self.engines, self.workspaces = engines_table(), workspaces_table()
        for name, table in self._tables.items():
            table.restore(0, self._durable[name].values.items())
        self.folded = min(durable.next for durable in self._durable.values())
        self._begin()

    @property
    def _tables(self) -> dict[str, Table[Any]]:
        return {ENGINES: self.engines, WORKSPACES: self.workspaces}

    def say(self, *records: Record) -> None:
        """Appends what others publish, and folds all there is to fold."""
        self.written += records
        self.run()

    def listing(self, *entries: Json, **changed: Any) -> None:
        """A listing of the engine, now."""
        self.say(self.snapshot(*entries, **changed))

    def failed(self, *, answered: bool = False, code: str = "engine_unreachable", **changed: Any) -> None:
        """A failed sync, now."""
        self.say(self.snapshot(outcome="failed", parts=2, answered=answered, error_code=code, error="connection refused", **changed))

    def snapshot(self, *entries: Json, **changed: Any) -> Record:
        """A record of `docker.snapshots`, of now unless said otherwise."""
        now_ns = self.clock.now_ns()
        value = {
            "snapshot_id": f"s-{now_ns}", "engine_id": makers.ENGINE, "engine_name": "laptop", "listed_at_ns": now_ns,
            "recorded_at_ns": now_ns, "part": 0, "parts": 1, "sync_interval_ms": 10_000, "containers": list(entries),
            "watched_since_ns": makers.at(0),
        }  # fmt: skip
        return self.record(topics.DOCKER_SNAPSHOTS, makers.ENGINE, value | changed)

    @staticmethod
    def record(topic: Topic, key: str, value: Json) -> Record:
        """A record as a producer makes it."""
        return Record(topic.full(PREFIX), key.encode(), codec(topic.subject).encode(value), (("wst-type", b"t"),), 0)

    def fact(self, fact: Json) -> None:
        """A fact of a producer."""
        self.say(self.record(topics.DOCKER_EVENTS, fact["workspace_id"], fact))

    def wait(self, seconds: float, step_s: float = 1.0) -> None:
        """Time passes, and the worker's clock looks every second."""
        until = self.clock.s + seconds
        while self.clock.s < until:
            self.clock.s += step_s
            self.tick()

    def tick(self) -> None:
        """The worker's clock looks once."""
        self.silence.tick(0)
        self.policies.tick(0)
        self.run()

    def run(self) -> None:
        """Folds until nothing is left to fold."""
        self._take_sent()
        while self.folded < len(self.written):
            record = self.written[self.folded]
            self.folded += 1
            one = Input(record.topic, Position(3, 0, self.folded), record.key, record.value, record.headers, record.timestamp_ms)
            if self.folded <= self._durable[WORKSPACES if record.topic == EVENTS else ENGINES].next:
                continue
            if record.topic == EVENTS:
                self.state.fold(one)
            elif record.topic == topics.DOCKER_SNAPSHOTS.full(PREFIX):
                self.reconcile.fold(one)
            self.state.finish()
            self._take_sent()

    def _take_sent(self) -> None:
        self.written += self.sent
        self.sent.clear()

    def of(self, topic: Topic) -> list[Json]:
        """Values of a topic, a record that was sent again told once."""
        full = topic.full(PREFIX)
        once = {dict(record.headers).get("wst-id", id(record)): record for record in reversed(self.written) if record.topic == full}
        return [codec(topic.subject).decode(record.value) for record in reversed(once.values()) if record.value is not None]

    def events(self, *types: str) -> list[Json]:
        """Events of the engine."""
        return [event for event in self.of(topics.WORKSPACE_CHANGES) if event["stream"] == "engine" and event["type"] in types]

    def notices(self, name: str | None = None) -> list[Json]:
        """Notices by name."""
        found = [fact for fact in self.of(topics.DOCKER_EVENTS) if fact["kind"] == "notice"]
        return [fact for fact in found if name in (None, fact["notice"]["name"])]

    @property
    def shop(self) -> Json:
        """The State record of the one workspace."""
        record = self.view.get(makers.WORKSPACE)
        assert record is not None
        return dict(record)

    @property
    def told(self) -> Json:
        """The same without positions, which a record that was sent again moves."""
        return {name: value for name, value in self.shop.items() if name not in ("epoch", "partition", "offset")}


def entry(name: str, state: str, workspace_id: str = makers.WORKSPACE) -> Json:
    """A container of a listing."""
    return {"workspace_id": workspace_id, "workspace_name": "shop", "container": makers.who(name), "state": state}
