"""How long the archive keeps rows: as set, on tables that are there already, and not a row less."""

from __future__ import annotations

import time
from typing import Any

import pytest

from schemas import topics
from schemas.errors import SettingError
from schemas.settings import Settings, load_settings
from streams import migrate, retention
from tests.sinks import records
from tests.sinks.archives import Real
from tests.sinks.process import wst
from tests.sinks.records import arrive, position, rows_of

DAY_S = 86_400
FACTS = ("docker_events_rows", "workspace_changes_rows")


def set_to(**values: Any) -> list[retention.Rule]:
    return retention.rules(Settings(**values))


def ttl_of(real: Real, table: str) -> str:
    ((engine,),) = real.rows(
        "SELECT engine_full FROM system.tables WHERE database = {d:String} AND name = {t:String}", d=real.address.database, t=table
    )
    return str(engine).partition(" TTL ")[2].partition(" SETTINGS ")[0]


async def write_samples(real: Real, *days_ago: int) -> None:
    usage = records.usage(samples=[records.sample(f"c{days}", read_ns=(int(time.time()) - days * DAY_S) * 10**9) for days in days_ago])
    await real.write(rows_of(topics.WORKSPACE_USAGE, arrive(topics.WORKSPACE_USAGE, usage, position(1))))


def left(real: Real) -> list[str]:
    real.merge()
    return [name for (name,) in real.rows("SELECT container_id FROM {db}.samples ORDER BY container_id")]


def test_what_a_new_archive_has_is_what_the_defaults_say(chdb_archive: Real) -> None:
    assert retention.apply(chdb_archive.address, chdb_archive.client, set_to()) == []
    assert ttl_of(chdb_archive, "samples_rows") == "toDateTime(read_at) + toIntervalDay(30)"
    assert ttl_of(chdb_archive, "usage_hourly_rows") == "toDateTime(start) + toIntervalDay(397)"
    assert [ttl_of(chdb_archive, table) for table in ("usage_daily_rows", "workspace_states_rows", "workspaces_rows", *FACTS)] == [""] * 5


async def test_samples_past_what_is_set_go_and_the_others_stay(chdb_archive: Real) -> None:
    await write_samples(chdb_archive, 1, 9, 20)
    assert left(chdb_archive) == ["c1", "c20", "c9"]
    changed = retention.apply(chdb_archive.address, chdb_archive.client, set_to(keep_samples="10d"))
    assert changed == ["samples_rows keeps its rows 10 days"]
    assert left(chdb_archive) == ["c1", "c9"]
    assert retention.apply(chdb_archive.address, chdb_archive.client, set_to(keep_samples="10d")) == []


async def test_what_is_kept_for_ever_stays_however_old_it_is(chdb_archive: Real) -> None:
    changed = retention.apply(
        chdb_archive.address, chdb_archive.client, set_to(keep_samples="off", keep_hourly="off", keep_dead_letters="off")
    )
    assert changed == [f"{table} keeps its rows for ever" for table in ("samples_rows", "usage_hourly_rows", "dead_letters_rows")]
    await write_samples(chdb_archive, 1, 9_000)
    assert left(chdb_archive) == ["c1", "c9000"]


def test_facts_and_events_may_go_and_states_never_do(chdb_archive: Real) -> None:
    retention.apply(chdb_archive.address, chdb_archive.client, set_to(keep_events="400d", keep_daily="3650d"))
    assert [ttl_of(chdb_archive, table) for table in FACTS] == ["toDateTime(at) + toIntervalDay(400)"] * 2
    assert ttl_of(chdb_archive, "usage_daily_rows") == "toDateTime(start) + toIntervalDay(3650)"
    assert [ttl_of(chdb_archive, table) for table in ("workspace_states_rows", "workspaces_rows", "state_moments")] == [""] * 3


def test_a_part_of_a_day_is_kept_as_a_whole_one() -> None:
    assert {rule.table: rule.days for rule in set_to(keep_samples="36h")}["samples_rows"] == 2


def test_printed_are_the_tables_that_are_to_differ_from_the_default() -> None:
    printed = wst("migrate", "--print", WST_KEEP_SAMPLES="7d", WST_KEEP_HOURLY="off", WST_CLICKHOUSE_CLUSTER="prod").stdout
    assert "ALTER TABLE `wst`.samples_rows ON CLUSTER `prod` MODIFY TTL toDateTime(read_at) + toIntervalDay(7);\n" in printed
    assert "ALTER TABLE `wst`.usage_hourly_rows ON CLUSTER `prod` REMOVE TTL;\n" in printed
    assert "how long rows are kept" not in migrate.script("wst", None, set_to())


@pytest.mark.parametrize("value", ["12h", "0", "-1d", "100000d", "nan", "soon"])
def test_what_makes_no_sense_is_a_setting_error(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WST_KEEP_SAMPLES", value)
    with pytest.raises(SettingError, match="WST_KEEP_SAMPLES"):
        load_settings()
