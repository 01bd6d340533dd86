"""History folded again, beside the running system: the facts of the log or the archive, the same pure core, and what differs."""
