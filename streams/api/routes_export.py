"""The archive as Parquet, file by file, for `wst export`: an embedded archive is open to no other process."""

from __future__ import annotations

from typing import Annotated

from fastapi import FastAPI, Query, Response

from streams.api.routes_history import Since
from streams.api.site import Site, answer
from streams.api.times import parse_time_ns
from streams.query.carry import Bounds

Until = Annotated[str | None, Query(description="Before.")]


def add(app: FastAPI, site: Site) -> None:
    """Adds the routes."""

    @app.get("/api/v1/export", summary="Which files an export of the archive has")
    async def export_plan(since: Since = None, until: Until = None) -> Response:
        migrations, epoch, chunks = await site.archive.export_plan(_bounds(since, until))
        files = [{"table": chunk.table, "part": chunk.part, "rows": chunk.rows} for chunk in chunks]
        return answer({"migrations": migrations, "epoch": epoch, "chunks": files})

    @app.get("/api/v1/export/{table}", summary="One file of an export, Parquet")
    async def export_file(
        table: str,
        part: Annotated[str, Query(max_length=12, description="As the list of files says.")] = "",
        since: Since = None,
        until: Until = None,
    ) -> Response:
        content = await site.archive.export_file(table, part, _bounds(since, until))
        return Response(content, media_type="application/vnd.apache.parquet", headers={"X-Content-Type-Options": "nosniff"})


def _bounds(since: str | None, until: str | None) -> Bounds:
    return Bounds(parse_time_ns("since", since), parse_time_ns("until", until))
