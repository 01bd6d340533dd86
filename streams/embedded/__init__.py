"""The embedded log: a broker in memory that is a wire, fed by a relay from the journal that is the log."""
