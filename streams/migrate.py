"""`wst migrate`: brings the archive's tables and views to this version, forward only.

Every statement of `schemas/clickhouse/*.sql` may be repeated, so that a run that was killed half-way, or two at once,
end where one whole run ends. What was applied is recorded with its checksum.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from string import Template
from typing import Final

import click
from clickhouse_connect.driver import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, Error

from schemas.errors import Refused, SettingError
from schemas.settings import Settings, load_settings
from streams import retention
from streams.retention import Rule
from streams.sinks.clickhouse import Address, connect, explained, written
from streams.sketches import STATES

_FILE: Final = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_POSITION: Final = (
    "bitOr(bitOr(bitShiftLeft(toUInt128(greatest(log_epoch, 0)), 80), bitShiftLeft(toUInt128(greatest(log_partition, 0)), 64)),"
    " toUInt128(greatest(log_offset, 0)))"
)
#: Acknowledged inserts and merges survive a power cut: an insert is a batch, so that the price is milliseconds a batch.
_DURABLE: Final = "fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1"
_FOR: Final = re.compile(r"^-- for: (.+)$", re.MULTILINE)
#: The role for tools: dashboards, notebooks.
READER: Final = "wst_reader"
#: ClickHouse's codes for users that may not manage access, and for servers that keep none.
_NO_ACCESS_MANAGEMENT: Final = frozenset((495, 497, 511, 514))
_LEDGER: Final = """CREATE TABLE IF NOT EXISTS ${database}.wst_migrations${on_cluster} (
    number UInt32 COMMENT 'Number of the file',
    name String COMMENT 'Name of the file',
    checksum String COMMENT 'SHA-256 of the file, hex',
    applied_at DateTime64(3, 'UTC') DEFAULT now64(3, 'UTC') COMMENT 'When, UTC'
) ENGINE = ${replicated}ReplacingMergeTree ORDER BY number
SETTINGS ${durable}
COMMENT 'Migrations applied to this database, written by wst migrate'"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file.

    Attributes:
        text: the template as it stands in the file.
    """

    number: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the template, hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    def statements(self, database: str, cluster: str | None) -> list[str]:
        """The statements for a database, without comment lines; one behind lines `-- for: name=value …` once for each of them."""
        found = []
        for part in self.text.split(";\n"):
            variants = [dict(pair.split("=", 1) for pair in match[1].split()) for match in _FOR.finditer(part)]
            text = "\n".join(line for line in part.splitlines() if not line.lstrip().startswith("--"))
            if text.strip():
                found += [_render(text, database, cluster, variant) for variant in variants or [{}]]
        return found


def _render(template: str, database: str, cluster: str | None, variant: Mapping[str, str] | None = None) -> str:
    return (
        Template(template)
        .substitute(
            database=f"`{database}`",
            on_cluster=f" ON CLUSTER `{cluster}`" if cluster else "",
            replicated="Replicated" if cluster else "",
            position=_POSITION,
            earliness=f"bitNot({_POSITION})",
            durable=_DURABLE,
            **STATES,
            **(variant or {}),
        )
        .strip()
    )


def migrations() -> list[Migration]:
    """All files of this version, by number."""
    folder = resources.files("schemas").joinpath("clickhouse")
    found = [(match, entry) for entry in folder.iterdir() if (match := _FILE.fullmatch(entry.name))]
    return sorted((Migration(int(match[1]), entry.name, entry.read_text("utf-8")) for match, entry in found), key=lambda m: m.number)


def script(database: str, cluster: str | None, keep: Sequence[Rule] = (), roles: bool = False) -> str:
    """Everything `apply` would run on an empty server, for people to read or to run themselves; on one with users also the role."""
    plan = migrations()
    statements = [(m, m.statements(database, cluster)) for m in plan]
    ledger = _render(_LEDGER, database, cluster)
    parts = [f"-- {m.name}\n" + "".join(f"{statement};\n\n" for statement in lines) for m, lines in statements]
    values = ",\n    ".join(f"({m.number}, '{m.name}', '{m.checksum}')" for m in plan)
    record = f"INSERT INTO `{database}`.wst_migrations (number, name, checksum) VALUES\n    {values};\n"
    kept = "".join(f"{statement};\n\n" for statement in retention.script(keep, database, cluster))
    kept = f"-- how long rows are kept\n{kept}" if kept else ""
    told = "".join(f"{statement};\n\n" for statement in reader(database, cluster)) if roles else ""
    told = f"\n-- for tools that read: GRANT {READER} TO a user of theirs\n{told}" if told else ""
    return "".join(parts) + kept + f"-- what was applied\n{ledger};\n\n{record}{told}"


def reader(database: str, cluster: str | None) -> list[str]:
    """Statements that make the role for tools that read. Views read tables as whoever asks, so that it may read both."""
    on_cluster = f" ON CLUSTER `{cluster}`" if cluster else ""
    return [f"CREATE ROLE IF NOT EXISTS {READER}{on_cluster}", f"GRANT{on_cluster} SELECT ON `{database}`.* TO {READER}"]


def make_reader(address: Address, client: Client, cluster: str | None) -> str | None:
    """Makes the role; says in a line why not, where the server lets this user make none. An embedded archive has no users.

    Raises:
        WstError: ClickHouse is out of reach.
    """
    if address.directory is not None:
        return None
    with explained(address):
        try:
            for statement in reader(address.database, cluster):
                client.command(statement)
        except ClickHouseError as error:
            if not isinstance(error, Error) or error.code not in _NO_ACCESS_MANAGEMENT:
                raise
            return f"the role {READER} is not there: this user may make none; whoever may runs the end of `wst migrate --print`"
    return None


def apply(address: Address, client: Client, cluster: str | None = None, plan: list[Migration] | None = None) -> list[str]:
    """Applies what is missing and returns the names of those files.

    Raises:
        Refused: the database is newer, or an applied file was changed since.
        WstError: ClickHouse is out of reach or refuses a statement.
    """
    plan = migrations() if plan is None else plan
    with explained(address):
        applied = _applied(client, address.database)
        missing = pending(plan, applied, address.database)
    if missing:
        with written(address, client), explained(address):
            for migration in missing:
                for statement in migration.statements(address.database, cluster):
                    client.command(statement)
                client.command(_render(_LEDGER, address.database, cluster))
                client.command(
                    f"INSERT INTO `{address.database}`.wst_migrations (number, name, checksum)"
                    " SELECT {number:UInt32}, {name:String}, {checksum:String}",
                    parameters={"number": migration.number, "name": migration.name, "checksum": migration.checksum},
                    settings={"async_insert": 0},
                )
    return [migration.name for migration in missing]


def pending(plan: list[Migration], applied: dict[int, tuple[str, str]], database: str) -> list[Migration]:
    """Those of the plan that were not applied.

    Raises:
        Refused: the database has others than the plan.
    """
    known = {migration.number: migration for migration in plan}
    for number, (name, checksum) in sorted(applied.items()):
        if number not in known:
            raise Refused(f"database {database} is of a newer wst (it has {name})", "upgrade wst")
        if known[number].checksum != checksum:
            raise Refused(f"{name} was changed after it was applied to database {database}", "put the change into a new file")
    return [migration for migration in plan if migration.number not in applied]


def _applied(client: Client, database: str) -> dict[int, tuple[str, str]]:
    ledger = "SELECT 1 FROM system.tables WHERE database = {database:String} AND name = 'wst_migrations'"
    if not client.query(ledger, parameters={"database": database}).result_rows:
        return {}
    rows = client.query(f"SELECT number, name, checksum FROM `{database}`.wst_migrations FINAL").result_rows
    return {int(number): (str(name), str(checksum)) for number, name, checksum in rows}


def require(address: Address, client: Client) -> None:
    """Makes sure that the database is exactly of this version, before anything is written to it.

    Raises:
        SettingError: migrations are missing.
        Refused: the database is newer.
    """
    with explained(address):
        missing = pending(migrations(), _applied(client, address.database), address.database)
    if missing:
        raise SettingError(f"database {address.database} at {address.shown} lacks {missing[0].name}", "run `wst migrate`")


def address_of(settings: Settings) -> Address:
    """The archive of the settings."""
    return Address(settings.clickhouse_url.get_secret_value(), settings.clickhouse_database)


@click.command(epilog="Example: wst migrate --print | less")
@click.option("--print", "show", is_flag=True, help="Print the statements instead of running them.")
def migrate(show: bool) -> None:
    """Brings the archive in ClickHouse to this version."""
    settings = load_settings()
    keep = retention.rules(settings)
    if show:
        roles = address_of(settings).directory is None
        click.echo(script(settings.clickhouse_database, settings.clickhouse_cluster, keep, roles), nl=False)
        return
    address = address_of(settings)
    client = connect(address)
    try:
        done = apply(address, client, settings.clickhouse_cluster)
        changed = retention.apply(address, client, keep, settings.clickhouse_cluster)
        without = make_reader(address, client, settings.clickhouse_cluster)
    finally:
        client.close()
    for line in changed:
        click.echo(line)
    if done or not changed:
        click.echo(f"applied {', '.join(done)}" if done else f"database {address.database} at {address.shown} is up to date")
    if without:
        click.echo(without, err=True)
