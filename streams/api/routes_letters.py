"""Dead letters: which records were refused and why, one of them whole, and giving them to their topic again."""

from __future__ import annotations

import re
import time
from typing import Annotated, Any, Final

from fastapi import FastAPI, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from schemas import topics
from schemas.codec import Undecodable, codec
from schemas.dead_letters import CUT
from schemas.publish import Record
from schemas.topics import POSITION_HEADER
from streams.api.problems import Problem
from streams.api.routes_events import NextPage
from streams.api.site import Json, Site, answer
from streams.api.times import parse_time_ns
from streams.query.archive import Cursor

_MOST: Final = 1_000
#: Within what the archive's columns hold.
_ID: Final = re.compile(r"(\d{1,18})\.(\d{1,9})\.(\d{1,18})", re.ASCII)
#: Header of a record given again: which dead letter it was. A second failure's letter shows it.
REPLAYED: Final = "wst-replayed"

Filter = Annotated[str, Query(max_length=200)]


class Replay(BaseModel):
    """Which letters."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"ids": ["1760000000.0.4711"]}]})

    ids: Annotated[list[str], Field(min_length=1, max_length=_MOST, description="Ids of dead letters, as the list has them.")]


def add(app: FastAPI, site: Site) -> None:
    """Adds the routes."""

    @app.get("/api/v1/dead-letters", summary="Refused records, the latest first, without their values")
    async def dead_letters(
        stage: Filter = "",
        code: Filter = "",
        topic: Filter = "",
        since: Annotated[str | None, Query(description="RFC 3339, or a duration ago such as 2h.")] = None,
        limit: Annotated[int, Query(ge=1, le=_MOST, description="At most so many.")] = 100,
        cursor: NextPage = None,
    ) -> Response:
        since_ns, after = parse_time_ns("since", since) or 0, Cursor.parse(cursor) if cursor else None
        found = await _rows(site, stage=stage, code=code, topic=topic, since_ns=since_ns, limit=limit + 1, after=after)
        rows = found[:limit]
        more = str(Cursor(rows[-1]["refused_ns"], 0, rows[-1]["id"])) if len(found) > limit else None
        return answer({"dead_letters": [_shown(row) for row in rows], "next": more})

    @app.get("/api/v1/dead-letters/{letter}", summary="One refused record, whole: its bytes, and what can be read of them")
    async def dead_letter(letter: str) -> Response:
        row = await _one(site, letter)
        return answer(_shown(row) | {"value_hex": row["value_hex"], "headers_hex": row["headers_hex"], "decoded": _decoded(row)})

    @app.post("/api/v1/dead-letters/replay", summary="Gives refused records to their topic again, as they were")
    async def replay(asked: Replay) -> Response:
        if site.desk is None:
            raise Problem(503, "read only", "this API only reads")
        records = [_record(await _one(site, letter)) for letter in dict.fromkeys(asked.ids)]
        await site.desk.publish(records)
        return answer({"replayed": list(dict.fromkeys(asked.ids))})


async def _rows(
    site: Site,
    *,
    letter: str = "",
    stage: str = "",
    code: str = "",
    topic: str = "",
    since_ns: int = 0,
    limit: int,
    after: Cursor | None = None,
) -> Any:
    epoch, partition, offset = _place(after.id) if after else (0, 0, 0)
    asked = {"id": letter, "stage": stage, "code": code, "topic": topic, "since_ns": since_ns, "limit": limit}
    asked |= {"after_ns": after.at_ns if after else -1, "after_epoch": epoch, "after_partition": partition, "after_offset": offset}
    return await site.archive.ask("dead_letters", asked)


def _place(letter: str) -> tuple[int, ...]:
    """Epoch, partition and offset of a letter's id.

    Raises:
        Problem: it is no such id.
    """
    match = _ID.fullmatch(letter)
    if match is None:
        raise Problem(422, "wrong argument", "cursor: it is of no page of dead letters")
    return tuple(map(int, match.groups()))


async def _one(site: Site, letter: str) -> Json:
    rows: list[Json] = await _rows(site, letter=letter[:100], limit=1) if letter else []
    if not rows:
        raise Problem(404, "no such dead letter", f"there is no dead letter {letter[:100]!r}; `wst dead-letters` lists them")
    return rows[0]


def _shown(row: Json) -> Json:
    shown = {name: row[name] for name in ("id", "refused_at", "stage", "code", "reason", "topic", "epoch", "partition", "offset")}
    key = bytes.fromhex(row["key_hex"]).decode("utf-8", "replace")
    return shown | {"key": key, "value_bytes": row["value_bytes"], "replayed": REPLAYED in row["headers_hex"]}


def _topic(row: Json) -> topics.Topic | None:
    return next((topic for topic in topics.ALL if row["topic"].endswith(topic.name)), None)


def _decoded(row: Json) -> Any:
    """What the record says, where it can be read; bytes in it as hex."""
    topic = _topic(row)
    if topic is None or row["kept_bytes"] < row["value_bytes"]:
        return None
    try:
        return _printable(codec(topic.subject).decode(bytes.fromhex(row["value_hex"])))
    except Undecodable:
        return None


def _printable(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(name): _printable(each) for name, each in value.items()}
    return [_printable(each) for each in value] if isinstance(value, list) else value


def _record(row: Json) -> Record:
    """The record as it was, marked; a fact or sample given twice counts once, by its identity.

    Raises:
        Problem: it came from no topic of ours, or not all of it was kept.
    """
    if row["partition"] < 0 or _topic(row) is None:
        raise Problem(409, "refused", f"dead letter {row['id']} came from no topic: there is nowhere to give it again")
    if row["kept_bytes"] < row["value_bytes"]:
        raise Problem(409, "refused", f"of dead letter {row['id']} only {row['kept_bytes']:,} of {row['value_bytes']:,} bytes were kept")
    if CUT in row["headers_hex"]:
        cut = bytes.fromhex(row["headers_hex"][CUT]).decode("utf-8", "replace")
        raise Problem(409, "refused", f"dead letter {row['id']} was too large to be kept whole: cut were its {cut}")
    # The embedded wire numbers it anew.
    own = (POSITION_HEADER, REPLAYED)
    headers = [(name, bytes.fromhex(content)) for name, content in row["headers_hex"].items() if name not in own]
    key, value = bytes.fromhex(row["key_hex"]), bytes.fromhex(row["value_hex"])
    return Record(row["topic"], key or None, value, (*headers, (REPLAYED, row["id"].encode())), time.time_ns() // 1_000_000)
