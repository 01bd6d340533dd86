"""Versions side by side, as far as today's code can tell: `python -m tests.life.rolling COMMIT` runs the real thing.

A rolling upgrade ends workers one by one, and a new one that dies may be followed by an old one: each reads what the other has written.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas import topics
from schemas.codec import Codec, Undecodable, codec, subjects, versions
from schemas.publish import Record
from streams.core import updates
from streams.core.facts import Position
from streams.core.thresholds import Watch
from streams.core.workspace import from_bytes, to_bytes
from streams.dead_letters import DeadLetters
from streams.engine_rows import EngineRow
from streams.lane import Input
from tests.fuzz.corpus import written
from tests.fuzz.of_folds import folded_tables

#: In no version's record or value.
LATER = {"zz_later": {"a": [1, "2", None]}}


@pytest.fixture(scope="module")
def log() -> dict[str, list[bytes]]:
    return written()


@pytest.fixture(scope="module")
def kept(log: dict[str, list[bytes]]) -> tuple[list[bytes], list[bytes], list[bytes]]:
    return folded_tables(log)


def test_a_state_that_a_newer_worker_kept_is_read_without_what_it_added(kept: tuple[list[bytes], ...]) -> None:
    for value in kept[0]:
        plain = json.loads(value) | LATER
        plain["c"] = [one | LATER for one in plain["c"]]
        plain["e"] = [[engine_id, one | LATER] for engine_id, one in plain["e"]]
        assert to_bytes(from_bytes(json.dumps(plain).encode())) == value


def test_an_engines_row_that_a_newer_worker_kept_is_read_without_what_it_added(kept: tuple[list[bytes], ...]) -> None:
    for value in kept[1]:
        head, _, parts = value.partition(b"\n")
        plain = json.loads(head) | LATER
        plain["health"] |= LATER
        assert EngineRow.from_bytes(json.dumps(plain).encode() + b"\n" + parts).to_bytes() == value


def test_what_a_newer_worker_remembers_of_updates_and_alerts_is_read_without_what_it_added() -> None:
    told = updates.Updates(7)
    told.of("E1").told_ns = 5
    told.watches["E1"] = {("c1", "cpu"): Watch(bad=3, known=7, container_name="web")}
    plain = json.loads(updates.to_text(told)) | LATER
    plain["engines"]["E1"] |= LATER
    plain["watches"]["E1"][0][2] |= LATER
    assert updates.from_text(json.dumps(plain)) == told


@pytest.mark.parametrize("topic", topics.ALL, ids=lambda topic: topic.name)
def test_what_writers_of_every_version_say_is_read_alike(topic: topics.Topic, log: dict[str, list[bytes]]) -> None:
    now = codec(topic.subject)
    for number, schema in versions(topic.subject).items():
        before, read = Codec(topic.subject, {number: schema}), 0
        names = {field["name"] for field in schema["fields"]}
        for value in log[topic.name]:
            record = now.decode(value)
            try:
                old = before.encode(record)
            except ValueError:  # a word that came later: its writers say nothing of the kind
                continue
            found, must = now.decode(old), before.decode(old)
            assert _within(must, {name: found[name] for name in names})
            read += 1
        assert read


def _within(old: Any, new: Any) -> bool:
    """Whether a newer reader has all that an older one has."""
    if isinstance(old, dict):
        return isinstance(new, dict) and all(name in new and _within(value, new[name]) for name, value in old.items())
    if isinstance(old, list):
        return isinstance(new, list) and len(old) == len(new) and all(map(_within, old, new))
    return bool(old == new)


@pytest.mark.parametrize("subject", [subject for subject in subjects() if len(versions(subject)) > 1])
def test_a_reader_that_is_older_than_a_schema_puts_the_record_aside_whole_and_it_is_read_after_the_upgrade(
    subject: str, log: dict[str, list[bytes]]
) -> None:
    """Hence readers first; whoever does it the other way has dead letters to give again, and lost nothing."""
    topic = next(topic for topic in topics.ALL if topic.subject == subject)
    known = versions(subject)
    before = Codec(subject, {number: schema for number, schema in known.items() if number < max(known)})
    value = codec(subject).encode(codec(subject).decode(log[topic.name][0]))
    with pytest.raises(Undecodable) as refused:
        before.decode(value)
    assert refused.value.code == "unknown_schema"
    sent: list[Record] = []
    one = Input(topic.full("wst."), Position(1, 0, 7), b"shop", value, (), 0)
    DeadLetters("state", "wst.", sent.append).refuse(one, refused.value.code, refused.value.reason)
    letter = codec("dead_letter").decode(sent[0].value)
    assert codec(subject).decode(letter["value"]) == codec(subject).decode(value)
