"""`wst query`: SQL on the archive."""

from __future__ import annotations

import sys
from typing import Any, Final

import click

_FORMATS: Final = ("table", "json", "csv", "parquet")


@click.command(epilog='Example: wst query "SELECT workspace_id, sum(cpu_core_seconds) FROM usage_daily GROUP BY 1" --format csv > cpu.csv')
@click.argument("sql")
@click.option(
    "--format", "form", type=click.Choice(_FORMATS), default="table", help="How the answer is written; parquet only into a file or pipe."
)
@click.option("--json", "as_json", is_flag=True, help="Short for --format json: a list of objects.")
def query(sql: str, form: str, as_json: bool) -> None:
    """Asks the archive in SQL: read only, within limits.

    With `-` the question is read from standard input.
    """
    from schemas.errors import SettingError
    from schemas.settings import load_settings
    from streams.cli.client import Api
    from streams.cli.plain import echo_csv, escaped

    form = "json" if as_json else form
    if form == "parquet" and sys.stdout.isatty():
        raise SettingError("--format parquet is no text for a terminal", "write it into a file: … > answer.parquet")
    asked = click.get_text_stream("stdin").read() if sql == "-" else sql
    api = Api(load_settings())
    if form in ("csv", "parquet"):
        content = api.get_bytes("/api/v1/query", {"sql": asked, "format": form})
        if form == "csv":
            echo_csv(content.decode())
        else:
            click.echo(content, nl=False)
        return
    found = api.get("/api/v1/query", {"sql": asked, "format": "json"})
    names = [column["name"] for column in found["meta"]]
    if form == "json":
        import json

        click.echo(escaped(json.dumps([dict(zip(names, row, strict=True)) for row in found["data"]], ensure_ascii=False, indent=2)))
    else:
        _show(names, found["meta"], found["data"])


def _show(names: list[str], meta: list[dict[str, str]], rows: list[list[Any]]) -> None:
    from rich.table import Table

    from streams.cli.text import console, shown

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name, column in zip(names, meta, strict=True):
        figures = any(word in column["type"] for word in ("Int", "Float", "Decimal")) and "(String" not in column["type"]
        table.add_column(shown(name), justify="right" if figures else "left", no_wrap=False, overflow="fold")
    for row in rows:
        table.add_row(*(shown(value) for value in row))
    out = console()
    out.print(table)
    out.print(shown(f"{len(rows):,} row{'' if len(rows) == 1 else 's'}", "dim"))
