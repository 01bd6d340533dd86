"""Stream processing, archive and face of the workspace status tracking system.

For programs: `from streams import Tracker, ResourceMonitor, MetricsCollector` (docs/python.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import schemas as _schemas  # noqa: F401 - before the core is imported: it may be there as machine code (schemas/compiled.py)

if TYPE_CHECKING:
    from streams.client import MetricsCollector, ResourceMonitor, Tracker

__all__ = ["MetricsCollector", "ResourceMonitor", "Tracker"]


def __getattr__(name: str) -> Any:
    # Looked up when asked for: a worker that imports `streams.core` has no use for HTTP and Kafka clients.
    if name in __all__:
        from streams import client

        return getattr(client, name)
    raise AttributeError(f"module 'streams' has no attribute {name!r}")
