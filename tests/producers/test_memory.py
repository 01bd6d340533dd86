"""What a producer must not load: it stands beside every engine, within 60 MB (measured: benchmarks/producer.py)."""

from __future__ import annotations

import subprocess
import sys

_LOADED = "import sys, producers.cli, producers.engine, producers.outbox; print(*{name.partition('.')[0] for name in sys.modules})"


def test_the_cryptography_of_an_ssh_client_nobody_uses_and_the_stream_processor_are_not_loaded() -> None:
    done = subprocess.run([sys.executable, "-c", _LOADED], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert {"docker", "aiokafka", "fastavro"} <= loaded
    assert not loaded & {"cryptography", "nacl", "bcrypt", "faust", "chdb", "clickhouse_connect", "numpy", "pandas"}
