"""Avro on the wire: single-object encoding, each schema parsed once, every published version readable for ever.

Framing: `C3 01`, the CRC-64-AVRO fingerprint of the writer's schema (8 bytes, little-endian), the body
(Avro specification, "Single-object encoding"). With a schema registry records have Confluent's framing on the broker:
`00`, the schema's id there (4 bytes, big-endian), the same body. Everywhere else it is the former.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from importlib import resources
from typing import Any, Final

from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.schema import fingerprint, to_parsing_canonical_form

Record = dict[str, Any]

MARKER: Final = b"\xc3\x01"
_HEADER_BYTES: Final = 10
_MAGIC: Final = b"\x00"
_ID_BYTES: Final = 5
#: Header of ours → that of the registry, and back; empty without a registry. See `use_ids`.
_framed: dict[bytes, bytes] = {}
_plain: dict[bytes, bytes] = {}
_VERSION = re.compile(r"v(\d+)\.avsc")


class Undecodable(Exception):
    """Bytes that are no record of the subject: the input's fault.

    Attributes:
        code: `undecodable` or `unknown_schema`, stable for programs.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Codec:
    """Encodes with the newest version of a subject, decodes any version of it.

    Args:
        subject: folder name below `schemas/avro`.
        versions: parsed JSON of each version, by number.

    Attributes:
        header: what every encoded record begins with.
        label: subject and version, as in the header `wst-schema`.
    """

    def __init__(self, subject: str, versions: Mapping[int, Record]) -> None:
        self.subject = subject
        self.version = max(versions)
        self.schema: Record = versions[self.version]
        self._writer: Any = parse_schema(self.schema, {})
        self.header = MARKER + _fingerprint(self.schema)
        self.label = f"{subject}/{self.version}"
        # A narrower reader schema doubles the cost of a read; only other versions than the newest pay for it.
        self._readers: dict[bytes, tuple[Any, Any]] = {
            _fingerprint(raw): (parse_schema(raw, {}), self._writer if number != self.version else None)
            for number, raw in sorted(versions.items())
        }
        self._oversized = _oversized(self.schema, _named_records(self.schema))

    def encode(self, record: Mapping[str, Any]) -> bytes:
        """Encodes one record.

        Raises:
            ValueError, TypeError, KeyError: the record does not fit the schema: our own fault, not the input's.
        """
        out = io.BytesIO()
        out.write(self.header)
        schemaless_writer(out, self._writer, record)
        return out.getvalue()

    def decode(self, data: bytes | None) -> Record:
        """Decodes one record of any published version into the newest version's fields.

        Raises:
            Undecodable: whatever the bytes are, this and no other error.
        """
        if not data:
            raise Undecodable("undecodable", "empty value")
        if data[:1] == _MAGIC:
            data = _from_registry(data)
        if data[:2] != MARKER or len(data) < _HEADER_BYTES:
            raise Undecodable("undecodable", f"no single-object Avro: begins with {data[:2].hex()}")
        schemas = self._readers.get(data[2:_HEADER_BYTES])
        if schemas is None:
            raise Undecodable("unknown_schema", f"no version of {self.subject} has fingerprint {data[2:_HEADER_BYTES].hex()}")
        body = io.BytesIO(data)
        body.seek(_HEADER_BYTES)
        try:
            record = schemaless_reader(body, *schemas)
        except RecursionError:
            raise
        except Exception as error:  # fastavro raises nearly anything on hostile bytes
            # It names its stream by where that lies in memory: the same bytes are refused with the same words.
            said = str(error).partition(" from <")[0]
            raise Undecodable("undecodable", f"{self.subject}: {type(error).__name__}: {said}"[:300]) from error
        if body.tell() != len(data):
            raise Undecodable("undecodable", f"{self.subject}: {len(data) - body.tell()} bytes after the record")
        if self._oversized is not None and self._oversized(record):
            raise Undecodable("undecodable", f"{self.subject}: an integer lies outside of the 32 bits its field has")
        return record  # type: ignore[return-value]  # a record schema reads as a dict


#: Whether a value holds an integer that does not fit its type `int`.
Oversized = Callable[[Any], bool]


def _named_records(node: Any) -> dict[str, Record]:
    """Every record defined below a schema, by name: a later field may refer to it by name only."""
    found: dict[str, Record] = {}
    for record in _records(node):
        found[record["name"]] = record
        for field in record["fields"]:
            found |= _named_records(field["type"])
    return found


def _oversized(node: Any, named: Mapping[str, Record]) -> Oversized | None:
    """What looks for oversized integers below a schema; None where it has no `int`.

    fastavro reads an Avro `int` of any size; what is typed by the schema downstream would break on it.
    """
    if isinstance(node, list):
        return next((look for branch in node if (look := _oversized(branch, named))), None)
    if node == "int":
        return lambda value: value is not None and not -(2**31) <= value < 2**31
    if isinstance(node, str):
        return _oversized(named[node], named) if node in named else None
    if node["type"] == "array":
        look_at = _oversized(node["items"], named)
        return None if look_at is None else lambda value: any(map(look_at, value or ()))
    if node["type"] != "record":
        return None
    plain = tuple(field["name"] for field in node["fields"] if field["type"] == "int")
    deeper = tuple(
        (field["name"], look) for field in node["fields"] if field["type"] != "int" and (look := _oversized(field["type"], named))
    )
    return partial(_holds_oversized, plain=plain, deeper=deeper) if plain or deeper else None


def _holds_oversized(value: Any, plain: tuple[str, ...], deeper: tuple[tuple[str, Oversized], ...]) -> bool:
    # Plain loops: this looks at every record that is read, and a generator would cost three times as much.
    if value is None:
        return False
    for name in plain:
        if not -(2**31) <= value[name] < 2**31:
            return True
    for name, look in deeper:  # noqa: SIM110
        if look(value[name]):
            return True
    return False


def use_ids(ids: Mapping[bytes, int]) -> None:
    """From now on records of these schemas (by fingerprint) are framed with these ids of a registry."""
    for known, number in ids.items():
        ours, theirs = MARKER + known, _MAGIC + number.to_bytes(4, "big")
        _framed[ours] = theirs
        _plain[theirs] = ours


def framed(value: bytes | None) -> bytes | None:
    """A value as it goes to the broker: in Confluent's framing where a registry is in use."""
    if not _framed or value is None:
        return value
    theirs = _framed.get(value[:_HEADER_BYTES])
    return value if theirs is None else theirs + value[_HEADER_BYTES:]


def plain(value: bytes | None) -> bytes | None:
    """A value of either framing in single-object encoding; what is neither stays as it is."""
    ours = _plain.get(value[:_ID_BYTES]) if value is not None and value[:1] == _MAGIC else None
    return value if ours is None or value is None else ours + value[_ID_BYTES:]


def _from_registry(data: bytes) -> bytes:
    ours = _plain.get(data[:_ID_BYTES])
    if ours is None:
        if not _plain or len(data) < _ID_BYTES:
            raise Undecodable(
                "undecodable", "no single-object Avro: begins with 00; a schema registry's framing needs WST_SCHEMA_REGISTRY_URL"
            )
        raise Undecodable("unknown_schema", f"schema {int.from_bytes(data[1:_ID_BYTES], 'big')} of the registry is none of ours")
    return ours + data[_ID_BYTES:]


def fingerprint_of(schema: Record) -> bytes:
    """CRC-64-AVRO of a schema's canonical form, as the framing has it."""
    return _fingerprint(schema)


def _fingerprint(schema: Record) -> bytes:
    return bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"))


def subjects() -> list[str]:
    """Names of all subjects, sorted."""
    return sorted(entry.name for entry in resources.files("schemas").joinpath("avro").iterdir() if entry.is_dir())


def versions(subject: str) -> dict[int, Record]:
    """The schemas of a subject as JSON, by version number."""
    folder = resources.files("schemas").joinpath("avro", subject)
    found = {int(match[1]): entry for entry in folder.iterdir() if (match := _VERSION.fullmatch(entry.name))}
    return {number: json.loads(found[number].read_text("utf-8")) for number in sorted(found)}


@cache
def codec(subject: str) -> Codec:
    """The codec of a subject, made once.

    Raises:
        FileNotFoundError, ValueError: no such subject: our own fault.
    """
    return Codec(subject, versions(subject))


def _records(node: Any) -> Iterable[Record]:
    if isinstance(node, list):
        for branch in node:
            yield from _records(branch)
    elif isinstance(node, dict):
        if node["type"] == "record":
            yield node
        elif node["type"] in ("array", "map"):
            yield from _records(node.get("items", node.get("values")))
