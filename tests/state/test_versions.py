"""A log that an earlier version of the schemas wrote folds to what the same log written now does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from schemas import topics
from schemas.codec import Codec, codec, versions
from schemas.publish import Record
from schemas.topics import Topic
from streams.core.workspace import canonical
from tests.core_state import makers
from tests.state.desk import Log, entry

#: Whatever version 1 could say: starts and ends, listings, a gap nobody watched, commands.
NEWEST = {topic.full("wst."): codec(topic.subject) for topic in (topics.DOCKER_EVENTS, topics.DOCKER_SNAPSHOTS)}


def history(log: Log) -> Iterator[Record]:
    def fact(value: makers.Record, topic: Topic = topics.DOCKER_EVENTS) -> Record:
        return log.record(topic, value["workspace_id"], value)

    yield fact(makers.event("start", 1))
    yield fact(makers.event("start", 2, "db"))
    yield log.snapshot(entry("web", "running"), entry("db", "running"), listed_at_ns=makers.at(10))
    yield fact(makers.event("die", 20, exit_code=3))
    yield fact(makers.event("start", 30))
    yield fact(makers.command("mute", 40, for_s="60"))
    yield fact(makers.command("archive", 41))
    yield log.snapshot(entry("web", "exited"), listed_at_ns=makers.at(100), watched_since_ns=makers.at(95))
    yield fact(makers.command("forget", 110))
    yield log.snapshot(listed_at_ns=makers.at(120), watched_since_ns=makers.at(95))
    yield fact(makers.command("archive", 130))


def folded(subjects: dict[str, Codec]) -> Log:
    log = Log()
    for record in history(log):
        value = subjects[record.topic].encode(NEWEST[record.topic].decode(record.value))
        log.clock.s += 10
        log.say(record._replace(value=value))
    return log


@pytest.mark.parametrize("version", [1, 2])
def test_a_log_of_an_earlier_version_folds_to_the_same_states_and_event_ids(version: int) -> None:
    of_old = {topic: Codec(now.subject, {1: versions(now.subject)[min(version, now.version)]}) for topic, now in NEWEST.items()}
    old, new = folded(of_old), folded(NEWEST)
    ids = [event["id"] for event in new.of(topics.WORKSPACE_CHANGES)]
    assert len(ids) > 15
    assert [event["id"] for event in old.of(topics.WORKSPACE_CHANGES)] == ids
    states = [[canonical(state) for _, state in log.workspaces.items(0)] for log in (old, new)]
    assert states[0] == states[1] != []
