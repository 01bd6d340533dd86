"""The rules of thresholds, as tables and properties."""
