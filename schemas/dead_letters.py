"""The dead letter: a record that could not be used, with the reason and with where it lay, whoever refuses it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from schemas.publish import Record, make_record
from schemas.topics import DEAD_LETTERS

#: Most of a refused value, of its key and of its headers together that is kept, bytes: a letter fits its topic whatever it is about.
KEPT_BYTES: Final = 512 * 1024
_KEPT_KEY_BYTES: Final = 16 * 1024
_KEPT_HEADER_BYTES: Final = 64 * 1024
#: Header of a letter whose record had a longer key or more headers: says which of them were cut.
CUT: Final = "wst-cut"


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
    headers: Sequence[tuple[str, bytes]] = ()


def dead_letter(prefix: str, refused: RefusedRecord, *, stage: str, code: str, reason: str, record_id: str, refused_at_ns: int) -> Record:
    """The record for `dead.letters`; of a value larger than `KEPT_BYTES` its beginning, with the size of the whole.

    Its time is that of the refusal, as retention goes by it: a letter about an old record would be deleted before anybody saw it.

    Args:
        stage: who refuses.
        code: why, for programs.
        reason: why, in words.
        refused_at_ns: the writer's clock, ns since the Unix epoch.
    """
    value = refused.value
    key = None if refused.key is None else refused.key[:_KEPT_KEY_BYTES]
    headers = list(_fitting(refused.headers))
    cut = ["key"] * (key != refused.key) + ["headers"] * (len(headers) < len(refused.headers))
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
        "headers": dict(headers) | ({CUT: " and ".join(cut).encode()} if cut else {}),
    }
    text_key = (key or b"").decode("utf-8", "surrogateescape")
    return make_record(DEAD_LETTERS, prefix, text_key, letter, kind=code, record_id=record_id, timestamp_ms=refused_at_ns // 1_000_000)


def _fitting(headers: Sequence[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    """The headers that fit into what is kept; one that does not leaves room for those behind it."""
    room = _KEPT_HEADER_BYTES
    for name, content in headers:
        size = len(name.encode("utf-8", "surrogateescape")) + len(content or b"")
        if size <= room:
            room -= size
            yield name, bytes(content or b"")
