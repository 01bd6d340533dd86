"""SQL on the archive, for those who may read: one question, read only, within limits."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Final

from fastapi import FastAPI, Query, Response

from streams.api.problems import Problem
from streams.api.site import Site
from streams.query.csv_text import csv_text
from streams.query.free import LONGEST_SQL

_TYPES: Final = {"json": "application/json", "csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}


def add(app: FastAPI, site: Site) -> None:
    """Adds the route."""

    @app.get("/api/v1/query", summary="One SELECT on the archive's views; json is ClickHouse's JSONCompact")
    async def query(
        sql: Annotated[str, Query(max_length=LONGEST_SQL, description="One SELECT, EXPLAIN, SHOW TABLES or DESCRIBE.")],
        form: Annotated[str, Query(alias="format", description="json, csv or parquet.")] = "json",
    ) -> Response:
        if form not in _TYPES:
            raise Problem(422, "wrong argument", f"format: {form[:80]!r} is none of {', '.join(_TYPES)}")
        content = await site.archive.query(sql, "json" if form == "csv" else form)
        if form == "csv":
            content = await asyncio.to_thread(_csv, content)
        return Response(content, media_type=_TYPES[form], headers={"X-Content-Type-Options": "nosniff"})


def _csv(content: bytes) -> bytes:
    found = json.loads(content)
    return csv_text([column["name"] for column in found["meta"]], found["data"]).encode()
