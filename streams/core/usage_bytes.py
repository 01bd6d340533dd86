"""The usage value as compact bytes, for the changelog and the checkpoint; the first byte is the format, older ones stay readable.

Format 2, little-endian: position, engines; of each engine its texts and times, containers (id, last reading), namespaces (a
container's number instead of the reading, where it is the same), hours, days: of each the workspace's window and those of its
containers. A container id of 64 hex digits takes 32 bytes. The same value always gives the same bytes.
Format 1 had no windows of containers and no histograms: what it holds is continued, and those begin with it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

from streams.core.counters import PACKED_BYTES
from streams.core.facts import Position
from streams.core.gathering import Kept, take_samples, take_ticks
from streams.core.updates import from_text, to_text
from streams.core.usage import EngineUsage, UsageState
from streams.core.window_bytes import pack
from streams.core.window_set import OTHERS, Slot, WindowSet
from streams.core.windows import NUMBERS, Window

FORMAT: Final = 2

_COUNT: Final = struct.Struct("<I")
_POSITION: Final = struct.Struct("<?qiq")
_ENGINE: Final = struct.Struct("<iqqqq")
_NAMESPACE: Final = struct.Struct("<qi")
_SLOT: Final = struct.Struct("<qqq?qq?qII")
_KEPT: Final = struct.Struct("<qII")
"""Of a container its samples told, bytes of its window and of what is noted: none where a day knows it only from its hours."""
_SLOT_1: Final = struct.Struct(f"<qq?q{len(NUMBERS) + 4}q")
_NOTHING: Final = Kept(take_samples)
_OTHERS: Final = 0xFFFFFFFF
"""Instead of a container's number."""
_COUNTED: Final = [f"<I{count}I" for count in range(64)]
_HEX_ID: Final = 0xFFFFFFFF
"""Instead of a text's length: 32 bytes follow, to be read as 64 hex digits."""


def to_bytes(state: UsageState) -> bytes:
    """The value as bytes."""
    position = state.position
    out = [bytes([FORMAT]), _POSITION.pack(position is not None, *(position or (0, 0, 0)))]
    out += (_text(state.workspace_id), _COUNT.pack(len(state.engines)))
    for _, engine in sorted(state.engines.items()):
        _write_engine(out, engine)
    if told := to_text(state.updates):
        out.append(_text(told))
    return b"".join(out)


def from_bytes(data: bytes) -> UsageState:
    """The value of `to_bytes`.

    Raises:
        ValueError: a format of a newer version.
    """
    if not 1 <= data[0] <= FORMAT:
        raise ValueError(f"usage value of format {data[0]}: this version reads formats up to {FORMAT}; upgrade the worker")
    source = _Reader(data, 1)
    known, *position = source.unpack(_POSITION)
    state = UsageState(source.text(), Position(*position) if known else None)
    for _ in range(source.count()):
        engine = _read_engine(source, data[0])
        state.engines[engine.engine_id] = engine
    if not source.at_end():  # a value of before there were updates ends here
        state.updates = from_text(source.text())
    return state


def _write_engine(out: list[bytes], engine: EngineUsage) -> None:
    windows = engine.windows
    out += (_text(engine.engine_id), _text(engine.engine_name), _text(engine.workspace_name), _COUNT.pack(len(engine.labels)))
    for name, value in sorted(engine.labels.items()):
        out += (_text(name), _text(value))
    out.append(_ENGINE.pack(engine.generation, engine.highest_ns, engine.tick_at_ns, windows.gone_before_ns, windows.due_ns))

    out.append(_COUNT.pack(len(engine.readings)))
    number: dict[bytes, int] = {}
    texts: dict[str, bytes] = {}
    for container_id, last in sorted(engine.readings.items()):
        text = texts[container_id] = _text(container_id)
        out += (text, last)
        number.setdefault(last, len(number))
    out.append(_COUNT.pack(len(engine.namespaces)))
    for namespace, last in sorted(engine.namespaces.items()):
        out.append(_NAMESPACE.pack(namespace, number.get(last, -1)))
        if last not in number:
            out.append(last)
    _write_windows(out, windows, texts)


def _read_engine(source: _Reader, version: int) -> EngineUsage:
    engine = EngineUsage(source.text(), source.text(), source.text())
    engine.labels = {source.text(): source.text() for _ in range(source.count())}
    engine.generation, engine.highest_ns, engine.tick_at_ns, gone_before_ns, due_ns = source.unpack(_ENGINE)
    engine.readings = {source.text(): source.take(PACKED_BYTES) for _ in range(source.count())}
    distinct = list(dict.fromkeys(engine.readings.values()))
    for _ in range(source.count()):
        namespace, number = source.unpack(_NAMESPACE)
        engine.namespaces[namespace] = distinct[number] if number >= 0 else source.take(PACKED_BYTES)
    engine.windows = _read_windows(source, gone_before_ns, due_ns, _read_slot if version > 1 else _read_slot_1)
    return engine


def _write_windows(out: list[bytes], windows: WindowSet, texts: Mapping[str, bytes]) -> None:
    """Container ids once, then the windows, which refer to them by number.

    Args:
        texts: ids that were written before.
    """
    members: set[str] = set()
    for slots in (windows.hours, windows.days):
        for slot in slots.values():
            members |= slot.members
    ids = sorted(members)
    out.append(_COUNT.pack(len(ids)))
    for container_id in ids:
        out.append(texts.get(container_id) or _text(container_id))
    number = {container_id: index for index, container_id in enumerate(ids)}
    number[OTHERS] = _OTHERS
    for slots in (windows.hours, windows.days):
        out.append(_COUNT.pack(len(slots)))
        for start, slot in sorted(slots.items()):
            _write_slot(out, start, slot, number)


def _write_slot(out: list[bytes], start: int, slot: Slot, number: Mapping[str, int]) -> None:
    ticks, containers, told = slot.ticks, slot.containers, slot.told
    out += (
        _SLOT.pack(
            start, slot.count, slot.published_count, slot.published_final, slot.published_at_ns, slot.told_count, slot.told_final,
            slot.told_at_ns, len(ticks.packed), len(ticks.noted),
        ),
        ticks.packed,
        bytes(ticks.noted),
        _numbers([number[container_id] for container_id in slot.members]),
    )  # fmt: skip
    kept = sorted([(number[container_id], container_id) for container_id in {*containers, *told}])
    out.append(_numbers([place for place, _ in kept]))
    for _, container_id in kept:
        one = containers.get(container_id, _NOTHING)
        out += (_KEPT.pack(told.get(container_id, 0), len(one.packed), len(one.noted)), one.packed, bytes(one.noted))


def _read_windows(source: _Reader, gone_before_ns: int, due_ns: int, read: Callable[[_Reader, list[str]], tuple[int, Slot]]) -> WindowSet:
    ids = [source.text() for _ in range(source.count())]
    hours, days = (dict([read(source, ids) for _ in range(source.count())]) for _ in range(2))
    return WindowSet(hours, days, gone_before_ns, due_ns)


def _read_slot(source: _Reader, ids: list[str]) -> tuple[int, Slot]:
    start, count, published, final, at_ns, told_count, told_final, told_at_ns, packed, noted = source.unpack(_SLOT)
    slot = Slot(Kept(take_ticks, source.take(packed), source.take(noted)), count, published, bool(final), at_ns)
    slot.members = {OTHERS if number == _OTHERS else ids[number] for number in source.numbers()}
    slot.told_count, slot.told_final, slot.told_at_ns = told_count, bool(told_final), told_at_ns
    for number in source.numbers():
        container_id = OTHERS if number == _OTHERS else ids[number]
        told, packed, noted = source.unpack(_KEPT)
        if packed or noted:
            slot.containers[container_id] = Kept(take_samples, source.take(packed), source.take(noted))
        if told:
            slot.told[container_id] = told
    return start, slot


def _read_slot_1(source: _Reader, ids: list[str]) -> tuple[int, Slot]:
    """Of the containers only who they were."""
    values: tuple[Any, ...] = source.unpack(_SLOT_1)
    start, published, final, at_ns = values[:4]
    window = Window(*(*values[4:-4], values[-4:-2], values[-2:]))
    ticks = Kept(take_ticks, pack(window))
    return start, Slot(ticks, window.sample_count, published, final, at_ns, members={ids[number] for number in source.numbers()})


def _text(text: str) -> bytes:
    if len(text) == 64:
        try:
            packed = bytes.fromhex(text)
        except ValueError:
            packed = b""
        if packed.hex() == text:
            return b"\xff\xff\xff\xff" + packed
    raw = text.encode("utf-8", "surrogatepass")
    return _COUNT.pack(len(raw)) + raw


def _numbers(numbers: list[int]) -> bytes:
    """How many, and they, in order."""
    numbers.sort()
    count = len(numbers)
    return struct.pack(_COUNTED[count] if count < len(_COUNTED) else f"<I{count}I", count, *numbers)


class _Reader:
    """Reads what was written, from front to back."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at

    def unpack(self, what: struct.Struct) -> tuple[int, ...]:
        values = what.unpack_from(self._data, self._at)
        self._at += what.size
        return values

    def at_end(self) -> bool:
        return self._at >= len(self._data)

    def take(self, size: int) -> bytes:
        begin = self._at
        self._at += size
        return self._data[begin : self._at]

    def count(self) -> int:
        count: int = _COUNT.unpack_from(self._data, self._at)[0]
        self._at += 4
        return count

    def numbers(self) -> tuple[int, ...]:
        count = self.count()
        numbers: tuple[int, ...] = struct.unpack_from(f"<{count}I", self._data, self._at)
        self._at += 4 * count
        return numbers

    def text(self) -> str:
        length = self.count()
        raw = self.take(32 if length == _HEX_ID else length)
        return raw.hex() if length == _HEX_ID else raw.decode("utf-8", "surrogatepass")
