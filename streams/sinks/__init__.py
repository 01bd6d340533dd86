"""From the log into the archive: records to rows, rows to ClickHouse, positions committed after."""
