"""What the reconcile agent keeps of an engine: the number of its last event, how it is, and the listing that is not whole yet."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

from streams.core.engine import EngineState

_HEALTH: Final = {field.name for field in fields(EngineState)}


@dataclass(slots=True)
class EngineRow:
    """One engine.

    Attributes:
        seq: number of its last event, from 1; never restarts.
        epoch: log epoch of the last snapshot folded.
        offset: its log offset: what is not behind it is known already.
        listing: id of the listing last begun.
        whole: that listing is reconciled; its parts are let go.
        parts: the parts of it that have come, as published, by number.
        health: what is known of the engine itself.
    """

    seq: int = 0
    epoch: int = -1
    offset: int = -1
    listing: str = ""
    whole: bool = True
    parts: dict[int, bytes] = field(default_factory=dict)
    health: EngineState = field(default_factory=EngineState)

    def to_bytes(self) -> bytes:
        """A line of JSON, then the parts one behind the other."""
        head = {
            "v": 1, "seq": self.seq, "epoch": self.epoch, "offset": self.offset, "listing": self.listing, "whole": self.whole,
            "parts": [[number, len(part)] for number, part in self.parts.items()], "health": asdict(self.health),
        }  # fmt: skip
        return json.dumps(head, separators=(",", ":")).encode() + b"\n" + b"".join(self.parts.values())

    @classmethod
    def from_bytes(cls, data: bytes) -> EngineRow:
        """Reads what `to_bytes` wrote."""
        line, _, body = data.partition(b"\n")
        head = json.loads(line)
        parts: dict[int, bytes] = {}
        at = 0
        for number, size in head["parts"]:
            parts[number] = body[at : at + size]
            at += size
        known: dict[str, Any] = {name: value for name, value in head.get("health", {}).items() if name in _HEALTH}
        return cls(head["seq"], head["epoch"], head["offset"], head["listing"], head["whole"], parts, EngineState(**known))
