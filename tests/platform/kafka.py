"""A real Apache Kafka broker (KRaft, one node) from the jars that `tests/kafka/pom.xml` names."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.platform.line import Line
from tests.platform.process import CACHE, PATIENCE_S, ROOT, ServerFailed, ServerProcess, free_port

BROKER = "kafka.Kafka"
POM = ROOT / "tests" / "kafka" / "pom.xml"
LOGGING = ROOT / "tests" / "kafka" / "log4j2.properties"
JARS = CACHE / "kafka" / "jars"
#: The classes of a started broker as the JVM maps them, made by `make platform`; without it brokers start, too, only slower.
CLASSES = CACHE / "kafka" / "classes.jsa"

PROPERTIES = """\
process.roles={roles}
node.id={node}
listeners={listeners}
advertised.listeners={advertised}
listener.security.protocol.map={protocols}
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}
log.dirs={log_dir}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
# After a SIGKILL the node is let in again when its own old session has expired: make that short.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
# Compaction within a test's patience, in a small heap.
log.cleaner.backoff.ms=500
log.cleaner.dedupe.buffer.size=8388608
"""


def _stamp() -> Path:
    return JARS.parent / f"pom-{hashlib.sha256(POM.read_bytes()).hexdigest()[:16]}"


def missing() -> str | None:
    """Say what keeps a broker from running here, or None."""
    if shutil.which("java") is None:
        return "java not found"
    if not _stamp().exists() and shutil.which("mvn") is None:
        return "mvn not found"
    return None


def resolve_jars() -> None:
    """Let Maven fetch the broker's jars, once per version of the pom; safe beside another run."""
    stamp = _stamp()
    if stamp.exists():
        return
    stamp.parent.mkdir(parents=True, exist_ok=True)
    with (stamp.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists():
            return
        shutil.rmtree(JARS, ignore_errors=True)
        copy = ("dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={JARS}")
        done = subprocess.run(
            ["mvn", "-B", "-q", "-ntp", "-f", str(POM), *copy],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ServerFailed(f"Maven could not fetch Kafka's jars:\n{done.stdout}{done.stderr}")
        stamp.touch()


class KafkaBroker(ServerProcess):
    """One broker on free loopback ports, with a log directory that survives kills and restarts."""

    _shared_classes: tuple[str, ...] = (f"-XX:SharedArchiveFile={CLASSES}",)

    def __init__(
        self, settings: Mapping[str, str] | None = None, lines: Mapping[str, Line] | None = None, joins: KafkaBroker | None = None
    ) -> None:
        """Format a log directory.

        Args:
            settings: broker properties that override the defaults.
            lines: ways to it by name; a client that comes by one is told no other.
            joins: whose cluster this one is the second node of; that one alone is its controller.
        """
        super().__init__("kafka")
        self.port = free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self.controller_port: int = joins.controller_port if joins else free_port()
        self.cluster_id: str = joins.cluster_id if joins else urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()
        self._joins = joins is not None
        resolve_jars()
        overrides = "".join(f"{key}={value}\n" for key, value in (settings or {}).items())
        self._properties = self.folder / "server.properties"
        self._properties.write_text(self._said(lines or {}) + overrides)
        self._format()

    def _said(self, lines: Mapping[str, Line]) -> str:
        """The properties of this node, with a listener for each line, of which clients learn the line's own port."""
        listens = {"PLAINTEXT": self.port, **{name: line.to_port for name, line in lines.items()}}
        tells = listens | {name: line.port for name, line in lines.items()}
        own = {} if self._joins else {"CONTROLLER": self.controller_port}
        return PROPERTIES.format(
            roles="broker" if self._joins else "broker,controller",
            node=2 if self._joins else 1,
            listeners=",".join(f"{name}://127.0.0.1:{port}" for name, port in (listens | own).items()),
            advertised=",".join(f"{name}://127.0.0.1:{port}" for name, port in tells.items()),
            protocols=",".join(f"{name}:PLAINTEXT" for name in (*listens, "CONTROLLER")),
            controller_port=self.controller_port,
            log_dir=self.folder / "log",
        )

    def _java(self, main_class: str, *arguments: str) -> list[str]:
        # A small heap, only the quick compiler and classes that were read before: the broker starts in a third of the time.
        jvm = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", *self._shared_classes)
        logging = f"-Dlog4j2.configurationFile={LOGGING}"
        # In a fixed order: the archive of classes is good for one class path only.
        return ["java", *jvm, logging, "-cp", ":".join(sorted(map(str, JARS.glob("*.jar")))), main_class, *arguments]

    def _format(self) -> None:
        tool = self._java("kafka.tools.StorageTool", "format", "--no-initial-controllers" if self._joins else "--standalone")
        done = subprocess.run(
            # `=` binds the value: an id may begin with a dash, which would read as an option.
            [*tool, f"--cluster-id={self.cluster_id}", f"--config={self._properties}"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ServerFailed(f"Kafka could not format its log:\n{done.stdout}{done.stderr}")

    def _command(self) -> Sequence[str]:
        return self._java(BROKER, str(self._properties))

    def _is_ready(self) -> bool:
        try:
            return bool(self.admin().list_topics(timeout=1.0).brokers)
        except KafkaException:
            return False

    def admin(self) -> AdminClient:
        """Return an administration client of this broker."""
        # log_level 2: a broker that tests kill on purpose would fill the screen otherwise.
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 2})

    def create_topic(self, name: str, partitions: int = 1, **config: str) -> None:
        """Create a topic and wait for it; `config` takes `_` for `.`, as in `cleanup_policy`."""
        settings = {key.replace("_", "."): value for key, value in config.items()}
        topic = NewTopic(name, partitions, 1, config=settings)
        admin = self.admin()  # kept in a name: its requests die with it
        admin.create_topics([topic])[name].result(timeout=PATIENCE_S)


class _BrokerThatShares(KafkaBroker):
    """A broker that leaves the classes it read to those after it."""

    def _java(self, main_class: str, *arguments: str) -> list[str]:
        self._shared_classes = (f"-XX:ArchiveClassesAtExit={CLASSES}",) if main_class == BROKER else ()
        return super()._java(main_class, *arguments)


def share_classes() -> None:
    """Start a broker once and keep what classes it read, for every broker after it."""
    with _BrokerThatShares() as broker:
        broker.create_topic("any")
        broker.stop(PATIENCE_S)


if __name__ == "__main__":
    resolve_jars()
    share_classes()
