"""A dry run of the idle policy: asked of every state there was, once per last use."""

from __future__ import annotations

from typing import Any

import httpx

from streams.api.app import make_app
from streams.core.idle import IdlePolicy
from streams.query.idle import dry_run, would_be_due
from streams.query.present import time_text
from tests.core_state.makers import SECOND, at, event, notice
from tests.face.api_parts import LOCAL, make_live
from tests.sinks.archives import Real
from tests.time.log import Log, of

HOUR = 3600


def row(seconds: float, status: str = "active", used: float | None = None, **more: Any) -> dict[str, Any]:
    return {
        "workspace_id": "w", "workspace_name": "w", "forgotten": 0, "status": status, "stale": False, "status_since": at(0),
        "last_activity": None if used is None else at(used), "last_updated": at(seconds),
    } | more  # fmt: skip


def due(*rows: dict[str, Any], now: float, inactive: int | None = HOUR, archive: int | None = None) -> list[tuple[str, float]]:
    policy = IdlePolicy(*(None if one is None else one * SECOND for one in (inactive, archive)))
    return [(one.verdict, (one.due_ns - at(0)) / SECOND) for one in would_be_due(rows, policy, at(now))]


def test_a_use_in_time_puts_it_off_and_a_later_one_does_not_undo_it() -> None:
    #  0 start   50 min use    +60 due     3 h use     +60 due
    assert due(row(0), row(3000, used=3000), row(3 * HOUR, used=3 * HOUR), now=5 * HOUR) == [("idle", 6600), ("idle", 4 * HOUR)]
    assert due(row(0), row(3000, used=3000), now=6599) == []


def test_what_nobody_watched_and_what_was_forgotten_is_never_due() -> None:
    assert due(row(0), row(100, stale=True), row(9000, used=9000), now=9100) == []
    assert due(row(0), row(100, forgotten=1, status=""), now=10**6) == []


async def test_over_the_archive_each_time_it_would_have_acted_is_listed(chdb_archive: Real) -> None:
    log = Log()
    log.slice(of("shop@laptop", [event("start", 0)]))
    log.slice(of("shop@laptop", [notice("activity", 3000)]))
    log.slice(of("blog@laptop", [event("start", 0), event("die", 10, exit_code=0)]))
    log.slice(of("shop@laptop", [event("die", 3 * HOUR, exit_code=0)]))
    for block in log.rows():
        await chdb_archive.write([block])
    policy = IdlePolicy(HOUR * SECOND, 24 * HOUR * SECOND)
    said = await dry_run(chdb_archive.archive, policy, 0, at(30 * HOUR))
    assert [(one["workspace_id"], one["verdict"], one["due"]) for one in said] == [
        ("shop@laptop", "idle", time_text(at(3000 + HOUR))),
        ("blog@laptop", "archive", time_text(at(10 + 24 * HOUR))),
        ("shop@laptop", "archive", time_text(at(27 * HOUR))),
    ]
    app = make_app(make_live(), chdb_archive.archive, LOCAL, lambda: {"parts": []})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as asking:
        told = await asking.get("/api/v1/idle", params={"inactive_after": "1h", "archive_after": "1d"})
        assert told.json() == said
        assert (await asking.get("/api/v1/idle")).status_code == 422
        assert (await asking.get("/api/v1/idle", params={"archive_after": "soon"})).status_code == 422
