"""A stranger's SQL: what it may ask is answered, whatever is hostile is refused before it runs, on chDB and over HTTP."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Refused, SettingError, Unreachable, WstError
from streams import migrate
from streams.api.app import make_app
from streams.query.clickhouse_archive import ClickHouseArchive
from streams.query.csv_text import csv_text, safe
from streams.query.free import LONGEST_SQL, FreeQueries, Limits
from streams.query.sql_rules import judge_ast, judge_tree, readable
from streams.sinks.clickhouse import Address, connect
from tests.face.api_parts import LOCAL, make_live, whole_state
from tests.platform.clickhouse_http import ClickHouseHttpServer
from tests.sinks.records import HOSTILE

HARMLESS = (
    "SELECT 1",
    "select workspace_id, sum(cpu_core_seconds) from usage_hourly group by 1 -- a comment; with a semicolon",
    "WITH s AS (SELECT * FROM samples) SELECT count() FROM s WHERE container_name IN (SELECT container_name FROM samples)",
    "SELECT * FROM numbers(3) AS n LEFT JOIN (SELECT toUInt64(1) AS number) AS m USING number",
    "SELECT count() FROM workspace_changes AS system WHERE message ILIKE '%drop table%' OR message = 'file(''/etc/passwd'')'",
    "FROM samples SELECT max(read_at)",
    "(SELECT 1) UNION ALL SELECT 2",
    "SELECT quantile(0.9)(cpu_percent) OVER (PARTITION BY workspace_id) FROM samples LIMIT 1",
    "EXPLAIN SELECT * FROM samples",
    "EXPLAIN PLAN actions = 1 SELECT 1",
    "SHOW TABLES",
    "SHOW TABLES LIKE 'usage%'",
    "DESCRIBE samples",
    "SHOW COLUMNS FROM usage_daily",
    "SHOW CREATE VIEW samples",
)
LEFT = Path("/tmp/wst-hostile")
#: What reaches files, the network, other databases, writes, lifts a limit or hides from the looks.
HOSTILE_SQL = (
    "SELECT * FROM file('/etc/passwd', 'LineAsString')",
    "SELECT file('/etc/passwd')",
    "SELECT FILE('/etc/passwd')",
    "SELECT /* */ file /* */ ('/etc/passwd')",
    "SELECT * FROM samples WHERE container_name = file('/etc/passwd')",
    "SELECT 1 LIMIT (SELECT length(file('/etc/passwd')))",
    "WITH f AS (SELECT file('/etc/passwd')) SELECT * FROM f",
    "SELECT * APPLY (file) FROM (SELECT '/etc/passwd')",
    "SELECT * APPLY (x -> file(x)) FROM (SELECT '/etc/passwd')",
    "SELECT COLUMNS('.*') APPLY sleep FROM samples",
    "SELECT arrayMap(x -> file(x), ['/etc/passwd'])",
    "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'a String')",
    "SELECT * FROM s3('http://127.0.0.1:1/b', 'CSV')",
    "SELECT * FROM remote('127.0.0.1', system.one)",
    "SELECT * FROM remoteSecure('127.0.0.1', system.one)",
    "SELECT * FROM cluster('default', system.one)",
    "SELECT * FROM clusterAllReplicas('default', system.one)",
    "SELECT * FROM executable('id', 'CSV', 'a String')",
    "SELECT * FROM mysql('127.0.0.1:1', 'd', 't', 'u', 'p')",
    "SELECT * FROM postgresql('127.0.0.1:1', 'd', 't', 'u', 'p')",
    "SELECT * FROM mongodb('127.0.0.1:1', 'd', 't', 'u', 'p', 'a String')",
    "SELECT * FROM redis('127.0.0.1:1', 'k', 'k String')",
    "SELECT * FROM sqlite('/x.db', 't')",
    "SELECT * FROM odbc('DSN=x', 't')",
    "SELECT * FROM jdbc('x', 't')",
    "SELECT * FROM hdfs('hdfs://127.0.0.1:1/x', 'CSV')",
    "SELECT * FROM azureBlobStorage('http://127.0.0.1:1', 'c', 'x', 'CSV')",
    "SELECT * FROM iceberg('http://127.0.0.1:1/x')",
    "SELECT * FROM icebergLocal('/x')",
    "SELECT * FROM deltaLake('http://127.0.0.1:1/x')",
    "SELECT * FROM deltaLakeLocal('/x')",
    "SELECT * FROM hudi('http://127.0.0.1:1/x')",
    "SELECT * FROM paimonLocal('/x')",
    "SELECT * FROM filesystem('/')",
    "SELECT * FROM python('x')",
    "SELECT * FROM merge('system', '.*')",
    "SELECT * FROM merge(REGEXP('.*'), '.*')",
    "SELECT * FROM view(SELECT * FROM merge('system', 'users'))",
    "SELECT * FROM dictionary('d')",
    "SELECT * FROM loop(system.users)",
    "SELECT * FROM input('a String')",
    "SELECT * FROM eval('SELECT 1')",
    "SELECT * FROM fuzzQuery('SELECT 1')",
    "SELECT dictGet('d', 'a', 1)",
    "SELECT joinGet('j', 'a', 1)",
    "SELECT hasColumnInTable('127.0.0.1:1', 'd', 't', 'c')",
    "SELECT aiGenerate('x', 'y')",
    "SELECT sleep(3)",
    "SELECT sleepEachRow(3) FROM numbers(100)",
    "SELECT getServerSetting('path')",
    "SELECT getClientHTTPHeader('Authorization')",
    "SELECT showCertificate()",
    "SELECT logTrace('x')",
    "SELECT generateSerialID('x')",
    "SELECT * FROM system.users",
    "SELECT * FROM `system`.`settings`",
    "SELECT * FROM SYSTEM.users",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM INFORMATION_SCHEMA.COLUMNS",
    "SELECT 1 WHERE 'x' IN system.users",
    "SELECT 1 WHERE 'x' IN (SELECT name FROM system.users)",
    "SELECT (SELECT count() FROM system.processes)",
    "SELECT EXISTS (SELECT * FROM system.query_log)",
    "WITH (SELECT max(query) FROM system.query_log) AS q SELECT q",
    "SELECT * FROM system.query_log UNION ALL SELECT * FROM system.query_log",
    "SELECT * FROM default.`/etc/passwd`",
    "SELECT * FROM `/etc/passwd`",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM other.secrets",
    "SELECT 1 AS `x\n   TABLE id: 1, table_name: wst.samples`",
    "SELECT 1 AS `a, table_name: wst.samples` FROM system.users",
    "SELECT 1 INTO OUTFILE '/tmp/wst-hostile'",
    "SELECT 1) INTO OUTFILE '/tmp/wst-hostile' -- ",
    "SELECT 1) INTO OUTFILE '/tmp/wst-hostile'; SELECT (1",
    "EXPLAIN SELECT 1 INTO OUTFILE '/tmp/wst-hostile'",
    "SELECT 1 FORMAT CSV",
    "SELECT 1 SETTINGS max_execution_time = 1000",
    "SELECT * FROM (SELECT 1 SETTINGS readonly = 0)",
    "SELECT 1; DROP TABLE samples_rows",
    "SELECT 1 PARALLEL WITH DROP TABLE samples_rows",
    "DROP TABLE samples_rows",
    "TRUNCATE samples_rows",
    "ALTER TABLE samples_rows DELETE WHERE 1",
    "INSERT INTO wst_migrations (number) VALUES (1)",
    "INSERT INTO FUNCTION file('/tmp/wst-hostile') SELECT 1",
    "CREATE TABLE x ENGINE = Memory AS SELECT 1",
    "CREATE FUNCTION f AS x -> file(x)",
    "OPTIMIZE TABLE samples_rows FINAL",
    "SYSTEM SHUTDOWN",
    "KILL QUERY WHERE 1",
    "SET readonly = 0",
    "USE system",
    "GRANT ALL ON *.* TO default",
    "BACKUP TABLE samples_rows TO Disk('x', 'y')",
    "ATTACH TABLE x FROM '/tmp'",
    "SHOW TABLES FROM system",
    "SHOW USERS",
    "SHOW GRANTS",
    "SHOW PROCESSLIST",
    "SHOW CREATE TABLE system.users",
    "SHOW COLUMNS FROM system.users",
    "DESCRIBE TABLE url('http://127.0.0.1:1/', 'CSV')",
    "DESCRIBE TABLE file('/etc/passwd', 'CSV')",
    "DESCRIBE (SELECT file('/etc/passwd'))",
    "EXPLAIN SELECT file('/etc/passwd')",
    "EXPLAIN AST DROP TABLE samples_rows",
    "EXPLAIN TABLE OVERRIDE mysql('127.0.0.1:1', 'd', 't', 'u', 'p') COLUMNS (a String)",
    "CHECK TABLE samples_rows",
    "EXISTS TABLE system.users",
    "SELECT {x:String}",
    "SELECT",
    "",
    "--",
    HOSTILE,
    "SELECT " + "(" * 3000 + "1" + ")" * 3000,
)  # fmt: skip


@pytest.fixture(scope="module")
def http(clickhouse_http: ClickHouseHttpServer) -> Iterator[Address]:
    address = Address(clickhouse_http.url, "asked")
    client = connect(address)
    migrate.apply(address, client)
    client.command("CREATE DATABASE IF NOT EXISTS other")
    client.command("CREATE TABLE IF NOT EXISTS other.secrets (a String) ENGINE = MergeTree ORDER BY a")
    yield address
    client.command("DROP DATABASE asked")
    client.close()


@pytest.fixture(params=["chdb", "http"])
def archive(request: pytest.FixtureRequest) -> Address:
    found: Address = request.getfixturevalue("filled" if request.param == "chdb" else "http")
    return found


async def test_what_is_harmless_is_answered(archive: Address) -> None:
    queries = FreeQueries(archive)
    for sql in HARMLESS:
        assert json.loads(await queries.run(sql))["meta"], sql


async def test_what_is_hostile_is_refused_with_a_reason_and_nothing_of_it_happens(archive: Address) -> None:
    queries = FreeQueries(archive, Limits(seconds=5))
    for sql in HOSTILE_SQL:
        with pytest.raises((Refused, SettingError), match=r"^sql: ") as refused:
            await queries.run(sql)
        assert "root:" not in str(refused.value), sql
    assert not await asyncio.to_thread(LEFT.exists)
    assert json.loads(await queries.run("SELECT count() FROM samples_rows"))["rows"] == 1


@pytest.mark.parametrize(
    ("sql", "limit"),
    [
        ("SELECT sum(cityHash64(number)) FROM numbers(1000000000000)", "Timeout"),
        ("SELECT number FROM numbers(100001)", "Limit for result"),
        ("SELECT length(groupArray(toString(number))) FROM numbers(30000000)", "Memory limit"),
    ],
)
async def test_a_question_that_costs_too_much_is_ended_while_others_are_answered(filled: Address, sql: str, limit: str) -> None:
    archive = ClickHouseArchive(filled)
    queries = FreeQueries(filled, Limits(seconds=2, memory_bytes=200 << 20))
    heavy = asyncio.create_task(queries.run(sql))
    assert json.loads(await queries.run("SELECT 1 AS one"))["data"] == [[1]]
    assert (await archive.ask("usage", _SHOP, view="usage_hourly", column="hour")) != []
    with pytest.raises(Refused, match=r"costs more than a question may: 2 s, 100,000 rows"):
        await heavy
    await archive.close()
    assert limit


_SHOP = {"workspace_id": "shop@laptop", "since_ns": 0, "until_ns": 2**62, "limit": 3}


async def test_an_archive_that_is_away_is_out_of_reach_and_no_fault_of_the_question(tmp_path: Path) -> None:
    with pytest.raises(WstError) as told:
        await FreeQueries(Address("http://127.0.0.1:1", "wst")).run("SELECT 1")
    assert told.value.exit_code == Unreachable.exit_code


async def test_the_api_answers_in_json_csv_and_parquet(filled: Address) -> None:
    archive = ClickHouseArchive(filled)
    app = make_app(make_live(whole_state("shop@laptop")), archive, LOCAL, dict)
    asked: dict[str, Any] = {"sql": "SELECT '=1+1' AS \"@x\", toDateTime64(0, 3, 'UTC') AS t, 1.5 AS f, CAST(NULL AS Nullable(Int8)) AS n"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as api:
        said = (await api.get("/api/v1/query", params=asked)).json()
        assert said["data"] == [["=1+1", "1970-01-01T00:00:00.000Z", 1.5, None]]
        table = (await api.get("/api/v1/query", params=asked | {"format": "csv"})).text
        assert table == "'@x,t,f,n\r\n'=1+1,1970-01-01T00:00:00.000Z,1.5,\r\n"
        packed = (await api.get("/api/v1/query", params=asked | {"format": "parquet"})).content
        assert packed[:4] == packed[-4:] == b"PAR1"
        refused = await api.get("/api/v1/query", params={"sql": "SELECT file('/etc/passwd')"})
        assert (refused.status_code, refused.json()["title"]) == (400, "refused")
        assert (await api.get("/api/v1/query", params={"sql": "SELECT 1", "format": "xml"})).status_code == 422
        assert (await api.get("/api/v1/query", params={"sql": "S" * (LONGEST_SQL + 1)})).status_code == 422
    await archive.close()


def test_each_look_alone_refuses_what_it_sees() -> None:
    with pytest.raises(Refused, match="other is not the archive"):
        readable("DESCRIBE TABLE other.secrets", "wst")
    for line in (
        "   Function file (children 1)",
        "  TableIdentifier system.users",
        "  Identifier system.users",
        "   Set",
        "  TableIdentifier o.t",
    ):
        with pytest.raises(Refused):
            judge_ast([line], "wst", frozenset())
    tree = ("  TABLE id: 3, alias: __table1, table_name: system.users", "  FUNCTION id: 4, function_name: file, function_type: ordinary")
    for line in (*tree, "  TABLE_FUNCTION id: 1, alias: a, table_function_name: url"):
        with pytest.raises(Refused):
            judge_tree([line], "wst", frozenset({"url"}))
    judge_ast(["  TableIdentifier wst.samples", "  TableIdentifier samples", "  Identifier s.read_at"], "wst", frozenset())
    judge_tree(["  TABLE id: 3, alias: __table1, table_name: wst.samples, final"], "wst", frozenset())


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_no_text_of_a_csv_is_taken_for_a_formula_and_none_is_lost(texts: list[str]) -> None:
    texts = [text.replace("\0", "") for text in texts]
    (line,) = list(csv.reader(io.StringIO(csv_text(texts, []), newline="")))
    assert [cell.removeprefix("'") for cell in line] == [text.removeprefix("'") for text in texts]
    assert not any(cell.lstrip().startswith(("=", "+", "-", "@")) for cell in line)


def test_numbers_of_a_csv_stay_numbers() -> None:
    assert [safe(value) for value in (-1, -1.5, None, True, "-1", "=x", " =x", "＝x", [1])] == [
        -1, -1.5, "", "true", "'-1", "'=x", "' =x", "'＝x", "[1]",
    ]  # fmt: skip
