"""The pure core: standard library values only; no I/O, no clock, no logging, no randomness."""
