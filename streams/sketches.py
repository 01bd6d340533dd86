"""How SQL reads percentiles from the sketch of a row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from streams.core.histogram import Histogram
from streams.core.windows import METRICS

#: The sketch of nothing, for windows without a known value.
_NO_VALUES: Final = Histogram().to_clickhouse().hex().upper()
#: In `state_cpu`, `state_memory`, `state_rx`, `state_tx` an expression for the state of quantilesDD over half, 95 % and 99 %.
STATES: Final[Mapping[str, str]] = {
    f"state_{short}": (
        f"CAST(if(sketches['{metric}'] = '', unhex('{_NO_VALUES}'), sketches['{metric}']),"
        " 'AggregateFunction(quantilesDD(0.01, 0.5, 0.95, 0.99), Float64)')"
    )
    for short, metric in zip(("cpu", "memory", "rx", "tx"), METRICS, strict=True)
}
