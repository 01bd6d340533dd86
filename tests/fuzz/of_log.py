"""The decoders of the log, and those behind them: folds, tables, rows, what an API shows."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any, Final, NamedTuple

from schemas import topics
from schemas.codec import Undecodable, codec, versions
from schemas.requests import COMMANDS_HEADER, ERASE_HEADER, REFUSED_HEADER
from schemas.settings import Settings
from schemas.tick_decoder import TickDecoder
from schemas.usage_decoder import Sampled, UsageDecoder, sampled
from streams.api.live import Live
from streams.api.shelf import Shelf
from streams.core.facts import Position, parse_fact
from streams.core.invalid import InvalidMessage
from streams.log_facts import read_fact
from streams.sinks.rows import CAUSE_HEADER, TOPICS, arrived, blocks
from tests.fuzz.mutate import bytes_like
from tests.fuzz.records import Records
from tests.fuzz.target import Target, of_bytes

PREFIX: Final = "wst."
AT: Final = Position(1, 0, 1)
REFUSALS: Final = (Undecodable, InvalidMessage)
_Read = Callable[[bytes], Any]
_DECODERS: Final[dict[str, tuple[str, _Read, _Read]]] = {
    "fact, fast reader": ("docker.events", read_fact, lambda data: parse_fact(codec("fact").decode(data))),
    "tick, fast decoder": ("docker.stats", TickDecoder().decode, codec("stats_tick").decode),
    "usage, fast decoder": (
        "workspace.usage", partial(UsageDecoder().decode, b"shop"), lambda data: _sampled_if_only(codec("usage").decode(data)),
    ),
}  # fmt: skip


class Message(NamedTuple):
    """A record as a consumer gets it."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


def targets(log: dict[str, list[bytes]]) -> list[Target]:
    """Of a log by topic."""
    found = [_decoder(topic.name, topic.subject, log[topic.name]) for topic in topics.ALL]
    for name, (topic, fast, slow) in _DECODERS.items():
        found.append(_twins(name, log[topic], topics.BY_NAME[topic].subject, fast, slow))
    values = {topic.name: Records(topic.subject, log[topic.name]) for topic in topics.ALL}
    found += [_rows(topic, values[topic]) for topic in TOPICS]
    return [*found, Target("messages to the API", partial(_messages, values), _show, (), 50)]


def headers_like(draw: random.Random) -> tuple[tuple[str, bytes], ...]:
    """Headers that somebody reads, with what nobody expects in them."""
    names = (CAUSE_HEADER, ERASE_HEADER, COMMANDS_HEADER, REFUSED_HEADER, "wst-type", "wst-schema", "wst-id", "wst-position", "x")
    contents = (
        b"",
        b"1.0.7",
        b"1.0",
        b"99999999999999999999.0.1",
        b"1.0.-1",
        b"\xff",
        b"windows",
        b"samples",
        b",,",
        b"a" * 300,
        b"1_0.1.1",
    )
    return tuple((draw.choice(names), draw.choice(contents)) for _ in range(draw.choice((0, 0, 1, 1, 2, 4))))


def _decoder(topic: str, subject: str, corpus: Sequence[bytes]) -> Target:
    """Bytes to the codec, as every version begins."""
    coders = Records(subject, corpus)
    begins = [*corpus, *(coders.encode(record, number) for record in coders.good[:50] for number in versions(subject))]
    return of_bytes(f"{topic}, codec", begins, codec(subject).decode, (Undecodable,), 1_000)


def _twins(name: str, corpus: Sequence[bytes], subject: str, fast: Callable[[bytes], Any], slow: Callable[[bytes], Any]) -> Target:
    """A fast decoder, which gives what the slow one gives, errors too."""
    records = Records(subject, corpus)

    def make(draw: random.Random) -> bytes:
        return records.value(draw)[1] if draw.random() < 0.5 else bytes_like(draw, corpus)

    def run(data: bytes) -> None:
        found, refused = _outcome(fast, data)
        must, must_refuse = _outcome(slow, data)
        assert str(refused) == str(must_refuse), f"{refused or found!r:.300} instead of {must_refuse or must!r:.300}"
        assert repr(found) == repr(must), f"{found!r:.300} instead of {must!r:.300}"
        if refused is not None:
            raise refused

    return Target(name, make, run, REFUSALS, 500)


def _outcome(read: Callable[[bytes], Any], data: bytes) -> tuple[Any, Exception | None]:
    try:
        return read(data), None
    except REFUSALS as error:
        return None, error


def _sampled_if_only(record: dict[str, Any]) -> Sampled | dict[str, Any]:
    return record if record["kind"] != "samples" or record["windows"] else sampled(record)


def _rows(topic: str, records: Records) -> Target:
    """What the sink does with a record: decode, check, rows."""

    def make(draw: random.Random) -> Message:
        key, value = records.value(draw)
        return Message(topic, key, None if draw.random() < 0.02 else value, headers_like(draw))

    def run(one: Message) -> object:
        return blocks(topic, [arrived(topic, AT, one.key, one.value, one.headers, 0)])

    return Target(f"{topic} to rows", make, run, REFUSALS, 500)


_SETTINGS: Final = Settings()
_SHOWN: Final = ("workspace.state", "workspace.usage", "workspace.changes", "workspace.control", "docker.snapshots")


def _messages(values: Mapping[str, Records], draw: random.Random) -> list[Message]:
    made = []
    for _ in range(draw.randrange(1, 9)):
        topic = draw.choice(_SHOWN)
        key, value = values[topic].value(draw)
        made.append(Message(topic, key, None if draw.random() < 0.05 else value, headers_like(draw)))
    return made


def _show(messages: list[Message]) -> None:
    """What an API does with records: into its views, and out as JSON."""
    live = Live(_SETTINGS, None)
    shelf = Shelf(live.states, live.usage)
    for offset, one in enumerate(messages, 1):
        record: Any = SimpleNamespace(**one._asdict(), partition=0, offset=offset, timestamp=0)
        try:
            live._take[PREFIX + one.topic](record)
        except REFUSALS:
            continue
    for state in list(live.states):
        shelf.whole(state)
        shelf.metrics(state)
    for kept in live.recent.latest(100):
        assert kept.json
    live.engines.listed(1_800_000_000_000_000_000, ())
    live.engines.last_listed()
