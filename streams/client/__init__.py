"""The Python library: states, metrics and the past for other programs, over the API or straight from the log."""

from streams.client.collector import MetricsCollector
from streams.client.monitor import ResourceMonitor
from streams.client.tracker import Tracker

__all__ = ["MetricsCollector", "ResourceMonitor", "Tracker"]
