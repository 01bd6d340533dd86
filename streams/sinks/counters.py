"""How the sink gathers and waits, and what it counts."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Policy:
    """How records are gathered, and how long an archive may be away.

    Attributes:
        records: an insert begins with so many, at the latest …
        size_bytes: … or with so many bytes …
        linger_s: … or so long after the first of them came.
        first_wait_s, longest_wait_s: pauses between attempts, doubling.
        refusals: attempts at a statement that ClickHouse refuses although it is there.
    """

    records: int = 20_000
    size_bytes: int = 16 << 20
    linger_s: float = 0.5
    first_wait_s: float = 0.5
    longest_wait_s: float = 4.0
    refusals: int = 5


@dataclass(slots=True)
class Counters:
    """What the sink did since its start.

    Attributes:
        rows: by table, repeats included.
        refused: records that became dead letters.
        away: the archive does not answer, nothing is consumed until it does.
        behind_ms: age of the newest record of the last batch when its rows were in, ms.
    """

    records: int = 0
    batches: int = 0
    refused: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    insert_seconds: float = 0.0
    retries: int = 0
    away: bool = False
    behind_ms: int = 0
