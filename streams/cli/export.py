"""`wst export`: the archive's history as Parquet files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streams.cli.times import Time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from streams.query.carry import Chunk

Json = dict[str, Any]
Plan = tuple[dict[str, str], int, "list[Chunk]"]
Read = Callable[[str, str], bytes]


@click.command(epilog="Example: wst export backup-2026-01 --since 2026-01-01 --until 2026-02-01")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--since", type=Time(), metavar="TIME", help="History from then on; without it from the beginning.")
@click.option("--until", type=Time(), metavar="TIME", help="History until then; without it until now.")
@click.option("--data", type=click.Path(exists=True, file_okay=False, path_type=Path), help="A stopped tree's data; else the API is asked.")
def export(path: Path, since: datetime | None, until: datetime | None, data: Path | None) -> None:
    """Writes the history of the archive to PATH.

    PATH becomes a directory of Parquet files, or one file where it ends in .tar.
    """
    from streams.cli.carried import FORMAT, MANIFEST, entry, writer

    bounds = {name: at.astimezone(UTC).isoformat() for name, at in (("since", since), ("until", until)) if at is not None}
    into = writer(path)
    try:
        with _directly(data, since, until) if data is not None else _from_api(bounds) as ((migrations, epoch, chunks), read):
            files: dict[str, Json] = {}
            for chunk in _shown(chunks):
                content = read(chunk.table, chunk.part)
                into.add(chunk.file, content)
                files[chunk.file] = entry(content, chunk.rows)
        import orjson

        told = {"format": FORMAT, "exported_at": datetime.now(UTC).isoformat(), **bounds, "epoch": epoch}
        manifest = told | {"migrations": migrations, "files": files}
        into.add(MANIFEST, orjson.dumps(manifest, option=orjson.OPT_INDENT_2))
        into.finish()
    except BaseException:
        into.drop()
        raise
    rows, size = (sum(file[name] for file in files.values()) for name in ("rows", "bytes"))
    click.echo(f"{path}: {rows:,} rows of {len({chunk.table for chunk in chunks})} tables in {len(files)} files, {size / 1e6:.1f} MB")


def _shown(chunks: list[Chunk]) -> Iterable[Chunk]:
    if not click.get_text_stream("stderr").isatty():
        return chunks
    with click.progressbar(chunks, label="exporting", file=click.get_text_stream("stderr")) as shown:
        return list(shown)


@contextmanager
def _from_api(bounds: dict[str, str]) -> Iterator[tuple[Plan, Read]]:
    """From the running archive's own process: an embedded one is open to no other."""
    from schemas.settings import load_settings
    from streams.cli.client import Api
    from streams.query.carry import COST, Chunk

    api = Api(load_settings(), timeout_s=2 * COST.seconds)
    said = api.get("/api/v1/export", bounds)
    chunks = [Chunk(one["table"], one["part"], one["rows"]) for one in said["chunks"]]
    yield (said["migrations"], said["epoch"], chunks), lambda table, part: api.get_bytes(f"/api/v1/export/{table}", bounds | {"part": part})
    api.close()


@contextmanager
def _directly(data: Path, since: datetime | None, until: datetime | None) -> Iterator[tuple[Plan, Read]]:
    """From the files of a tree that does not run."""
    from streams.query import carry
    from streams.sinks.clickhouse import connect

    address = embedded_address(data)
    bounds = carry.Bounds(*(None if at is None else round(at.timestamp() * 1e6) * 1000 for at in (since, until)))
    client = connect(address)
    try:
        plan = carry.plan(client, address, bounds)
        yield (plan[0], carry.epoch(client, address), plan[1]), lambda table, part: carry.read(client, address, table, part, bounds)
    finally:
        client.close()


def embedded_address(data: Path) -> Any:
    """The archive in a tree's data directory.

    Raises:
        SettingError: there is none.
    """
    from urllib.parse import quote

    from schemas.errors import SettingError
    from schemas.settings import load_settings
    from streams.sinks.clickhouse import Address

    archive = (data / "archive").resolve()
    if not archive.is_dir():
        raise SettingError(f"--data: {data} has no archive", "name the data directory of `wst up`")
    return Address(f"chdb://{quote(str(archive))}", load_settings().clickhouse_database)
