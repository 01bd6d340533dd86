"""Facts straight from their Avro bytes, several times as fast as by way of a record: what `parse_fact(decode(data))` gives, always.

A replay reads millions of facts, and most of each is the same as in others: who it is about, on which engine, which container, what an
event said. Such a stretch is found by its bytes and remembered as the value it means. Whatever is not as our producers write it (an
older version, a command, a notice, labels in several blocks, a number out of range, bytes that are no fact) is left to the slow way,
and so are all errors. A test compares the two over records and over damaged bytes; another that the fields stand in the schema as here.
"""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Callable, Mapping
from typing import Any, Final

from streams.core.facts import (
    EARLIEST_NS,
    ENGINE_EVENT,
    LATEST_NS,
    MAX_GENERATION,
    MAX_ID,
    MAX_NAME,
    MAX_TEXT,
    OBSERVATION,
    ContainerRef,
    EngineEvent,
    Fact,
    Inspect,
    Observation,
    parse_fact,
)

#: Symbols of the schema's enums, in its order.
KINDS: Final = ("UNKNOWN", "engine_event", "observation", "command", "notice")
GROUPINGS: Final = (
    "UNKNOWN", "workspace_label", "coder", "compose", "devcontainer", "devpod", "stack", "swarm_service", "ephemeral",
)  # fmt: skip
SOURCES: Final = ("UNKNOWN", "listing", "inspect")
#: The fields in the order they are read here.
FIELDS: Final = (
    "kind", "id", "workspace_id", "workspace_name", "engine_id", "engine_name", "generation", "time_ns", "recorded_at_ns", "container",
    "engine_event", "observation", "command", "notice",
)  # fmt: skip
CONTAINER_FIELDS: Final = ("id", "name", "service", "image", "grouped_by", "labels")
EVENT_FIELDS: Final = ("action", "health", "exit_code", "exec_duration_s", "signal", "old_name", "exec_id", "program", "command_hash")
OBSERVATION_FIELDS: Final = ("source", "present", "state", "health", "sync_id", "inspect")
INSPECT_FIELDS: Final = (
    "started_at_ns", "finished_at_ns", "exit_code", "oom_killed", "error", "restart_count", "restart_policy", "health",
    "has_healthcheck", "stop_signal", "cpu_limit_nanocpus", "memory_limit_bytes", "created_at_ns", "long_running",
)  # fmt: skip

#: Values remembered of each kind: some tens of thousands of containers; beyond, everything is learned anew.
_REMEMBERED: Final = 1 << 16
#: Null, a record (the second branch), and an identity's length: 16 characters.
_NULL: Final = 0
_THERE: Final = 2
_ID_LENGTH: Final = 32
_EVENT: Final = 2
_SEEN: Final = 4
#: Of an event: no exec id, program, hash; then no observation, command, notice.
_NO_EXEC: Final = bytes(6)
_NO_MORE: Final = bytes(3)
#: The union byte, the length and 64 digits of a container's id.
_ID_BYTES: Final = 67

Place = tuple[bytes, str, str, str, str]
Record = Mapping[str, Any]


class _Unusual(Exception):
    """Not as our producers write it."""


class FactReader:
    """Reads facts; remembers what repeats.

    Args:
        header: what a record of the newest schema begins with.
        decode: the slow way: any record's fields.
    """

    def __init__(self, header: bytes, decode: Callable[[bytes | None], Record]) -> None:
        self._header = header
        self._decode = decode
        self._places: dict[bytes, Place] = {}
        self._containers: dict[bytes, tuple[bytes, ContainerRef]] = {}
        self._events: dict[bytes, EngineEvent] = {}

    def read(self, data: bytes | None) -> Fact:
        """Makes a fact of an encoded one.

        Raises:
            InvalidMessage: the record says nothing that can be folded; and whatever `decode` raises where it is none.
        """
        if data is not None and data.startswith(self._header):
            try:
                return self._read(data)
            except (IndexError, ValueError, _Unusual):
                pass
        return parse_fact(self._decode(data))

    def _read(self, data: bytes) -> Fact:
        # Where a length leads beyond the end, a later index fails, or the last comparison does: `at` never goes back.
        at = len(self._header)
        kind = data[at]
        if data[at + 1] != _ID_LENGTH:
            raise _Unusual
        identity = unhexlify(data[at + 2 : at + 18])
        at += 18
        place = self._places.get(data[at : at + 1 + (data[at] >> 1)])
        if place is None or not data.startswith(place[0], at):
            place = self._learn_place(data, at)
        at += len(place[0])
        generation = 0
        if data[at]:
            generation, at = _long(data, at)
        else:
            at += 1
        time_ns, at = _long(data, at)
        while data[at] > 127:
            at += 1
        at += 1
        if not EARLIEST_NS <= time_ns < LATEST_NS or not 0 <= generation <= MAX_GENERATION:
            raise _Unusual
        known = self._containers.get(data[at : at + _ID_BYTES])
        if known is None or not data.startswith(known[0], at):
            known = self._learn_container(data, at)
        at += len(known[0])
        if kind == _EVENT:
            return Fact(
                ENGINE_EVENT, identity, place[1], place[2], place[3], place[4], generation, time_ns, known[1], self._event(data, at)
            )
        if kind == _SEEN:
            return Fact(
                OBSERVATION, identity, place[1], place[2], place[3], place[4], generation, time_ns, known[1], _observation(data, at)
            )
        raise _Unusual

    def _learn_place(self, data: bytes, begin: int) -> Place:
        workspace_id, at = _text(data, begin)
        key = data[begin:at]
        name, at = _text(data, at)
        engine_id, at = _text(data, at)
        engine_name, at = _text(data, at)
        if not 0 < len(workspace_id) <= MAX_ID or at > len(data):
            raise _Unusual
        if len(self._places) >= _REMEMBERED:
            self._places.clear()
        place = data[begin:at], workspace_id, name[:MAX_NAME], engine_id[:MAX_NAME], engine_name[:MAX_NAME]
        self._places[key] = place
        return place

    def _learn_container(self, data: bytes, begin: int) -> tuple[bytes, ContainerRef]:
        if data[begin] != _THERE:
            raise _Unusual
        container_id, at = _text(data, begin + 1)
        name, at = _text(data, at)
        service, at = _optional_text(data, at)
        image, at = _text(data, at)
        grouping = data[at]
        labels: dict[str, str] = {}
        count, at = _length(data, at + 1)
        if count:
            for _ in range(count):
                key, at = _text(data, at)
                labels[key], at = _text(data, at)
            if data[at]:
                raise _Unusual
            at += 1
        if not 0 < len(container_id) <= MAX_ID or grouping & 1 or at > len(data):
            raise _Unusual
        service = None if service is None else service[:MAX_NAME]
        ref = ContainerRef(container_id, name[:MAX_NAME], service, image[:MAX_NAME], GROUPINGS[grouping >> 1], labels)
        if len(self._containers) >= _REMEMBERED:
            self._containers.clear()
        known = data[begin:at], ref
        self._containers[data[begin : begin + _ID_BYTES]] = known
        return known

    def _event(self, data: bytes, begin: int) -> EngineEvent:
        rest = data[begin:]
        event = self._events.get(rest)
        if event is not None:
            return event
        event, at = _read_event(data, begin)
        if data[at:] == _NO_EXEC:
            if len(self._events) >= _REMEMBERED:
                self._events.clear()
            self._events[rest] = event
            return event
        for _ in range(3):  # an exec has an id of its own: what says it never comes again
            _, at = _optional_text(data, at)
        if data[at:] != _NO_MORE:
            raise _Unusual
        return event


def _read_event(data: bytes, begin: int) -> tuple[EngineEvent, int]:
    if data[begin] != _THERE:
        raise _Unusual
    action, at = _text(data, begin + 1)
    health, at = _optional_text(data, at)
    exit_code, at = _optional_int(data, at)
    exec_duration_s, at = _optional_long(data, at)
    signal, at = _optional_int(data, at)
    old_name, at = _optional_text(data, at)
    if ":" in action or old_name is not None or at > len(data):
        raise _Unusual
    return EngineEvent(action, health, exit_code, exec_duration_s, signal, None), at


def _observation(data: bytes, at: int) -> Observation:
    if data[at] != _NULL or data[at + 1] != _THERE or data[at + 2] & 1:
        raise _Unusual
    judged = SOURCES[data[at + 2] >> 1] == "listing"
    present, at = _bool(data, at + 3)
    state, at = _optional_text(data, at)
    health, at = _optional_text(data, at)
    sync_id, at = _text(data, at)
    inspect: Inspect | None = None
    if data[at] == _NULL:
        at += 1
    else:
        inspect, at = _inspect(data, at)
    if data[at:] != bytes(2):
        raise _Unusual
    return Observation(judged and sync_id != "", present, state if judged else None, health if judged else None, inspect)


def _inspect(data: bytes, at: int) -> tuple[Inspect, int]:
    if data[at] != _THERE:
        raise _Unusual
    started_at_ns, at = _optional_long(data, at + 1)
    finished_at_ns, at = _optional_long(data, at)
    exit_code, at = _optional_int(data, at)
    oom_killed, at = _bool(data, at)
    error, at = _optional_text(data, at)
    restart_count, at = _int(data, at)
    restart_policy, at = _text(data, at)
    health, at = _optional_text(data, at)
    has_healthcheck, at = _bool(data, at)
    stop_signal, at = _optional_text(data, at)
    _, at = _optional_long(data, at)
    _, at = _optional_long(data, at)
    created_at_ns, at = _optional_long(data, at)
    long_running: bool | None = None
    if data[at] == _NULL:
        at += 1
    elif data[at] == _THERE:
        long_running, at = _bool(data, at + 1)
    else:
        raise _Unusual
    inspect = Inspect(
        started_at_ns, finished_at_ns, exit_code, oom_killed, error[:MAX_TEXT] if error else None, restart_count, restart_policy,
        health, has_healthcheck, stop_signal, created_at_ns, long_running,
    )  # fmt: skip
    return inspect, at


# ── Avro's binary encoding ───────────────────────────────────────────────────────────────────────


def _length(data: bytes, at: int) -> tuple[int, int]:
    """A length or a count of at most two bytes, and what lies behind it."""
    low = data[at]
    if low & 1:  # negative
        raise _Unusual
    if low < 128:
        return low >> 1, at + 1
    high = data[at + 1]
    if high > 127:
        raise _Unusual
    return (low & 127 | high << 7) >> 1, at + 2


def _text(data: bytes, at: int) -> tuple[str, int]:
    length, at = _length(data, at)
    end = at + length
    return data[at:end].decode(), end


def _optional_text(data: bytes, at: int) -> tuple[str | None, int]:
    if data[at] == _NULL:
        return None, at + 1
    if data[at] != _THERE:
        raise _Unusual
    return _text(data, at + 1)


def _bool(data: bytes, at: int) -> tuple[bool, int]:
    if data[at] > 1:
        raise _Unusual
    return data[at] == 1, at + 1


def _long(data: bytes, at: int) -> tuple[int, int]:
    """Seven bits a byte, the lowest first, then zigzag (Avro specification, "Binary encoding"); nine bytes hold any time in ns."""
    number = shift = 0
    while shift < 63:
        byte = data[at]
        at += 1
        if byte < 128:
            number |= byte << shift
            return number >> 1 ^ -(number & 1), at
        number |= (byte & 127) << shift
        shift += 7
    raise _Unusual


def _int(data: bytes, at: int) -> tuple[int, int]:
    number, at = _long(data, at)
    if not -(2**31) <= number < 2**31:
        raise _Unusual
    return number, at


def _optional_long(data: bytes, at: int) -> tuple[int | None, int]:
    if data[at] == _NULL:
        return None, at + 1
    if data[at] != _THERE:
        raise _Unusual
    return _long(data, at + 1)


def _optional_int(data: bytes, at: int) -> tuple[int | None, int]:
    if data[at] == _NULL:
        return None, at + 1
    if data[at] != _THERE:
        raise _Unusual
    return _int(data, at + 1)
