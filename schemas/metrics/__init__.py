"""What is measured and shown to Prometheus: every metric declared once, with its unit and what to do about it."""

from schemas.metrics import fleet, system
from schemas.metrics.declared import DECLARED, Figure, Figures, Metric

__all__ = ["DECLARED", "Figure", "Figures", "Metric", "fleet", "system"]
