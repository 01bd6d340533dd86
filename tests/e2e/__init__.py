"""The whole system on real parts: engine, broker, ClickHouse engine."""
