"""Hostile records that decode well: a good record with some values turned into others of their types, in any version of its schema.

Broken bytes end at the decoder nine times in ten. These get behind it, where records are folded, kept and made into rows.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from schemas.codec import Codec, codec, versions
from tests.fuzz.mutate import bytes_like

Record = dict[str, Any]
#: Fields that say whom a record is about.
KEYED: Final = ("workspace_id", "engine_id")

_INTS: Final = (0, 1, -1, 2, -2, 255, 100_000, 2**31 - 1, -(2**31))
_LONGS: Final = (
    *_INTS, 2**31, 2**32, 10**9, 10**18, 1_800_000_000_000_000_000, 2**53 + 1, 2**62, 2**62 + 1, 2**63 - 1, -(2**63), -(2**63) + 1,
)  # fmt: skip
_STEPS: Final = (1, -1, 10**3, -(10**3), 10**9, 10 * 10**9, -(10 * 10**9), 3_600 * 10**9, -3_600 * 10**9, 86_400 * 10**9)
_DOUBLES: Final = (0.0, -0.0, 1.0, -1.0, 80.0, 1e-320, 1e308, -1e308, float("inf"), float("-inf"), float("nan"))
_TEXTS: Final = (
    "", "x", "shop", "a" * 64, "é" * 64, "x" * 300, "\x00", "\x1b[31m", "a'b\"c\\d`e\n\r", "한🙂", "running", "exited", "die", "start", "0",
    "-1", "1e999", "health_status: healthy", "workspace.alert.cpu", "../..", "%s", "{}", "nan", "1d", "{\"a\":1}",
)  # fmt: skip


@cache
def codec_of(subject: str, version: int) -> Codec:
    """Encodes as the writers of a version did."""
    return Codec(subject, {version: versions(subject)[version]})


class Records:
    """Makes records of a subject.

    Args:
        corpus: good values.
        keyed: names of fields that say whom a record is about: they stay as they are most of the time.

    Attributes:
        good: the corpus, decoded.
    """

    def __init__(self, subject: str, corpus: Sequence[bytes], keyed: Sequence[str] = KEYED) -> None:
        self._codec = codec(subject)
        self._numbers = sorted(versions(subject))
        self._values = list(corpus)
        self.good = [self._codec.decode(value) for value in corpus]
        self._keyed = frozenset(keyed)
        self._named: dict[str, Any] = {}
        _name(self._codec.schema, self._named)
        if not self.good:
            raise ValueError(f"{subject}: nothing to begin with")

    def record(self, draw: random.Random) -> Record:
        """A record with one to four values that are others."""
        record = draw.choice(self.good)
        for _ in range(draw.choice((1, 1, 2, 4))):
            record = self._turn(draw, self._codec.schema, record, top=True)
        return record

    def value(self, draw: random.Random) -> tuple[bytes, bytes]:
        """The key and the value of a record: mostly such a one, by the newest version or an earlier; else broken bytes of a good one."""
        if draw.random() < 0.15:
            number = draw.randrange(len(self._values))
            return self._key(draw, self.good[number]), bytes_like(draw, [self._values[number]])
        record = self.record(draw)
        number = self._numbers[-1] if draw.random() < 0.8 else draw.choice(self._numbers)
        return self._key(draw, record), self.encode(record, number)

    @staticmethod
    def _key(draw: random.Random, record: Record) -> bytes:
        """Whom it is about, mostly."""
        if draw.random() < 0.02:
            return draw.choice((b"", b"\xff", b"shop", b"x" * 5_000))
        about: str = record.get("workspace_id") or record.get("engine_id") or ""
        return about.encode("utf-8", "surrogateescape")

    def encode(self, record: Mapping[str, Any], number: int = 0) -> bytes:
        """A record in a version; in the newest where that one has no word for it."""
        if number not in (0, self._numbers[-1]):
            try:
                return codec_of(self._codec.subject, number).encode(record)
            except ValueError:  # a symbol that came later
                pass
        return self._codec.encode(record)

    def _turn(self, draw: random.Random, schema: Any, value: Any, *, top: bool = False) -> Any:
        schema = self._named.get(schema, schema) if isinstance(schema, str) else schema
        if isinstance(schema, list):
            return self._turn_union(draw, schema, value)
        kind = schema if isinstance(schema, str) else schema["type"]
        if kind == "record":
            fields = [field for field in schema["fields"] if not (top and field["name"] in self._keyed and draw.random() < 0.98)]
            field = draw.choice(fields)
            return value | {field["name"]: self._turn(draw, field["type"], value[field["name"]])}
        if kind == "array":
            return self._turn_array(draw, schema["items"], value)
        if kind == "map":
            return self._turn_map(draw, schema["values"], value)
        if kind == "enum":
            return draw.choice(schema["symbols"])
        return _plain(draw, kind, value)

    def _turn_union(self, draw: random.Random, schema: list[Any], value: Any) -> Any:
        branches = [branch for branch in schema if branch != "null"]
        if value is None:
            return self._make(draw.choice(branches))
        if "null" in schema and draw.random() < 0.15:
            return None
        return self._turn(draw, branches[0], value) if len(branches) == 1 else self._make(draw.choice(branches))

    def _turn_array(self, draw: random.Random, items: Any, value: Sequence[Any]) -> list[Any]:
        found = list(value)
        chance = draw.random()
        if chance < 0.1:
            return []
        if chance < 0.2 or not found:
            return [*found, self._make(items)]
        at = draw.randrange(len(found))
        if chance < 0.3:
            return [*found, found[at]]
        if chance < 0.4:
            del found[at]
            return found
        found[at] = self._turn(draw, items, found[at])
        return found

    def _turn_map(self, draw: random.Random, values: Any, value: Mapping[str, Any]) -> dict[str, Any]:
        found = dict(value)
        if found and draw.random() < 0.6:
            key = draw.choice(sorted(found))
            found[key] = self._turn(draw, values, found[key])
        else:
            found[draw.choice(_TEXTS)] = self._make(values)
        return found

    def _make(self, schema: Any) -> Any:
        """The least value of a type."""
        schema = self._named.get(schema, schema) if isinstance(schema, str) else schema
        if isinstance(schema, list):
            return None if "null" in schema else self._make(schema[0])
        kind = schema if isinstance(schema, str) else schema["type"]
        if kind == "record":
            return {field["name"]: field["default"] if "default" in field else self._make(field["type"]) for field in schema["fields"]}
        if kind == "enum":
            return schema["symbols"][0]
        return {"array": [], "map": {}, "string": "", "bytes": b"", "boolean": False, "double": 0.0, "float": 0.0, "null": None}.get(
            kind, 0
        )


def _name(schema: Any, named: dict[str, Any]) -> None:
    """Notes the records and enums below a schema: a later field may refer to one by its name only."""
    if isinstance(schema, list):
        for branch in schema:
            _name(branch, named)
    elif isinstance(schema, dict):
        if schema["type"] in ("record", "enum"):
            named[schema["name"]] = schema
        for inner in (*(field["type"] for field in schema.get("fields", ())), schema.get("items"), schema.get("values")):
            _name(inner, named)


def _plain(draw: random.Random, kind: str, value: Any) -> Any:
    if kind == "boolean":
        return not value
    if kind == "int":
        return draw.choice(_INTS)
    if kind == "long":
        return draw.choice(_LONGS) if draw.random() < 0.5 else max(-(2**63), min(value + draw.choice(_STEPS), 2**63 - 1))
    if kind in ("double", "float"):
        return draw.choice(_DOUBLES)
    if kind == "string":
        return draw.choice(_TEXTS) if draw.random() < 0.8 else value[: draw.randrange(len(value) + 1)] + draw.choice(_TEXTS)
    if kind == "bytes":
        return _packed(draw, value)
    return value


def _packed(draw: random.Random, value: bytes) -> bytes:
    """Bytes, which are packed 64-bit integers in most places: mostly another integer in one of them."""
    if len(value) >= 8 and draw.random() < 0.7:
        at = draw.randrange(len(value) // 8) * 8
        return value[:at] + draw.choice(_LONGS).to_bytes(8, "little", signed=True) + value[at + 8 :]
    return bytes_like(draw, [value])
