"""The reading side: states in memory, the archive's past, and the JSON shapes of both."""
