"""Where history is read from: the journal of a tree on this machine, Kafka, or the archive. Each is only read.

What is compared with comes from the same place, as far as it has it: the latest state of each workspace, and the ids of
the events told from facts up to there.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol

from schemas import topics
from schemas.codec import Undecodable, codec
from schemas.errors import Refused
from schemas.journal import Journal
from schemas.settings import Settings
from schemas.topics import Topic
from streams.core import workspace
from streams.core.facts import Position
from streams.core.invalid import InvalidMessage
from streams.core.state import WorkspaceState
from streams.embedded.readers import keep_ms
from streams.replay.refold import Live, RawFact
from streams.replay.usage import Message, Wanted, ticks_of_log, windows_of_log
from streams.replay.usage_archive import usage_of_archive
from streams.replay.windows import Tick, WindowRefold
from streams.sinks.block import ERASED
from streams.sinks.clickhouse import Address, connect, explained
from streams.sinks.rows import arrived

_PAGE: Final = 5_000
_STATE: Final = codec(topics.WORKSPACE_STATE.subject)
_EVENT: Final = codec(topics.WORKSPACE_CHANGES.subject)

Ids = dict[str, list[str]]


class Source(Protocol):
    """A place that history is in."""

    def live(self) -> dict[str, Live]:
        """What the running system says of each workspace, forgotten ones too."""

    def event_ids(self, live: Mapping[str, Live]) -> Ids:
        """Ids of the events of each workspace's state, told from facts up to what `live` says; without a key: none are kept."""

    def begins(self) -> dict[str, WorkspaceState]:
        """What facts follow, of workspaces whose earlier facts were erased."""

    def facts(self) -> Iterator[RawFact]:
        """All facts, each workspace's in the order of the log."""

    def usage(self, wanted: Wanted) -> Iterator[tuple[WindowRefold, Iterator[Tick]]]:
        """Pieces of what samples say, each with what refolds it; its ticks are to be taken to their end."""

    def close(self) -> None:
        """Lets go of it."""


class LogSource(ABC):
    """A log, in which what the system says lies in topics of its own."""

    @abstractmethod
    def messages(self, topic: Topic) -> Iterable[Message]:
        """Every record a topic holds at present, each partition's in order."""

    def live(self) -> dict[str, Live]:
        """The last state of each workspace."""
        found: dict[str, Live] = {}
        for message in self.messages(topics.WORKSPACE_STATE):
            with suppress(Undecodable, InvalidMessage):
                one = arrived(topics.WORKSPACE_STATE.name, message.position, message.key, message.value, message.headers, 0)
                found[(message.key or b"").decode("utf-8", "replace")] = Live(one.record, one.folded)
        return found

    def event_ids(self, live: Mapping[str, Live]) -> Ids:
        """Of the workspaces whose events are all still there: those from number 1 on."""
        told: dict[str, dict[int, str]] = {}
        for message in self.messages(topics.WORKSPACE_CHANGES):
            with suppress(Undecodable):
                event = _EVENT.decode(message.value)
                if _counts(event, live):
                    told.setdefault(event["workspace_id"], {})[event["seq"]] = event["id"]
        return {name: list(ids.values()) for name, ids in told.items() if min(ids) == 1}

    def begins(self) -> dict[str, WorkspaceState]:
        """Nothing: the log is whole."""
        return {}

    def facts(self) -> Iterator[RawFact]:
        """Facts as they came."""
        for message in self.messages(topics.DOCKER_EVENTS):
            yield RawFact(message.value, message.position)

    def usage(self, wanted: Wanted) -> Iterator[tuple[WindowRefold, Iterator[Tick]]]:
        """All of it at once."""
        live = windows_of_log(self.messages(topics.WORKSPACE_USAGE)) if wanted.compare else {}
        refold = WindowRefold(live, since_ns=wanted.since_ns, put=wanted.put)
        yield refold, ticks_of_log(self.messages(topics.DOCKER_STATS), refold, self.is_first_tick)

    @abstractmethod
    def is_first_tick(self, position: Position) -> bool:
        """Whether no tick of its partition was ever before this one, the first that is still there."""


def _counts(event: Mapping[str, Any], live: Mapping[str, Live]) -> bool:
    known, cause = live.get(event["workspace_id"] or ""), event["cause"]
    if known is None or cause is None or event["stream"].lower() != "state":
        return False
    return bool((cause["epoch"], cause["offset"]) <= (known.until.epoch, known.until.offset))


class JournalSource(LogSource):
    """The journal of an embedded tree, running or not."""

    def __init__(self, path: Path, settings: Settings) -> None:
        if not path.exists():
            raise Refused(f"there is no journal {path}", "set WST_DATA_DIR to the directory of a `wst up`")
        self._journal = Journal(path, settings.partitions)
        self._prefix = settings.topic_prefix

    def messages(self, topic: Topic) -> Iterator[Message]:
        """Every record a topic holds at present, each partition's in order."""
        name, journal = topic.full(self._prefix), self._journal
        for partition in range(journal.partitions):
            last, after = journal.last_seq_of(name, partition), 0
            while after < last and (page := journal.read_partition(name, partition, after, _PAGE)):
                after = page[-1].seq
                for entry in page:
                    record = entry.record
                    position = Position(journal.epoch, partition, entry.seq)
                    yield Message(record.key, record.value, tuple(record.headers), position, record.timestamp_ms)

    def is_first_tick(self, position: Position) -> bool:
        """Numbers are of all topics together, and say nothing; that ticks went is noted, but was not in an older journal."""
        name = topics.DOCKER_STATS.full(self._prefix)
        return not self._journal.was_pruned(name) and time.time() - self._journal.epoch < keep_ms(self._prefix)[name] / 1000

    def close(self) -> None:
        """Closes the file."""
        self._journal.close()


class KafkaSource(LogSource):
    """Topics of a cluster, read outside of any group."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._epoch: int | None = None

    def messages(self, topic: Topic) -> Iterator[Message]:
        """Every record a topic holds at present, each partition's in order."""
        from streams.replay.kafka import read_epoch_now, records_of

        if self._epoch is None:
            self._epoch = read_epoch_now(self._settings)
        for record in records_of(self._settings, topic.full(self._settings.topic_prefix)):
            position = Position(self._epoch, record.partition, record.offset)
            yield Message(record.key, record.value, tuple(record.headers), position, record.timestamp)

    def is_first_tick(self, position: Position) -> bool:
        """Offsets begin with 0."""
        return position.offset == 0

    def close(self) -> None:
        """Nothing is held between reads."""


class ArchiveSource:
    """The archive, which keeps facts for ever."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._client = connect(address)

    def live(self) -> dict[str, Live]:
        """The latest state of each workspace."""
        rows = self._rows("workspace_id, forgotten, record, log_epoch, log_partition, log_offset", "workspaces_rows FINAL", "")
        return {str(name): Live(None if forgotten else _STATE.decode(record), Position(*where)) for name, forgotten, record, *where in rows}

    def event_ids(self, live: Mapping[str, Live]) -> Ids:
        """All of them: events are kept for ever."""
        told: Ids = {name: [] for name in live}
        where = "WHERE stream = 'state' ORDER BY subject, seq"
        for name, event_id, epoch, offset in self._rows("subject, id, cause_epoch, cause_offset", "workspace_changes_rows FINAL", where):
            known = live.get(name)
            if known is not None and (epoch, offset) <= (known.until.epoch, known.until.offset):
                told[name].append(event_id)
        return told

    def begins(self) -> dict[str, WorkspaceState]:
        """What the fold kept of workspaces when they were erased."""
        return {str(name): workspace.from_bytes(rest) for name, rest in self._rows("workspace_id, rest", f"{ERASED} FINAL", "")}

    def facts(self) -> Iterator[RawFact]:
        """Facts by workspace, in the order of the log."""
        where = "ORDER BY workspace_id, log_epoch, log_offset"
        for record, *position in self._rows("record, log_epoch, log_partition, log_offset", "docker_events_rows FINAL", where):
            yield RawFact(record, Position(*position))

    def usage(self, wanted: Wanted) -> Iterator[tuple[WindowRefold, Iterator[Tick]]]:
        """Day by day: no window reaches over a day's end."""
        return usage_of_archive(self._client, self._address, wanted)

    def _rows(self, columns: str, table: str, rest: str) -> Iterator[Any]:
        sql = f"SELECT {columns} FROM `{self._address.database}`.{table} {rest}"
        formats: dict[str, str | dict[str, str]] | None = {"record": "bytes"} if "record" in columns else None
        with explained(self._address), self._client.query_row_block_stream(sql, column_formats=formats) as blocks:
            for block in blocks:
                yield from block

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()
