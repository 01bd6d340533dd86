"""The sink: rows, tables, views, migrations, and the consumer under kill -9."""
