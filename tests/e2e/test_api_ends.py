"""`wst api` ends when it is told to, whatever it still waits for."""

from __future__ import annotations

import signal
import uuid
from pathlib import Path

import httpx
import pytest

from tests.e2e.parts import Part, answers, wst
from tests.platform.clickhouse_http import ClickHouseHttpServer
from tests.platform.kafka import KafkaBroker
from tests.platform.process import free_port, wait_until


def test_an_archive_that_hangs_does_not_hold_up_the_end_of_the_api(
    kafka: KafkaBroker, private_clickhouse_http: ClickHouseHttpServer, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    settings = {
        "WST_BROKERS": kafka.bootstrap,
        "WST_TOPIC_PREFIX": f"end-{uuid.uuid4().hex[:8]}.",
        # An answer would be waited for for longer than this test has.
        "WST_CLICKHOUSE_URL": f"{private_clickhouse_http.url}/?send_receive_timeout=3600",
        "WST_DATA_DIR": str(tmp_path),
        "WST_API_PORT": url.rpartition(":")[2],
        "WST_API": url,
    }
    wst("topics", "apply", settings=settings)
    wst("migrate", settings=settings)
    with Part(["api"], settings) as api:
        wait_until(lambda: answers(url), "the API answers")
        assert httpx.get(f"{url}/api/v1/alerts", trust_env=False).json() == {"alerts": [], "next": None}
        private_clickhouse_http.pause()
        for path in ("alerts", "query?sql=SELECT%201", "export"):
            with pytest.raises(httpx.TimeoutException):
                httpx.get(f"{url}/api/v1/{path}", timeout=0.3, trust_env=False)
        api.signal(signal.SIGTERM)
        wait_until(lambda: not api.is_running, "the API has ended")
        assert api._process is not None
        assert api._process.returncode == 0
    private_clickhouse_http.resume()
