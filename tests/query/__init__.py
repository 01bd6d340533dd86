"""The reading side: views in memory, JSON shapes, the archive."""
