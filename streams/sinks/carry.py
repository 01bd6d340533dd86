"""Takes an export into an archive: again and again changes nothing, as every table keeps one row per identity."""

from __future__ import annotations

from clickhouse_connect.driver import Client

from schemas.errors import Refused
from streams.sinks.clickhouse import INSERT_SETTINGS, Address, explained, written
from streams.sinks.erase import erase


def check_migrations(exported: dict[str, str], here: dict[str, str]) -> None:
    """Makes sure that an archive understands an export: it has every migration the export's archive had.

    Raises:
        Refused: the export is of a newer wst.
    """
    for name, checksum in exported.items():
        if here.get(name) != checksum:
            raise Refused(f"the export is of another or a newer wst (it has {name})", "import it with that version, or upgrade this one")


def insert(client: Client, address: Address, table: str, columns: list[str], content: bytes) -> None:
    """Inserts one Parquet file; columns it lacks get their defaults.

    Raises:
        WstError: ClickHouse refuses it, or is out of reach.
    """
    with written(address, client), explained(address):
        client.raw_insert(f"`{address.database}`.{table}", columns, content, settings=dict(INSERT_SETTINGS), fmt="Parquet")


def erase_again(client: Client, address: Address) -> None:
    """Deletes what an export brought back of workspaces that were erased since.

    Raises:
        WstError: ClickHouse refuses it, or is out of reach.
    """
    with written(address, client), explained(address):
        erase(client, address.database)
