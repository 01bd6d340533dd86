"""The events of usage that come with every minute of every workspace, as Avro: to the byte what `codec("event")` gives.

A test compares the bytes; another that the fields stand in the schema as they stand here. All other events go through the codec.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from schemas.avro_bytes import doubles, known_text, long, text
from schemas.codec import codec

#: The fields of an event in the order they are written here.
FIELDS: Final = (
    "type", "id", "stream", "seq", "workspace_id", "engine_id", "timestamp_ns", "message", "correction", "detection_lag_ms", "cause",
    "status_changed", "container_update", "error", "recovery", "metrics_update", "sync", "alert",
)  # fmt: skip
CAUSE_FIELDS: Final = ("topic", "epoch", "partition", "offset")
SECTION_FIELDS: Final = ("old_metrics", "new_metrics", "delta", "updated_at_ns")

_CODEC: Final = codec("event")
_TYPES: Final[Any] = {field["name"]: field["type"] for field in _CODEC.schema["fields"]}
_HEAD: Final = _CODEC.header + long(_TYPES["type"]["symbols"].index("metrics_update"))
_STREAM: Final = long(_TYPES["stream"]["symbols"].index("usage"))
_SAID: Final = b"\2"
"""The second branch of a union with null."""
_NEITHER: Final = b"\0\0"
"""No correction, no detection lag."""
_NONE_BEFORE: Final = bytes(FIELDS.index("metrics_update") - FIELDS.index("cause") - 1)
_NONE_BEHIND: Final = bytes(len(FIELDS) - FIELDS.index("metrics_update") - 1)


def encode_metrics_update(event: Mapping[str, Any]) -> bytes:
    """Encodes an event of type `metrics_update` with its cause, of stream usage.

    Raises:
        KeyError, TypeError, AttributeError: the event does not fit the schema: our own fault.
    """
    cause, section = event["cause"], event["metrics_update"]
    return b"".join((
        _HEAD, text(event["id"]), _STREAM, long(event["seq"]), _SAID, known_text(event["workspace_id"]), known_text(event["engine_id"]),
        long(event["timestamp_ns"]), text(event["message"]), _NEITHER,
        _SAID, known_text(cause["topic"]), long(cause["epoch"]), long(cause["partition"]), long(cause["offset"]), _NONE_BEFORE,
        _SAID, doubles(section["old_metrics"]), doubles(section["new_metrics"]), doubles(section["delta"]), long(section["updated_at_ns"]),
        _NONE_BEHIND,
    ))  # fmt: skip
