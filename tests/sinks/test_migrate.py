"""`wst migrate`: forward only, on a filled database, twice at once, killed half-way; what does not fit is refused in one line."""

from __future__ import annotations

import re
import threading
from dataclasses import replace

import pytest
from clickhouse_connect.driver import Client

from schemas import topics
from schemas.errors import Refused, SettingError, Unreachable, WstError
from streams import migrate
from streams.migrate import Migration
from streams.sinks.clickhouse import Address, ClickHouseSink, connect
from tests.platform.clickhouse_http import ClickHouseHttpServer
from tests.platform.process import free_port
from tests.sinks import records
from tests.sinks.archives import Real, embedded_url
from tests.sinks.process import wst
from tests.sinks.records import arrive, position, rows_of

NEXT = Migration(
    9000,
    "9000_next.sql",
    "-- A column for all samples.\n"
    "ALTER TABLE ${database}.samples_rows${on_cluster} ADD COLUMN IF NOT EXISTS extra Int64 DEFAULT 7 COMMENT 'x';\n"
    "CREATE VIEW IF NOT EXISTS ${database}.extras${on_cluster} AS SELECT extra FROM ${database}.samples_rows FINAL;\n",
)


class Dying:
    """A client that is killed before its n-th statement."""

    def __init__(self, client: Client, statements: int) -> None:
        self._client = client
        self._left = statements

    def __getattr__(self, name: str) -> object:
        return getattr(self._client, name)

    def command(self, *args: object, **more: object) -> object:
        self._left -= 1
        if self._left < 0:
            raise KeyboardInterrupt
        return self._client.command(*args, **more)  # type: ignore[arg-type]


async def test_a_filled_database_goes_forward_and_keeps_its_rows(chdb_archive: Real) -> None:
    usage = records.usage(samples=[records.sample("c1"), records.sample("c2")])
    await chdb_archive.write(rows_of(topics.WORKSPACE_USAGE, arrive(topics.WORKSPACE_USAGE, usage, position(1))))
    before = chdb_archive.rows("SELECT * FROM {db}.samples ORDER BY container_id")
    plan = [*migrate.migrations(), NEXT]
    assert migrate.apply(chdb_archive.address, chdb_archive.client, plan=plan) == ["9000_next.sql"]
    assert migrate.apply(chdb_archive.address, chdb_archive.client, plan=plan) == []
    assert chdb_archive.rows("SELECT * FROM {db}.samples ORDER BY container_id") == before
    assert chdb_archive.rows("SELECT * FROM {db}.extras") == [(7,), (7,)]


def test_killed_before_any_statement_it_ends_where_one_whole_run_ends(unique: str) -> None:
    """Dies before the first statement, the second …, and each time goes on where it was."""
    address = Address(embedded_url(), unique)
    client = connect(address)
    try:
        killed = 0
        while True:
            try:
                migrate.apply(address, Dying(client, statements=killed % 7))  # type: ignore[arg-type]
            except KeyboardInterrupt:
                killed += 1
                assert killed < 100
            else:
                break
            if killed % 7 == 6:
                migrate.apply(address, client)
        migrate.require(address, client)
        ledger = client.query(f"SELECT number, checksum FROM `{unique}`.wst_migrations FINAL ORDER BY number").result_rows
        assert [(number, checksum) for number, checksum in ledger] == [(m.number, m.checksum) for m in migrate.migrations()]
    finally:
        client.command(f"DROP DATABASE `{unique}`")
        client.close()


def test_four_at_once_end_where_one_ends(unique: str, clickhouse_http: ClickHouseHttpServer) -> None:
    address = Address(clickhouse_http.url, unique)
    failed: list[Exception] = []

    def run() -> None:
        client = connect(address)
        try:
            migrate.apply(address, client)
        except Exception as error:
            failed.append(error)
        finally:
            client.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    client = connect(address)
    migrate.require(address, client)
    assert migrate.apply(address, client) == []
    client.close()


def test_a_changed_old_file_a_newer_database_and_a_missing_file_are_refused(chdb_archive: Real) -> None:
    address, client = chdb_archive.address, chdb_archive.client
    first, *others = migrate.migrations()
    with pytest.raises(Refused, match=r"0001_tables\.sql was changed after it was applied"):
        migrate.apply(address, client, plan=[replace(first, text=first.text + "\n-- a word more"), *others])
    migrate.apply(address, client, plan=[first, *others, NEXT])
    with pytest.raises(Refused, match=r"is of a newer wst \(it has 9000_next\.sql\): upgrade wst"):
        migrate.apply(address, client)
    client.command(f"DROP TABLE `{address.database}`.wst_migrations")
    with pytest.raises(SettingError, match=r"lacks 0001_tables\.sql: run `wst migrate`"):
        migrate.require(address, client)


def test_numbers_of_the_files_are_unique_and_every_statement_may_be_repeated() -> None:
    plan = migrate.migrations()
    assert len({m.number for m in plan}) == len(plan)
    creating = r"CREATE (DATABASE|TABLE|VIEW|MATERIALIZED VIEW|ROLE) IF NOT EXISTS |CREATE OR REPLACE "
    # Rows put again into a table that merges them by what they are.
    filling = r"INSERT INTO \S+(state_moments|fact_days) "
    changing = r"ALTER TABLE \S+ (ADD|DROP) \w+ IF (NOT )?EXISTS |ALTER TABLE \S+ MODIFY "
    repeatable = re.compile(f"{creating}|{changing}|{filling}")
    for migration in plan:
        for statement in migration.statements("wst", None):
            assert repeatable.match(statement), statement[:100]


def test_printed_it_is_the_whole_script_for_a_cluster_and_runs_on_an_empty_server_without_one(unique: str) -> None:
    printed = wst("migrate", "--print", WST_CLICKHOUSE_CLUSTER="prod", WST_CLICKHOUSE_DATABASE="archive").stdout
    creations = re.findall(r"^CREATE (?:DATABASE|TABLE|VIEW|MATERIALIZED VIEW) IF NOT EXISTS \S+(.*)$", printed, re.MULTILINE)
    assert len(creations) > 18
    assert all(" ON CLUSTER `prod`" in rest for rest in creations)
    engines = re.findall(r"^(?:\) )?ENGINE = (\w+)", printed, re.MULTILINE)
    assert len(engines) == 12
    assert set(engines) == {"ReplicatedReplacingMergeTree", "ReplicatedAggregatingMergeTree"}
    assert "${" not in printed
    address = Address(embedded_url(), unique)
    client = connect(address)
    try:
        for statement in migrate.script(unique, None).split(";\n"):
            if re.sub(r"^--.*$", "", statement, flags=re.MULTILINE).strip():
                client.command(statement)
        migrate.require(address, client)
    finally:
        client.command(f"DROP DATABASE `{unique}`")
        client.close()


def test_the_role_for_tools_is_made_of_statements_clickhouse_understands_and_may_only_read(unique: str) -> None:
    """The embedded engine has no users to make roles for: it parses the statements all the same."""
    client = connect(Address(embedded_url(), unique))
    try:
        for cluster in (None, "prod"):
            create, grant = migrate.reader("archive", cluster)
            on = f" ON CLUSTER {cluster}" if cluster else ""
            asked = "SELECT formatQuerySingleLine({create:String}), formatQuerySingleLine({grant:String})"
            (formatted,) = client.query(asked, parameters={"create": create, "grant": grant}).result_rows
            assert list(formatted) == [f"CREATE ROLE IF NOT EXISTS wst_reader{on}", f"GRANT{on} SELECT ON archive.* TO wst_reader"]
        # Whoever may make no role is told so, and by an embedded archive nobody is asked.
        assert migrate.make_reader(Address("http://somewhere", unique), client, None) is not None
        assert migrate.make_reader(Address(embedded_url(), unique), client, None) is None
    finally:
        client.close()


def test_a_server_that_lets_this_user_make_no_role_is_migrated_and_says_so(unique: str, clickhouse_http: ClickHouseHttpServer) -> None:
    done = wst("migrate", WST_CLICKHOUSE_URL=clickhouse_http.url, WST_CLICKHOUSE_DATABASE=unique)
    assert done.returncode == 0
    assert "the role wst_reader is not there" in done.stderr
    printed = wst("migrate", "--print", WST_CLICKHOUSE_URL=clickhouse_http.url, WST_CLICKHOUSE_CLUSTER="prod").stdout
    assert printed.endswith(
        "CREATE ROLE IF NOT EXISTS wst_reader ON CLUSTER `prod`;\n\nGRANT ON CLUSTER `prod` SELECT ON `wst`.* TO wst_reader;\n\n"
    )


def test_the_command_migrates_and_says_so(unique: str, clickhouse_http: ClickHouseHttpServer) -> None:
    there = {"WST_CLICKHOUSE_URL": clickhouse_http.url, "WST_CLICKHOUSE_DATABASE": unique}
    names = ", ".join(migration.name for migration in migrate.migrations())
    assert wst("migrate", **there).stdout == f"applied {names}\n"
    assert wst("migrate", **there).stdout == f"database {unique} at {clickhouse_http.url} is up to date\n"


def test_an_archive_out_of_reach_is_one_line_and_exit_status_3() -> None:
    done = wst("migrate", WST_CLICKHOUSE_URL=f"http://me:secret@127.0.0.1:{free_port()}")
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "does not answer" in done.stderr
    assert "secret" not in done.stderr


def test_a_wrong_password_is_one_line_and_exit_status_3_and_is_not_shown() -> None:
    with ClickHouseHttpServer(password="right") as server:
        url = server.url.replace("http://", "http://default:wrong-one@")
        done = wst("migrate", WST_CLICKHOUSE_URL=url)
        assert (done.returncode, done.stderr.count("\n")) == (3, 1)
        assert "refuses the user or password" in done.stderr
        assert "wrong-one" not in done.stderr


@pytest.mark.parametrize("url", ["ftp://x", "127.0.0.1:8123", "chdb:relative"])
def test_an_address_that_makes_no_sense_is_a_setting_error(url: str) -> None:
    with pytest.raises(SettingError, match="WST_CLICKHOUSE_URL"):
        connect(Address(url, "wst"))


def test_a_directory_another_process_holds_is_named() -> None:
    """The engine lets one process in: here the same process asks for a second directory, which it refuses alike."""
    client = connect(Address(embedded_url(), "wst"))
    try:
        with pytest.raises(Unreachable, match="held by another process"):
            connect(Address(embedded_url() + "-other", "wst"))
    finally:
        client.close()


async def test_a_sink_without_its_tables_is_told_to_migrate(unique: str) -> None:
    sink = ClickHouseSink(Address(embedded_url(), unique))
    with pytest.raises(WstError, match="run `wst migrate`") as caught:
        await sink.write(rows_of(topics.DOCKER_EVENTS, arrive(topics.DOCKER_EVENTS, records.fact(), position(1))))
    assert caught.value.exit_code == 2
    await sink.close()
