"""`wst import`: takes an export into an archive."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("import", epilog="Example: WST_CLICKHOUSE_URL=http://clickhouse:8123 wst import backup-2026-01")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Into a stopped tree's data.")
@click.option("--without-states", is_flag=True, help="Only history: leave the latest states of workspaces as they are.")
def import_(path: Path, data: Path | None, without_states: bool) -> None:
    """Takes the export at PATH into an archive.

    Into that of WST_CLICKHOUSE_URL, or a stopped tree's. What is there already stays, and importing twice changes nothing.
    """
    from schemas.settings import load_settings
    from streams import migrate
    from streams.cli.carried import Export
    from streams.cli.export import embedded_address
    from streams.query import carry
    from streams.sinks import carry as into
    from streams.sinks.clickhouse import connect

    found = Export(path)
    address = embedded_address(data) if data is not None else migrate.address_of(load_settings())
    client = connect(address)
    try:
        migrate.require(address, client)
        migrations, _ = carry.plan(client, address, carry.Bounds())
        into.check_migrations(found.manifest["migrations"], migrations)
        files = [name for name in found.files if not (without_states and name.startswith(f"{carry.STATES}/"))]
        if any(name.startswith(f"{carry.STATES}/") for name in files):
            _insist_on_order(carry.epoch(client, address), int(found.manifest["epoch"]))
        found.check()
        for name in files:
            table = name.split("/")[0]
            into.insert(client, address, table, carry.columns(client, address, table), found.content(name))
        into.erase_again(client, address)
    finally:
        client.close()
        found.close()
    rows = sum(found.files[name]["rows"] for name in files)
    click.echo(f"{address.shown}: took {rows:,} rows in {len(files)} files from {path}")


def _insist_on_order(here: int, exported: int) -> None:
    """A state is the latest by its position: one of a younger log would outrank all that an older log says from now on."""
    from schemas.errors import Refused

    if -1 < here < exported:
        raise Refused(
            "the archive's log is older than the exported one: the latest states of the export would hide its own for ever",
            "import with --without-states",
        )
