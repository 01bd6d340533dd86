"""What the writer says of ClickHouse's and the network's errors: wait, or give up."""

from __future__ import annotations

import pytest

from schemas import topics
from schemas.codec import codec
from schemas.errors import WstError
from streams import migrate
from streams.sinks.clickhouse import Address, Busy, ClickHouseSink, Unfit, connect
from streams.sinks.rows import Block
from tests.platform.clickhouse_http import ClickHouseHttpServer, Fault
from tests.sinks import records
from tests.sinks.archives import embedded_url, open_archive
from tests.sinks.records import arrive, position, rows_of
from tests.sinks.test_consumer import Script, assembled, raw

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


@pytest.mark.parametrize("engine", ["chdb", "http"])
async def test_rows_the_server_itself_refuses_become_dead_letters_and_the_others_go_in(
    clickhouse_http: ClickHouseHttpServer, unique: str, engine: str
) -> None:
    real = open_archive(embedded_url() if engine == "chdb" else clickhouse_http.url, unique)
    real.client.command(f"ALTER TABLE `{unique}`.docker_events_rows ADD CONSTRAINT no_evil CHECK id != 'f5'")
    source = Script([raw(n) for n in range(1, 9)])
    consumer, letters = assembled(source, real.sink)
    await consumer.run()
    assert real.rows("SELECT id FROM {db}.docker_events ORDER BY id") == [(f"f{n}",) for n in range(1, 9) if n != 5]
    (letter,) = [codec("dead_letter").decode(record.value) for record in letters.records]
    assert (letter["code"], letter["offset"]) == ("refused", 5)
    assert "no_evil" in letter["reason"]
    assert source.committed == [8]
    await real.close()


@pytest.mark.parametrize(
    ("message", "raised"),
    [
        ("Code: 321. DB::Exception: Value is out of range. (VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE)", Unfit),
        ("Code: 6. DB::Exception: Cannot parse string. (CANNOT_PARSE_TEXT)", Unfit),
        ("Code: 497. DB::Exception: Not enough privileges. (ACCESS_DENIED)", WstError),
        ("Code: 241. DB::Exception: Memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)", Busy),
    ],
)
async def test_what_the_server_says_decides_whether_rows_wait_part_or_stop_the_sink(
    clickhouse_http: ClickHouseHttpServer, unique: str, message: str, raised: type[WstError]
) -> None:
    real = open_archive(clickhouse_http.url, unique)
    clickhouse_http.fail(Fault("refuse", "INSERT", message=message))
    with pytest.raises(WstError) as caught:
        await real.sink.write(rows_of(topics.DOCKER_EVENTS, arrive(topics.DOCKER_EVENTS, records.fact(), position(1))))
    assert type(caught.value) is raised
    await real.close()


async def test_what_is_our_own_fault_is_not_waited_for(clickhouse_http: ClickHouseHttpServer, unique: str) -> None:
    address = Address(clickhouse_http.url, unique)
    client = connect(address)
    migrate.apply(address, client)
    sink = ClickHouseSink(address)
    with pytest.raises(WstError, match="no_such_column") as caught:
        await sink.write([Block("docker_events_rows", ("workspace_id", "no_such_column"), (["a"], ["b"]))])
    assert not isinstance(caught.value, Busy)
    await sink.close()
    client.close()
