"""Collection beside Telegraf's Docker input: `python -m benchmarks.telegraf`."""
