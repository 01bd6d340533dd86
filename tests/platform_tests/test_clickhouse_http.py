"""ClickHouse over HTTP: the driver works on it fully, data survive a kill, faults come as asked."""

from __future__ import annotations

import gzip
import time
from datetime import UTC, datetime, timedelta

import lz4.frame
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, Error, OperationalError, StreamFailureError

from tests.platform.clickhouse_http import ClickHouseHttpServer, Fault

TABLE = "samples (at DateTime64(3, 'UTC'), workspace LowCardinality(String), cpu Nullable(Float64), note String) ORDER BY at"
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
# Text that breaks what is not escaped, and bytes that look like a statement.
ROWS = [
    [NOON + timedelta(milliseconds=number), "shop@laptop", None if number % 3 == 0 else number / 7, f"a\tb\n'{number}' FORMAT x\n"]
    for number in range(1000)
]


@pytest.fixture
def client(clickhouse_http: ClickHouseHttpServer, unique: str) -> Client:
    clickhouse_http.client().command(f"CREATE DATABASE {unique}")
    client = clickhouse_http.client(database=unique)
    client.command(f"CREATE TABLE {TABLE}")
    return client


def count(client: Client) -> int:
    return int(client.query("SELECT count() FROM samples").result_rows[0][0])


@pytest.mark.parametrize("compress", [False, "lz4", "zstd", "gzip"])
def test_rows_come_back_as_they_were_inserted(clickhouse_http: ClickHouseHttpServer, client: Client, compress: bool | str) -> None:
    writer = clickhouse_http.client(database=client.database, compress=compress)
    assert writer.insert("samples", ROWS).written_rows == len(ROWS)
    rows = writer.query("SELECT * FROM samples ORDER BY at", query_tz="UTC", tz_mode="aware").result_rows
    assert [list(row) for row in rows] == ROWS


@pytest.mark.parametrize("compress", [False, "lz4", "zstd", "gzip"])
def test_an_insert_of_several_blocks_is_taken_whole(clickhouse_http: ClickHouseHttpServer, client: Client, compress: bool | str) -> None:
    # The client sends wide rows in blocks, each compressed on its own.
    rows = [[NOON + timedelta(milliseconds=number), "shop@laptop", 0.5, "x" * 1_500] for number in range(5_000)]
    writer = clickhouse_http.client(database=client.database, compress=compress)
    assert writer.insert("samples", rows).written_rows == 5_000
    assert count(client) == 5_000


def test_raw_inserts_take_any_format_and_compression(client: Client) -> None:
    line = b'{"at": "2026-01-31 12:00:00", "workspace": "shop", "cpu": 1.5, "note": "x"}\n'
    client.raw_insert("samples", insert_block=line, fmt="JSONEachRow")
    client.raw_insert("samples", insert_block=gzip.compress(line), fmt="JSONEachRow", compression="gzip")
    client.raw_insert("samples", insert_block=lz4.frame.compress(line), fmt="JSONEachRow", compression="lz4")
    client.command("INSERT INTO samples VALUES ('2026-01-31 12:00:00', 'shop', 1.5, 'FORMAT')")
    client.command("INSERT INTO samples SELECT * FROM samples")
    assert count(client) == 8


def test_parameters_bind_on_the_server(client: Client) -> None:
    client.insert("samples", ROWS)
    note = ROWS[5][3]
    found = client.query("SELECT count() FROM samples WHERE note = {note:String}", parameters={"note": note})
    assert found.result_rows == [(1,)]


def test_statements_that_answer_nothing_and_queries_without_rows_are_told_apart(client: Client) -> None:
    assert client.query("SELECT at FROM samples WHERE 0").result_rows == []
    assert client.query("SELECT at, cpu FROM samples LIMIT 0").column_names == ("at", "cpu")
    assert client.command("SHOW TABLES") == "samples"
    assert client.query("-- a remark\nWITH 1 AS one SELECT one + 1").result_rows == [(2,)]


@pytest.mark.parametrize(
    ("statement", "code"), [("SELECT * FROM nope", 60), ("SELEC 1", 62), ("SELECT nope", 47), ("SELECT throwIf(1)", 395)]
)
def test_errors_carry_clickhouse_s_code(client: Client, statement: str, code: int) -> None:
    with pytest.raises(DatabaseError) as refused:
        client.query(statement)
    assert refused.value.code == code


def test_a_refused_insert_inserts_nothing(client: Client) -> None:
    with pytest.raises(DatabaseError):
        client.raw_insert("samples", insert_block=b'{"at": "never"}\n', fmt="JSONEachRow")
    assert count(client) == 0


def test_settings_hold_for_their_query_alone(client: Client) -> None:
    with pytest.raises(DatabaseError) as refused:
        client.command("DROP TABLE samples", settings={"readonly": 2})
    assert refused.value.code == 164
    with pytest.raises(DatabaseError) as too_many:
        client.query("SELECT number FROM numbers(100)", settings={"max_result_rows": 10, "max_block_size": 10})
    assert too_many.value.code == 396
    assert len(client.query("SELECT number FROM numbers(100)").result_rows) == 100
    client.insert("samples", ROWS, settings={"async_insert": 0})
    assert count(client) == len(ROWS)


def test_a_session_keeps_its_temporary_tables_to_itself(clickhouse_http: ClickHouseHttpServer, client: Client) -> None:
    client.command("CREATE TEMPORARY TABLE scratch (n UInt8)")
    assert client.query("SELECT count() FROM scratch").result_rows == [(0,)]
    with pytest.raises(DatabaseError):
        clickhouse_http.client(database=client.database).query("SELECT count() FROM scratch")


def test_data_survive_a_kill_and_a_restart(private_clickhouse_http: ClickHouseHttpServer) -> None:
    server = private_clickhouse_http
    client = server.client()
    client.command(f"CREATE TABLE {TABLE}")
    client.insert("samples", ROWS)
    server.kill()
    with pytest.raises(Error):
        count(client)
    server.start()
    assert count(client) == len(ROWS)
    server.restart()
    assert count(client) == len(ROWS)


def test_a_paused_server_answers_after_it_resumes(clickhouse_http: ClickHouseHttpServer, client: Client) -> None:
    impatient = clickhouse_http.client(database=client.database, send_receive_timeout=1)
    clickhouse_http.pause()
    try:
        with pytest.raises(OperationalError):
            count(impatient)
    finally:
        clickhouse_http.resume()
    assert count(client) == 0


# What the sink must live with, and what is true of the rows afterwards.
@pytest.mark.parametrize(
    ("kind", "error", "rows_after"),
    [("refuse", DatabaseError, 0), ("lose", DatabaseError, len(ROWS)), ("cut", Error, len(ROWS))],
)
def test_an_insert_that_fails_may_have_happened_or_not(
    clickhouse_http: ClickHouseHttpServer, client: Client, kind: str, error: type[Exception], rows_after: int
) -> None:
    clickhouse_http.fail(Fault(kind, match="INSERT INTO"))  # type: ignore[arg-type]
    with pytest.raises(error):
        client.insert("samples", ROWS)
    assert count(client) == rows_after


def test_an_answer_cut_half_way_is_an_error_and_the_next_is_whole(clickhouse_http: ClickHouseHttpServer, client: Client) -> None:
    client.insert("samples", ROWS)
    clickhouse_http.fail(Fault("cut", match="SELECT note"))
    with pytest.raises(StreamFailureError):
        client.query("SELECT note FROM samples")
    assert len(client.query("SELECT note FROM samples").result_rows) == len(ROWS)


def test_a_slow_answer_comes(clickhouse_http: ClickHouseHttpServer, client: Client) -> None:
    clickhouse_http.fail(Fault("delay", match="SELECT count", delay_s=0.5))
    began = time.monotonic()
    assert count(client) == 0
    assert time.monotonic() - began >= 0.5


@pytest.mark.clickhouse_http
def test_a_wrong_password_is_refused() -> None:
    with ClickHouseHttpServer(password="right") as server:
        assert server.client().query("SELECT 1").result_rows == [(1,)]
        with pytest.raises(DatabaseError) as refused:
            server.client(password="wrong")
        assert refused.value.code == 516
