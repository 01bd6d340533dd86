"""The HTTP API: it only reads; what is now is in memory, the past is asked of the archive."""
