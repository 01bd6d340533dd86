"""The records of workspace.usage as Avro, several times as fast as fastavro writes them: to the byte what `codec("usage")` gives.

Samples are written for every message of docker.stats, windows for every sixth, and nearly all of a record's text is the same from tick to
tick: it is encoded once and remembered. A test compares the bytes for records of all kinds; another that the fields stand in the schema
as they stand here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

from schemas.avro_bytes import EMPTY, known_text, long, text, texts
from schemas.codec import codec

#: The fields of a record in the order they are written here.
FIELDS: Final = (
    "kind", "workspace_id", "workspace_name", "engine_id", "engine_name", "generation", "labels", "epoch", "partition", "offset",
    "tick_at_ns", "part", "samples", "windows", "host_memory_bytes",
)  # fmt: skip
SAMPLE_FIELDS: Final = ("container_id", "container_name", "service", "outcome", "derived")
WINDOW_NUMBERS: Final = (
    "sample_count", "tick_count", "observed_ns", "covered_ns", "cpu_core_ns", "memory_byte_seconds", "network_rx_bytes",
    "network_tx_bytes", "block_read_bytes", "block_write_bytes", "throttled_ns", "page_faults", "first_read_ns", "last_read_ns",
    "cpu_millipercent_min", "cpu_millipercent_max", "cpu_millipercent_last", "memory_used_bytes_min", "memory_used_bytes_max",
    "memory_used_bytes_last", "container_count", "late_count",
)  # fmt: skip
WINDOW_FIELDS: Final = (
    "grain", "container_id", "start_ms", "final", *WINDOW_NUMBERS, "sketches", "container_name", "service", "histograms",
)  # fmt: skip

_CODEC: Final = codec("usage")
#: Texts remembered: some tens of thousands of containers with id, name and service.
_REMEMBERED: Final = 1 << 17


def encode_samples(record: Mapping[str, Any]) -> bytes:
    """Encodes a `usage` record of kind `samples`.

    Raises:
        KeyError, TypeError, AttributeError: the record does not fit the schema: our own fault.
    """
    samples = record["samples"]
    parts = _head(_SAMPLES, record)
    if samples:
        parts.append(_small(len(samples)))
        for sample in samples:
            derived = sample["derived"]
            who = _texts(sample["container_id"], sample["container_name"], sample["service"], sample["outcome"])
            parts += (who, _small(len(derived)), derived)
    parts += (EMPTY, EMPTY, _small(record["host_memory_bytes"]))
    return b"".join(parts)


class SamplesFrame:
    """The `samples` records of one workspace on an engine whose samples have all one outcome: all but their numbers as bytes.

    Args:
        record: what names them, as a `usage` record or a `stats_tick` does; at least one sample.
        derived_bytes: of each sample.
        outcome: of each sample.
    """

    __slots__ = ("_begin", "_derived_bytes", "_samples")

    def __init__(self, record: Mapping[str, Any], derived_bytes: int, outcome: str) -> None:
        samples = record["samples"]
        self._begin = b"".join(_whose(_SAMPLES, record))
        size = long(derived_bytes)
        who = [_texts(each["container_id"], each["container_name"], each["service"] or "", outcome) + size for each in samples]
        who[0] = long(0) + long(len(samples)) + who[0]  # of part 0
        self._samples = who
        self._derived_bytes = derived_bytes

    def encode(self, position: tuple[int, int, int], tick_at_ns: int, host_memory_bytes: int, derived: bytes, at: int) -> bytes:
        """Encodes the record of another tick.

        Args:
            derived: packed derived samples one behind the other, the first of this tick's at `at`.
        """
        epoch, partition, offset = position
        parts = [self._begin, _small(epoch), _small(partition), long(offset), _small(tick_at_ns)]
        size = self._derived_bytes
        for who in self._samples:
            end = at + size
            parts += (who, derived[at:end])
            at = end
        parts += (EMPTY, EMPTY, _small(host_memory_bytes))
        return b"".join(parts)


class WindowsFrame:
    """The `windows` records of one workspace on an engine: what they begin with as bytes.

    Args:
        record: what names them, as a `usage` record or a `stats_tick` does.
    """

    __slots__ = ("_begin",)

    def __init__(self, record: Mapping[str, Any]) -> None:
        self._begin = b"".join(_whose(_WINDOWS, record))

    def encode(self, position: tuple[int, int, int], tick_at_ns: int, windows: Sequence[bytes]) -> bytes:
        """Encodes a record of part 0 with some windows, at least one, each as `encode_window` has it."""
        epoch, partition, offset = position
        begin = (self._begin, _small(epoch), _small(partition), long(offset), _small(tick_at_ns), EMPTY, EMPTY, _small(len(windows)))
        return b"".join((*begin, *windows, EMPTY, EMPTY))


def encode_window(grain: str, container_id: str | None, start_ms: int, final: bool, content: bytes) -> bytes:
    """Encodes one window, without sketches.

    Args:
        content: `window_content`.
    """
    who = EMPTY if container_id is None else b"\2" + known_text(container_id)
    return b"".join((_GRAINS[grain], who, _small(start_ms), b"\1" if final else b"\0", content))


def window_content(numbers: Iterable[int], who: tuple[str, str], histograms: Mapping[str, bytes]) -> bytes:
    """What a window has in it, encoded.

    Args:
        numbers: the values of `WINDOW_NUMBERS`.
        who: the container's name and service.
    """
    return b"".join([*[long(number) for number in numbers], EMPTY, _texts(*who), _bytes_map(histograms)])


def encode_windows(record: Mapping[str, Any]) -> bytes:
    """Encodes a `usage` record of kind `windows`.

    Raises:
        KeyError, TypeError, AttributeError: the record does not fit the schema: our own fault.
    """
    windows = record["windows"]
    parts = _head(_WINDOWS, record)
    parts.append(EMPTY)
    if windows:
        parts.append(_small(len(windows)))
        for window in windows:
            container_id = window["container_id"]
            parts += (
                _GRAINS[window["grain"]],
                EMPTY if container_id is None else b"\2" + known_text(container_id),
                _small(window["start_ms"]),
                b"\1" if window["final"] else b"\0",
                *map(long, _numbers(window)),
                _bytes_map(window["sketches"]),
                known_text(window["container_name"]),
                known_text(window["service"]),
                _bytes_map(window["histograms"]),
            )
    parts += (EMPTY, _small(record["host_memory_bytes"]))
    return b"".join(parts)


def _head(kind: bytes, record: Mapping[str, Any]) -> list[bytes]:
    """What all records begin with."""
    return [
        *_whose(kind, record),
        _small(record["epoch"]),
        _small(record["partition"]),
        long(record["offset"]),
        _small(record["tick_at_ns"]),
        _small(record["part"]),
    ]


def _whose(kind: bytes, record: Mapping[str, Any]) -> list[bytes]:
    return [
        kind,
        _texts(record["workspace_id"], record["workspace_name"], record["engine_id"], record["engine_name"]),
        _small(record["generation"]),
        texts(record["labels"]) if record["labels"] else EMPTY,
    ]


def _bytes_map(values: Mapping[str, bytes]) -> bytes:
    if not values:
        return EMPTY
    parts = [long(len(values))]
    for name, data in values.items():
        parts += (known_text(name), long(len(data)), data)
    parts.append(EMPTY)
    return b"".join(parts)


#: For numbers that come again: lengths, counts, epochs, a host's memory, the instant that all ticks of one share.
_small = lru_cache(maxsize=1 << 12)(long)


@lru_cache(maxsize=_REMEMBERED)
def _texts(*each: str) -> bytes:
    """What comes together again and again: whose record it is, or which container's sample, with its outcome."""
    return b"".join(map(text, each))


_SYMBOLS: Final = next(field for field in _CODEC.schema["fields"] if field["name"] == "kind")["type"]["symbols"]
_SAMPLES: Final = _CODEC.header + long(_SYMBOLS.index("samples"))
_WINDOWS: Final = _CODEC.header + long(_SYMBOLS.index("windows"))
_GRAINS: Final = {"UNKNOWN": long(0), "hour": long(1), "day": long(2)}
_numbers: Final = itemgetter(*WINDOW_NUMBERS)
