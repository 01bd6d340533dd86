"""A long random walk over a real engine, Kafka, and the parts of wst, which are killed and stopped all along; then everything is compared.

    python -m tests.e2e.campaign_walk --operations 2000 --seed 1

Thirty containers in ten workspaces are created, started, stopped, killed, paused, restarted, renamed, updated, run out of memory and
removed; producer, workers and sink die by SIGKILL at random and come back some deeds later, or the producer stands still (SIGSTOP) for
6 to 40 s, in which the engine may drop what it cannot tell it. Then, after one sync, beside which there are none any more:

* states are what the engine's own inspect says,
* every change of a container and of a workspace that an independent listener heard is told, at its time, and no other, outside of
  the gaps that are recorded, which lie where the producer was dead or stood still,
* the archive has every engine event outside of those, and no other,
* the log and the archive, folded again, give the same states, event ids and windows of usage, and the worker's own table in
  canonical encoding.

Needs what the tests' groups `engine` and `kafka` need (tests/README.md). Takes some 20 minutes. Exit status 1: something differs.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import clickhouse_connect

from schemas import topics
from schemas.settings import Settings
from streams.core import workspace
from streams.core.facts import Position
from streams.replay.kafka import records_of
from streams.replay.refold import RawFact, Refold
from streams.topology import STATE_APP, WORKSPACES
from tests.e2e.compare import facts_against_witness, numbering_faults, states_against_engine
from tests.e2e.parts import Part, json_lines, wst
from tests.e2e.truth import Span, differences, hidden_spans, is_hidden, time_ms, told_of, truth_of
from tests.e2e.walk import Walk
from tests.e2e.witness import Witness
from tests.platform.clickhouse_http import ClickHouseHttpServer
from tests.platform.engine import DockerEngine
from tests.platform.kafka import KafkaBroker
from tests.platform.process import free_port, wait_until

PARTS = {
    "producer": ("producer",),
    "state worker": ("worker", "state"),
    "usage worker": ("worker", "usage"),
    "sink": ("sink",),
    "api": ("api",),
}
VICTIMS = ("producer", "producer", "state worker", "state worker", "usage worker", "sink")
#: Instead of a death, so often, the producer stands still for so long, s.
_STOPS_OF_DEATHS = 0.25
_STANDS_STILL_S = (6.0, 40.0)
#: A listing contradicts no event that is younger: what it leaves is repaired by a second.
_LAGS_S = 3.0
#: A part dies about every so many deeds, and comes back after at most `_AWAY` of them.
_BETWEEN = 20
_AWAY = 25
_SINCE = "12h"


class Campaign:
    """One walk, and what is said of it."""

    def __init__(self, engine: DockerEngine, settings: dict[str, str], parts: dict[str, Part], seed: int) -> None:
        self.engine, self.settings, self.parts = engine, settings, parts
        self.walk = Walk(engine, seed, workspaces=10, probed=3)
        self.random = random.Random(seed)
        self.down: dict[str, int] = {}
        self.producer_down: list[Span] = []
        self.goes_on_at: float | None = None
        self.kills = self.stops = 0
        self.heard: list[dict[str, Any]] = []
        self.said = ""

    def go(self, operations: int, minutes: float) -> int:
        """Walks, kills and revives; returns how far it came in the time."""
        witness, begun = Witness(self.engine), time.monotonic()
        self.walk.begin()
        number = 0
        for number in range(operations):
            self.walk.step()
            if time.monotonic() - begun > minutes * 60:
                break
            if number % _BETWEEN == _BETWEEN // 2:
                if self.random.random() < _STOPS_OF_DEATHS:
                    self._stop_producer()
                else:
                    self._kill(self.random.choice(VICTIMS), number)
            if self.goes_on_at is not None and self.goes_on_at <= time.monotonic():
                self._let_producer_go_on()
            for name in [name for name, back in self.down.items() if back <= number]:
                self._revive(name)
            if number % 100 == 99:
                print(f"{number + 1} deeds, {self.kills} kills, {self.stops} stops, {time.monotonic() - begun:.0f} s", flush=True)
        self.walk.settle()
        wst("set", "sync-interval", "1h", settings=self.settings)
        if self.goes_on_at is not None:
            time.sleep(max(self.goes_on_at - time.monotonic(), 0))
            self._let_producer_go_on()
        for name in list(self.down):
            self._revive(name)
        for name, part in self.parts.items():  # who lost its lease has ended itself; what the supervisor does in earnest
            if not part.is_running:
                print(f"{name} had ended by itself")
                part.start()
        time.sleep(_LAGS_S)
        wait_until(self._synced, "a sync is answered")
        self._wait(self._states, "states equal the engine's inspect")
        time.sleep(1)
        self.heard = witness.close()
        return number + 1

    def _synced(self) -> bool:
        try:
            answer = json.loads(wst("sync", "--json", settings=self.settings))
        except AssertionError as away:
            print(away)
            return False
        return bool(answer["syncs"]) and not answer["unanswered"] and not answer["failed"]

    def _stop_producer(self) -> None:
        if "producer" in self.down or self.goes_on_at is not None or not self.parts["producer"].is_running:
            return
        self.parts["producer"].pause()
        self.stops += 1
        self.goes_on_at = time.monotonic() + self.random.uniform(*_STANDS_STILL_S)
        self.producer_down.append((time.time_ns() // 1_000_000, 0))

    def _let_producer_go_on(self) -> None:
        self.goes_on_at = None
        self.parts["producer"].resume()
        self.producer_down[-1] = (self.producer_down[-1][0], time.time_ns() // 1_000_000)

    def _kill(self, name: str, number: int) -> None:
        if name in self.down or (name == "producer" and self.goes_on_at is not None):
            return
        self.parts[name].kill()
        self.kills += 1
        self.down[name] = number + self.random.randrange(1, _AWAY)
        if name == "producer":
            self.producer_down.append((time.time_ns() // 1_000_000, 0))

    def _revive(self, name: str) -> None:
        del self.down[name]
        self.parts[name].start()
        if name == "producer":
            self.producer_down[-1] = (self.producer_down[-1][0], time.time_ns() // 1_000_000)

    def _wait(self, look: Any, what: str) -> list[str]:
        found: list[str] = []

        def none() -> bool:
            found[:] = look()
            return not found

        try:
            wait_until(none, what, 90)
        except TimeoutError as late:
            print(late)
        return found

    def _states(self) -> list[str]:
        try:
            states = json.loads(wst("status", "--json", settings=self.settings))
        except AssertionError as away:
            return [str(away)]
        return states_against_engine([state for state in states if state["workspace_id"].startswith("walk")], self.engine.ps_inspect())

    def rows(self, sql: str) -> list[Any]:
        """What the archive answers."""
        client = clickhouse_connect.get_client(dsn=self.settings["WST_CLICKHOUSE_URL"], database=self.settings["WST_CLICKHOUSE_DATABASE"])
        try:
            return list(client.query(sql).result_rows)
        finally:
            client.close()

    def history(self) -> list[str]:
        """Events, facts and gaps against what was heard."""
        events = self._events()
        owner = self.walk.workspace_of
        gaps = self.rows("SELECT workspace_id, toUnixTimestamp64Milli(`from`), toUnixTimestamp64Milli(`to`) FROM state_gaps")
        syncs = [time_ms(event["timestamp"]) for event in events if event["type"] == "sync_complete"]
        spans = hidden_spans(gaps, syncs)
        told, corrected = told_of(events, owner)
        found = differences(truth_of(self.heard, owner), told, corrected, spans, owner) + numbering_faults(events)
        found += [f"a gap while the producer lived: {gap}" for gap in gaps if not self._dead_within(gap[1], gap[2])]
        facts = {fact for fact in self._facts() if fact[0] in owner}
        outside = [event for event in self.heard if not is_hidden(spans.get(owner[event["Actor"]["ID"]], []), _ms(event))]
        found += [line for line in facts_against_witness(facts, outside, self.walk.probed) if line.startswith("missing")]
        found += [line for line in facts_against_witness(facts, self.heard, self.walk.probed) if line.startswith("invented")]
        repaired = sum(map(len, corrected.containers.values()))
        self.said = f"{len(events):,} events, {len(facts):,} facts of {len(self.heard):,} heard, {len(gaps)} gaps, {repaired} corrections"
        return found

    def _events(self) -> list[dict[str, Any]]:
        return json_lines(wst("events", "--json", "--since", _SINCE, settings=self.settings, timeout_s=120))

    def _facts(self) -> set[tuple[str, str, int]]:
        sql = "SELECT container_id, action, toUnixTimestamp64Nano(at) FROM docker_events WHERE kind = 'engine_event'"
        return {(str(container), str(action), int(time_ns)) for container, action, time_ns in self.rows(sql)}

    def _dead_within(self, begin_ms: int, end_ms: int) -> bool:
        return any(begin <= end_ms and end >= begin_ms for begin, end in self.producer_down)

    def replay(self, place: str) -> list[str]:
        """Folds again from there and compares."""
        asked = ("replay", "--from", place, "--compare", "--windows", "--json")
        said = json.loads(wst(*asked, settings=self.settings, timeout_s=300, check=False))
        print(f"replay from {place}: {said['facts']:,} facts, {said['events']:,} events, {len(said['differences'])} differences")
        print(f"{'':>7} {said['windows']['ticks']:,} ticks, {said['windows']['compared']:,} windows compared")
        return [json.dumps(one) for one in said["differences"]]

    def table(self) -> list[str]:
        """The worker's own table against the log folded again, in canonical encoding."""
        settings = Settings(brokers=self.settings["WST_BROKERS"], topic_prefix=self.settings["WST_TOPIC_PREFIX"], _env_file=None)
        name = f"{STATE_APP.app_id(settings.topic_prefix)}-{WORKSPACES}-changelog"
        values = {record.key: record.value for record in records_of(settings, name) if record.key[:1] != b"\0"}
        facts = records_of(settings, topics.DOCKER_EVENTS.full(settings.topic_prefix))
        again = Refold()
        again.run(RawFact(record.value, Position(1, record.partition, record.offset)) for record in facts)
        ours = {key.decode(): workspace.canonical(workspace.from_bytes(value)) for key, value in values.items() if value}
        theirs = {name: workspace.canonical(state) for name, state in again.states.items()}
        print(f"table: {len(ours)} workspaces")
        return [
            f"{name}: {ours.get(name)!r} in the table, {theirs.get(name)!r} folded again"
            for name in sorted(ours.keys() | theirs.keys())
            if ours.get(name) != theirs.get(name)
        ]

    def keep(self, folder: Path) -> None:
        """Writes down what a difference is found from."""
        folder.mkdir(parents=True, exist_ok=True)
        gaps = self.rows("SELECT workspace_id, toUnixTimestamp64Milli(`from`), toUnixTimestamp64Milli(`to`), reason FROM state_gaps")
        said = {"heard": self.heard, "events": self._events(), "gaps": gaps, "dead": self.producer_down, "owner": self.walk.workspace_of}
        (folder / "walk.json").write_text(json.dumps(said, default=str))
        for name, part in self.parts.items():
            (folder / f"{name}.log").write_text(part.log_path.read_text(errors="replace"))

    def verdict(self) -> list[str]:
        """Everything that differs, as lines."""
        found = self._states() + self._wait(self.history, "events and archive equal what was heard")
        print(self.said)
        for name in ("producer", "state worker", "usage worker"):
            self.parts[name].stop()
        found += self.replay("kafka") + self.table()
        return found + self._wait(lambda: self.replay("archive"), "the archive folds to itself")


def _ms(event: dict[str, Any]) -> int:
    return int(event["timeNano"]) // 1_000_000


def _settings(engine: DockerEngine, kafka: KafkaBroker, archive: ClickHouseHttpServer, folder: Path) -> dict[str, str]:
    port = free_port()
    return {
        "WST_BROKERS": kafka.bootstrap,
        "WST_TOPIC_PREFIX": "walk.",
        "WST_CLICKHOUSE_URL": archive.url,
        "WST_CLICKHOUSE_DATABASE": "walk",
        "WST_DATA_DIR": str(folder),
        "WST_ENGINES": engine.url,
        "WST_ENGINE_NAME": "laptop",
        "WST_SYNC_INTERVAL": "4s",
        "WST_COLLECT_INTERVAL": "2s",
        "WST_API_PORT": str(port),
        "WST_API": f"http://127.0.0.1:{port}",
    }


def _started(stack: ExitStack, settings: dict[str, str]) -> dict[str, Part]:
    wst("topics", "apply", settings=settings)
    wst("migrate", settings=settings)
    return {name: stack.enter_context(Part(arguments, settings)) for name, arguments in PARTS.items()}


def _watched(engine: DockerEngine, settings: dict[str, str]) -> None:
    """Waits until the producer watches: what comes then is to be there to the last event."""
    engine.run("first", "sleep", "1000", options=("--label", "com.docker.compose.project=first"))
    wait_until(lambda: "first" in wst("status", settings=settings, check=False), "the producer watches the engine", 90)
    engine.docker("rm", "--force", "first")


def main() -> None:
    """Walks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--operations", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=120.0, help="go no further after so long")
    parser.add_argument("--engine", choices=("host", "trixie"), default="host", help="this machine's, or Docker 26 (make engine26)")
    parser.add_argument("--keep", type=Path, help="a folder for what was heard and told, where something differs")
    asked = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wst-walk-")))
        engine = stack.enter_context(DockerEngine(asked.engine))
        kafka = stack.enter_context(KafkaBroker())
        archive = stack.enter_context(ClickHouseHttpServer())
        settings = _settings(engine, kafka, archive, folder)
        campaign = Campaign(engine, settings, _started(stack, settings), asked.seed)
        _watched(engine, settings)
        done = campaign.go(asked.operations, asked.minutes)
        found = campaign.verdict()
        if found and asked.keep:
            campaign.keep(asked.keep)
    print("\n".join(found[:50]))
    print(f"seed {asked.seed}: {done:,} deeds, {campaign.kills} kills, {campaign.stops} stops: {len(found)} differences")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
