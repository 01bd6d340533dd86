"""What the writer says of ClickHouse's and the network's errors: wait, or give up."""

from __future__ import annotations

import time

import pytest

from schemas import topics
from schemas.errors import WstError
from streams import migrate
from streams.sinks.clickhouse import Address, Busy, ClickHouseSink, connect
from streams.sinks.rows import Block
from tests.platform.clickhouse_http import ClickHouseHttpServer, Fault
from tests.sinks import records
from tests.sinks.records import arrive, position, rows_of

BUSY = (
    Fault("refuse", "INSERT"),
    Fault("refuse", "INSERT", message="Bad Gateway"),
    Fault("refuse", "INSERT", message="Code: 252. DB::Exception: Too many parts. (TOO_MANY_PARTS)"),
    Fault("refuse", "INSERT", message="Code: 243. DB::Exception: Cannot reserve space. (NOT_ENOUGH_SPACE)"),
    Fault("lose", "INSERT", message="Code: 209. DB::NetException: Timeout. (SOCKET_TIMEOUT)"),
    Fault("cut", "INSERT"),
)


async def test_a_busy_server_is_one_to_wait_for_and_the_same_rows_go_in_later_once(
    private_clickhouse_http: ClickHouseHttpServer, unique: str
) -> None:
    server = private_clickhouse_http
    address = Address(server.url, unique)
    client = connect(address)
    migrate.apply(address, client)
    sink = ClickHouseSink(address)
    rows = rows_of(topics.DOCKER_EVENTS, arrive(topics.DOCKER_EVENTS, records.fact(), position(1)))
    for fault in BUSY:
        server.fail(fault)
        with pytest.raises(Busy, match="does not answer"):
            await sink.write(rows)
    server.kill()
    with pytest.raises(Busy, match="Connection refused"):
        await sink.write(rows)
    server.start()
    await sink.write(rows)
    assert client.query(f"SELECT id, log_offset FROM `{unique}`.docker_events").result_rows == [("f1", 1)]
    await sink.close()
    client.close()


async def test_what_is_our_own_fault_is_not_waited_for(clickhouse_http: ClickHouseHttpServer, unique: str) -> None:
    address = Address(clickhouse_http.url, unique)
    client = connect(address)
    migrate.apply(address, client)
    sink = ClickHouseSink(address)
    began = time.monotonic()
    with pytest.raises(WstError, match="no_such_column") as caught:
        await sink.write([Block("docker_events_rows", ("workspace_id", "no_such_column"), (["a"], ["b"]))])
    assert not isinstance(caught.value, Busy)
    assert time.monotonic() - began < 5
    await sink.close()
    client.close()
