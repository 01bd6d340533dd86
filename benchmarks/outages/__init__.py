"""What outages cost: `python -m benchmarks.outages`."""
