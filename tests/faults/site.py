"""One round's cluster: topics and tables of its own, every part in a process that is killed, paused, and started again by its keeper."""

from __future__ import annotations

import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from producers.fleet import FleetPlan, history
from schemas import topics
from schemas.codec import codec
from tests.e2e.parts import wst
from tests.faults import clock
from tests.faults.checker import Topics, watermarks
from tests.faults.keeper import HOSTS, Archive, Broker, FaultPart, Keeper
from tests.faults.part import POINTS
from tests.faults.traffic import Hours, Upset, write_fleet
from tests.platform.line import Line, Trouble
from tests.platform.process import PATIENCE_S, ServerProcess, free_port, wait_until

#: Short, so that a round need not wait long for a dead member; the lease is half of it.
SESSION_S: Final = 3.0
PARTITIONS: Final = 4
SINK_TOPICS: Final = ("docker.events", "workspace.state", "workspace.changes", "workspace.usage", "dead.letters")
GROUPS: Final = {"state": ("docker.events", "docker.snapshots"), "usage": ("docker.stats",), "sink": SINK_TOPICS}


class Site:
    """A cluster with its traffic.

    Args:
        brokers, archive: shared by the rounds of a campaign.
    """

    def __init__(self, brokers: Sequence[Broker], archive: Archive, name: str, folder: Path, plan: FleetPlan) -> None:
        self.brokers, self.archive, self.name, self.folder, self.plan = brokers, archive, name, folder, plan
        self._servers: tuple[Broker | Archive, ...] = (*brokers, archive)
        self.bootstrap = ",".join(broker.bootstrap for broker in brokers)
        self.prefix = f"{name}."
        self.notes = folder / "notes"
        self.fleet = folder / "fleet.json"
        self.began_ns = 0
        self._draw = random.Random(plan.seed)
        self.keepers: dict[str, Keeper] = {}
        self._broken: dict[str, float] = {}
        self._stepped: dict[str, float] = {}
        self.settings = {
            "WST_BROKERS": self.bootstrap,
            "WST_TOPIC_PREFIX": self.prefix,
            "WST_PARTITIONS": str(PARTITIONS),
            "WST_CLICKHOUSE_URL": archive.url,
            "WST_CLICKHOUSE_DATABASE": name,
            "WST_ENGINE_NAME": "fleet",
            "WST_SYNC_INTERVAL": "4s",
            "WST_COLLECT_INTERVAL": "2s",
            "WST_METRICS_UPDATE_EVERY": "5s",
            "WST_FAULT_SESSION_S": str(SESSION_S),
            "WST_FAULT_NOTES": str(self.notes),
            "WST_FLEET": str(self.fleet),
        }

    def begin(self) -> None:
        """Makes topics and tables, starts every part, and lets the fleet's history begin when all run."""
        self.notes.touch()
        for server in self._servers:
            server.waited = False
            wait_until(server._is_ready, f"{server.name} to answer")
            server.waited = True
        self.prepare()
        write_fleet(self.fleet, self.plan, None)
        for name, arguments in self._parts().items():
            self.add(name, arguments)
        self.hours = Hours(self.bootstrap, self.prefix, PARTITIONS, self.plan.seed)
        self.began_ns = self._first_listing()
        write_fleet(self.fleet, self.plan, self.began_ns)

    def prepare(self) -> None:
        """Makes topics and tables, or brings them forward."""
        wst("topics", "apply", settings=self.settings)
        wst("migrate", settings=self.settings)

    @staticmethod
    def _parts() -> dict[str, tuple[str, ...]]:
        return {
            "producer": ("producer",),
            "worker state 1": ("worker", "state"),
            "worker state 2": ("worker", "state"),
            "worker usage 1": ("worker", "usage"),
            "worker usage 2": ("worker", "usage"),
            "sink 1": ("sink",),
            "sink 2": ("sink",),
            "api": ("api",),
        }

    def add(self, name: str, arguments: tuple[str, ...], fault: bool = False) -> Keeper:
        """Starts one more part."""
        port = str(free_port())
        host = next(host for host, parts in HOSTS.items() if arguments[0] in parts)
        own = {"WST_BROKERS": ",".join(f"127.0.0.1:{line.port}" for line in self._lines(host))}
        own |= {"WST_DATA_DIR": str(self.folder / name.replace(" ", "-")), "WST_API_PORT": port, "WST_API": f"http://127.0.0.1:{port}"}
        own["WST_FAULT_CLOCK"] = str(self._clock(host))
        part = self.make_part(arguments, self.settings | own)
        kind = " ".join(arguments)
        keeper = Keeper(name, part, lambda: self._fault_of(kind))
        part.fault = self._fault_of(kind) if fault else ""
        part.start()
        self.keepers[name] = keeper
        return keeper

    def make_part(self, arguments: tuple[str, ...], settings: dict[str, str]) -> FaultPart:
        """A part as it is started."""
        return FaultPart(arguments, settings)

    def _fault_of(self, kind: str) -> str:
        """What a process that is started takes with it: about every second one dies by itself, at the worst moment."""
        points = POINTS.get(kind)
        if not points or self.settled or self._draw.random() < 0.4:
            return ""
        deed = "stop" if self._draw.random() < 0.25 else "kill"
        return f"{deed}:{self._draw.choice(points)}:{self._draw.choice((1, 1, 2, 3, 5, 8))}"

    settled = False

    def _first_listing(self) -> int:
        """Waits for the producer's first listing; history begins a moment later."""
        consumer = self._consumer("begin")
        topic = self.prefix + topics.DOCKER_SNAPSHOTS.name
        wait_until(lambda: any(watermarks(consumer, topic, number)[1] for number in range(PARTITIONS)), "the first listing")
        consumer.close()
        return time.time_ns() + 1_000_000_000

    def look(self) -> None:
        """All keepers look at their parts; what stopped itself is let go on after a while, broken lines and clocks are mended in time."""
        now = time.monotonic()
        for host in [host for host, until in self._broken.items() if now >= until]:
            for line in self._lines(host):
                line.fail(None)
            del self._broken[host]
        for host in [host for host, until in self._stepped.items() if now >= until]:
            clock.step(self._clock(host), 0.0)
            del self._stepped[host]
        for keeper in self.keepers.values():
            if keeper.resume_at is None and keeper.part.is_running and keeper.is_stopped():
                keeper.resume_at = now + self._draw.choice((0.5, SESSION_S * 0.7, SESSION_S * 1.7))
            keeper.look(now)

    def _lines(self, host: str) -> list[Line]:
        return [broker.lines[host] for broker in self.brokers]

    def break_line(self, host: str, trouble: Trouble, for_s: float) -> bool:
        """Something happens to a host's line to the broker; False: it has its trouble already."""
        if host in self._broken:
            return False
        for line in self._lines(host):
            line.fail(trouble)
        self._broken[host] = time.monotonic() + for_s
        return True

    def _clock(self, host: str) -> Path:
        return self.folder / f"clock of {host}"

    def step_clock(self, host: str, off_s: float, for_s: float) -> bool:
        """A host's wall clock jumps, and back later; False: it is off already."""
        if host in self._stepped:
            return False
        clock.step(self._clock(host), off_s)
        self._stepped[host] = time.monotonic() + for_s
        return True

    def upset_engine(self, upset: Upset, for_s: float) -> None:
        """Something happens to the fleet's engine."""
        write_fleet(self.fleet, self.plan, self.began_ns, upset, time.time_ns() + round(for_s * 1e9))

    def settle(self, timeout_s: float = 2 * PATIENCE_S) -> None:
        """Heals everything, ends the traffic, and waits until all of it is folded and archived; then all parts but the API end.

        Raises:
            TimeoutError: it does not come to rest.
        """
        self.settled = True
        self._broken, self._stepped = dict.fromkeys(self._broken, 0.0), dict.fromkeys(self._stepped, 0.0)
        write_fleet(self.fleet, self.plan, self.began_ns)
        for keeper in self.keepers.values():
            keeper.start_at = 0.0
            if keeper.part.is_running:
                keeper.resume_at = 0.0
        over_ns = self.began_ns + round((self.plan.seconds + 1) * 1e9)
        self.until(lambda: time.time_ns() > over_ns, "the fleet's history to be over", self.plan.seconds + 10)
        # Processes that carry a fault go, and come back without.
        for keeper in self.keepers.values():
            if isinstance(keeper.part, FaultPart) and keeper.part.fault and keeper.wanted:
                keeper.part.kill()
                keeper.part.fault = ""
        self.until(lambda: all(k.part.is_running for k in self.keepers.values() if k.wanted), "all parts to run", PATIENCE_S)
        for server in self._servers:
            server.waited = False
            self.until(server._is_ready, f"{server.name} to answer", PATIENCE_S)
        self.archive.fail()
        self.hours.close()
        # A producer that has just come back has yet to ask for what it missed; what is still missing later the checker names.
        with suppress(TimeoutError):
            self.until(self._all_is_told, "the whole history to be in the log", timeout_s)
        self.until(self.outbox_is_empty, "the outbox to be empty", timeout_s)
        self._end("producer")
        self.until(lambda: self.lag("state") == 0 and self.lag("usage") == 0, "everything to be folded", timeout_s)
        for name in [name for name in self.keepers if name.startswith("worker")]:
            self._end(name)
        self.until(lambda: self.lag("sink") == 0, "everything to be archived", timeout_s)
        for name in [name for name in self.keepers if name.startswith("sink")]:
            self._end(name)

    def run_for(self, seconds: float) -> None:
        """Keeps all running for a while."""
        over = time.monotonic() + seconds
        self.until(lambda: time.monotonic() > over, f"{seconds:g} s to pass", seconds + PATIENCE_S)

    def until(self, condition: Callable[[], bool], what: str, timeout_s: float = PATIENCE_S) -> None:
        """Keeps all running until something holds."""

        def holds() -> bool:
            self.look()
            time.sleep(0.1)
            return condition()

        wait_until(holds, what, timeout_s)

    def _all_is_told(self) -> bool:
        decode = codec("fact").decode
        facts = (decode(record.value) for record in Topics(self.bootstrap, self.prefix).read(topics.DOCKER_EVENTS.name))
        return len({fact["id"] for fact in facts if fact["kind"] == "engine_event"}) >= len(self.heard())

    def outbox_is_empty(self) -> bool:
        """The producer has nothing that the broker has not taken."""
        path = self.folder / "producer" / "outbox.sqlite"
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
        try:
            sql = "SELECT coalesce((SELECT max(next_seq) FROM cursors), 0) > coalesce((SELECT max(seq) FROM records), 0)"
            return bool(database.execute(sql).fetchone()[0])
        finally:
            database.close()

    def drop(self, name: str) -> None:
        """A worker leaves in good order; its notes of ends stay."""
        self._end(name)

    def _end(self, name: str) -> None:
        keeper = self.keepers[name]
        keeper.wanted = False
        keeper.part.stop()

    def lag(self, group: str) -> int:
        """Records that a group has not committed; a large number where nobody can say."""
        consumer = self._consumer(group)
        try:
            lag = 0
            for topic in GROUPS[group]:
                partitions = [TopicPartition(self.prefix + topic, number) for number in range(PARTITIONS)]
                for found in consumer.committed(partitions, timeout=5):
                    lag += consumer.get_watermark_offsets(found, 5)[1] - max(found.offset, 0)
            return lag
        except KafkaException:
            return 1 << 40
        finally:
            consumer.close()

    def _consumer(self, group: str) -> Consumer:
        return Consumer({"bootstrap.servers": self.bootstrap, "group.id": self.prefix + group, "log_level": 0, "enable.auto.commit": False})

    def heard(self) -> list[dict[str, Any]]:
        """The fleet's whole history."""
        return list(history(self.plan, self.began_ns))

    def deeds(self) -> Counter[str]:
        """What processes did to themselves at their worst moments, from their notes."""
        return Counter(self.notes.read_text().splitlines())

    def close(self) -> None:
        """Ends what runs, and mends what is shared."""
        for host in HOSTS:
            for line in self._lines(host):
                line.fail(None)
        for keeper in self.keepers.values():
            if keeper.part not in self._servers:
                keeper.part.kill()
                keeper.part.close()


def log_of(part: ServerProcess) -> str:
    """All a part has said."""
    return part.log_path.read_text(errors="replace")
