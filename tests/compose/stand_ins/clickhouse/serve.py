"""Serves on all addresses of its container what the test suite serves on loopback."""

import sys

import uvicorn

from tests.platform import clickhouse_server

serve = uvicorn.run
uvicorn.run = lambda app, **options: serve(app, **options | {"host": "0.0.0.0"})
sys.argv[1:] = ["--port=8123", "--data=/var/lib/clickhouse/data"]
clickhouse_server.main()
