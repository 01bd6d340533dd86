"""Replay: the whole log folded again is the state in canonical encoding and the same event ids, from the journal and from the archive."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import topics
from schemas.codec import codec
from schemas.errors import Refused
from schemas.journal import Journal
from schemas.requests import ERASE_HEADER
from streams.core import workspace
from streams.core.facts import Position
from streams.replay.into import Into
from streams.replay.refold import Difference, Live, RawFact, Refold
from streams.replay.sources import ArchiveSource
from streams.sinks.block import Block
from streams.sinks.clickhouse import Address
from tests.core_state.makers import Record, command, event
from tests.core_state.test_properties import LOGS
from tests.e2e.parts import wst
from tests.sinks.archives import Real
from tests.sinks.records import arrive, forgotten_by, rows_of
from tests.time.log import Log, of, slices
from tests.time.worked import PARTITIONS, PREFIX, facts_of, work


def raw(log: Log) -> list[RawFact]:
    return [RawFact(codec("fact").encode(record), position) for record, position in log.facts]


def live_of(log: Log) -> dict[str, Live]:
    return {name: Live(state, position) for name, state, position in log.published}


def ids_of(log: Log) -> dict[str, list[str]]:
    ids: dict[str, list[str]] = {name: [] for name in log.states}
    for change in log.changes:
        ids[change.workspace_id].append(change.id)
    return ids


@given(LOGS, LOGS, st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_a_replay_of_any_log_is_the_live_state_in_canonical_encoding_with_the_same_ids(
    one: list[Record], other: list[Record], sizes: list[int]
) -> None:
    log = Log()
    both = [record for pair in zip(of("a@x", one), of("b@x", other), strict=False) for record in pair]
    for part in slices(both, sizes):
        log.slice(part)
    again = Refold(live_of(log))
    again.run(raw(log))
    assert {name: workspace.canonical(state) for name, state in again.states.items()} == {
        name: workspace.canonical(state) for name, state in log.states.items()
    }
    assert list(again.differences(ids_of(log))) == []
    assert {name: again.event_ids.get(name, []) for name in log.states} == ids_of(log)


def test_what_came_after_the_state_that_is_compared_with_is_left_out() -> None:
    log = Log()
    log.slice([event("start", 0)])
    live = live_of(log)
    log.slice([event("die", 10, exit_code=3)])
    again = Refold(live)
    again.run(raw(log))
    assert (again.facts, again.newer) == (1, 1)
    assert list(again.differences({})) == []


def test_each_difference_is_named_by_its_field() -> None:
    log = Log()
    log.slice([event("start", 0), event("start", 1, "db")])
    (known,) = live_of(log).values()
    assert known.state is not None
    said = dict(known.state)
    containers = [container | {"exit_code": 7} if container["name"] == "db" else container for container in said["containers"]]
    tampered = Live(said | {"reason": "made up", "containers": containers}, known.until)
    again = Refold({"shop@laptop": tampered, "ghost@laptop": tampered})
    again.run(raw(log))
    found = list(again.differences({"shop@laptop": [*ids_of(log)["shop@laptop"][1:], "state.1.99.shop@laptop"]}))
    assert Difference("ghost@laptop", "status", "active", None) in found
    assert Difference("shop@laptop", "reason", "made up", "web runs") in found
    assert Difference("shop@laptop", "event", "state.1.99.shop@laptop", None) in found
    assert Difference("shop@laptop", "event", None, ids_of(log)["shop@laptop"][0]) in found
    assert next(one for one in found if one.what.endswith("exit_code")).live == 7


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    return {"WST_DATA_DIR": str(tmp_path), "WST_PARTITIONS": str(PARTITIONS), "WST_ENGINE_NAME": "laptop"} | more


def test_the_bundled_recording_played_into_a_journal_replays_to_the_same_and_a_forged_state_is_found(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    settings_of = environment(tmp_path)
    wst("play", "--once", "--speed", "500", settings=settings_of | {"WST_JOURNAL": str(path)})
    states = work(path)
    again = Refold()
    again.run(facts_of(path))
    assert {name: workspace.canonical(state) for name, state in again.states.items()} == states
    said = json.loads(wst("replay", "--compare", "--json", settings=settings_of))
    assert said["differences"] == []
    assert said["facts"] > 100
    assert said["events"] > 50
    assert said["workspaces"] > 3
    assert "no difference" in wst("replay", "--compare", settings=settings_of)
    _forge(path)
    found = wst("replay", "--compare", settings=settings_of, check=False)
    assert "reason: forged here" in found
    assert "1 difference" in found


def _forge(path: Path) -> None:
    journal = Journal(path, PARTITIONS)
    name = topics.WORKSPACE_STATE.full(PREFIX)
    entries = [entry for partition in range(PARTITIONS) for entry in journal.read_partition(name, partition, 0, 100_000)]
    gone = {entry.record.key for entry in entries if entry.record.value is None}
    last = next(entry for entry in reversed(entries) if entry.record.key not in gone)
    value = codec("state").decode(last.record.value) | {"reason": "forged"}
    journal.append([last.record._replace(value=codec("state").encode(value))])
    journal.close()


async def test_the_archive_replays_to_the_same_states_and_ids(chdb_archive: Real) -> None:
    drawn: list[list[Record]] = []

    @given(LOGS)
    @settings(max_examples=30, deadline=None, database=None, derandomize=True)
    def draw(log: list[Record]) -> None:
        drawn.append(list({record["id"]: record for record in log}.values()))

    draw()
    log = Log()
    for number, records in enumerate(drawn):
        for part in slices(of(f"w{number}@laptop", records), [3, 1, 5]):
            log.slice(part)
    log.slice([event("start", 0), event("destroy", 1), command("forget", 2)])
    for _ in range(2):
        for block in log.rows():
            await chdb_archive.write([block])
    source = ArchiveSource(chdb_archive.address)
    live = source.live()
    again = Refold(live)
    again.run(source.facts())
    assert list(again.differences(source.event_ids(live))) == []
    assert again.facts == len(log.facts)
    assert {name: workspace.canonical(state) for name, state in again.states.items()} == {
        name: workspace.canonical(state) for name, state in log.states.items()
    }
    source.close()


ERASING = command("forget", 2, erase="1")


def erased_and_back() -> Log:
    log = Log()
    for part in ([event("start", 0), event("destroy", 1)], [ERASING], [event("start", 3, "db"), command("rename", 4, name="again")]):
        log.slice(part)
    return log


def erasure(log: Log) -> list[Block]:
    """What the sink makes of the tombstone."""
    again = Refold()
    again.run(raw(log)[:3])
    ((name, (rest, _)),) = again.erased.items()
    cause = workspace.from_bytes(rest)
    headers = (*forgotten_by(Position(cause.epoch, cause.partition, cause.offset)), (ERASE_HEADER, rest))
    return rows_of(topics.WORKSPACE_STATE, arrive(topics.WORKSPACE_STATE, None, Position(1, 0, 99), name, headers))


async def test_the_archive_replays_what_came_after_an_erasure_as_the_running_system_has_it(chdb_archive: Real) -> None:
    log = erased_and_back()
    await chdb_archive.write([*log.rows(), *erasure(log)])
    source = ArchiveSource(chdb_archive.address)
    live = source.live()
    again = Refold(live, source.begins())
    again.run(source.facts())
    assert again.facts == 2
    assert list(again.differences(source.event_ids(live))) == []
    assert {name: workspace.canonical(state) for name, state in again.states.items()} == {
        name: workspace.canonical(state) for name, state in log.states.items()
    }
    source.close()


def test_a_replay_of_the_log_erases_in_the_database_it_writes_too(chdb_archive: Real, unique: str) -> None:
    log = erased_and_back()
    address = Address(chdb_archive.address.url, f"again_{unique}")
    target = Into(address, "wst.docker.events")
    again = Refold()
    for state, changes in again.take(raw(log)):
        target.put(state, changes)
    for name, (rest, at_ns) in again.erased.items():
        target.erase(name, rest, at_ns)
    target.close()
    try:
        offsets = chdb_archive.client.query(f"SELECT DISTINCT cause_offset FROM `{address.database}`.workspace_changes").result_rows
        assert min(offset for (offset,) in offsets) > log.facts[2][1].offset
        names = chdb_archive.client.query(f"SELECT DISTINCT name FROM `{address.database}`.workspaces").result_rows
        assert len(names) == 1
    finally:
        chdb_archive.client.command(f"DROP DATABASE `{address.database}`")


def test_into_a_new_database_go_every_state_that_told_something_and_every_event(chdb_archive: Real, unique: str) -> None:
    log = Log()
    log.slice([event("start", 0), event("die", 1, exit_code=3), event("start", 2)])
    address = Address(chdb_archive.address.url, f"again_{unique}")
    target = Into(address, "wst.docker.events")
    again = Refold()
    for state, changes in again.take(raw(log)):
        target.put(state, changes)
    target.close()
    try:
        rows = chdb_archive.client.query(f"SELECT status, condition FROM `{address.database}`.state_intervals ORDER BY `from`").result_rows
        assert [tuple(row) for row in rows] == [("active", "ok"), ("inactive", "failing"), ("active", "ok")]
        ids = chdb_archive.client.query(f"SELECT id FROM `{address.database}`.workspace_changes ORDER BY seq").result_rows
        assert [one for (one,) in ids] == ids_of(log)["shop@laptop"]
        with pytest.raises(Refused, match="already"):
            Into(address, "wst.docker.events")
    finally:
        chdb_archive.client.command(f"DROP DATABASE `{address.database}`")
