"""The real parts the tests run against: a Kafka broker, Docker Engines, ClickHouse over HTTP."""
