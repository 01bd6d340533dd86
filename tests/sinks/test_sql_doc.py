"""`docs/sql.md` says of every column of every view what the archive itself says; WST_REGENERATE=1 writes it anew."""

from __future__ import annotations

import os
from pathlib import Path

from tests.sinks.archives import Real

PAGE = Path(__file__).parents[2] / "docs" / "sql.md"
BEGIN = "<!-- generated from the schema; WST_REGENERATE=1 pytest tests/sinks/test_sql_doc.py writes it anew -->\n"

#: What a column's name ends in, or has in it, and its unit; the longest first.
UNITS = (
    ("bytes_per_second", "bytes/s"), ("byte_seconds", "byte-seconds"), ("core_seconds", "core-seconds"), ("faults_per_second", "1/s"),
    ("millipercent", "0.001 %"), ("percent", "%"), ("nanocpus", "10⁻⁹ cores"), ("core_ns", "core-ns"), ("_bytes", "bytes"),
    ("_seconds", "s"), ("_ns", "ns"), ("_ms", "ms"), ("_ratio", "0 to 1"), ("_cores", "cores"), ("duration_s", "s"),
)  # fmt: skip


def unit(name: str, kind: str) -> str:
    """A column's unit; of times their zone."""
    if "DateTime" in kind:
        return "UTC"
    return next((said for part, said in UNITS if part in name), "")


def page(archive: Real) -> str:
    """The tables of the page."""
    database = archive.address.database
    views = archive.rows(
        "SELECT name, comment FROM system.tables WHERE database = {d:String} AND engine = 'View' ORDER BY name", d=database
    )
    out = []
    for view, comment in views:
        if view == "usage_daily_in":
            described = archive.rows("DESCRIBE TABLE {db}.usage_daily_in(tz = 'UTC')")
            columns = [(name, kind, "") for name, kind, *_ in described]
        else:
            sql = "SELECT name, type, comment FROM system.columns WHERE database = {d:String} AND table = {t:String} ORDER BY position"
            columns = [(name, kind, said) for name, kind, said in archive.rows(sql, d=database, t=view)]
        out.append(f"## {view}\n\n{comment}.\n\n| column | type | unit | |\n|---|---|---|---|\n")
        out += [
            f"| `{name}` | {_shown(kind)} | {unit(name, kind)} | {_shown(said or 'As in `usage_hourly`')} |\n"
            for name, kind, said in columns
        ]
        out.append("\n")
    return "".join(out)


def _shown(text: str) -> str:
    return text.replace("|", "\\|")


def test_the_page_on_sql_says_what_the_archive_says_of_every_view_and_column(chdb_archive: Real) -> None:
    head, _, generated = PAGE.read_text("utf-8").partition(BEGIN)
    expected = page(chdb_archive)
    if os.environ.get("WST_REGENERATE"):
        PAGE.write_text(head + BEGIN + expected, "utf-8")
        return
    assert generated == expected, "a view has changed: WST_REGENERATE=1 pytest tests/sinks/test_sql_doc.py writes the page anew"
