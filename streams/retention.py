"""How long each table of the archive keeps its rows: settings, brought to the tables by `wst migrate` and `wst up`.

Only what differs is changed. States are kept for ever: they are what every question about the past is answered from, and
a workspace that has not changed for a year has but its one, old state.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from clickhouse_connect.driver import Client

from schemas.settings import Settings
from streams.sinks.clickhouse import Address, explained, written

_DAY_S: Final = 86_400
_PRESENT: Final = re.compile(r" TTL (.+?)(?= SETTINGS |$)")


@dataclass(frozen=True, slots=True)
class Rule:
    """How long a table keeps its rows.

    Attributes:
        table: whose.
        time: column that says how old a row is.
        days: rows older than that go; None: none does.
        of_parts: a part goes as a whole, when its youngest row may: cheap, where partitions are by time.
    """

    table: str
    time: str
    days: int | None
    of_parts: bool

    @property
    def expression(self) -> str:
        """The TTL as ClickHouse itself writes it; empty: none."""
        return "" if self.days is None else f"toDateTime({self.time}) + toIntervalDay({self.days})"

    def statements(self, database: str, cluster: str | None) -> list[str]:
        """What makes it so, whatever the table had: but without a TTL, that it had one is presumed."""
        alter = f"ALTER TABLE `{database}`.{self.table}" + (f" ON CLUSTER `{cluster}`" if cluster else "")
        if self.days is None:
            return [f"{alter} REMOVE TTL"]
        parts = [f"{alter} MODIFY SETTING ttl_only_drop_parts = 1"] if self.of_parts else []
        return [*parts, f"{alter} MODIFY TTL {self.expression}"]


#: What the tables have when `schemas/clickhouse` is through with them.
_MADE: Final[Mapping[str, int | None]] = {"samples_rows": 30, "usage_hourly_rows": 397, "dead_letters_rows": 30}


def rules(settings: Settings) -> list[Rule]:
    """The rules of the settings, parts of days rounded up."""
    return [
        Rule(table, time, None if keep_s is None else math.ceil(keep_s / _DAY_S), of_parts)
        for table, time, keep_s, of_parts in (
            ("samples_rows", "read_at", settings.keep_samples, True),
            ("usage_hourly_rows", "start", settings.keep_hourly, True),
            ("usage_daily_rows", "start", settings.keep_daily, True),
            ("docker_events_rows", "at", settings.keep_events, True),
            ("workspace_changes_rows", "at", settings.keep_events, False),
            ("dead_letters_rows", "refused_at", settings.keep_dead_letters, False),
        )
    ]


def script(wanted: Sequence[Rule], database: str, cluster: str | None) -> list[str]:
    """The statements for tables that were just made."""
    return [line for rule in wanted if rule.days != _MADE.get(rule.table) for line in rule.statements(database, cluster)]


def apply(address: Address, client: Client, wanted: Sequence[Rule], cluster: str | None = None) -> list[str]:
    """Changes what differs, and says what, a line a table.

    Raises:
        WstError: ClickHouse is out of reach or refuses a statement.
    """
    with explained(address):
        present = _present(client, address.database)
    changing = [rule for rule in wanted if present.get(rule.table, "") != rule.expression]
    if changing:
        with written(address, client), explained(address):
            for rule in changing:
                for statement in rule.statements(address.database, cluster):
                    client.command(statement)
    return [f"{rule.table} keeps its rows " + ("for ever" if rule.days is None else f"{rule.days} days") for rule in changing]


def _present(client: Client, database: str) -> dict[str, str]:
    sql = "SELECT name, engine_full FROM system.tables WHERE database = {database:String} AND engine LIKE '%MergeTree'"
    rows = client.query(sql, parameters={"database": database}).result_rows
    return {str(name): match[1] for name, engine in rows if (match := _PRESENT.search(str(engine)))}
