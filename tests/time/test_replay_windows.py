"""Replay of usage: windows again from ticks of the log, and from samples of the archive, are those that were told, whenever that was."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import topics
from schemas.codec import codec
from schemas.journal import Journal
from schemas.publish import make_record, partition_of
from schemas.settings import Settings
from streams.core.facts import Position
from streams.core.usage import publish_owed
from streams.replay.into import Into
from streams.replay.refold import Difference
from streams.replay.sources import ArchiveSource, JournalSource
from streams.replay.usage import Message, Wanted, ticks_of_log, windows_of_log
from streams.replay.windows import Told, WindowKey, WindowRefold
from streams.sinks.clickhouse import Address
from tests.core_usage.logs import made_log
from tests.core_usage.ticks import NOON_S, Log, Record
from tests.sinks.archives import Real
from tests.sinks.records import arrive, rows_of
from tests.time.worked import PARTITIONS, PREFIX, work

WORKSPACE = "shop@laptop"


def told(log: Log) -> list[Message]:
    """What the fold published, as it lies in workspace.usage."""
    encode = codec("usage").encode
    return [
        Message(WORKSPACE.encode(), encode(record), (("wst-type", record["kind"].encode()),), Position(1, 3, number), 0)
        for number, record in enumerate(log.records)
    ]


def came(ticks: list[Record], begin: int = 1) -> Iterator[Message]:
    """The ticks of a log, from an offset on; at its beginning lies what is none."""
    encode = codec("stats_tick").encode
    if begin == 1:
        yield Message(WORKSPACE.encode(), b"no tick", (), Position(1, 3, 0), 0)
    for offset, tick in enumerate(ticks, 1):
        if offset >= begin:
            yield Message(WORKSPACE.encode(), encode(tick), (), Position(1, 3, offset), tick["tick_at_ns"] // 1_000_000)


def folded(ticks: list[Record], owed: list[int] | None = None) -> Log:
    """A log as a worker folds it; now and then the clock of the log asks for what is owed."""
    log = Log()
    for number, tick in enumerate(ticks):
        log.fold(tick)
        if owed and number in owed:
            log.records += publish_owed(log.state, tick["tick_at_ns"] // 1_000_000 + 3_600_000)
    return log


def again(live: dict[WindowKey, Told], ticks: Iterator[Message], **more: Any) -> tuple[WindowRefold, list[Difference]]:
    refold = WindowRefold(live, **more)
    found = [difference for tick in ticks_of_log(ticks, refold, lambda position: position.offset == 0) for difference in refold.take(tick)]
    return refold, found + list(refold.end())


@given(st.integers(0, 1 << 32), st.integers(1, 120), st.lists(st.integers(0, 120), max_size=6))
def test_the_log_folded_again_gives_every_window_as_it_was_told_last(seed: int, length: int, owed: list[int]) -> None:
    ticks = made_log(Random(seed), length, engines=2)
    live = windows_of_log(told(folded(ticks, owed)))
    refold, found = again(live, came(ticks))
    assert (found, refold.compared, refold.skipped) == ([], len(live), 0)


def a_day() -> list[Record]:
    """Long enough that hours and a day are over, and let go of."""
    return made_log(Random(5), 400, engines=2)


def test_one_window_told_otherwise_one_that_was_never_told_and_one_that_never_was_are_found() -> None:
    ticks = a_day()
    live = windows_of_log(told(folded(ticks)))
    hours = sorted((key for key in live if key.grain == "hour"), key=lambda key: key.start_ms)
    forged, missing = hours[0], next(key for key in hours[1:] if key.start_ms == hours[0].start_ms)
    invented = forged._replace(start_ms=forged.start_ms - 36_000_000)
    window = live[forged].window
    other = {key: one for key, one in live.items() if key != missing} | {
        forged: Told(live[forged].position, {**window, "cpu_core_ns": window["cpu_core_ns"] + 1}),
        invented: live[forged],
    }
    _, found = again(other, came(ticks))
    assert len(found) == 3
    assert [(one.live, one.replayed) for one in found if one.what.endswith(" cpu_core_ns")] == [
        (window["cpu_core_ns"] + 1, window["cpu_core_ns"])
    ]
    assert sum(one.live is None for one in found) == 1
    assert sum(one.replayed is None for one in found) == 1


def test_a_log_that_has_lost_its_beginning_is_compared_from_where_nothing_reaches_back() -> None:
    ticks = a_day()
    live = windows_of_log(told(folded(ticks)))
    refold, found = again(live, came(ticks, begin=150))
    assert found == []
    assert refold.compared
    assert refold.skipped


async def in_the_archive(archive: Real, log: Log) -> ArchiveSource:
    for table in ("samples_rows", "usage_hourly_rows"):
        archive.client.command(f"ALTER TABLE `{archive.address.database}`.{table} REMOVE TTL")  # the log is of a day long ago
    told = [arrive(topics.WORKSPACE_USAGE, record, Position(1, 3, number)) for number, record in enumerate(log.records)]
    await archive.write(rows_of(topics.WORKSPACE_USAGE, *told))
    return ArchiveSource(archive.address)


async def test_the_archives_samples_give_its_windows_and_what_was_changed_there_is_found(chdb_archive: Real, unique: str) -> None:
    # The archive does not number parts: the first of an instant is the first, and no other tick is of the same instant.
    ticks = [tick | {"part": 0, "tick_at_ns": tick["tick_at_ns"] + number} for number, tick in enumerate(a_day())]
    log = folded(ticks, [100, 300, len(ticks) - 1])
    source = await in_the_archive(chdb_archive, log)

    def write_again() -> tuple[list[Difference], int]:
        """In a thread, as a command without a loop."""
        target = Into(Address(chdb_archive.address.url, f"again_{unique}"), "wst.docker.events")
        compared, found = 0, []
        for refold, some in source.usage(Wanted(compare=True, put=target.put_window)):
            found += [difference for tick in some for difference in refold.take(tick)] + list(refold.end())
            compared += refold.compared
        target.close()
        return found, compared

    assert await asyncio.to_thread(write_again) == ([], len(windows_of_log(told(log))))
    try:
        for table in ("usage_hourly", "usage_daily", "container_usage_hourly", "container_usage_daily"):
            sql = f"SELECT * EXCEPT (final, labels, log_epoch, log_partition, log_offset) FROM {{db}}.{table} ORDER BY ALL"
            assert chdb_archive.rows(sql.replace("{db}", f"`again_{unique}`")) == chdb_archive.rows(sql)
    finally:
        chdb_archive.client.command(f"DROP DATABASE `again_{unique}`")

    record = next(record for record in reversed(log.records) if record["kind"] == "windows")
    window = record["windows"][0]
    lie = record | {"windows": [window | {"network_rx_bytes": window["network_rx_bytes"] + 7, "sample_count": window["sample_count"] + 1}]}
    await chdb_archive.write(rows_of(topics.WORKSPACE_USAGE, arrive(topics.WORKSPACE_USAGE, lie, Position(1, 3, 10**6))))
    found = []
    for refold, some in source.usage(Wanted(compare=True)):
        found += [difference for tick in some for difference in refold.take(tick)] + list(refold.end())
    assert {one.what.rpartition(" ")[2] for one in found} == {"network_rx_bytes", "sample_count"}
    source.close()


def test_a_young_journal_is_compared_from_its_beginning_and_one_that_lost_ticks_is_not(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = Journal(path, PARTITIONS)
    topic = topics.DOCKER_STATS
    ticks = [make_record(topic, PREFIX, WORKSPACE, tick, kind="stats_tick", record_id="", timestamp_ms=_ms(tick)) for tick in a_day()]
    journal.append(ticks)
    work(path)

    def compared() -> tuple[int, int]:
        source = JournalSource(path, Settings(partitions=PARTITIONS, _env_file=None))
        ((refold, read),) = source.usage(Wanted(compare=True))
        assert [difference for tick in read for difference in refold.take(tick)] + list(refold.end()) == []
        source.close()
        return refold.compared, refold.skipped

    windows, left_out = compared()
    assert windows > 20
    assert left_out == 0
    partition = partition_of(WORKSPACE.encode(), PARTITIONS)
    assert journal.prune(topic.full(PREFIX), partition, 1 << 62, 1 << 62, limit=1) == 1
    journal.close()
    assert compared()[1] > 0


def _ms(tick: Record) -> int:
    return int(tick["tick_at_ns"]) // 1_000_000


def test_windows_before_a_time_are_left_out() -> None:
    ticks = a_day()
    live = windows_of_log(told(folded(ticks)))
    since_ns = (NOON_S + 3 * 3600) * 10**9
    refold, found = again(live, came(ticks), since_ns=since_ns)
    assert found == []
    assert refold.compared == sum(key.start_ms * 10**6 >= since_ns for key in live)


@pytest.mark.parametrize("erased", [True, False])
def test_windows_of_before_an_erasure_are_left_out(erased: bool) -> None:
    ticks = a_day()
    live = windows_of_log(told(folded(ticks)))
    last_ns = max(key.start_ms for key in live) * 10**6
    refold, found = again(live, came(ticks), left_out={WORKSPACE: last_ns} if erased else {})
    assert found == []
    assert refold.compared == (0 if erased else len(live))
