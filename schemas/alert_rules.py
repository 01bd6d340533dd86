"""Rules of alerts as users write them, in `wst.toml`:

```toml
[[alert_rules]]
name = "cpu"                # a rule of the same name for the workspaces that match it
above = 95
workspaces = ["build-*"]

[[alert_rules]]
name = "many processes"
metric = "pids"
above = 500
points = 6
in_a_row = 6
```
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Metric = Literal[
    "cpu", "cpu_percent", "cpu_throttled_percent", "memory", "memory_used_bytes", "memory_usage_bytes", "network_rx_bytes_per_second",
    "network_tx_bytes_per_second", "block_read_bytes_per_second", "block_write_bytes_per_second", "page_faults_per_second", "pids",
]  # fmt: skip


def _off(value: object) -> object:
    return None if isinstance(value, str) and value.lower() == "off" else value


class AlertRule(BaseModel):
    """One threshold; `docs/alerts.md` says how points are judged.

    Attributes:
        name: of the rule; a later one of the same name replaces it for the workspaces it matches.
        metric: what is judged; may be left out for `cpu` and `memory`.
        above: bad is what is above it, in the metric's unit; `off`: not judged.
        points: samples looked at.
        in_a_row: so many bad ones in a row raise.
        in_all: so many bad ones of all raise.
        workspaces: globs on workspace ids.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=60, pattern=r"^[\w .:-]+$")
    metric: Metric
    above: Annotated[float | None, BeforeValidator(_off)] = Field(gt=0, lt=1e18)
    points: int = Field(20, ge=1, le=240)
    in_a_row: int = Field(4, ge=1)
    in_all: int = Field(10, ge=1)
    workspaces: tuple[str, ...] = Field(("*",), min_length=1, max_length=100)

    @model_validator(mode="before")
    @classmethod
    def _metric_of_name(cls, value: object) -> object:
        if isinstance(value, dict) and "metric" not in value and value.get("name") in ("cpu", "memory"):
            return value | {"metric": value["name"]}
        return value

    @model_validator(mode="after")
    def _within_points(self) -> Self:
        if max(self.in_a_row, self.in_all) > self.points:
            raise ValueError(f"in_a_row and in_all count among the {self.points} points: neither can be more")
        return self
