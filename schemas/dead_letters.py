"""The dead letter: a record that could not be used, with the reason and with where it lay, whoever refuses it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from schemas.publish import Record, make_record
from schemas.topics import DEAD_LETTERS

#: Most of a refused value that is kept, bytes.
KEPT_BYTES: Final = 512 * 1024


class RefusedRecord(NamedTuple):
    """A record as it was refused.

    Attributes:
        topic: full name; empty: it came from no topic, but from an engine.
        epoch, partition, offset: where it lay; -1 where there is no such place.
    """

    key: bytes | None
    value: bytes | None
    topic: str = ""
    epoch: int = 0
    partition: int = -1
    offset: int = -1
    headers: Iterable[tuple[str, bytes]] = ()


def dead_letter(
    prefix: str, refused: RefusedRecord, *, stage: str, code: str, reason: str, record_id: str, refused_at_ns: int, timestamp_ms: int
) -> Record:
    """The record for `dead.letters`; of a value larger than `KEPT_BYTES` its beginning, with the size of the whole.

    Args:
        stage: who refuses.
        code: why, for programs.
        reason: why, in words.
        refused_at_ns: the writer's clock, ns since the Unix epoch.
        timestamp_ms: of the letter, ms since the Unix epoch.
    """
    key, value = refused.key, refused.value
    letter = {
        "reason": reason,
        "code": code,
        "stage": stage,
        "topic": refused.topic,
        "epoch": refused.epoch,
        "partition": refused.partition,
        "offset": refused.offset,
        "refused_at_ns": refused_at_ns,
        "key": key,
        "value": None if value is None else value[:KEPT_BYTES],
        "value_size": len(value or b""),
        "headers": {name: bytes(content or b"") for name, content in refused.headers},
    }
    text_key = (key or b"").decode("utf-8", "surrogateescape")
    return make_record(DEAD_LETTERS, prefix, text_key, letter, kind=code, record_id=record_id, timestamp_ms=timestamp_ms)
